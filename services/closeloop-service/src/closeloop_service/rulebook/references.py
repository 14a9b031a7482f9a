"""What documents say of each other: names that have to be there, and secrets that have to be set.

A fault stands where it is to be corrected: in the document that is being saved.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from closeloop_service.rulebook.books import Books
from closeloop_service.rulebook.documents.policies import PolicyDocument
from closeloop_service.rulebook.documents.teams import TeamDocument
from closeloop_service.rulebook.kinds import Kind
from heardback.faults import Fault, Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """At `path` of the document of kind `by`, `name` is called, which stands in `to`."""

    by: Kind
    path: Path
    to: Kind
    name: str
    is_known: bool
    known: Collection[str]

    @property
    def thing(self) -> str:
        """What is called, by one word."""
        return _THINGS[self.to]

    def fault_of(self, kind: Kind) -> Fault:
        """Return what to correct in the document of that kind, one of the two."""
        if kind is self.by:
            known = ", ".join(self.known) or f"none yet; write it in {self.to.label} first"
            message = f"there is no {self.thing} {self.name}; there are {known}"
            return Fault(path=self.path, message=message)
        place = ".".join(map(str, self.path))
        message = (
            f"{self.name} is missing, and {self.by.label} needs it ({place}); "
            "keep it here, or change it there first"
        )
        return Fault(path=(_THINGS_FIELD[self.to],), message=message)


_THINGS = {Kind.CALENDARS: "calendar", Kind.TEAMS: "team", Kind.ALERTS: "target"}
_THINGS_FIELD = {Kind.CALENDARS: "calendars", Kind.TEAMS: "teams", Kind.ALERTS: "targets"}


def check_references(kind: Kind, books: Books, secrets: Collection[str]) -> list[Fault]:
    """Return what is wrong with the document of that kind beside the others."""
    dangling = (
        reference.fault_of(kind)
        for reference in _references(books)
        if not reference.is_known and kind in (reference.by, reference.to)
    )
    return [*dangling, *_unknown_secrets(kind, books, secrets)]


def _references(books: Books) -> Iterator[Reference]:
    known: dict[Kind, Collection[str]] = {
        Kind.CALENDARS: books.calendars.calendars,
        Kind.TEAMS: books.teams.teams,
        Kind.ALERTS: books.alerts.targets,
    }
    for by, path, to, name in _calls(books):
        yield Reference(
            by=by, path=path, to=to, name=name, is_known=name in known[to], known=tuple(known[to])
        )


Call = tuple[Kind, Path, Kind, str]


def _calls(books: Books) -> Iterator[Call]:
    for place, policy in enumerate(books.policies.policies):
        for path, to, name in _policy_calls(policy):
            yield Kind.SLA_POLICIES, ("policies", place, *path), to, name
    for team_id, team in books.teams.teams.items():
        for path, to, name in _team_calls(team):
            yield Kind.TEAMS, ("teams", team_id, *path), to, name
    for place, route in enumerate(books.alerts.routes):
        for number, team_id in enumerate(route.teams):
            yield Kind.ALERTS, ("routes", place, "teams", number), Kind.TEAMS, team_id


def _policy_calls(policy: PolicyDocument) -> Iterator[tuple[Path, Kind, str]]:
    yield ("calendar",), Kind.CALENDARS, policy.calendar
    for clock in ("first_response", "next_response", "resolution"):
        target = getattr(policy, clock)
        if target is not None and target.calendar is not None:
            yield (clock, "calendar"), Kind.CALENDARS, target.calendar
    for place, level in enumerate(policy.escalations):
        for number, recipient in enumerate(level.tell):
            what, _, name = recipient.partition(":")
            to = {"team": Kind.TEAMS, "target": Kind.ALERTS}.get(what)
            if to is not None:
                yield ("escalations", place, "tell", number), to, name


def _team_calls(team: TeamDocument) -> Iterator[tuple[Path, Kind, str]]:
    yield ("calendar",), Kind.CALENDARS, team.calendar
    if team.target is not None:
        yield ("target",), Kind.ALERTS, team.target
    for place, member in enumerate(team.members):
        if member.calendar is not None:
            yield ("members", place, "calendar"), Kind.CALENDARS, member.calendar
        if member.target is not None:
            yield ("members", place, "target"), Kind.ALERTS, member.target


def _unknown_secrets(kind: Kind, books: Books, secrets: Collection[str]) -> Iterator[Fault]:
    for path, name in _secrets(kind, books):
        if name not in secrets:
            known = ", ".join(sorted(secrets)) or "none yet"
            message = (
                f"there is no secret {name}; set it in HEARDBACK_SECRETS and restart, or name one "
                f"that there is: {known}"
            )
            yield Fault(path=path, message=message)


def _secrets(kind: Kind, books: Books) -> Iterator[tuple[Path, str]]:
    if kind is Kind.ALERTS:
        for name, target in books.alerts.targets.items():
            yield ("targets", name, "secret"), target.secret
    if kind is Kind.IMPROVEMENTS:
        for name, tracker in books.improvements.trackers.items():
            yield ("trackers", name, "secret"), tracker.secret
            if tracker.webhook_secret is not None:
                yield ("trackers", name, "webhook_secret"), tracker.webhook_secret
