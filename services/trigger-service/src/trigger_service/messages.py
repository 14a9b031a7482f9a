"""Between events and the domain: what comes in as touchpoints, what goes out as payloads."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from heardback.contracts.payloads import (
    CustomerChurned,
    CustomerErased,
    CustomerReturned,
    CustomerUpdated,
    InvitationBounced,
    InvitationDropped,
    OnboardingCompleted,
    Payload,
    PurchaseCancelled,
    PurchaseCompleted,
    PurchaseRefunded,
    Recipient,
    RecipientResubscribed,
    RecipientUnsubscribed,
    SurveyCancelled,
    SurveyPostponed,
    SurveyRequested,
    TaskCancelled,
    TaskReopened,
    TaskResolved,
    TicketClosed,
    TicketReopened,
    TouchpointPayload,
    TouchpointRecorded,
    TouchpointRevoked,
)
from heardback.envelope import Event
from heardback.hours import permitted_hours
from heardback.vocabulary import TASK_RESOLVED, Scope
from trigger_service.domain.customer import Customer
from trigger_service.domain.due import Due
from trigger_service.domain.invitation import Invitation
from trigger_service.domain.ledger import Entry, Outcome
from trigger_service.domain.reason import Reason
from trigger_service.domain.touchpoint import Revocation, Touchpoint, touchpoint_id

_FACTS: Final[Mapping[type[Payload], tuple[str, ...]]] = {
    PurchaseCompleted: ("amount", "currency", "items"),
    TicketClosed: ("topic", "agent", "closed_by"),
    OnboardingCompleted: ("plan",),
    TouchpointRecorded: (),
}
"""The fields of each payload that eligibility can look at, beside its attributes."""


def touchpoint_of(event: Event[Any]) -> Touchpoint:
    """Return what `event` says has happened; a standard touchpoint is named as its topic."""
    if isinstance(event.data, TaskResolved):
        return _task_resolved(event)
    data: TouchpointPayload = event.data
    facts = dict(data.attributes)
    for name in _FACTS[type(data)]:
        if (value := getattr(data, name)) is not None:
            facts[name] = value
    return Touchpoint(
        touchpoint_id=touchpoint_id(event.source, event.id),
        source=event.source,
        event_id=event.id,
        customer_id=data.customer_id,
        name=data.touchpoint if isinstance(data, TouchpointRecorded) else event.type.topic.name,
        occurred_at=data.occurred_at,
        subject=_subject(data),
        closed_by=data.closed_by if isinstance(data, TicketClosed) else None,
        facts=facts,
        profile=data.customer,
        traceparent=event.traceparent,
    )


def is_touchpoint(event: Event[Any]) -> bool:
    """Tell whether `event` is about something that happened, and not one about its undoing."""
    return isinstance(event.data, TouchpointPayload | TaskResolved)


def revocation_of(event: Event[Any]) -> Revocation | None:
    """Return what `event` says was undone; None: it is about something that happened."""
    data = event.data
    match data:
        case PurchaseRefunded():
            reason, subject = Reason.REFUNDED, f"order:{data.order_id}"
        case PurchaseCancelled():
            reason, subject = Reason.ORDER_CANCELLED, f"order:{data.order_id}"
        case TicketReopened():
            reason, subject = Reason.REOPENED, f"ticket:{data.ticket_id}"
        case TouchpointRevoked():
            reason, subject = Reason.REVOKED, data.subject
        case TaskReopened():
            reason, subject = Reason.REOPENED, f"task:{data.task_id}"
        case TaskCancelled():
            reason, subject = Reason.REVOKED, f"task:{data.task_id}"
        case _:
            return None
    return Revocation(
        customer_id=event.key, subject=subject, revoked_at=data.occurred_at, reason=reason
    )


def _task_resolved(event: Event[TaskResolved]) -> Touchpoint:
    data = event.data
    return Touchpoint(
        touchpoint_id=touchpoint_id(event.source, event.id),
        source=event.source,
        event_id=event.id,
        customer_id=data.customer_id,
        name=TASK_RESOLVED,
        occurred_at=data.occurred_at,
        subject=f"task:{data.task_id}",
        facts={"category": str(data.category), "root_cause": data.root_cause},
        traceparent=event.traceparent,
    )


def customer_after(customer: Customer, data: object, *, now: datetime) -> Customer:
    """Return the customer after an event; what claims to be from the future holds from now."""
    match data:
        case CustomerUpdated():
            return customer.informed(data.customer, min(data.occurred_at, now), data.version)
        case CustomerChurned():
            return customer.churned(min(data.occurred_at, now))
        case CustomerReturned():
            return customer.returned(min(data.occurred_at, now))
        case CustomerErased():
            return customer.erased(min(data.occurred_at, now))
        case RecipientUnsubscribed(scope=Scope.ALL):
            return customer.unsubscribed(data.unsubscribed_at)
        case RecipientResubscribed(scope=Scope.ALL):
            return customer.resubscribed(data.resubscribed_at)
    return customer


def undelivered(data: object) -> str | None:
    """Return why an invitation reached nobody, and no other channel is tried, if so."""
    match data:
        case InvitationBounced(next_channel=None):
            return "bounced"
        case InvitationDropped():
            return "dropped"
    return None


# There is one of these two for each decision, so they are plain fields, which cost half as much.


def scheduled(
    entry: Entry, outcome: Outcome, invitation: Invitation, now: datetime
) -> dict[str, Any]:
    """Return the fields of `SurveyScheduled`: an invitation will go out."""
    return {
        "customer_id": invitation.customer_id,
        "decision_id": decision_id(entry, outcome),
        "invitation_id": invitation.invitation_id,
        "program_id": invitation.program_id,
        "program_version": invitation.program_version,
        "touchpoint": invitation.touchpoint,
        "touchpoint_id": invitation.touchpoint_id,
        "survey_id": invitation.survey_id,
        "variant": invitation.variant,
        "segment": invitation.segment,
        "subject": invitation.subject,
        "send_at": invitation.send_at,
        "decided_at": now,
    }


def suppressed(entry: Entry, outcome: Outcome, now: datetime) -> dict[str, Any]:
    """Return the fields of `SurveySuppressed`: a customer is not asked, and why."""
    program = outcome.decision.program
    return {
        "customer_id": entry.customer.customer_id,
        "decision_id": decision_id(entry, outcome),
        "program_id": outcome.program_id,
        "program_version": None if program is None else program.version,
        "touchpoint": entry.touchpoint.name,
        "touchpoint_id": entry.touchpoint.touchpoint_id,
        "segment": outcome.decision.segment,
        "reasons": list(outcome.decision.against),
        "decided_at": now,
    }


def decision_id(entry: Entry, outcome: Outcome) -> str:
    """Return the one id of what a program made of a touchpoint."""
    return f"{entry.touchpoint.touchpoint_id}:{outcome.program_id or ''}"


def requested(due: Due, *, survey_version: int | None, now: datetime) -> SurveyRequested:
    """Ask for the invitation to be sent, to where the customer is reached now."""
    invitation, customer, request = due.invitation, due.customer, due.request
    assert request is not None
    program, reminders = request.program, request.program.reminders
    hours = {channel: program.hours_of(channel) for channel in invitation.channels}
    return SurveyRequested(
        customer_id=invitation.customer_id,
        invitation_id=invitation.invitation_id,
        program_id=invitation.program_id,
        program_version=invitation.program_version,
        program_type=invitation.type,
        touchpoint=invitation.touchpoint,
        survey_id=invitation.survey_id,
        survey_version=survey_version,
        variant=invitation.variant,
        segment=invitation.segment,
        channel=request.channel,
        channels=invitation.channels,
        learn_channels=program.learn_channels,
        fallback_after_seconds=_seconds(program.fallback_after),
        reminders=reminders.count if reminders else 0,
        reminder_after_seconds=_seconds(reminders.after if reminders else None),
        hours=permitted_hours(hours, request.zone),
        recipient=Recipient(
            email=customer.email,
            phone=customer.phone,
            name=customer.name,
            locale=invitation.locale or customer.locale,
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


def postponed(invitation: Invitation, now: datetime) -> SurveyPostponed:
    """Say that an invitation goes out later than it was planned."""
    return SurveyPostponed(
        customer_id=invitation.customer_id,
        invitation_id=invitation.invitation_id,
        program_id=invitation.program_id,
        touchpoint=invitation.touchpoint,
        segment=invitation.segment,
        reason=invitation.reason or "",
        send_at=invitation.send_at,
        postponed_at=now,
    )


def _subject(data: TouchpointPayload) -> str | None:
    match data:
        case PurchaseCompleted():
            return f"order:{data.order_id}"
        case TicketClosed():
            return f"ticket:{data.ticket_id}"
        case OnboardingCompleted():
            return f"account:{data.account_id}" if data.account_id else None
        case TouchpointRecorded():
            return data.subject
    return None


def _seconds(duration: timedelta | None) -> int | None:
    return None if duration is None else int(duration.total_seconds())
