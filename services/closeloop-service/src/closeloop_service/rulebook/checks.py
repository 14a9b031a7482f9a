"""What the fields of one document do not mean together."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any, Final

from closeloop_service.domain import reporting, writing
from closeloop_service.domain.errors import CalendarInvalid
from closeloop_service.domain.opening_hours import WEEKDAYS
from closeloop_service.domain.routing import UNROUTED
from closeloop_service.domain.rules import Opens, TargetKind
from closeloop_service.rulebook.compiling import compile_calendar
from closeloop_service.rulebook.documents import (
    AlertsDocument,
    CalendarsDocument,
    Document,
    ImprovementsDocument,
    PlaybooksDocument,
    PoliciesDocument,
    TeamsDocument,
)
from closeloop_service.rulebook.documents.calendars import CalendarDocument
from closeloop_service.rulebook.documents.fields import MatchDocument
from closeloop_service.rulebook.documents.playbooks import PlaybookDocument
from closeloop_service.rulebook.documents.policies import PolicyDocument, TargetDocument
from closeloop_service.rulebook.documents.teams import TeamDocument
from closeloop_service.rulebook.messages import check_messages
from closeloop_service.rulebook.tracker_checks import check_tracker
from heardback.faults import Fault, Path
from heardback.vocabulary import Category

_LONGEST_GROUPING_SECONDS: Final = 3_600


def check(document: Document) -> list[Fault]:
    """Return what is wrong with a document by itself."""
    return list(_CHECKS[type(document)](document))


def _calendars(document: CalendarsDocument) -> Iterator[Fault]:
    for name, calendar in document.calendars.items():
        yield from _calendar(calendar, ("calendars", name))


def _calendar(document: CalendarDocument, path: Path) -> Iterator[Fault]:
    try:
        calendar = compile_calendar(document)
    except CalendarInvalid as error:
        for at, message in error.faults:
            yield Fault(path=(*path, *_parts(at)), message=message)
        return
    if not any(calendar.hours.week):
        message = "it never opens, so no clock would ever run; give it hours on some day"
        yield Fault(path=(*path, "week"), message=message)
    for day in WEEKDAYS:
        yield from _overlaps(document.week.get(day) or (), (*path, "week", day))
    for day, spans in document.breaks.items():
        yield from _overlaps(spans or (), (*path, "breaks", str(day)))


def _overlaps(spans: Sequence[Sequence[str]], path: Path) -> Iterator[Fault]:
    in_order = sorted(enumerate(spans), key=lambda numbered: tuple(numbered[1]))
    for (_, before), (place, span) in pairwise(in_order):
        if span[0] < before[1]:
            message = f"overlaps {before[0]}–{before[1]}; write them as one, or apart"
            yield Fault(path=(*path, place), message=message)


def _parts(path: str) -> Path:
    return tuple(int(part) if part.isdecimal() else part for part in path.split("."))


def _policies(document: PoliciesDocument) -> Iterator[Fault]:
    policies = document.policies
    yield from _twice([policy.id for policy in policies], "policies", "id")
    yield from _catch_all([policy.when for policy in policies], "policies")
    last = len(policies) - 1
    if not policies[last].when.is_empty:
        message = (
            "the last policy is for every task that no other fits: "
            "leave `when` out here, or add a policy without it below"
        )
        yield Fault(path=("policies", last, "when"), message=message)
    for place, policy in enumerate(policies):
        yield from _match(policy.when, ("policies", place, "when"))
        yield from _policy(policy, ("policies", place))


def _policy(policy: PolicyDocument, path: Path) -> Iterator[Fault]:
    for clock in ("first_response", "next_response", "resolution"):
        target: TargetDocument | None = getattr(policy, clock)
        if target and target.ceiling and target.ceiling <= target.within:
            message = (
                "this always runs out before `within` does; make it longer, or leave it out and "
                "name a calendar that is always open"
            )
            yield Fault(path=(*path, clock, "ceiling"), message=message)
    for place, level in enumerate(policy.escalations):
        if place and level.after <= policy.escalations[place - 1].after:
            message = "come later than the level before it"
            yield Fault(path=(*path, "escalations", place, "after"), message=message)
        yield from _once(level.tell, (*path, "escalations", place, "tell"))
    if policy.repeat and not policy.escalations:
        message = "there is no level to repeat; write escalations, or leave this out"
        yield Fault(path=(*path, "repeat"), message=message)


def _match(when: MatchDocument, path: Path) -> Iterator[Fault]:
    for least, most in (("min_value", "max_value"), ("min_score", "max_score")):
        low, high = getattr(when, least), getattr(when, most)
        if low is not None and high is not None and low > high:
            message = f"is less than {least}, so nothing fits; exchange them"
            yield Fault(path=(*path, most), message=message)


def _catch_all(whens: Sequence[MatchDocument], name: str) -> Iterator[Fault]:
    """Refuse what fits everything above others, which would never count."""
    for place, when in enumerate(whens[:-1]):
        if when.is_empty:
            message = "fits every task, so those below it never count; move it to the end"
            yield Fault(path=(name, place), message=message)


def _teams(document: TeamsDocument) -> Iterator[Fault]:
    yield from _catch_all([rule.when for rule in document.rules], "rules")
    for place, rule in enumerate(document.rules):
        yield from _match(rule.when, ("rules", place, "when"))
        if rule.team not in document.teams:
            known = ", ".join(document.teams)
            message = f"there is no team {rule.team}; there are {known}"
            yield Fault(path=("rules", place, "team"), message=message)
    if UNROUTED in document.teams:
        message = "this name stands for tasks that no team has; choose another"
        yield Fault(path=("teams", UNROUTED), message=message)
    for name, team in document.teams.items():
        yield from _team(team, ("teams", name))


def _team(team: TeamDocument, path: Path) -> Iterator[Fault]:
    names = [member.name for member in team.members]
    yield from _twice(names, *path, "members", "name")
    for place, member in enumerate(team.members):
        for number, absence in enumerate(member.absences):
            if absence.last < absence.first:
                at = (*path, "members", place, "absences", number, "to")
                yield Fault(path=at, message="is before `from`; exchange them")


def _playbooks(document: PlaybooksDocument) -> Iterator[Fault]:
    by_category = document.playbooks.by_category()
    if by_category[Category.DETRACTOR].opens is not Opens.ALWAYS:
        message = "write always: every detractor is heard back"
        yield Fault(path=("playbooks", "detractor", "opens"), message=message)
    for category, playbook in by_category.items():
        yield from _playbook(playbook, ("playbooks", category.value))
    for name in ("root_causes", "contact_channels", "compensations"):
        yield from _once(getattr(document, name), (name,))


def _playbook(playbook: PlaybookDocument, path: Path) -> Iterator[Fault]:
    yield from _twice([step.id for step in playbook.steps], *path, "steps", "id")
    for place, step in enumerate(playbook.steps):
        if step.template is not None and step.template not in playbook.templates:
            known = ", ".join(playbook.templates) or "none yet; write it under templates"
            message = f"there is no template {step.template} in this playbook; there are {known}"
            yield Fault(path=(*path, "steps", place, "template"), message=message)
    for name, template in playbook.templates.items():
        yield from check_messages(
            template.texts,
            (*path, "templates", name, "texts"),
            subject=writing.subject_template,
            text=writing.text_template,
        )


def _alerts(document: AlertsDocument) -> Iterator[Fault]:
    if document.group_within.total_seconds() > _LONGEST_GROUPING_SECONDS:
        yield Fault(path=("group_within",), message="write 1h at most; alerts are for now")
    for name, target in document.targets.items():
        path = ("targets", name, "url")
        if target.kind is TargetKind.WEBHOOK and target.url is None:
            yield Fault(path=path, message="is missing: the address that is called")
        if target.kind in (TargetKind.SLACK, TargetKind.TEAMS) and target.url is not None:
            message = "leave it out: the secret is the whole address, as it lets anybody write"
            yield Fault(path=path, message=message)
    for place, route in enumerate(document.routes):
        if route.target not in document.targets:
            known = ", ".join(document.targets) or "none yet; write it under targets"
            message = f"there is no target {route.target}; there are {known}"
            yield Fault(path=("routes", place, "target"), message=message)


def _improvements(document: ImprovementsDocument) -> Iterator[Fault]:
    for name, tracker in document.trackers.items():
        yield from check_tracker(tracker, ("trackers", name))
    if document.tracker is not None and document.tracker not in document.trackers:
        known = ", ".join(document.trackers) or "none yet; write it under trackers"
        message = f"there is no tracker {document.tracker}; there are {known}"
        yield Fault(path=("tracker",), message=message)
    yield from check_messages(
        document.told,
        ("told",),
        subject=reporting.subject_template,
        text=reporting.text_template,
    )


def _twice(names: Iterable[str], *path: str | int) -> Iterator[Fault]:
    """Refuse a name that stands twice; the last part of the path is its field."""
    seen: Counter[str] = Counter()
    for place, name in enumerate(names):
        seen[name] += 1
        if seen[name] > 1:
            at = (*path[:-1], place, path[-1])
            yield Fault(path=at, message=f"{name} is there already; choose another")


def _once(words: Sequence[str], path: Path) -> Iterator[Fault]:
    for place, word in enumerate(words):
        if word in words[:place]:
            yield Fault(path=(*path, place), message=f"{word} is there already; leave it out")


_CHECKS: Final[Mapping[type[Document], Callable[[Any], Iterator[Fault]]]] = {
    CalendarsDocument: _calendars,
    PoliciesDocument: _policies,
    TeamsDocument: _teams,
    PlaybooksDocument: _playbooks,
    AlertsDocument: _alerts,
    ImprovementsDocument: _improvements,
}
