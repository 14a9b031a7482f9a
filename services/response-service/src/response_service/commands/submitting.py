"""Take the answers that are sent at one time: in one transaction, in order, each judged."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from msgspec import Struct

from heardback.db import Database, Transaction
from heardback.errors import Invalid, Retryable
from heardback.surveys import Survey
from heardback.vocabulary import Channel
from response_service.commands.recording import Given, Recording
from response_service.commands.taking_back import find_scanners, take_scanners_back
from response_service.domain.answer import (
    Answer,
    Decision,
    Response,
    clean_text,
    read_comment,
    read_drivers,
    read_score,
)
from response_service.domain.client import Client
from response_service.domain.invitation import Invitation
from response_service.domain.judging import FEWEST_LINKS, LOOK_BACK, Reason, Signals, judge
from response_service.queries import Asked
from response_service.store import evidence, invitations
from response_service.store.surveys import KnownSurveys, SurveyNotHereYet

_REPEATED_WITHIN: Final = timedelta(days=1)


class InvitationNotHereYet(Retryable):
    """The link is ours, but its invitation has not arrived; it will."""

    invitation_id: str


class Submission(Struct, frozen=True, kw_only=True):
    """What a form or a widget sent, before anything is known of the invitation.

    `comment`, `ratings`: None says nothing about them, and leaves those that are there.
    `seconds`: from when the page was made; `answered`: other invitations that this client answered
    within a minute.
    """

    invitation_id: str
    score: str | None
    comment: str | None = None
    ratings: Mapping[str, object] | None = None
    client: Client
    seconds: float | None = None
    trap_filled: bool = False
    answered: int = 0
    channel: Channel | None = None


class Taken(Struct, frozen=True, kw_only=True):
    """An answer that was taken: what it says, and what it changed; None: it is suspect."""

    asked: Asked
    survey: Survey
    answer: Answer
    decision: Decision | None
    reasons: tuple[Reason, ...] = ()


class Refused(Struct, frozen=True, kw_only=True):
    """An answer that was not taken, and why. What it is to is known all the same."""

    asked: Asked
    survey: Survey
    fault: Invalid


Outcome = Taken | Refused | Retryable


class Submitting:
    """The flush of all submits: a result for each, and one commit."""

    def __init__(self, database: Database, surveys: KnownSurveys) -> None:
        self._database = database
        self._surveys = surveys

    async def __call__(self, submissions: Sequence[Submission]) -> list[Outcome]:
        """Take `submissions` in order."""
        async with self._database.transaction() as tx:
            return await submit(tx, submissions, self._surveys)


async def submit(
    tx: Transaction, submissions: Sequence[Submission], surveys: KnownSurveys
) -> list[Outcome]:
    """Take `submissions` in order; return what became of each."""
    asked = await invitations.lock(tx.connection, sorted({s.invitation_id for s in submissions}))
    await surveys.fetch(tx.connection, asked.values())
    # Not in one statement with the lock: what was answered while we waited for it counts.
    known = await evidence.load(
        tx.connection,
        [(s.invitation_id, clean_text(s.comment or "").strip()) for s in submissions],
        visited_since=tx.now - LOOK_BACK,
        written_since=tx.now - _REPEATED_WITHIN,
    )
    recording = Recording(tx, known.held)
    scanned = {key: asked[key] for key in asked if known.links[key] >= FEWEST_LINKS}
    until = dict.fromkeys(scanned, tx.now)
    followers = await find_scanners(tx, scanned, surveys, until=until)
    await take_scanners_back(tx, recording, scanned, followers, surveys, until=until)
    taking = _Taking(tx, recording, surveys, asked, followers, known.writers)
    outcomes = [taking.take(submission) for submission in submissions]
    await recording.save()
    return outcomes


@dataclass(frozen=True, slots=True)
class _Taking:
    """What is known to all submissions of a flush."""

    tx: Transaction
    recording: Recording
    surveys: KnownSurveys
    asked: Mapping[str, Invitation]
    followers: Mapping[str, frozenset[bytes]]
    writers: Mapping[str, frozenset[str]]

    def take(self, submission: Submission) -> Outcome:
        invitation = self.asked.get(submission.invitation_id)
        if invitation is None:
            return InvitationNotHereYet(invitation_id=submission.invitation_id)
        survey = self.surveys.of(invitation)
        if survey is None:
            return SurveyNotHereYet(survey_id=invitation.survey_id)
        held = self.recording.held(invitation.invitation_id)
        before = held if held is not None and held.counts else None
        asked = Asked(invitation=invitation, held=before)
        try:
            answer = _read(submission, survey, before)
        except Invalid as fault:
            return Refused(asked=asked, survey=survey, fault=fault)
        given = Given(
            answer=answer,
            client=submission.client.key,
            answered_at=self.tx.now,
            channel=submission.channel,
        )
        reasons = judge(self._signals(submission, invitation, answer))
        decision = None
        if reasons:
            self.recording.hold(invitation, given, reasons)
        else:
            decision = self.recording.record(invitation, survey, given)
        return Taken(asked=asked, survey=survey, answer=answer, decision=decision, reasons=reasons)

    def _signals(self, submission: Submission, invitation: Invitation, answer: Answer) -> Signals:
        client = submission.client
        writers = self.writers.get(answer.comment or "", frozenset())
        return Signals(
            kind=client.kind,
            in_app=submission.channel is Channel.IN_APP,
            has_fetch_metadata=client.has_fetch_metadata,
            seconds=submission.seconds,
            trap_filled=submission.trap_filled,
            follows_every_link=client.key in self.followers.get(invitation.invitation_id, ()),
            repeats=len(writers - {invitation.customer_id}),
            answered=submission.answered,
        )


def _read(submission: Submission, survey: Survey, before: Response | None) -> Answer:
    comment = before.answer.comment if before else None
    drivers = before.answer.drivers if before else {}
    if submission.comment is not None:
        comment = read_comment(submission.comment)
    if submission.ratings is not None:
        drivers = read_drivers(submission.ratings, survey.drivers)
    score = read_score(submission.score, survey.scale)
    return Answer(scale=survey.scale, score=score, comment=comment, drivers=drivers)
