"""A channel of our own: push notifications by a gateway that takes JSON. See docs/channels.md."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import orjson

from dispatch_service.adapters.interface import Parcel, Reply
from dispatch_service.domain.message import Outcome
from heardback.calls.http import Caller, Silence
from heardback.vocabulary import Channel

FOR_GOOD: Final = (404, 410)  # the gateway knows no such device, or no longer
NOT_NOW: Final = (400, 409, 422, 429)  # it won't take this one


@dataclass(frozen=True, slots=True, kw_only=True)
class Push:
    """What goes over the wire."""

    message_id: str
    body: bytes


class PushLine:
    """A connection to the gateway; used by one task."""

    def __init__(self, url: str, key: str, timeout_seconds: float) -> None:
        self._url = url
        self._key = key
        self._caller = Caller(timeout_seconds=timeout_seconds)

    async def send(self, load: Push) -> Reply:
        """Send; every way in which it can end is a reply, none an exception."""
        headers = {
            "Authorization": f"Bearer {self._key}",
            "Content-Type": "application/json",
            "Idempotency-Key": load.message_id,
        }
        answer = await self._caller.post(self._url, headers=headers, content=load.body)
        if isinstance(answer, Silence):
            return Reply(outcome=Outcome.AWAY, detail=answer.detail, in_doubt=answer.in_doubt)
        detail = f"HTTP {answer.status}"
        if 200 <= answer.status < 300:
            return Reply(outcome=Outcome.SENT, detail=detail)
        if answer.status in FOR_GOOD:
            return Reply(outcome=Outcome.BOUNCED, detail=detail)
        if answer.status in NOT_NOW:
            return Reply(outcome=Outcome.DEFERRED, detail=detail)
        return Reply(outcome=Outcome.AWAY, detail=detail, in_doubt=answer.status >= 500)

    async def close(self) -> None:
        """Hang up."""
        await self._caller.close()


class PushAdapter:
    """One push gateway."""

    channel: Final = Channel.IN_APP  # in earnest: a new member, Channel.PUSH
    is_idempotent: Final = True  # it takes our id as a key, and drops what it already has
    at_once: Final = 4

    def __init__(
        self,
        name: str,
        *,
        url: str,
        key: str,
        compose: Callable[[Parcel], str],
        timeout_seconds: float = 10,
    ) -> None:
        """`compose` says a parcel in one line."""
        self.name: Final = name
        self._compose = compose
        self._open = (url, key, timeout_seconds)

    def compose(self, parcel: Parcel) -> Push:
        """Return what a line sends; pure, and the same for the same parcel."""
        said = {"device": parcel.message.address, "text": self._compose(parcel)}
        return Push(message_id=parcel.message.message_id, body=orjson.dumps(said))

    def open_line(self) -> PushLine:
        """Return a line that is not connected yet."""
        return PushLine(*self._open)
