"""Twilio, and what speaks like it: texts that customers send, and what became of ours.

Source: Twilio's "Validating requests": HMAC-SHA1 of the URL as Twilio called it, followed by the
form's fields in order; "Request to your webhook URL"; "Message status callbacks".
"""

import base64
import hmac
from collections.abc import Iterable, Mapping, Sequence
from typing import Final
from urllib.parse import parse_qsl, urlsplit, urlunsplit
from xml.sax.saxutils import escape

from pydantic import SecretStr

from dispatch_service.callbacks.call import (
    Call,
    CallbackRefused,
    CallbackUnreadable,
    any_is_true,
    clean,
    same,
)
from dispatch_service.domain.provider_event import EventKind, ProviderEvent, our_ids
from dispatch_service.replies import IncomingText
from heardback.vocabulary import Channel

_MOST_FIELDS: Final = 500
_LONGEST_TEXT: Final = 1_600
_PORTS: Final = {"https": 443, "http": 80}
_STATUSES: Final = {"delivered": EventKind.DELIVERED, "read": EventKind.DELIVERED}
_FAILED: Final = ("undelivered", "failed")
_NO_SUCH_PHONE: Final = frozenset({"21211", "21614", "30005", "30006"})
"""Invalid, not a mobile, unknown handset, landline. 30003 is a phone that is off: not for good."""
_STOPPED: Final = "21610"


class Twilio:
    """Reads the callbacks of one Twilio account."""

    def __init__(
        self, name: str, *, auth_tokens: Iterable[SecretStr], answers_keywords: bool = True
    ) -> None:
        """`auth_tokens`: one, or two while one replaces the other."""
        self.name: Final = name
        self._answers_keywords = answers_keywords
        self._tokens = [token.get_secret_value() for token in auth_tokens]

    async def receive(self, call: Call) -> Sequence[ProviderEvent]:
        """Return what became of a text that we sent."""
        form = self._form(call)
        status, sid = form.get("MessageStatus", "").lower(), clean(form.get("MessageSid", ""))
        kinds = _kinds(status, form.get("ErrorCode", ""))
        return [
            ProviderEvent(
                event_id=f"{sid}|{status}|{kind}",
                kind=kind,
                channel=Channel.SMS,
                message_ids=our_ids(clean(call.query.get("message", ""))),
                reference=sid or None,
                address=clean(form.get("To", "")) or None,
                detail=clean(f"{status} {form.get('ErrorCode', '')}".strip()),
            )
            for kind in kinds
        ]

    def read_text(self, call: Call) -> IncomingText:
        """Return a text that a customer sent.

        Raises: CallbackRefused, CallbackUnreadable.
        """
        form = self._form(call)
        sid, phone = clean(form.get("MessageSid", "")), clean(form.get("From", ""))
        if not sid or not phone:
            raise CallbackUnreadable(detail="It names no MessageSid, or nobody whom it is From.")
        return IncomingText(
            text_id=sid,
            phone=phone,
            text=form.get("Body", "").replace("\x00", "")[:_LONGEST_TEXT].strip(),
            is_answered="OptOutType" in form or not self._answers_keywords,
        )

    def _form(self, call: Call) -> Mapping[str, str]:
        """Return the fields of a form that Twilio signed."""
        try:
            text = call.body.decode()
            pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=_MOST_FIELDS)
        except ValueError:
            raise CallbackRefused from None
        given = call.headers.get("x-twilio-signature", "")
        expected = [
            signature(token, url, pairs) for token in self._tokens for url in _spellings(call.url)
        ]
        if not any_is_true(same(given, good) for good in expected):
            raise CallbackRefused
        return dict(pairs)


def signature(token: str, url: str, fields: Sequence[tuple[str, str]]) -> str:
    """Return how Twilio signs a form that it sends to `url`."""
    signed = url + "".join(f"{name}{value}" for name, value in sorted(set(fields)))
    digest = hmac.digest(token.encode(), signed.encode(errors="replace"), "sha1")
    return base64.b64encode(digest).decode()


def answer(text: str | None) -> str:
    """Return the TwiML that sends a text back, or none."""
    message = f"<Message>{escape(text)}</Message>" if text else ""
    return f'<?xml version="1.0" encoding="UTF-8"?><Response>{message}</Response>'


def _spellings(url: str) -> tuple[str, ...]:
    """Return a URL with its port and without it: Twilio signs some with, some without."""
    parts = urlsplit(url)
    try:
        port, host = parts.port, parts.netloc.rpartition(":")[0]
    except ValueError:
        return (url,)
    if port is not None:
        return url, urlunsplit(parts._replace(netloc=host))
    usual = _PORTS.get(parts.scheme)
    return url, urlunsplit(parts._replace(netloc=f"{parts.netloc}:{usual}"))


def _kinds(status: str, error: str) -> tuple[EventKind, ...]:
    if status not in _FAILED:
        return (_STATUSES[status],) if status in _STATUSES else ()
    if error == _STOPPED:
        return EventKind.UNSUBSCRIBE, EventKind.UNDELIVERED
    return (EventKind.HARD if error in _NO_SUCH_PHONE else EventKind.UNDELIVERED,)
