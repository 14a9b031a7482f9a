"""What is allowed and still deserves a second look."""

from collections.abc import Iterator

from closeloop_service.rulebook.books import Books
from closeloop_service.rulebook.documents.teams import TeamDocument
from closeloop_service.rulebook.kinds import Kind
from heardback.faults import Fault, Path


def advise(kind: Kind, books: Books) -> list[Fault]:
    """Return what deserves a second look in the document of that kind, with what to do."""
    found = {
        Kind.SLA_POLICIES: _policies,
        Kind.TEAMS: _teams,
        Kind.ALERTS: _alerts,
        Kind.IMPROVEMENTS: _improvements,
    }.get(kind)
    return [] if found is None else list(found(books))


def _policies(books: Books) -> Iterator[Fault]:
    known = _names(books)
    for place, policy in enumerate(books.policies.policies):
        for level, escalation in enumerate(policy.escalations):
            for number, recipient in enumerate(escalation.tell):
                what, _, name = recipient.partition(":")
                if what == "person" and name not in known:
                    path = ("policies", place, "escalations", level, "tell", number)
                    yield Fault(path=path, message=_nobody(name))


def _teams(books: Books) -> Iterator[Fault]:
    if not books.teams.rules:
        message = "no rule: tasks without an account's owner stay unrouted; write one under rules"
        yield Fault(path=("rules",), message=message)
    elif not books.teams.rules[-1].when.is_empty:
        message = "what none of these fits stays unrouted; add a rule without `when` at the end"
        yield Fault(path=("rules", len(books.teams.rules) - 1), message=message)
    known = _names(books)
    for name, team in books.teams.teams.items():
        yield from _team(team, ("teams", name), known)


def _team(team: TeamDocument, path: Path, known: frozenset[str]) -> Iterator[Fault]:
    if not team.members:
        message = "nobody is in it yet, so its tasks wait in its queue; add members"
        yield Fault(path=path, message=message)
    for rank in ("lead", "head"):
        name = getattr(team, rank)
        if name is not None and name not in known:
            yield Fault(path=(*path, rank), message=_nobody(name))


def _alerts(books: Books) -> Iterator[Fault]:
    told = {route.target for route in books.alerts.routes}
    told |= {team.target for team in books.teams.teams.values() if team.target}
    for team in books.teams.teams.values():
        told |= {member.target for member in team.members if member.target}
    for policy in books.policies.policies:
        for escalation in policy.escalations:
            told |= {who.removeprefix("target:") for who in escalation.tell}
    for name in books.alerts.targets:
        if name not in told:
            message = "nothing is told there yet; name it in a route, a team or a policy"
            yield Fault(path=("targets", name), message=message)


def _improvements(books: Books) -> Iterator[Fault]:
    document = books.improvements
    if document.trackers and document.tracker is None:
        message = "no ticket is made yet: name one of them in `tracker`"
        yield Fault(path=("trackers",), message=message)
    for name, tracker in document.trackers.items():
        if tracker.webhook_secret is None:
            message = (
                "without webhook_secret the status is only asked for from time to time; with it "
                "the tracker can tell at once"
            )
            yield Fault(path=("trackers", name), message=message)


def _names(books: Books) -> frozenset[str]:
    return frozenset(member.name for team in books.teams.teams.values() for member in team.members)


def _nobody(name: str) -> str:
    return f"{name} is in no team, so no target reaches them; look at the spelling, or add them"
