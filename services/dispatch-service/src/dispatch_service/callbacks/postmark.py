"""Postmark: one record in each call, proven by a password or by a secret in the URL.

Source: Postmark's "Bounce", "Spam complaint", "Subscription change" and "Delivery" webhooks.
"""

import base64
import binascii
from collections.abc import Sequence
from typing import Any, Final

from pydantic import SecretStr

from dispatch_service.callback_settings import PostmarkCallbacks
from dispatch_service.callbacks.call import (
    Call,
    CallbackRefused,
    dig,
    is_one_of,
    read_json,
    text_at,
)
from dispatch_service.domain.provider_event import EventKind, ProviderEvent, our_ids

_RECORDS: Final = {
    "Delivery": EventKind.DELIVERED,
    "SpamComplaint": EventKind.COMPLAINT,
}
_BOUNCES: Final = {
    "HardBounce": EventKind.HARD,
    "BadEmailAddress": EventKind.HARD,
    "SpamComplaint": EventKind.COMPLAINT,
    "Unsubscribe": EventKind.UNSUBSCRIBE,
    "ManuallyDeactivated": EventKind.UNSUBSCRIBE,
    "Blocked": EventKind.UNDELIVERED,
    "DMARCPolicy": EventKind.UNDELIVERED,
    "SMTPApiError": EventKind.UNDELIVERED,
    "VirusNotification": EventKind.UNDELIVERED,
}
"""Everything else is passing, or an automatic answer."""
_SUPPRESSIONS: Final = {
    "HardBounce": EventKind.HARD,
    "SpamComplaint": EventKind.COMPLAINT,
    "ManualSuppression": EventKind.UNSUBSCRIBE,
}


class Postmark:
    """Reads the callbacks of one Postmark server."""

    def __init__(self, settings: PostmarkCallbacks) -> None:
        self.name: Final = settings.name
        self._url_secrets = settings.url_secrets
        self._login = (
            SecretStr(f"{settings.username}:{settings.password.get_secret_value()}")
            if settings.username and settings.password
            else None
        )

    async def receive(self, call: Call) -> Sequence[ProviderEvent]:
        """Return what happened."""
        by_login = self._login is not None and is_one_of(_login_in(call), [self._login])
        if not (by_login or is_one_of(call.secret, self._url_secrets)):
            raise CallbackRefused
        data = read_json(call.body)
        kind = _kind_of(data)
        if kind is None:
            return ()
        said = ProviderEvent(
            event_id=_event_id(data),
            kind=kind,
            message_ids=our_ids(text_at(data, "Metadata", "heardback-message")),
            reference=text_at(data, "MessageID"),
            address=text_at(data, "Email") or text_at(data, "Recipient"),
            detail=text_at(data, "Details") or text_at(data, "Description") or "",
        )
        return (said,)


def _login_in(call: Call) -> str | None:
    scheme, _, encoded = call.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        return base64.b64decode(encoded.strip(), validate=True).decode()
    except (binascii.Error, ValueError):
        return None


def _kind_of(data: Any) -> EventKind | None:
    record = text_at(data, "RecordType") or ""
    if record == "Bounce":
        return _BOUNCES.get(text_at(data, "Type") or "", EventKind.SOFT)
    if record == "SubscriptionChange":
        # Taken back at Postmark only says that Postmark would send again.
        if dig(data, "SuppressSending") is not True:
            return None
        return _SUPPRESSIONS.get(text_at(data, "SuppressionReason") or "", EventKind.UNSUBSCRIBE)
    return _RECORDS.get(record)


def _event_id(data: Any) -> str:
    names = ("RecordType", "ID", "MessageID", "Recipient", "DeliveredAt", "ChangedAt")
    return "|".join(text_at(data, name) or "" for name in names)
