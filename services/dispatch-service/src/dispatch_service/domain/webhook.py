"""Endpoints of the channel `webhook`: who is told, how often it is tried, when one is given up.

Source: Standard Webhooks 1.0 (retry schedule; 410 and days of failure disable an endpoint).
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

SCHEDULE_SECONDS: Final = (0, 5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400)
"""How long to wait before each attempt. After the last one we give up."""
GIVE_UP_AFTER: Final = timedelta(days=5)
OVERLAP: Final = timedelta(hours=24)
"""How long an old secret still signs after it was replaced."""


class DisabledReason(StrEnum):
    """Why nothing is sent to an endpoint."""

    GONE = "gone"  # it answered 410
    FAILING = "failing"  # it has failed for days
    BY_HAND = "by_hand"


@dataclass(frozen=True, slots=True, kw_only=True)
class Secret:
    """A secret that signs. `until`: when it stops; None: it is the newest."""

    value: str = field(repr=False)
    until: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Where a webhook leads. `programs`: empty means all. `secrets`: newest first."""

    endpoint_id: str
    url: str
    secrets: tuple[Secret, ...]
    programs: tuple[str, ...] = ()
    created_at: datetime
    failing_since: datetime | None = None
    disabled_at: datetime | None = None
    disabled_reason: DisabledReason | None = None

    def signing(self, now: datetime) -> tuple[str, ...]:
        """Return the secrets that sign at `now`, newest first."""
        return tuple(s.value for s in self.secrets if s.until is None or now < s.until)

    def is_given_up(self, now: datetime) -> bool:
        """Tell whether one more failure is one too many."""
        return self.failing_since is not None and now - self.failing_since >= GIVE_UP_AFTER


def rotated(secrets: tuple[Secret, ...], new: str, *, now: datetime) -> tuple[Secret, ...]:
    """Return the secrets with a new one in front; the one before it signs for a day more."""
    older = tuple(
        Secret(value=secret.value, until=secret.until or now + OVERLAP)
        for secret in secrets
        if secret.until is None or now < secret.until
    )
    return (Secret(value=new), *older)


def seconds_to_wait(number: int, asked_seconds: float | None) -> float | None:
    """Return how long to wait after the failed attempt `number`, which counts from 1.

    `asked_seconds`: what the endpoint asked for. None: that was the last attempt.
    """
    if number >= len(SCHEDULE_SECONDS):
        return None
    return max(SCHEDULE_SECONDS[number], asked_seconds or 0)
