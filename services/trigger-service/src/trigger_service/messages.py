"""Between events and the domain: what comes in as touchpoints, what goes out as payloads."""

from datetime import datetime
from typing import Any

from heardback.contracts.payloads import (
    Recipient,
    SurveyCancelled,
    SurveyRequested,
    SurveyScheduled,
    SurveySuppressed,
    TicketClosed,
    TouchpointPayload,
    TouchpointRecorded,
)
from heardback.envelope import Event
from trigger_service.domain.customer import Customer
from trigger_service.domain.invitation import Invitation
from trigger_service.domain.ledger import Entry
from trigger_service.domain.touchpoint import Touchpoint, touchpoint_id


def touchpoint_of(event: Event[Any]) -> Touchpoint:
    """Return what `event` says has happened; a standard touchpoint is named as its topic."""
    data: TouchpointPayload = event.data
    return Touchpoint(
        touchpoint_id=touchpoint_id(event.source, event.id),
        source=event.source,
        event_id=event.id,
        customer_id=data.customer_id,
        name=data.touchpoint if isinstance(data, TouchpointRecorded) else event.type.topic.name,
        occurred_at=data.occurred_at,
        closed_by=data.closed_by if isinstance(data, TicketClosed) else None,
        profile=data.customer,
        traceparent=event.traceparent,
    )


def scheduled(entry: Entry, invitation: Invitation, now: datetime) -> SurveyScheduled:
    """Say that an invitation will go out."""
    return SurveyScheduled(
        customer_id=invitation.customer_id,
        decision_id=entry.decision_id,
        invitation_id=invitation.invitation_id,
        program_id=invitation.program_id,
        touchpoint=invitation.touchpoint,
        touchpoint_id=entry.touchpoint.touchpoint_id,
        survey_id=invitation.survey_id,
        segment=invitation.segment,
        send_at=invitation.send_at,
        decided_at=now,
    )


def suppressed(entry: Entry, now: datetime) -> SurveySuppressed:
    """Say that a customer is not asked, and why."""
    return SurveySuppressed(
        customer_id=entry.customer.customer_id,
        decision_id=entry.decision_id,
        program_id=entry.program_id,
        touchpoint=entry.touchpoint.name,
        touchpoint_id=entry.touchpoint.touchpoint_id,
        segment=entry.customer.segment,
        reasons=entry.decision.reasons,
        decided_at=now,
    )


def requested(invitation: Invitation, customer: Customer, now: datetime) -> SurveyRequested:
    """Ask for the invitation to be sent, to where the customer is reached now."""
    return SurveyRequested(
        customer_id=invitation.customer_id,
        invitation_id=invitation.invitation_id,
        program_id=invitation.program_id,
        touchpoint=invitation.touchpoint,
        survey_id=invitation.survey_id,
        segment=invitation.segment,
        channel=invitation.channel,
        recipient=Recipient(
            email=customer.email,
            phone=customer.phone,
            name=customer.name,
            locale=customer.locale,
            timezone=customer.timezone,
        ),
        occurred_at=invitation.occurred_at,
        requested_at=now,
        expires_at=invitation.expires_at,
    )


def cancelled(invitation: Invitation, now: datetime) -> SurveyCancelled:
    """Say that an invitation will not go out after all."""
    return SurveyCancelled(
        customer_id=invitation.customer_id,
        invitation_id=invitation.invitation_id,
        program_id=invitation.program_id,
        touchpoint=invitation.touchpoint,
        segment=invitation.segment,
        reason=invitation.reason or "",
        cancelled_at=now,
    )
