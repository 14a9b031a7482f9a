"""Take answers back that turn out to be a scanner's, and let the last person's count again."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from heardback.db import Transaction
from heardback.surveys import Survey
from heardback.vocabulary import Category
from response_service.commands.recording import Given, Recording
from response_service.domain.answer import Response, Revision, TakingBack, take_back
from response_service.domain.invitation import Invitation
from response_service.domain.judging import (
    FEWEST_LINKS,
    LOOK_BACK,
    Reason,
    Visit,
    first_look,
    scanners,
)
from response_service.store import responses, visits
from response_service.store.surveys import KnownSurveys

Scanners = Mapping[str, Collection[bytes]]
"""The clients that followed every link, for each invitation."""
Times = Mapping[str, datetime]
"""Up to when an invitation is judged, and from `LOOK_BACK` before: now, or when it fell due."""


def may_be_scanned(held: Response | None, now: datetime) -> bool:
    """Tell whether an answer is so recent that what is seen now may say something about it."""
    return (
        held is not None
        and held.counts
        and held.client is not None
        and held.answered_at > now - LOOK_BACK
    )


async def judge_again(
    tx: Transaction, asked: Mapping[str, Invitation], surveys: KnownSurveys, *, until: Times
) -> dict[str, Response]:
    """Look at recent answers in the light of new visits; return the responses as they are now.

    The invitations must be locked.
    """
    recording = Recording(tx, await responses.load(tx.connection, asked))
    followers = await find_scanners(tx, asked, surveys, until=until)
    await take_scanners_back(tx, recording, asked, followers, surveys, until=until)
    await recording.save()
    held = ((invitation_id, recording.held(invitation_id)) for invitation_id in asked)
    return {invitation_id: response for invitation_id, response in held if response is not None}


async def find_scanners(
    tx: Transaction, asked: Mapping[str, Invitation], surveys: KnownSurveys, *, until: Times
) -> dict[str, frozenset[bytes]]:
    """Return the clients that followed every link, for each invitation where that may be."""
    found = {}
    looked = await _looked(tx, asked, until, links=FEWEST_LINKS)
    for invitation_id, of_invitation in looked.items():
        survey = surveys.of(asked[invitation_id])
        if survey is not None:
            found[invitation_id] = scanners(of_invitation, links=len(survey.scale.scores))
    return found


async def take_scanners_back(
    tx: Transaction,
    recording: Recording,
    asked: Mapping[str, Invitation],
    followers: Scanners,
    surveys: KnownSurveys,
    *,
    until: Times,
) -> None:
    """Have no scanner's answer count. The invitations must be locked."""
    caught = [
        invitation_id
        for invitation_id, clients in followers.items()
        if clients
        and (held := recording.held(invitation_id)) is not None
        and held.counts
        and held.client in clients
    ]
    if not caught:
        return
    histories = await responses.load_history(tx.connection, caught)
    gone: list[tuple[str, int]] = []
    for invitation_id in caught:
        history, since = histories[invitation_id], until[invitation_id] - LOOK_BACK
        taking = take_back(history, followers[invitation_id], since=since)
        gone += [(invitation_id, revision) for revision in taking.gone]
        invitation = asked[invitation_id]
        survey = surveys.of(invitation)
        assert survey is not None  # its scanners could be told, so it is known
        _apply(recording, invitation, survey, taking, history)
    await responses.mark_taken_back(tx.connection, gone, now=tx.now)


def _apply(
    recording: Recording,
    invitation: Invitation,
    survey: Survey,
    taking: TakingBack,
    history: Sequence[Revision],
) -> None:
    held, restored = recording.held(invitation.invitation_id), taking.restored
    if held is None or held.revision not in taking.gone:
        return
    if restored is None or restored.answer != held.answer:
        gone = next(r for r in history if r.revision == held.revision)
        recording.hold(invitation, _given(gone), (Reason.EVERY_LINK,), counted=held)
        # Somebody was told of a detractor; of another one, who comes later, they must hear.
        alerted = restored is not None and restored.answer.category is Category.DETRACTOR
        recording.withdraw(invitation, alerted=alerted)
    if restored is not None:
        recording.record(invitation, survey, _given(restored))


def _given(revision: Revision) -> Given:
    return Given(
        answer=revision.answer,
        client=revision.client,
        answered_at=revision.answered_at,
        channel=revision.channel,
    )


async def first_looks(
    tx: Transaction, asked: Mapping[str, Invitation], surveys: KnownSurveys, *, until: Times
) -> dict[str, datetime]:
    """Return when a person looked first at each invitation, where one did."""
    looks = {}
    for invitation_id, of_invitation in (await _looked(tx, asked, until)).items():
        survey = surveys.of(asked[invitation_id])
        links = len(survey.scale.scores) if survey else 1
        if (at := first_look(of_invitation, links=links)) is not None:
            looks[invitation_id] = at
    return looks


async def _looked(
    tx: Transaction, asked: Mapping[str, Invitation], until: Times, *, links: int = 0
) -> dict[str, list[Visit]]:
    """Return the visits that say something about each invitation of which `links` were followed."""
    if not asked:
        return {}
    since = {invitation_id: until[invitation_id] - LOOK_BACK for invitation_id in asked}
    looked = await visits.load(tx.connection, asked, since=min(since.values()), links=links)
    return {
        invitation_id: [v for v in of_invitation if v.visited_at > since[invitation_id]]
        for invitation_id, of_invitation in looked.items()
    }
