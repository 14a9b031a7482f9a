"""Decide about suspect answers: a person releases one, or discards it."""

from dataclasses import replace

from heardback.db import Transaction
from response_service.commands.recording import Given, Recording
from response_service.domain.quarantine import State, Suspect, SuspectUnknown, may_release, move
from response_service.store import invitations, responses, suspects
from response_service.store.surveys import KnownSurveys, SurveyNotHereYet


async def release(tx: Transaction, quarantine_id: str, *, by: str, surveys: KnownSurveys) -> None:
    """Have a suspect answer count, as one that was never suspect.

    Raises: SuspectUnknown, AlreadyDecided, NewerAnswerCounts.
    """
    # The invitation first, as all do, so that nobody waits for one another.
    invitation_id = await suspects.find_invitation(tx.connection, quarantine_id)
    if invitation_id is None:
        raise SuspectUnknown(quarantine_id=quarantine_id)
    invitation = (await invitations.lock(tx.connection, [invitation_id]))[invitation_id]
    suspect = await _settle(tx, quarantine_id, State.RELEASED, by)
    await surveys.fetch(tx.connection, [invitation])
    survey = surveys.of(invitation)
    if survey is None:
        raise SurveyNotHereYet(survey_id=invitation.survey_id)
    recording = Recording(tx, await responses.load(tx.connection, [invitation_id]))
    may_release(suspect, recording.held(invitation_id))
    # Without its client: what a person vouches for is not taken back by a rule.
    given = Given(
        answer=suspect.answer,
        client=None,
        answered_at=suspect.answered_at,
        channel=suspect.channel,
    )
    recording.record(invitation, survey, given)
    await recording.save()


async def discard(tx: Transaction, quarantine_id: str, *, by: str) -> None:
    """Note that a suspect answer is nobody's.

    Raises: SuspectUnknown, AlreadyDecided.
    """
    await _settle(tx, quarantine_id, State.DISCARDED, by)


async def _settle(tx: Transaction, quarantine_id: str, to: State, by: str) -> Suspect:
    suspect = await suspects.lock(tx.connection, quarantine_id)
    if suspect is None:
        raise SuspectUnknown(quarantine_id=quarantine_id)
    move(suspect, to)
    settled = replace(suspect, state=to, decided_at=tx.now, decided_by=by)
    await suspects.settle(tx.connection, settled)
    return suspect
