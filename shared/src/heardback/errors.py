"""The errors of Heardback. A loop asks one question of an error: is it worth trying again?

The first line of an error's docstring is its message; what identifies the case is an attribute.
"""

import inspect
from typing import Any


class HeardbackError(Exception):
    """Something went wrong."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(attributes)
        self.__dict__.update(attributes)
        self.attributes = attributes

    @property
    def message(self) -> str:
        """The docstring's first line."""
        return inspect.cleandoc(type(self).__doc__ or "").splitlines()[0]

    def __str__(self) -> str:
        details = ", ".join(f"{name}={value!r}" for name, value in self.attributes.items())
        return f"{self.message} ({details})" if details else self.message


class Retryable(HeardbackError):
    """It may work later; the caller waits and tries the same thing again."""


class Permanent(HeardbackError):
    """It can never work; the caller sets the input aside and goes on."""


class NotFound(Permanent):
    """There is nothing under this id."""


class Conflict(Permanent):
    """The thing is no longer in the state that this action needs."""


class Invalid(Permanent):
    """The input does not say what is needed."""


class TooLarge(Invalid):
    """The input is larger than what is taken."""


class UnsupportedMedia(Invalid):
    """The input is of a kind that is not read here."""


class Unauthorized(Permanent):
    """This needs an API key: `Authorization: Bearer hb_…`."""


class TooManyRequests(Permanent):
    """That was a lot in a short time. Please wait a moment.

    Its attribute `retry_after_seconds` says how long.
    """

    retry_after_seconds: int


class Fenced(Retryable):
    """Another replica owns this partition now; nothing of the batch was kept."""


class DeadLetterFlood(Retryable):
    """More messages are bad than the dead-letter topic takes; consuming waits for the limit."""
