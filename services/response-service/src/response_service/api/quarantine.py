"""The quarantine over HTTP: suspect answers are listed, released and discarded."""

from datetime import datetime
from typing import Annotated, Self

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel

from heardback.http import ApiKeyOf, DatabaseOf
from response_service import metrics, queries
from response_service.commands import deciding
from response_service.domain.quarantine import State
from response_service.queries import Listed
from response_service.store.surveys import KnownSurveys

QuarantineId = Annotated[str, Path(pattern=r"^[0-9A-Za-z-]{1,100}$")]


class SuspectView(BaseModel):
    """A suspect answer, and why it is one."""

    quarantine_id: str
    state: State
    reasons: list[str]
    customer_id: str
    invitation_id: str
    program_id: str
    touchpoint: str
    survey_id: str
    scale: str
    score: int
    category: str
    comment: str | None
    drivers: dict[str, int]
    answered_at: datetime
    quarantined_at: datetime
    decided_at: datetime | None
    decided_by: str | None

    @classmethod
    def of(cls, listed: Listed) -> Self:
        """Return the view of a suspect answer."""
        suspect, invitation = listed.suspect, listed.invitation
        return cls(
            quarantine_id=suspect.quarantine_id,
            state=suspect.state,
            reasons=[reason.value for reason in suspect.reasons],
            customer_id=suspect.customer_id,
            invitation_id=suspect.invitation_id,
            program_id=invitation.program_id,
            touchpoint=invitation.touchpoint,
            survey_id=invitation.survey_id,
            scale=suspect.answer.scale.value,
            score=suspect.answer.score,
            category=suspect.answer.category.value,
            comment=suspect.answer.comment,
            drivers=dict(suspect.answer.drivers),
            answered_at=suspect.answered_at,
            quarantined_at=suspect.quarantined_at,
            decided_at=suspect.decided_at,
            decided_by=suspect.decided_by,
        )


class SuspectList(BaseModel):
    """Suspect answers, the newest first. `next`: the cursor of what follows, if anything does."""

    suspects: list[SuspectView]
    next: str | None


class QuarantineRoutes:
    """The handlers of the quarantine's routes."""

    def __init__(self, surveys: KnownSurveys) -> None:
        self._surveys = surveys

    async def list_suspects(
        self,
        _caller: ApiKeyOf,
        database: DatabaseOf,
        state: State = State.HELD,
        limit: Annotated[int, Query(ge=1, le=200)] = 50,
        cursor: Annotated[str | None, Query(max_length=200)] = None,
    ) -> SuspectList:
        """List suspect answers."""
        place = queries.Place.read(cursor) if cursor else queries.TOP
        async with database.read() as connection:
            found = await queries.quarantine(connection, state, after=place, limit=limit + 1)
        shown = found[:limit]
        return SuspectList(
            suspects=[SuspectView.of(listed) for listed in shown],
            next=queries.Place.of(shown[-1]).text if len(found) > limit else None,
        )

    async def get_suspect(
        self, quarantine_id: QuarantineId, _caller: ApiKeyOf, database: DatabaseOf
    ) -> SuspectView:
        """Return one suspect answer."""
        async with database.read() as connection:
            return SuspectView.of(await queries.suspect(connection, quarantine_id))

    async def release_suspect(
        self, quarantine_id: QuarantineId, caller: ApiKeyOf, database: DatabaseOf
    ) -> SuspectView:
        """Have a suspect answer count, unless a newer one does (409)."""
        async with database.transaction() as tx:
            await deciding.release(tx, quarantine_id, by=caller, surveys=self._surveys)
            view = SuspectView.of(await queries.suspect(tx.connection, quarantine_id))
        metrics.DECIDED.add(1, {"state": State.RELEASED.value})
        return view

    async def discard_suspect(
        self, quarantine_id: QuarantineId, caller: ApiKeyOf, database: DatabaseOf
    ) -> SuspectView:
        """Note that a suspect answer is nobody's."""
        async with database.transaction() as tx:
            await deciding.discard(tx, quarantine_id, by=caller)
            view = SuspectView.of(await queries.suspect(tx.connection, quarantine_id))
        metrics.DECIDED.add(1, {"state": State.DISCARDED.value})
        return view


def router(surveys: KnownSurveys) -> APIRouter:
    """Return the routes of the quarantine."""
    routes = APIRouter(prefix="/quarantine", tags=["quarantine"])
    quarantine, one = QuarantineRoutes(surveys), "/{quarantine_id}"
    routes.get("", operation_id="list_suspects")(quarantine.list_suspects)
    routes.get(one, operation_id="get_suspect")(quarantine.get_suspect)
    release, discard = quarantine.release_suspect, quarantine.discard_suspect
    routes.post(f"{one}/release", operation_id="release_suspect")(release)
    routes.post(f"{one}/discard", operation_id="discard_suspect")(discard)
    return routes
