"""What a board shows: the views, and the filters as they stand in the address."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Annotated, Any, Final, Literal, Self
from urllib.parse import parse_qsl, urlencode

from fastapi import Query

from closeloop_service.domain.task import TaskState
from closeloop_service.queries.tasks import Filters
from heardback.console.countdown import SOON
from heardback.vocabulary import Category

ME: Final = "me"
NOBODY: Final = "-"
_LINE: Final = Query(max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$")


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """One named selection of tasks. `empty`: what an empty one says: a sentence, and more."""

    label: str
    filters: Filters
    empty: tuple[str, str] | None = None


def _of(label: str, state: TaskState, empty: str) -> View:
    return View(label=label, filters=Filters(states=(state,)), empty=(f"{empty}.", ""))


VIEWS: Final[Mapping[str, View]] = {
    "": View(label="Open", filters=Filters(active=True)),
    "mine": View(
        label="Mine",
        filters=Filters(active=True),
        empty=("Nothing waits for you.", "Claim a task; your name stands at the top of the page."),
    ),
    "due": View(
        label="Due soon", filters=Filters(active=True), empty=("Nothing is due soon.", "Well done.")
    ),
    "breached": View(
        label="Breached", filters=Filters(active=True), empty=("No clock has run out.", "")
    ),
    "unowned": View(
        label="Unowned", filters=Filters(unowned=True), empty=("Every task has an owner.", "")
    ),
    "unrouted": View(
        label="Unrouted",
        filters=Filters(unrouted=True),
        empty=("Every task found a team.", "Those that fit no rule of the teams appear here."),
    ),
    "waiting": _of("Waiting", TaskState.WAITING, "Nobody has to reply first"),
    "reopened": _of("Reopened", TaskState.REOPENED, "No task was reopened"),
    "resolved": _of("Resolved", TaskState.RESOLVED, "No task waits for the customer's verdict"),
    "verified": _of("Verified", TaskState.VERIFIED, "No outcome is known yet"),
    "cancelled": _of("Cancelled", TaskState.CANCELLED, "No task was cancelled"),
    "all": View(label="All", filters=Filters(), empty=("There is no task yet.", "")),
}
"""The ready-made views, by their name in the address."""

CLOSED_VIEWS: Final = ("resolved", "verified", "cancelled", "all")
"""The views of tasks whose clocks may have stopped: the newest first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What the address asks for. `after` is where the page before ended."""

    view: Annotated[str, _LINE] = ""
    owner: Annotated[str, _LINE] = ""
    team: Annotated[str, _LINE] = ""
    category: Literal["", "detractor", "passive", "promoter"] = ""
    breached: Literal["", "1"] = ""
    q: Annotated[str, _LINE] = ""
    after: Annotated[str, _LINE] = ""

    @classmethod
    def of(cls, query: str) -> Self:
        """Return the choice that stands in an address of ours."""
        given: dict[str, Any] = dict(parse_qsl(query))
        return cls(**{name: given[name] for name in cls.__slots__ if name in given})

    @property
    def known_view(self) -> str:
        """The view's name; the first one's for a name that there is not."""
        return self.view if self.view in VIEWS else ""

    @property
    def filtered(self) -> bool:
        """Whether more than the view narrows it."""
        return bool(self.owner or self.team or self.category or self.breached or self.q.strip())

    @property
    def query(self) -> str:
        """The choice as it stands in an address, without its page."""
        given = {name: value for name, value in asdict(self).items() if value and name != "after"}
        return urlencode(given)

    def href(self, *, after: str = "") -> str:
        """Return the address of one page of it."""
        query = "&".join(
            part for part in (self.query, after and urlencode({"after": after})) if part
        )
        return f"/?{query}" if query else "/"

    def filters(self, *, me: str, now: datetime) -> Filters:
        """Return which tasks it is about, for whoever `me` is."""
        view = self.known_view
        filters = VIEWS[view].filters
        due_by = {"due": now + SOON, "breached": now}.get(view)
        owner = {ME: me or NOBODY, "": None}.get(self.owner, self.owner)
        if view == "mine":
            owner = me or NOBODY
        return replace(
            filters,
            owner=None if self.owner == NOBODY else owner,
            unowned=filters.unowned or self.owner == NOBODY,
            team=self.team or None,
            category=Category(self.category) if self.category else None,
            breached=True if self.breached else None,
            due_by=due_by,
            due_after=now if view == "due" else None,
            text=self.q.strip(),
        )

    def only(self, *, me: str, now: datetime) -> dict[str, str]:
        """Return what a row says of itself if it belongs here: who says otherwise, does not."""
        wanted = self.filters(me=me, now=now)
        said = {
            "owner": "" if wanted.unowned else wanted.owner,
            "team": wanted.team,
            "category": wanted.category,
            "state": wanted.states[0] if len(wanted.states) == 1 else None,
            "unrouted": "1" if wanted.unrouted else None,
            "breached": "1" if wanted.breached else None,
        }
        return {name: str(value) for name, value in said.items() if value is not None}
