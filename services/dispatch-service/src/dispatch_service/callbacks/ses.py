"""Amazon SES, by way of Amazon SNS: notifications and event publishing, which differ by a name.

Source: "Amazon SNS notification contents for Amazon SES"; "Contents of event data that Amazon SES
publishes to Amazon SNS".
"""

from collections.abc import Sequence
from typing import Any, Final

from dispatch_service.callback_settings import SesCallbacks
from dispatch_service.callbacks.call import (
    Call,
    CallbackRefused,
    CallbackUnreadable,
    clean,
    dig,
    items,
    read_json,
    text_at,
)
from dispatch_service.callbacks.fetching import Fetch
from dispatch_service.callbacks.sns import NOTIFICATION, SUBSCRIPTION, SnsMessages, is_amazons
from dispatch_service.domain.provider_event import EventKind, ProviderEvent, our_ids

_OUR_HEADERS: Final = ("heardback-message", "message-id")
_NOT_SPAM: Final = "not-spam"


class Ses:
    """Reads what SES says in the topics of one provider, and confirms subscriptions to them."""

    def __init__(self, settings: SesCallbacks, *, fetch: Fetch) -> None:
        self.name: Final = settings.name
        self._messages = SnsMessages(topics=settings.topics, fetch=fetch)
        self._fetch = fetch

    async def receive(self, call: Call) -> Sequence[ProviderEvent]:
        """Return what happened."""
        try:
            message = read_json(call.body)
        except CallbackUnreadable:
            raise CallbackRefused from None
        fields = await self._messages.check(message, now=call.now)
        if fields["Type"] == SUBSCRIPTION:
            url = fields["SubscribeURL"]
            if not is_amazons(url, fields["TopicArn"]):
                raise CallbackRefused
            await self._fetch(url)
        if fields["Type"] != NOTIFICATION:
            return ()
        return _events(fields["MessageId"], fields["Message"])


def _events(sns_id: str, message: str) -> list[ProviderEvent]:
    try:
        data = read_json(message)
    except CallbackUnreadable:
        return []  # SES greets a new topic in plain words
    name = text_at(data, "notificationType") or text_at(data, "eventType") or ""
    kind, recipients = _read(name, data)
    if kind is None:
        return []
    mail = dig(data, "mail")
    return [
        ProviderEvent(
            event_id=f"{clean(sns_id)}|{number}",
            kind=kind,
            message_ids=our_ids(*_ids_in(mail)),
            reference=text_at(mail, "messageId"),
            address=address,
            detail=detail,
        )
        for number, (address, detail) in enumerate(recipients)
    ]


def _read(name: str, data: Any) -> tuple[EventKind | None, list[tuple[str | None, str]]]:
    """Return what happened, and to which addresses, each with the reason."""
    if name == "Bounce":
        bounce = dig(data, "bounce")
        # What is not permanent SES has given up on for now; the address may be good tomorrow.
        permanent = text_at(bounce, "bounceType") == "Permanent"
        why = "/".join(filter(None, (text_at(bounce, "bounceType"), _subtype(bounce))))
        return (EventKind.HARD if permanent else EventKind.SOFT), [
            (text_at(one, "emailAddress"), text_at(one, "diagnosticCode") or why)
            for one in items(bounce, "bouncedRecipients")
        ]
    if name == "Complaint":
        complaint = dig(data, "complaint")
        feedback = text_at(complaint, "complaintFeedbackType") or ""
        # This one says that a mail in the spam folder is none.
        kind = None if feedback == _NOT_SPAM else EventKind.COMPLAINT
        found = items(complaint, "complainedRecipients")
        return kind, [(text_at(one, "emailAddress"), feedback) for one in found]
    if name == "Delivery":
        return EventKind.DELIVERED, _destinations(data, text_at(data, "delivery", "smtpResponse"))
    if name == "Reject":
        return EventKind.UNDELIVERED, _destinations(data, text_at(data, "reject", "reason"))
    return None, []


def _subtype(bounce: Any) -> str | None:
    return text_at(bounce, "bounceSubType")


def _destinations(data: Any, detail: str | None) -> list[tuple[str | None, str]]:
    found = items(data, "mail", "destination")
    return [(clean(one), detail or "") for one in found if isinstance(one, str)]


def _ids_in(mail: Any) -> list[str | None]:
    """Return the ids in the headers that we gave the mail, where SES passes them on."""
    headers = items(mail, "headers")
    found = {(text_at(one, "name") or "").lower(): text_at(one, "value") for one in headers}
    return [
        *(found.get(name) for name in _OUR_HEADERS),
        text_at(mail, "commonHeaders", "messageId"),
    ]
