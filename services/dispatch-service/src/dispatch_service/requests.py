"""A request to ask, as it arrives, made into an invitation; what can't be used is refused."""

from typing import Any

from dispatch_service.addresses import is_canonical_uuid, usable_address, usable_phone
from dispatch_service.domain.invitation import Invitation
from dispatch_service.domain.turn import permitted_hours
from heardback.bulk import json_text
from heardback.contracts.payloads import SurveyRequested
from heardback.envelope import Event
from heardback.errors import Permanent
from heardback.vocabulary import Channel


class UnusableInvitationId(Permanent):
    """An invitation's id must be a UUID, lower case with hyphens: links carry it."""

    invitation_id: str


class UnusableHours(Permanent):
    """The permitted hours of an invitation can't be read."""

    invitation_id: str


def invitation_of(event: Event[SurveyRequested]) -> Invitation:
    """Return the invitation that is requested, with the addresses that can be used.

    Raises: UnusableInvitationId, UnusableHours.
    """
    asked = event.data
    if not is_canonical_uuid(asked.invitation_id):
        raise UnusableInvitationId(invitation_id=asked.invitation_id)
    return Invitation(
        invitation_id=asked.invitation_id,
        customer_id=asked.customer_id,
        program_id=asked.program_id,
        program_type=asked.program_type,
        touchpoint=asked.touchpoint,
        survey_id=asked.survey_id,
        survey_version=asked.survey_version,
        variant=asked.variant,
        segment=asked.segment,
        channels=_channels(asked),
        learn_channels=asked.learn_channels,
        email=usable_address(asked.recipient.email),
        phone=usable_phone(asked.recipient.phone),
        name=asked.recipient.name,
        locale=asked.recipient.locale,
        hours=_hours(asked),
        reminders=asked.reminders,
        reminder_after_seconds=asked.reminder_after_seconds,
        fallback_after_seconds=asked.fallback_after_seconds,
        occurred_at=asked.occurred_at,
        requested_at=asked.requested_at,
        expires_at=asked.expires_at,
        traceparent=event.traceparent,
    )


def _channels(asked: SurveyRequested) -> tuple[Channel, ...]:
    """Return the channel to begin with and those that follow it, each once."""
    after = asked.channels
    if asked.channel in after:
        after = after[after.index(asked.channel) :]
    return tuple(dict.fromkeys((asked.channel, *after)))


def _hours(asked: SurveyRequested) -> dict[str, Any] | None:
    if asked.hours is None:
        return None
    hours: dict[str, Any] = asked.hours.model_dump(mode="json")
    try:
        for channel in asked.hours.channels:
            permitted_hours(json_text(hours).encode(), channel)
    except ValueError as error:
        raise UnusableHours(invitation_id=asked.invitation_id) from error
    return hours
