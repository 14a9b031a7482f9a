"""The one source of ids: time-ordered UUIDs (version 7), injected so that tests can count them."""

from typing import Protocol

from uuid_utils import uuid7


class Ids(Protocol):
    """Makes ids that are unique everywhere."""

    def new(self) -> str:
        """Return a new id, 36 characters."""
        ...


class TimeOrderedIds:
    """UUIDs that sort by the time at which they were made, so that indexes stay compact."""

    def new(self) -> str:
        return str(uuid7())
