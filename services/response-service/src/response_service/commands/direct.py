"""Take answers that trusted systems send: a kiosk, a call centre. Each request counts once."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

import orjson

from heardback.db import Transaction
from heardback.errors import Conflict, Invalid, NotFound
from heardback.vocabulary import Channel
from response_service.commands.recording import Given, Recording
from response_service.domain.answer import DRIVER_SCORES, Answer, read_comment, read_score
from response_service.domain.invitation import Invitation
from response_service.store import invitations, responses, submissions
from response_service.store.submissions import Answered, RequestKey
from response_service.store.surveys import KnownSurveys, SurveyNotHereYet, newest_versions

KEPT: Final = timedelta(days=1)
"""How long a request is remembered: sent again within it, it is answered as it was."""

_OPEN_FOR: Final = timedelta(days=30)


class InvitationUnknown(NotFound):
    """There is no invitation under this id."""

    invitation_id: str


class SurveyUnknown(Invalid):
    """There is no survey under this id."""

    survey_id: str


class RatingUnfit(Invalid):
    """The survey asks for no such rating, or the rating is not from 1 to 5."""

    driver: str


class KeyReused(Invalid):
    """This Idempotency-Key came with another request before; take a new key for a new request."""


class RequestUnderWay(Conflict):
    """A request with this Idempotency-Key is under way; ask again in a moment."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Contact:
    """Whom and what an answer is about that nobody asked for by an invitation."""

    customer_id: str
    program_id: str
    touchpoint: str
    survey_id: str
    segment: str | None
    recipient: Mapping[str, Any]
    occurred_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DirectAnswer:
    """What a trusted system sends: an answer to an invitation, or to what nobody asked before."""

    about: str | Contact
    score: int
    comment: str | None
    drivers: Mapping[str, int] = field(default_factory=dict)


def digest_of(body: Mapping[str, Any]) -> str:
    """Return what two requests share that say the same."""
    return hashlib.sha256(orjson.dumps(body, option=orjson.OPT_SORT_KEYS)).hexdigest()


async def begin(tx: Transaction, key: RequestKey, digest: str) -> Answered | None:
    """Have a request to oneself; return how it was answered if it came before.

    Raises: RequestUnderWay, KeyReused.
    """
    if not await submissions.try_lock(tx.connection, key):
        raise RequestUnderWay
    before = await submissions.load(tx.connection, key, since=tx.now - KEPT)
    if before is not None and before.digest != digest:
        raise KeyReused
    return before


async def take(tx: Transaction, sent: DirectAnswer, surveys: KnownSurveys) -> dict[str, Any]:
    """Record an answer; return what is said of it.

    Raises: InvitationUnknown, SurveyUnknown, ScoreMissing, CommentTooLong, RatingUnfit.
    """
    invitation_id = sent.about if isinstance(sent.about, str) else await _ask(tx, sent.about)
    asked = await invitations.lock(tx.connection, [invitation_id])
    if invitation_id not in asked:
        raise InvitationUnknown(invitation_id=invitation_id)
    invitation = asked[invitation_id]
    await surveys.fetch(tx.connection, [invitation])
    survey = surveys.of(invitation)
    if survey is None:
        raise SurveyNotHereYet(survey_id=invitation.survey_id)
    for driver, rating in sent.drivers.items():
        if driver not in survey.drivers or rating not in DRIVER_SCORES:
            raise RatingUnfit(driver=driver)
    answer = Answer(
        scale=survey.scale,
        score=read_score(str(sent.score), survey.scale),
        comment=read_comment(sent.comment or ""),
        drivers=dict(sent.drivers),
    )
    recording = Recording(tx, await responses.load(tx.connection, [invitation_id]))
    given = Given(answer=answer, client=None, answered_at=tx.now, channel=Channel.DIRECT)
    decision = recording.record(invitation, survey, given)
    await recording.save()
    held = recording.held(invitation_id)
    assert held is not None  # it was recorded just now
    return {
        "response_id": held.response_id,
        "invitation_id": invitation_id,
        "revision": decision.revision,
        "change": decision.change,
        "category": answer.category,
    }


async def _ask(tx: Transaction, contact: Contact) -> str:
    """Make the invitation that an answer is to which nobody asked for; return its id."""
    versions = await newest_versions(tx.connection, [contact.survey_id])
    if contact.survey_id not in versions:
        raise SurveyUnknown(survey_id=contact.survey_id)
    invitation = Invitation(
        invitation_id=tx.ids.new(),
        customer_id=contact.customer_id,
        program_id=contact.program_id,
        touchpoint=contact.touchpoint,
        survey_id=contact.survey_id,
        survey_version=versions[contact.survey_id],
        segment=contact.segment,
        channel=Channel.DIRECT,
        recipient=contact.recipient,
        occurred_at=contact.occurred_at or tx.now,
        expires_at=tx.now + _OPEN_FOR,
        traceparent=None,
    )
    await invitations.insert_new(tx.connection, [invitation])
    return invitation.invitation_id
