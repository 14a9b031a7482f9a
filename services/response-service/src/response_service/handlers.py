"""What response-service does: one function per event and command, each within a transaction."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from heardback.contracts import registry
from heardback.contracts.payloads import (
    DetractorAlerted,
    Recipient,
    ResponseRecorded,
    SurveyRequested,
)
from heardback.db import Transaction
from heardback.envelope import Event
from heardback.errors import Retryable
from response_service import store
from response_service.domain.answer import Answer, Change, Decision, Response, decide
from response_service.domain.invitation import Invitation


class InvitationNotHereYet(Retryable):
    """The link is ours, but its invitation has not arrived; it will."""

    invitation_id: str


async def on_survey_events(tx: Transaction, events: Sequence[Event[Any]]) -> None:
    """Learn of the invitations that are requested, so that their links can be answered."""
    requested = [_requested(e) for e in events if isinstance(e.data, SurveyRequested)]
    await store.insert_invitations(tx.connection, requested)


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """An answer that is saved: to which survey, and what it changed."""

    survey_id: str
    decision: Decision


async def submit(tx: Transaction, invitation_id: str, answer: Answer) -> Taken:
    """Take an answer; the same one again changes nothing.

    Raises: InvitationNotHereYet.
    """
    invitation = await store.lock_invitation(tx.connection, invitation_id)
    if invitation is None:
        raise InvitationNotHereYet(invitation_id=invitation_id)
    held = await store.load_response(tx.connection, invitation_id)
    decision = decide(held, answer)
    if decision.change is not Change.NONE:
        response = _response(tx, held, answer, decision)
        await store.save_response(tx.connection, invitation, response)
        _publish(tx, invitation, response, held)
        if decision.alert:
            _alert(tx, invitation, response)
    return Taken(survey_id=invitation.survey_id, decision=decision)


def _response(
    tx: Transaction, held: Response | None, answer: Answer, decision: Decision
) -> Response:
    held_alert = held.alert_id if held else None
    return Response(
        response_id=held.response_id if held else tx.ids.new(),
        revision=decision.revision,
        answer=answer,
        alert_id=tx.ids.new() if decision.alert else held_alert,
        answered_at=tx.now,
    )


def _publish(
    tx: Transaction, invitation: Invitation, response: Response, held: Response | None
) -> None:
    answer = response.answer
    payload = ResponseRecorded(
        **_story(invitation, response),
        survey_id=invitation.survey_id,
        channel=invitation.channel,
        revision=response.revision,
        category=answer.category,
        previous_category=held.answer.category if held else None,
        previously_commented=held is not None and held.answer.comment is not None,
        answered_at=response.answered_at,
    )
    event_type = registry.RESPONSE_REVISED if held else registry.RESPONSE_RECORDED
    tx.emit(event_type, payload, traceparent=invitation.traceparent)


def _alert(tx: Transaction, invitation: Invitation, response: Response) -> None:
    payload = DetractorAlerted(
        **_story(invitation, response),
        alert_id=str(response.alert_id),
        revision=response.revision,
        recipient=Recipient(**invitation.recipient),
        alerted_at=response.answered_at,
    )
    tx.emit(registry.DETRACTOR_ALERTED, payload, traceparent=invitation.traceparent)


def _story(invitation: Invitation, response: Response) -> dict[str, Any]:
    """Return what every event about a response says."""
    return {
        "customer_id": invitation.customer_id,
        "response_id": response.response_id,
        "invitation_id": invitation.invitation_id,
        "program_id": invitation.program_id,
        "touchpoint": invitation.touchpoint,
        "segment": invitation.segment,
        "score": response.answer.score,
        "comment": response.answer.comment,
    }


def _requested(event: Event[SurveyRequested]) -> Invitation:
    asked = event.data
    return Invitation(
        invitation_id=asked.invitation_id,
        customer_id=asked.customer_id,
        program_id=asked.program_id,
        touchpoint=asked.touchpoint,
        survey_id=asked.survey_id,
        segment=asked.segment,
        channel=asked.channel,
        recipient=asked.recipient.model_dump(),
        occurred_at=asked.occurred_at,
        expires_at=asked.expires_at,
        traceparent=event.traceparent,
    )
