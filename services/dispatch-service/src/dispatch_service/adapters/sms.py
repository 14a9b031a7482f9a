"""Text messages, by Twilio or whatever speaks like it.

Source: Twilio's Messages resource (2010-04-01) and its error codes.
"""

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from urllib.parse import quote, urlencode

import orjson

from dispatch_service import metrics
from dispatch_service.adapters.interface import Parcel, Reply
from dispatch_service.domain.message import Outcome
from heardback.calls.http import Answer, Caller, Silence
from heardback.gsm import Measure, measure
from heardback.vocabulary import Channel

_REFUSED_FOR_GOOD: Final = frozenset(
    {
        21211,  # the number is not valid
        21214,  # the number can't be reached
        21217,  # the number does not appear to be valid
        21265,  # a short code
        21614,  # not a mobile number
        21635,  # a landline
    }
)
"""Errors that say that the number is no good."""
_NEVER_FROM_HERE: Final = frozenset(
    {
        21408,  # its region is switched off for our account
        21605,  # the text is too long
        21608,  # a trial account, and a number that was not verified
        21610,  # its owner has said STOP, and may say START
        21612,  # no way from our sender to it
        21617,  # the text is too long
        21619,  # the text is empty
    }
)
"""Errors that stay as long as we do not change something: no number is the worse for them. All
others are about us, or pass."""
_LONGEST_TEXT: Final = 1_600
_LONGEST_REFERENCE: Final = 200
_ABOUT_THE_MESSAGE: Final = frozenset({400, 409, 413, 422})
_TOO_MANY: Final = 429
_NOT_TAKEN: Final = frozenset({501, 503})
_LONGEST_PAUSE_SECONDS: Final = 3_600.0
_FAILED: Final = frozenset({"failed", "undelivered", "canceled"})


@dataclass(frozen=True, slots=True, kw_only=True)
class SmsRoute:
    """Where text messages are handed in, and how.

    `sender`: a number, a name, or with `is_service` a messaging service's SID. `callback_url`:
    where the provider tells what became of a message. `idempotency_header`: the name of the header
    in which the provider takes a key, where it does.
    """

    name: str
    base_url: str
    account_sid: str
    username: str
    password: str = field(repr=False)
    sender: str
    is_service: bool = False
    callback_url: str
    idempotency_header: str | None = None
    timeout_seconds: float = 10
    connections: int = 8

    @property
    def url(self) -> str:
        """The address of the resource."""
        account = quote(self.account_sid, safe="")
        return f"{self.base_url.rstrip('/')}/2010-04-01/Accounts/{account}/Messages.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class TextMessage:
    """A text message as it is handed in. `length`: what it will cost."""

    message_id: str
    to: str
    body: str
    length: Measure
    sent_at: datetime


class SmsLine:
    """Hands in one text message at a time."""

    def __init__(self, route: SmsRoute) -> None:
        self._route = route
        self._caller = Caller(timeout_seconds=route.timeout_seconds)
        self._headers = _headers(route)

    async def send(self, load: TextMessage) -> Reply:
        """Send; every way in which it can end is a reply, none an exception."""
        if len(load.body) > _LONGEST_TEXT:
            too_long = f"the text is longer than {_LONGEST_TEXT} characters"
            return Reply(outcome=Outcome.BOUNCED, detail=too_long, address_is_good=True)
        headers = dict(self._headers)
        if self._route.idempotency_header:
            headers[self._route.idempotency_header] = load.message_id
        form = urlencode(_form(self._route, load)).encode()
        answer = await self._caller.post(self._route.url, headers=headers, content=form)
        if isinstance(answer, Silence):
            return Reply(outcome=Outcome.AWAY, detail=answer.detail, in_doubt=answer.in_doubt)
        reply = _read(answer, load)
        if reply.outcome is Outcome.SENT:
            metrics.SMS_SEGMENTS.add(load.length.segments, {"provider": self._route.name})
        return reply

    async def close(self) -> None:
        """Hang up."""
        await self._caller.close()


class SmsAdapter:
    """One provider of text messages."""

    channel: Final = Channel.SMS

    def __init__(self, route: SmsRoute, *, compose: Callable[[Parcel], str]) -> None:
        """`compose` writes the text of a parcel."""
        self._route = route
        self._compose = compose
        self.name: Final = route.name
        self.is_idempotent: Final = route.idempotency_header is not None
        self.at_once: Final = route.connections
        self.at_most_seconds: Final = route.timeout_seconds

    def compose(self, parcel: Parcel) -> TextMessage:
        """Return what a line sends; pure, and the same for the same parcel."""
        body = self._compose(parcel)
        return TextMessage(
            message_id=parcel.message.message_id,
            to=parcel.message.address,
            body=body,
            length=measure(body),
            sent_at=parcel.now,
        )

    def open_line(self) -> SmsLine:
        """Return a line that is not connected yet."""
        return SmsLine(self._route)


def _headers(route: SmsRoute) -> Mapping[str, str]:
    credentials = base64.b64encode(f"{route.username}:{route.password}".encode()).decode()
    return {
        "Authorization": f"Basic {credentials}",
        "Content-Type": "application/x-www-form-urlencoded",
        "Accept": "application/json",
    }


def _form(route: SmsRoute, load: TextMessage) -> dict[str, str]:
    # The id travels in the callback's address: it may come before we have noted the reference.
    message_id = quote(load.message_id, safe="")
    return {
        "To": load.to,
        "MessagingServiceSid" if route.is_service else "From": route.sender,
        "Body": load.body,
        "StatusCallback": f"{route.callback_url}?message={message_id}",
    }


def _read(answer: Answer, load: TextMessage) -> Reply:
    said = _json(answer.body)
    status = _text(said.get("status"), most=40)
    if 200 <= answer.status < 300 and status not in _FAILED:
        return Reply(
            outcome=Outcome.SENT,
            detail=status or str(answer.status),
            reference=_text(said.get("sid"), most=_LONGEST_REFERENCE) or None,
        )
    detail = _detail(answer, said, load)
    wait = answer.retry_after_seconds(load.sent_at)
    if answer.status == _TOO_MANY:
        return Reply(outcome=Outcome.DEFERRED, detail=detail, retry_after_seconds=wait)
    if answer.status in _ABOUT_THE_MESSAGE or answer.status < 300:
        code = _code(said)
        if code in _REFUSED_FOR_GOOD or code in _NEVER_FROM_HERE:
            good = code in _NEVER_FROM_HERE
            return Reply(outcome=Outcome.BOUNCED, detail=detail, address_is_good=good)
        return Reply(outcome=Outcome.DEFERRED, detail=detail)
    return Reply(
        outcome=Outcome.AWAY,
        detail=detail,
        in_doubt=answer.status >= 500 and answer.status not in _NOT_TAKEN,
        # Nobody else is sent to this provider for so long: a slip of theirs must not cost a day.
        retry_after_seconds=None if wait is None else min(wait, _LONGEST_PAUSE_SECONDS),
    )


def _json(body: bytes) -> Mapping[str, Any]:
    try:
        said = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}
    return said if isinstance(said, dict) else {}


def _text(value: Any, *, most: int) -> str:
    """Return a value as text that can be stored; nothing for what is no text."""
    found = value if isinstance(value, str) else ""
    return found.replace("\0", "").encode(errors="replace").decode()[:most]


def _code(said: Mapping[str, Any]) -> int | None:
    """Return the error: `code` stands in a refusal, `error_code` in a message that failed."""
    code = said.get("code") or said.get("error_code")
    return code if isinstance(code, int) else None


def _detail(answer: Answer, said: Mapping[str, Any], load: TextMessage) -> str:
    """Return what the provider said, without whom it is about, which it likes to repeat."""
    text = str(said.get("message") or said.get("error_message") or "")
    text = text.replace(load.to, "…").replace(load.to.removeprefix("+"), "…")
    text = _text(text, most=300)
    code = _code(said)
    return f"{answer.status}{f' {code}' if code else ''} {text}".strip()[:300]
