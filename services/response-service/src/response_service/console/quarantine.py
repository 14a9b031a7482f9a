"""The console's page of suspect answers: why each is one, and what a person says that it is."""

from typing import Annotated, Final

from fastapi import APIRouter, Depends, Form, Query, Request, Response

from heardback.console.pages import Console, refuse_cross_site
from heardback.http import DatabaseOf
from response_service import metrics, queries
from response_service.api.quarantine import QuarantineId
from response_service.commands import deciding
from response_service.domain.judging import Reason
from response_service.domain.quarantine import (
    AlreadyDecided,
    NewerAnswerCounts,
    State,
    SuspectUnknown,
)
from response_service.store.surveys import KnownSurveys

_MOST: Final = 50
_FORM: Final = [Depends(refuse_cross_site)]
_PATH: Final = "/console/quarantine"
_DONE: Final = {
    "released": "Released. The answer counts, and its owner hears of it if it is a detractor's.",
    "discarded": "Discarded. It counts nowhere; it can still be released.",
    "newer": "Not released: the customer has answered again since, and the newer answer counts.",
    "decided": "Somebody has decided about this answer already.",
    "gone": "There is no such answer.",
}
WHY: Final = {
    Reason.EVERY_LINK: "Its client followed most links of the mail, as scanners do.",
    Reason.AUTOMATED_CLIENT: "It came from a program, or from a browser that lacks what all send.",
    Reason.HONEYPOT: "A field was filled in that people don't see.",
    Reason.TOO_FAST: "It came sooner than a person can read the page.",
    Reason.DUPLICATE_TEXT: "Other customers wrote exactly the same words.",
    Reason.MANY_ANSWERS: "Its client answered many invitations within a minute.",
}
"""What each reason means, in a sentence."""

Name = Annotated[str, Form(min_length=1, max_length=100, pattern=r"^[^\x00-\x1f\x7f]+$")]


class QuarantinePages:
    """The routes of the list, and of its buttons."""

    def __init__(self, *, console: Console, surveys: KnownSurveys) -> None:
        self._console = console
        self._surveys = surveys
        self.router: Final = APIRouter(include_in_schema=False)
        self.router.get(_PATH)(self.list_page)
        self.router.post(f"{_PATH}/{{quarantine_id}}/release", dependencies=_FORM)(self.release)
        self.router.post(f"{_PATH}/{{quarantine_id}}/discard", dependencies=_FORM)(self.discard)

    async def list_page(
        self,
        request: Request,
        database: DatabaseOf,
        state: State = State.HELD,
        after: Annotated[str, Query(max_length=200)] = "",
        done: str = "",
    ) -> Response:
        """Show the suspect answers in a state, the newest first."""
        place = queries.Place.read(after) if after else queries.TOP
        async with database.read() as connection:
            listed = await queries.quarantine(connection, state, after=place, limit=_MOST + 1)
            counts = await queries.quarantine_counts(connection)
        shown = listed[:_MOST]
        return self._console.page(
            request,
            "quarantine.html",
            shown=shown,
            more=queries.Place.of(shown[-1]).text if len(listed) > _MOST else None,
            state=state,
            counts=counts,
            why=WHY,
            notice=_DONE.get(done, ""),
        )

    async def release(
        self, quarantine_id: QuarantineId, by: Name, database: DatabaseOf
    ) -> Response:
        """Have a suspect answer count."""
        try:
            async with database.transaction() as tx:
                await deciding.release(tx, quarantine_id, by=by, surveys=self._surveys)
        except NewerAnswerCounts:
            return _back("newer")
        except (AlreadyDecided, SuspectUnknown) as error:
            return _back("decided" if isinstance(error, AlreadyDecided) else "gone")
        metrics.DECIDED.add(1, {"state": State.RELEASED.value})
        return _back("released")

    async def discard(
        self, quarantine_id: QuarantineId, by: Name, database: DatabaseOf
    ) -> Response:
        """Note that a suspect answer is nobody's."""
        try:
            async with database.transaction() as tx:
                await deciding.discard(tx, quarantine_id, by=by)
        except (AlreadyDecided, SuspectUnknown) as error:
            return _back("decided" if isinstance(error, AlreadyDecided) else "gone")
        metrics.DECIDED.add(1, {"state": State.DISCARDED.value})
        return _back("discarded")


def _back(done: str) -> Response:
    return Response(status_code=303, headers={"Location": f"{_PATH}?done={done}"})
