"""A call from a provider: its body, read up to a limit, and what stands in it, if it does."""

import hmac
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Protocol

import orjson
from fastapi import Request
from pydantic import SecretStr

from dispatch_service.callback_store import KEPT
from dispatch_service.domain.provider_event import ProviderEvent
from heardback.errors import Invalid, Permanent, TooLarge

MOST_BYTES: Final = 1_048_576
MOST_EVENTS: Final = 10_000
_MOST_AGE: Final = KEPT / 2
"""What is older is not taken, so that it is known of all that was taken."""
_AHEAD: Final = timedelta(minutes=5)
_LONGEST: Final = 500


class CallbackRefused(Permanent):
    """The callback does not prove that it is from the provider."""


class CallbackUnreadable(Invalid):
    """The callback is from the provider and can't be read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """What a provider sent. `url`: as it called us, from outside; `secret`: the one in the path."""

    headers: Mapping[str, str]
    body: bytes
    url: str
    query: Mapping[str, str]
    now: datetime
    secret: str | None = None


class Source(Protocol):
    """One provider's way to prove and to say what happened."""

    @property
    def name(self) -> str:
        """The provider's name, as the settings say it."""

    async def receive(self, call: Call) -> Sequence[ProviderEvent]:
        """Return what happened.

        Raises: CallbackRefused, CallbackUnreadable, Retryable when it can't be told just now.
        """


async def read_call(request: Request, *, base_url: str, now: datetime, secret: str | None) -> Call:
    """Read a call.

    Raises: TooLarge as soon as it is; the rest is not read.
    """
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MOST_BYTES:
            raise TooLarge(most_bytes=MOST_BYTES)
    query = f"?{request.url.query}" if request.url.query else ""
    return Call(
        headers=request.headers,
        body=bytes(body),
        url=f"{base_url.rstrip('/')}{request.url.path}{query}",
        query=request.query_params,
        now=now,
        secret=secret,
    )


def is_one_of(given: str | None, secrets: Iterable[SecretStr]) -> bool:
    """Tell whether `given` is one of the secrets, in the same time whichever it is."""
    return any_is_true(same(given or "", secret.get_secret_value()) for secret in secrets)


def same(given: str, expected: str) -> bool:
    """Compare in a time that tells nothing."""
    return hmac.compare_digest(given.encode(errors="replace"), expected.encode())


def any_is_true(answers: Iterable[bool]) -> bool:
    """Tell whether one is true; looks at all of them."""
    return sum(answers) > 0


def is_timely(at: datetime | None, *, now: datetime) -> bool:
    """Tell whether something was signed recently: what is older may be a call heard elsewhere."""
    return at is not None and now - _MOST_AGE <= at <= now + _AHEAD


def read_json(body: bytes | str) -> Any:
    """Return what JSON says.

    Raises: CallbackUnreadable.
    """
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        raise CallbackUnreadable(detail="It is not JSON.") from None


def dig(data: Any, *path: str) -> Any:
    """Return what stands under a path, or None wherever it ends."""
    for name in path:
        data = data.get(name) if isinstance(data, dict) else None
    return data


def text_at(data: Any, *path: str) -> str | None:
    """Return the text under a path, without what Postgres can't keep; None: there is none."""
    value = dig(data, *path)
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return clean(value) or None if isinstance(value, str) else None


def clean(text: str) -> str:
    """Return a text of bounded length without NULs."""
    return text.replace("\x00", "")[:_LONGEST]


def items(data: Any, *path: str) -> list[Any]:
    """Return the list under a path, as much of it as we take."""
    value = dig(data, *path) if path else data
    return value[:MOST_EVENTS] if isinstance(value, list) else []
