"""A message to nobody, to see what one looks like."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Final

from fastapi import Query

from dispatch_service.adapters.interface import Parcel
from dispatch_service.domain.invitation import Invitation
from dispatch_service.domain.message import Kind, Message
from heardback.surveys import Survey
from heardback.vocabulary import Channel

SAMPLE_INVITATION: Final = "00000000-0000-4000-8000-000000000000"
"""An invitation that nobody has: links to it are signed, and lead nowhere."""

_ADDRESS: Final = {
    Channel.EMAIL: "ada@example.com",
    Channel.SMS: "+12025550123",
    Channel.IN_APP: "customer-1",
    Channel.WEBHOOK: "customer-1",
}
_AGO: Final = timedelta(days=3)
_LIFETIME: Final = timedelta(days=14)
_FOLLOW_UP: Final = (
    "Dear Ada,\n\nthank you for telling us. The parcel that was lost has been sent again today;\n"
    "it should be with you on Friday.\n\nIf there is anything else, just answer this message.\n\n"
    "Max"
)

Word = Annotated[str, Query(max_length=200, pattern=r"^[^\x00]*$")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What to look at. `version`: None is the newest; empty texts are the survey's own choice."""

    survey: Word = "nps"
    version: Annotated[int | None, Query(ge=1, le=2**31 - 1)] = None
    locale: Word = ""
    variant: Word = ""
    channel: Channel = Channel.EMAIL
    kind: Kind = Kind.INVITATION
    name: Word = "Ada Lovelace"


def sample_parcel(
    choice: Choice,
    survey: Survey,
    *,
    now: datetime,
    message_id: str = SAMPLE_INVITATION,
    address: str | None = None,
) -> Parcel:
    """Return what would be sent to a customer of this name and locale."""
    channel = choice.channel
    address = address or _ADDRESS[channel]
    is_follow_up = choice.kind is Kind.FOLLOW_UP
    return Parcel(
        message=Message(
            message_id=message_id,
            invitation_id=SAMPLE_INVITATION,
            customer_id="customer-1",
            kind=choice.kind,
            channel=channel,
            address=address,
            deadline_at=now + _LIFETIME,
            content={"text": _FOLLOW_UP} if is_follow_up else {},
        ),
        invitation=_invitation(choice, survey, now=now),
        survey=survey,
        now=now,
    )


def _invitation(choice: Choice, survey: Survey, *, now: datetime) -> Invitation:
    return Invitation(
        invitation_id=SAMPLE_INVITATION,
        customer_id="customer-1",
        program_id="a-program",
        touchpoint="purchase",
        survey_id=survey.survey_id,
        survey_version=survey.version,
        variant=choice.variant or None,
        channels=(choice.channel,),
        channel=choice.channel,
        name=choice.name,
        locale=choice.locale or survey.default_locale,
        occurred_at=now - _AGO,
        requested_at=now,
        expires_at=now + _LIFETIME,
    )
