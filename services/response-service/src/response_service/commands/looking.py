"""Look up what pages are about, all that are asked for at one time, and note who looked."""

from collections.abc import Collection, Sequence
from datetime import timedelta
from typing import Final

from msgspec import Struct

from heardback.db import Database, Transaction
from heardback.surveys import Survey
from heardback.timers import Timer
from response_service.commands.taking_back import judge_again, may_be_scanned
from response_service.domain.answer import Response
from response_service.domain.client import Client, Kind
from response_service.domain.invitation import Invitation
from response_service.queries import Asked
from response_service.store import invitations, responses, visits
from response_service.store.surveys import KnownSurveys, SurveyNotHereYet

OPENED: Final = "opened"
"""The timer that tells, a little after a look, whether it was a person's."""


class Look(Struct, frozen=True, kw_only=True):
    """A look at a page, by the invitation of its link or by its short code.

    `score`: of the link. `client`: who looks; None: nobody does, and no trace is left (HEAD, and
    browsers that fetch ahead).
    """

    invitation_id: str | None = None
    code: str = ""
    score: int | None = None
    client: Client | None = None


class Seen(Struct, frozen=True, kw_only=True):
    """What a page is about, and what it asks."""

    asked: Asked
    survey: Survey


Sight = Seen | SurveyNotHereYet | None
"""What a look is at; None: there is no such invitation, or not yet."""


class Looking:
    """The flush of all looks: a result for each, and one commit."""

    def __init__(
        self, database: Database, surveys: KnownSurveys, *, opened_after: timedelta
    ) -> None:
        self._database = database
        self._surveys = surveys
        self._opened_after = opened_after

    async def __call__(self, looks: Sequence[Look]) -> list[Sight]:
        """Return what each look is at."""
        async with self._database.transaction() as tx:
            found = await _resolve(tx, looks)
            ids = sorted({key for key in found if key is not None})
            asked = await invitations.load(tx.connection, ids)
            await self._surveys.fetch(tx.connection, asked.values())
            held = await responses.load(tx.connection, ids)
            seen = [
                (asked[key], look)
                for key, look in zip(found, looks, strict=True)
                if key in asked and look.client is not None
            ]
            await self._note(tx, seen)
        recent = {i.invitation_id for i, look in seen if look.score is not None}
        recent = {key for key in recent if may_be_scanned(held.get(key), tx.now)}
        if recent:
            held |= await self._judge_again(recent)
        return [self._sight(asked.get(key or ""), held.get(key or "")) for key in found]

    async def _judge_again(self, recent: Collection[str]) -> dict[str, Response]:
        # In a transaction of its own: timers are locked before invitations, as their loop does it.
        async with self._database.transaction() as tx:
            asked = await invitations.lock(tx.connection, sorted(recent))
            until = dict.fromkeys(asked, tx.now)
            return await judge_again(tx, asked, self._surveys, until=until)

    async def _note(self, tx: Transaction, seen: Sequence[tuple[Invitation, Look]]) -> None:
        """Write down who looked at what; a little later it is told whether that was a person.

        And whether an answer was a scanner's that was sent while it looked: neither saw the other.
        """
        rows = []
        for invitation, look in seen:
            assert look.client is not None
            row = {
                "invitation_id": invitation.invitation_id,
                "score": look.score,
                "client": look.client.key,
                "kind": look.client.kind,
                "visited_at": tx.now,
            }
            rows.append(row)
            opens = look.client.kind is Kind.BROWSER and invitation.opened_at is None
            if opens or look.score is not None:
                due_at = tx.now + self._opened_after
                tx.set_timer(Timer(kind=OPENED, key=invitation.invitation_id, due_at=due_at))
        await visits.insert(tx.connection, rows)

    def _sight(self, invitation: Invitation | None, held: Response | None) -> Sight:
        if invitation is None:
            return None
        survey = self._surveys.of(invitation)
        if survey is None:
            return SurveyNotHereYet(survey_id=invitation.survey_id)
        counting = held if held is not None and held.counts else None
        return Seen(asked=Asked(invitation=invitation, held=counting), survey=survey)


async def _resolve(tx: Transaction, looks: Sequence[Look]) -> list[str | None]:
    """Return the invitation of each look."""
    codes = {look.code for look in looks if look.code}
    if not codes:
        return [look.invitation_id for look in looks]
    known = await invitations.load_codes(tx.connection, codes)
    return [known.get(look.code) if look.code else look.invitation_id for look in looks]
