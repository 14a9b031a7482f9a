"""Take in what other services tell: invitations, the channels they went by, and replies to them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from msgspec.structs import replace

from heardback.contracts.payloads import ReplyReceived
from heardback.db import Transaction
from heardback.security import short_code
from heardback.surveys import Survey
from heardback.timers import Timer
from heardback.vocabulary import Channel
from response_service import metrics
from response_service.commands.recording import Given, Recording
from response_service.domain.answer import LONGEST_COMMENT, Answer, Response
from response_service.domain.invitation import Invitation
from response_service.domain.reply import read_reply
from response_service.store import invitations, responses
from response_service.store.surveys import KnownSurveys, newest_versions

EARLY: Final = "early"
"""The timer of what was told about an invitation before the invitation itself arrived."""

_LOOK_AGAIN: Final = timedelta(seconds=5)
_GIVE_UP_AFTER: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """Something that was told about an invitation. `text`: of a reply; None: it was sent."""

    told_id: str
    invitation_id: str
    channel: Channel
    text: str | None
    at: datetime
    since: datetime


async def learn(
    tx: Transaction, asked: Sequence[Invitation], texted: Sequence[Invitation], keys: Sequence[str]
) -> None:
    """Learn of invitations, and of the short links of those that may go by text message."""
    unpinned = {i.survey_id for i in asked if i.survey_version is None}
    newest = await newest_versions(tx.connection, unpinned) if unpinned else {}
    pinned = [
        i if i.survey_version else replace(i, survey_version=newest.get(i.survey_id)) for i in asked
    ]
    await invitations.insert_new(tx.connection, pinned)
    codes = {short_code(key, i.invitation_id): i for i in texted for key in keys}
    await invitations.insert_codes(tx.connection, codes)


async def hear(tx: Transaction, told: Sequence[Told], surveys: KnownSurveys) -> None:
    """Have the effects of what was told; what is about an invitation to come waits for it."""
    ids = sorted({one.invitation_id for one in told})
    asked = await invitations.lock(tx.connection, ids)
    await surveys.fetch(tx.connection, asked.values())
    recording = Recording(tx, await responses.load(tx.connection, ids))
    channels: dict[str, Channel] = {}
    for one in told:
        invitation = asked.get(one.invitation_id)
        survey = surveys.of(invitation) if invitation else None
        if invitation is None or survey is None:
            _wait(tx, one)
        elif one.text is None:
            channels[one.invitation_id] = one.channel
        else:
            _answer(recording, invitation, survey, one)
    if channels:
        await invitations.follow_channels(tx.connection, channels)
    await recording.save()


def reply(payload: ReplyReceived, now: datetime) -> Told:
    """Return what a reply tells."""
    return Told(
        told_id=payload.reply_id,
        invitation_id=payload.invitation_id,
        channel=payload.channel,
        text=payload.text,
        at=payload.received_at,
        since=now,
    )


def _answer(recording: Recording, invitation: Invitation, survey: Survey, one: Told) -> None:
    """Take a reply as an answer. One that is older than what counts changes nothing."""
    held = recording.held(invitation.invitation_id)
    before = held if held is not None and held.counts else None
    if before is not None and before.answered_at >= one.at:
        metrics.REPLIES.add(1, {"outcome": "older"})
        return
    answer = _read(one.text or "", survey, before)
    if answer is None:
        metrics.REPLIES.add(1, {"outcome": "no_score"})
        return
    given = Given(answer=answer, client=None, answered_at=one.at, channel=one.channel)
    decision = recording.record(invitation, survey, given)
    metrics.REPLIES.add(1, {"outcome": decision.change.value})


def _read(text: str, survey: Survey, before: Response | None) -> Answer | None:
    """Return what a customer says now, what they said before included."""
    said = read_reply(text, survey.scale, answered=before is not None)
    if before is None:
        if said.score is None:
            return None
        return Answer(scale=survey.scale, score=said.score, comment=said.comment)
    score = before.answer.score if said.score is None else said.score
    words = [before.answer.comment] if said.score is None else []
    told = [part for part in (*words, said.comment) if part]
    comment = "\n".join(told)[:LONGEST_COMMENT] or before.answer.comment
    return replace(before.answer, score=score, comment=comment)


def _wait(tx: Transaction, one: Told) -> None:
    """Look again in a moment: topics are read each at its own pace."""
    if tx.now - one.since > _GIVE_UP_AFTER:
        metrics.REPLIES.add(1, {"outcome": "unknown"})
        return
    payload = {
        "invitation_id": one.invitation_id,
        "channel": one.channel.value,
        "text": one.text,
        "at": one.at.isoformat(),
        "since": one.since.isoformat(),
    }
    due_at = tx.now + _LOOK_AGAIN
    tx.set_timer(Timer(kind=EARLY, key=one.told_id, due_at=due_at, payload=payload))


def told_in(timer: Timer) -> Told:
    """Return what waits in a timer."""
    fields: Mapping[str, str] = timer.payload
    return Told(
        told_id=timer.key,
        invitation_id=fields["invitation_id"],
        channel=Channel(fields["channel"]),
        text=fields["text"],
        at=datetime.fromisoformat(fields["at"]),
        since=datetime.fromisoformat(fields["since"]),
    )
