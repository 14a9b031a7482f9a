"""Mailgun: one event in each call, signed by a token that is good for one event.

Source: Mailgun's "Securing webhooks": HMAC-SHA256 of the timestamp and the token. The event itself
is not signed, so a token that was heard elsewhere must not be believed again: it is the event's id.
"""

import hmac
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

from dispatch_service.callback_settings import MailgunCallbacks
from dispatch_service.callbacks.call import (
    Call,
    CallbackRefused,
    any_is_true,
    dig,
    is_timely,
    read_json,
    same,
    text_at,
)
from dispatch_service.domain.provider_event import EventKind, ProviderEvent, our_ids

_KINDS: Final = {
    "delivered": EventKind.DELIVERED,
    "complained": EventKind.COMPLAINT,
    "unsubscribed": EventKind.UNSUBSCRIBE,
    "rejected": EventKind.UNDELIVERED,
}
_PERMANENT: Final = {
    "bounce": EventKind.HARD,
    "suppress-bounce": EventKind.HARD,
    "suppress-complaint": EventKind.COMPLAINT,
    "suppress-unsubscribe": EventKind.UNSUBSCRIBE,
}
"""Why a failure is permanent. `generic`, `old`, `espblock`: nothing about the address."""


class Mailgun:
    """Reads the callbacks of one Mailgun account."""

    def __init__(self, settings: MailgunCallbacks) -> None:
        self.name: Final = settings.name
        self._keys = [key.get_secret_value().encode() for key in settings.signing_keys]

    async def receive(self, call: Call) -> Sequence[ProviderEvent]:
        """Return what happened."""
        data = read_json(call.body)
        token = text_at(data, "signature", "token") or ""
        self._check(data, token, now=call.now)
        event = dig(data, "event-data")
        kind = _kind_of(event)
        if kind is None:
            return ()
        message = text_at(event, "message", "headers", "message-id")
        ours = text_at(event, "user-variables", "heardback-message")
        said = ProviderEvent(
            event_id=token,
            kind=kind,
            message_ids=our_ids(ours, message),
            address=text_at(event, "recipient"),
            detail=_detail(event),
        )
        return (said,)

    def _check(self, data: Any, token: str, *, now: datetime) -> None:
        stamp = text_at(data, "signature", "timestamp") or ""
        given = text_at(data, "signature", "signature") or ""
        signed = f"{stamp}{token}".encode()
        expected = [hmac.digest(key, signed, "sha256").hex() for key in self._keys]
        if not any_is_true(same(given, good) for good in expected) or not token:
            raise CallbackRefused
        if not is_timely(instant(stamp), now=now):
            raise CallbackRefused


def instant(stamp: str) -> datetime | None:
    """Return the instant of a Unix time, or None."""
    if not (stamp.isascii() and stamp.isdigit() and len(stamp) <= 11):
        return None
    return datetime.fromtimestamp(int(stamp), UTC)


def _kind_of(event: Any) -> EventKind | None:
    name = text_at(event, "event") or ""
    if name != "failed":
        return _KINDS.get(name)
    if text_at(event, "severity") != "permanent":
        return EventKind.SOFT
    if text_at(event, "delivery-status", "bounce-type") == "soft":
        return EventKind.UNDELIVERED
    return _PERMANENT.get(text_at(event, "reason") or "", EventKind.UNDELIVERED)


def _detail(event: Any) -> str:
    status = dig(event, "delivery-status")
    return (
        text_at(status, "message")
        or text_at(status, "description")
        or text_at(event, "reject", "reason")
        or text_at(event, "reason")
        or ""
    )
