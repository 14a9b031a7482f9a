"""A parcel for Ada, and what writes it down in each channel."""

from datetime import timedelta
from functools import cache
from typing import Any

from dispatch_service.adapters.interface import Parcel
from dispatch_service.domain.invitation import Invitation
from dispatch_service.domain.message import Kind, Message
from dispatch_service.rendering.composers import Composers
from heardback.surveys import ready_made
from heardback.testing.clock import START
from heardback.vocabulary import Channel

INVITATION_ID = "00000000-0000-7000-8000-000000000001"
KEYS = ["a-key-that-is-long-enough", "an-older-key-long-enough"]
_ADDRESSES = {Channel.EMAIL: "ada@example.com", Channel.SMS: "+12025550123"}


@cache
def composers() -> Composers:
    return Composers.of(
        company="Northwind",
        mail_from="feedback@northwind.example.com",
        survey_url="https://survey.example.com/",
        preferences_url="https://preferences.example.com",
        link_keys=KEYS,
    )


def a_parcel(channel: Channel, *, number: int = 1, **invitation: Any) -> Parcel:
    until = START + timedelta(days=14)
    survey = ready_made()["purchase-nps"]
    known: dict[str, Any] = {
        "invitation_id": INVITATION_ID,
        "customer_id": "c1",
        "program_id": "post-purchase",
        "touchpoint": "purchase",
        "survey_id": survey.survey_id,
        "channels": (channel,),
        "channel": channel,
        "email": _ADDRESSES[Channel.EMAIL],
        "phone": _ADDRESSES[Channel.SMS],
        "name": "Ada Lovelace",
        "occurred_at": START,
        "requested_at": START,
        "expires_at": until,
    }
    message = Message(
        message_id=INVITATION_ID,
        invitation_id=INVITATION_ID,
        customer_id="c1",
        kind=Kind.INVITATION,
        channel=channel,
        address=_ADDRESSES.get(channel, "c1"),
        deadline_at=until,
    )
    asked = Invitation(**{**known, **invitation})
    return Parcel(message=message, invitation=asked, survey=survey, now=START, number=number)
