"""Between events and the domain: what comes in as touchpoints, what goes out as payloads."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from operator import attrgetter
from typing import Any, Final

from msgspec import Struct

from heardback.contracts import topics
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
    TouchpointRecorded,
    TouchpointRevoked,
)
from heardback.envelope import Event
from heardback.hours import permitted_hours
from heardback.vocabulary import TASK_RESOLVED, Category, Scope
from trigger_service.domain.customer import Customer
from trigger_service.domain.decision import Decision
from trigger_service.domain.due import Due
from trigger_service.domain.invitation import Invitation
from trigger_service.domain.reason import Reason
from trigger_service.domain.touchpoint import Revocation, Touchpoint, touchpoint_id


class _Happened(Struct, frozen=True, kw_only=True):
    """How a kind of event is read as a touchpoint.

    `facts`: the fields that eligibility can look at, beside its attributes. `subject`: what it is
    about, if anything. Without a `name` it is the payload that names it.
    """

    name: str | None
    facts: tuple[str, ...] = ()
    subject: Callable[[Any], str | None]


class _Undone(Struct, frozen=True, kw_only=True):
    """How a kind of event is read as a revocation."""

    reason: Reason
    subject: Callable[[Any], str]


def _order(data: Any) -> str:
    return f"order:{data.order_id}"


def _ticket(data: Any) -> str:
    return f"ticket:{data.ticket_id}"


def _task(data: Any) -> str:
    return f"task:{data.task_id}"


def _account(data: OnboardingCompleted) -> str | None:
    return f"account:{data.account_id}" if data.account_id else None


_subject: Final = attrgetter("subject")
# By the exact type of a payload: to ask each model whether it is one takes 0.1 µs a model.
_HAPPENED: Final[Mapping[type[Payload], _Happened]] = {
    PurchaseCompleted: _Happened(
        name=topics.PURCHASE.name, facts=("amount", "currency", "items"), subject=_order
    ),
    TicketClosed: _Happened(
        name=topics.TICKET_CLOSED.name, facts=("topic", "agent", "closed_by"), subject=_ticket
    ),
    OnboardingCompleted: _Happened(
        name=topics.ONBOARDING_COMPLETE.name, facts=("plan",), subject=_account
    ),
    TouchpointRecorded: _Happened(name=None, subject=_subject),
    TaskResolved: _Happened(name=TASK_RESOLVED, facts=("category", "root_cause"), subject=_task),
}
_UNDONE: Final[Mapping[type[Payload], _Undone]] = {
    PurchaseRefunded: _Undone(reason=Reason.REFUNDED, subject=_order),
    PurchaseCancelled: _Undone(reason=Reason.ORDER_CANCELLED, subject=_order),
    TicketReopened: _Undone(reason=Reason.REOPENED, subject=_ticket),
    TouchpointRevoked: _Undone(reason=Reason.REVOKED, subject=_subject),
    TaskReopened: _Undone(reason=Reason.REOPENED, subject=_task),
    TaskCancelled: _Undone(reason=Reason.REVOKED, subject=_task),
}


def tells_of_touchpoints(event: Event[Any]) -> bool:
    """Tell whether `event` is about something that happened, or about its undoing."""
    return type(event.data) in _HAPPENED or type(event.data) in _UNDONE


def touchpoint_of(event: Event[Any]) -> Touchpoint | None:
    """Return what `event` says has happened; None: it is about something else."""
    data = event.data
    kind = _HAPPENED.get(type(data))
    if kind is None:
        return None
    said = vars(data)
    facts = dict(said.get("attributes") or {})
    for name in kind.facts:
        if (value := said[name]) is not None:
            facts[name] = str(value) if type(value) is Category else value
    return Touchpoint(
        touchpoint_id=touchpoint_id(event.source, event.id),
        source=event.source,
        event_id=event.id,
        customer_id=data.customer_id,
        name=kind.name or data.touchpoint,
        occurred_at=data.occurred_at,
        subject=kind.subject(data),
        closed_by=said.get("closed_by"),
        facts=facts,
        profile=said.get("customer"),
        traceparent=event.traceparent,
    )


def revocation_of(event: Event[Any]) -> Revocation | None:
    """Return what `event` says was undone; None: it is about something else."""
    kind = _UNDONE.get(type(event.data))
    if kind is None:
        return None
    return Revocation(
        customer_id=event.key,
        subject=kind.subject(event.data),
        revoked_at=event.data.occurred_at,
        reason=kind.reason,
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


# There is one of these for each touchpoint, so they are plain fields, which cost half as much.


def scheduled(invitation: Invitation, now: datetime) -> dict[str, Any]:
    """Return the fields of `SurveyScheduled`: an invitation will go out."""
    return {
        "customer_id": invitation.customer_id,
        "decision_id": f"{invitation.touchpoint_id}:{invitation.program_id}",
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


def suppressed(
    touchpoint: Touchpoint, decisions: Sequence[Decision], now: datetime
) -> dict[str, Any]:
    """Return the fields of `SurveySuppressed`: which programs do not ask the customer, and why."""
    return {
        "customer_id": touchpoint.customer_id,
        "touchpoint": touchpoint.name,
        "touchpoint_id": touchpoint.touchpoint_id,
        "segment": decisions[0].segment,
        "suppressions": [
            {
                "program_id": decision.program and decision.program.program_id,
                "program_version": decision.program and decision.program.version,
                "reasons": list(decision.against),
            }
            for decision in decisions
        ],
        "decided_at": now,
    }


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


def _seconds(duration: timedelta | None) -> int | None:
    return None if duration is None else int(duration.total_seconds())
