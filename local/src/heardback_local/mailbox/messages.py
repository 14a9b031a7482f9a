"""What the mailbox keeps of a message, and how a raw mail becomes one."""

from dataclasses import dataclass, field
from datetime import datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Literal

Kind = Literal["email", "sms"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One message to one recipient, before it has a number."""

    kind: Kind
    recipient: str
    sender: str
    received_at: datetime
    subject: str = ""
    message_id: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    text: str = ""
    html: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredMessage:
    """A message with its number, which grows by arrival."""

    id: int
    message: Message


def parse_mail(
    raw: bytes, *, recipients: list[str], sender: str, received_at: datetime
) -> list[Message]:
    """Return the mail once for each recipient of its envelope."""
    mail = message_from_bytes(raw, policy=policy.default)
    assert isinstance(mail, EmailMessage)
    headers = _headers(mail)
    return [
        Message(
            kind="email",
            recipient=recipient,
            sender=headers.get("From", sender),
            received_at=received_at,
            subject=headers.get("Subject", ""),
            message_id=headers.get("Message-ID", ""),
            headers=headers,
            text=_body(mail, "plain"),
            html=_body(mail, "html"),
        )
        for recipient in recipients
    ]


def _headers(mail: EmailMessage) -> dict[str, str]:
    """Return the decoded headers; values of a repeated one are joined by line breaks."""
    headers: dict[str, str] = {}
    for name, value in mail.items():
        headers[name] = f"{headers[name]}\n{value}" if name in headers else str(value)
    return headers


def _body(mail: EmailMessage, subtype: Literal["plain", "html"]) -> str:
    part = mail.get_body(preferencelist=(subtype,))
    if part is None:
        return ""
    try:
        return str(part.get_content())
    except (LookupError, UnicodeError):  # a charset that nobody knows: show what can be shown
        payload = part.get_payload(decode=True)
        return payload.decode(errors="replace") if isinstance(payload, bytes) else ""
