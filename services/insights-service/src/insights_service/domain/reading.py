"""What an event says that counts."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from heardback.contracts import payloads
from heardback.contracts.payloads import Payload
from heardback.vocabulary import Category, Scale
from insights_service.domain.facts import (
    Alert,
    Decision,
    Fact,
    InvitationStep,
    Measure,
    Response,
    TaskStep,
)

UNNAMED = "unnamed"
"""The reason of a suppression that gives none."""


def facts_of(payload: Payload) -> Sequence[Fact]:
    """Return what `payload` adds to the counts."""
    if isinstance(payload, payloads.SurveySuppressed):
        return [_suppressed(payload, suppression) for suppression in payload.suppressions]
    fact = _fact_of(payload)
    return [] if fact is None else [fact]


def _fact_of(payload: Payload) -> Fact | None:
    if isinstance(payload, payloads.TaskEvent):
        return _task_step(payload)
    match payload:
        case payloads.SurveyScheduled():
            return _scheduled(payload)
        case payloads.SurveySuppressedV1():
            return _suppressed(payload, payload)
        case payloads.DetractorAlerted():
            return Alert(
                **_about(payload, payload.alerted_at),
                alert_id=payload.alert_id,
                response_id=payload.response_id,
                score=payload.score,
            )
    return _invitation_step(payload)


def response_of(payload: Payload) -> Response | None:
    """Return the answer as it stands after this event, if it is about one that has counted."""
    match payload:
        case payloads.ResponseRecorded():
            return _recorded(payload)
        case payloads.ResponseQuarantined(revision=int(revision), category=Category() as category):
            return _quarantined(payload, revision, category)
    return None


def _recorded(payload: payloads.ResponseRecorded) -> Response:
    return Response(
        **_about(payload, payload.answered_at),
        response_id=payload.response_id,
        revision=payload.revision,
        invitation_id=payload.invitation_id,
        channel=payload.channel.value,
        scale=payload.scale,
        score=payload.score,
        category=payload.category,
        commented=bool(payload.comment and payload.comment.strip()),
    )


def _quarantined(
    payload: payloads.ResponseQuarantined, revision: int, category: Category
) -> Response:
    return Response(
        **_about(payload, payload.quarantined_at),
        response_id=payload.response_id,
        revision=revision,
        invitation_id=payload.invitation_id,
        channel=payload.channel.value,
        scale=Scale.NPS,
        score=None,
        category=category,
        commented=False,
    )


def _scheduled(payload: payloads.SurveyScheduled) -> Decision:
    return Decision(
        **_about(payload, payload.decided_at),
        decision_id=payload.decision_id,
        touchpoint_id=payload.touchpoint_id,
        invitation_id=payload.invitation_id,
        outcome=Measure.SCHEDULED,
        reason="",
    )


def _suppressed(
    payload: payloads.SurveySuppressed | payloads.SurveySuppressedV1,
    suppression: payloads.Suppression | payloads.SurveySuppressedV1,
) -> Decision:
    program_id = suppression.program_id or ""
    return Decision(
        customer_id=payload.customer_id,
        program_id=program_id,
        touchpoint=payload.touchpoint,
        segment=payload.segment or "",
        occurred_at=payload.decided_at,
        decision_id=f"{payload.touchpoint_id}:{program_id}",
        touchpoint_id=payload.touchpoint_id,
        invitation_id=None,
        outcome=Measure.SUPPRESSED,
        reason=next(iter(suppression.reasons), UNNAMED),
    )


def _invitation_step(payload: Payload) -> InvitationStep | None:
    reason, number = "", 0
    match payload:
        case payloads.SurveyCancelled(cancelled_at=at, reason=reason):
            step = Measure.CANCELLED
        case payloads.SurveyRequested(requested_at=at):
            step = Measure.REQUESTED
        case payloads.InvitationSent(sent_at=at):
            step = Measure.SENT
        case payloads.InvitationReminded(sent_at=at, number=number):
            step = Measure.REMINDED
        case payloads.InvitationOpened(opened_at=at):
            step = Measure.INVITATION_OPENED
        case payloads.InvitationBounced(bounced_at=at, next_channel=None):
            # Its reason is a provider's free text, which may hold an address.
            step = Measure.BOUNCED
        case payloads.InvitationDropped(dropped_at=at, reason=reason):
            step = Measure.DROPPED
        case payloads.RecipientUnsubscribed(unsubscribed_at=at):
            step = Measure.UNSUBSCRIBED
        case _:
            return None
    about = _about(payload, at)
    return InvitationStep(
        **about,
        invitation_id=payload.invitation_id,
        step=step,
        number=number,
        reason=reason,
        variant=getattr(payload, "variant", None),
    )


def _task_step(payload: payloads.TaskEvent) -> TaskStep | None:
    clock, occurrence = "", 0
    seconds: float | None = None
    match payload:
        case payloads.TaskOpened():
            step = Measure.OPENED
        case payloads.TaskAcknowledged():
            step = Measure.ACKNOWLEDGED
        case payloads.TaskContacted(first=True):
            step, seconds = Measure.CONTACTED, payload.first_response_seconds
        case payloads.TaskResolved():
            step, seconds = Measure.RESOLVED, payload.resolution_seconds
            occurrence = payload.number - 1
        case payloads.TaskReopened():
            step, occurrence = Measure.REOPENED, payload.version
        case payloads.TaskCancelled():
            step, occurrence = Measure.TASK_CANCELLED, payload.version
        case payloads.TaskVerified():
            step, clock, occurrence = Measure.VERIFIED, payload.outcome.value, payload.version
        case payloads.TaskSlaWarned():
            step, clock = Measure.WARNED, payload.clock.value
        case payloads.TaskSlaBreached():
            step, clock = Measure.BREACHED, payload.clock.value
        case _:
            return None
    about = _about(payload, payload.occurred_at)
    return TaskStep(
        **about,
        task_id=payload.task_id,
        step=step,
        clock=clock,
        occurrence=occurrence,
        seconds=seconds,
    )


def _about(payload: Any, occurred_at: datetime) -> dict[str, Any]:
    """Return the fields that every fact has."""
    return {
        "customer_id": payload.customer_id,
        "program_id": payload.program_id or "",
        "touchpoint": getattr(payload, "touchpoint", ""),
        "segment": getattr(payload, "segment", None) or "",
        "occurred_at": occurred_at,
    }
