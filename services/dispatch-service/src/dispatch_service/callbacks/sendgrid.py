"""SendGrid: batches of events, signed with ECDSA over the timestamp and the body as it came.

Source: SendGrid's "Getting Started with the Event Webhook Security Features" and "Event Webhook
Reference".
"""

import base64
import binascii
from collections.abc import Sequence
from typing import Any, Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from dispatch_service.callback_settings import SendGridCallbacks, read_verification_key
from dispatch_service.callbacks.call import (
    Call,
    CallbackRefused,
    any_is_true,
    is_timely,
    items,
    read_json,
    text_at,
)
from dispatch_service.callbacks.mailgun import instant
from dispatch_service.domain.provider_event import EventKind, ProviderEvent, our_ids

_SIGNATURE: Final = "x-twilio-email-event-webhook-signature"
_TIMESTAMP: Final = "x-twilio-email-event-webhook-timestamp"
_KINDS: Final = {
    "delivered": EventKind.DELIVERED,
    "deferred": EventKind.SOFT,
    "spamreport": EventKind.COMPLAINT,
    "unsubscribe": EventKind.UNSUBSCRIBE,
    "group_unsubscribe": EventKind.UNSUBSCRIBE,
}
_DROPPED: Final = {
    "bounced address": EventKind.HARD,
    "invalid": EventKind.HARD,
    "spam reporting address": EventKind.COMPLAINT,
    "unsubscribed address": EventKind.UNSUBSCRIBE,
}


class SendGrid:
    """Reads the callbacks of one SendGrid account."""

    def __init__(self, settings: SendGridCallbacks) -> None:
        self.name: Final = settings.name
        self._keys = [read_verification_key(key) for key in settings.public_keys]

    async def receive(self, call: Call) -> Sequence[ProviderEvent]:
        """Return what happened."""
        stamp = call.headers.get(_TIMESTAMP, "")
        given = call.headers.get(_SIGNATURE, "")
        signed = stamp.encode() + call.body
        if not any_is_true(_is_signed(key, given, signed) for key in self._keys):
            raise CallbackRefused
        if not is_timely(instant(stamp), now=call.now):
            raise CallbackRefused
        said = (_event(data) for data in items(read_json(call.body)))
        return [event for event in said if event is not None]


def _is_signed(key: ec.EllipticCurvePublicKey, given: str, signed: bytes) -> bool:
    try:
        key.verify(base64.b64decode(given, validate=True), signed, ec.ECDSA(hashes.SHA256()))
    except (InvalidSignature, binascii.Error, ValueError):
        return False
    return True


def _event(data: Any) -> ProviderEvent | None:
    kind = _kind_of(data)
    if kind is None:
        return None
    sendgrid_id = text_at(data, "sg_message_id")
    known = (text_at(data, name) for name in ("event", "smtp-id", "email", "timestamp"))
    return ProviderEvent(
        event_id=text_at(data, "sg_event_id") or "|".join(part or "" for part in known),
        kind=kind,
        message_ids=our_ids(text_at(data, "heardback-message"), text_at(data, "smtp-id")),
        # What follows the first dot says which of its machines had it.
        reference=sendgrid_id.partition(".")[0] if sendgrid_id else None,
        address=text_at(data, "email"),
        detail=text_at(data, "reason") or text_at(data, "response") or "",
    )


def _kind_of(data: Any) -> EventKind | None:
    name = text_at(data, "event") or ""
    if name == "bounce":
        # `blocked`: the receiver refuses us or this mail, not the address.
        return EventKind.UNDELIVERED if text_at(data, "type") == "blocked" else EventKind.HARD
    if name == "dropped":
        return _DROPPED.get((text_at(data, "reason") or "").lower(), EventKind.UNDELIVERED)
    return _KINDS.get(name)
