"""Parcels and composers, and mails read back as a mail program reads them."""

import email
from datetime import timedelta
from email import policy
from email.header import decode_header, make_header
from email.message import EmailMessage
from email.utils import parseaddr
from functools import cache
from typing import Any

from dispatch_service.adapters.interface import Parcel
from dispatch_service.domain.invitation import Invitation
from dispatch_service.domain.message import Kind, Message
from dispatch_service.rendering.composers import Composers
from heardback.surveys import Survey, ready_made
from heardback.testing.clock import START
from heardback.vocabulary import Channel

INVITATION_ID = "00000000-0000-7000-8000-000000000001"
KEYS = ["a-key-that-is-long-enough", "an-older-key-long-enough"]
LOCALES = ("en", "de", "fr", "ar")
SURVEYS = tuple(ready_made())


@cache
def composers(**fields: Any) -> Composers:
    known: dict[str, Any] = {
        "company": "Northwind",
        "mail_from": "feedback@northwind.example.com",
        "survey_url": "https://survey.example.com/",
        "preferences_url": "https://preferences.example.com",
        "link_keys": KEYS,
    }
    return Composers.of(**{**known, **fields})


def a_parcel(
    survey: Survey | str = "purchase-nps",
    kind: Kind = Kind.INVITATION,
    channel: Channel = Channel.EMAIL,
    *,
    content: dict[str, Any] | None = None,
    message_id: str | None = None,
    is_test: bool = False,
    **fields: Any,
) -> Parcel:
    """Make what is sent to Ada; `fields` are the invitation's."""
    survey = ready_made()[survey] if isinstance(survey, str) else survey
    ids = {Kind.INVITATION: INVITATION_ID, Kind.REMINDER: f"{INVITATION_ID}:r1"}
    address = {Channel.EMAIL: "ada@example.com", Channel.SMS: "+12025550123"}
    message = Message(
        message_id=message_id or ids.get(kind, "a-follow-up"),
        invitation_id=INVITATION_ID,
        customer_id="c1",
        kind=kind,
        channel=channel,
        address=address.get(channel, "c1"),
        deadline_at=START + timedelta(days=14),
        content=content or {},
    )
    known: dict[str, Any] = {
        "invitation_id": INVITATION_ID,
        "customer_id": "c1",
        "program_id": "post-purchase",
        "touchpoint": "purchase",
        "survey_id": survey.survey_id,
        "channels": (channel,),
        "channel": channel,
        "email": "ada@example.com",
        "phone": "+12025550123",
        "name": "Ada Lovelace",
        "occurred_at": START,
        "requested_at": START,
        "expires_at": START + timedelta(days=14),
    }
    invitation = Invitation(**{**known, **fields})
    return Parcel(message=message, invitation=invitation, survey=survey, now=START, is_test=is_test)


def read(raw: bytes) -> EmailMessage:
    return email.message_from_bytes(raw, policy=policy.default)


def part(mail: EmailMessage, kind: str) -> str:
    body = mail.get_body((kind,))
    assert body is not None
    return str(body.get_content()).replace("\r\n", "\n")


def a_mail(*args: Any, **fields: Any) -> tuple[bytes, EmailMessage]:
    """Make a mail; `args` and `fields` are those of `a_parcel`."""
    raw = composers().mail.compose(a_parcel(*args, **fields)).content
    return raw, read(raw)


def name_in(raw: bytes) -> str:
    """Return the recipient's name, by a reader that joins encoded words as RFC 2047 wants it."""
    to = email.message_from_bytes(raw, policy=policy.compat32)["To"]
    return str(make_header(decode_header(parseaddr(to)[0])))
