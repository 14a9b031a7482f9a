"""Invitations as trigger-service requests them."""

import uuid
from datetime import UTC, datetime, timedelta

from heardback.contracts.payloads import Recipient, SurveyRequested
from heardback.vocabulary import Channel


def invitations(count: int) -> list[SurveyRequested]:
    """Return as many invitations, each for a customer of its own."""
    now = datetime.now(UTC)
    return [_invitation(number, now) for number in range(count)]


def _invitation(number: int, now: datetime) -> SurveyRequested:
    return SurveyRequested(
        customer_id=f"c{number}",
        invitation_id=str(uuid.uuid4()),
        program_id="purchase",
        touchpoint="purchase",
        survey_id="purchase-nps",
        channel=Channel.EMAIL,
        channels=(Channel.EMAIL,),
        recipient=Recipient(email=f"c{number}@example.com", name=f"Customer {number}", locale="en"),
        occurred_at=now - timedelta(days=7),
        requested_at=now,
        expires_at=now + timedelta(days=14),
    )
