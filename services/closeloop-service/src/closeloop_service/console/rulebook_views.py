"""What the pages of rulebooks show: what came of a button, and what each rulebook says."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from math import inf
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from closeloop_service.domain.rules import Rules
from closeloop_service.rulebook.books import Books
from closeloop_service.rulebook.compiling import compile_rules
from closeloop_service.rulebook.differing import differing
from closeloop_service.rulebook.drafts import Checked
from closeloop_service.rulebook.kinds import Kind
from closeloop_service.rulebook.preview import PolicyPreview, RoutePreview
from closeloop_service.rulebook.trying import Question, try_policy, try_route
from closeloop_service.store.loads import load_loads
from closeloop_service.store.rulebooks import KeptRulebook
from heardback.differences import Difference
from heardback.yaml_text import to_yaml

TRIED: Collection[Kind] = frozenset({Kind.CALENDARS, Kind.SLA_POLICIES, Kind.TEAMS})
"""The kinds that decide when a task is due, or who gets it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """What the rules would do with a task."""

    question: Question
    policy: PolicyPreview
    route: RoutePreview


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What came of a button. `theirs`: the version that somebody else has saved meanwhile."""

    draft: Checked
    said: str
    level: str
    tried: Tried | None = None
    theirs: int | None = None
    differences: Sequence[Difference] = ()


def faulty(draft: Checked) -> Result:
    """Say what is wrong."""
    count = len(draft.faults)
    faults = "1 thing to correct" if count == 1 else f"{count} things to correct"
    return Result(draft=draft, said=f"{faults}. Nothing was saved.", level="breach")


def checked(draft: Checked, tried: Tried | None = None) -> Result:
    """Say that the draft is valid, and what it would do."""
    said = "This is what would happen:" if tried else "Valid."
    if draft.advice:
        count = len(draft.advice)
        looks = "1 thing deserves" if count == 1 else f"{count} things deserve"
        said = f"Valid; {looks} a second look."
    return Result(draft=draft, said=said, level="warn" if draft.advice else "ok", tried=tried)


def nameless(draft: Checked) -> Result:
    """Ask who saves."""
    said = "Write your name first: each version says who saved it. Nothing was saved."
    return Result(draft=draft, said=said, level="breach")


def overtaken(draft: Checked, kept: KeptRulebook) -> Result:
    """Say that somebody else has saved a version meanwhile, and what differs from it."""
    return Result(
        draft=draft,
        said=(
            f"{kept.saved_by or 'Somebody'} saved version {kept.version} meanwhile. Nothing of "
            "yours is lost: compare below, correct your text, and save again. Yours comes after "
            "it then."
        ),
        level="warn",
        theirs=kept.version,
        differences=tuple(differing(kept.body, draft.text)),
    )


async def try_out(connection: AsyncConnection, books: Books, question: Question) -> Tried:
    """Return what the rules would do with a task, with what everybody has to do now."""
    rules = compile_rules(books, version=0)
    loads = await load_loads(connection, _members(rules))
    return Tried(
        question=question,
        policy=try_policy(rules, question),
        route=try_route(rules, question, loads),
    )


def says(kind: Kind, books: Books) -> str:
    """Return what a rulebook says, in a few words."""
    members = sum(len(team.members) for team in books.teams.teams.values())
    playbooks = books.playbooks.playbooks.by_category().values()
    steps = sum(len(playbook.steps) for playbook in playbooks)
    templates = sum(len(playbook.templates) for playbook in playbooks)
    parts = {
        Kind.CALENDARS: (_count(len(books.calendars.calendars), "calendar"),),
        Kind.SLA_POLICIES: (_count(len(books.policies.policies), "policy", "policies"),),
        Kind.TEAMS: (
            _count(len(books.teams.teams), "team"),
            _count(members, "member"),
            _count(len(books.teams.rules), "rule"),
        ),
        Kind.PLAYBOOKS: (_count(steps, "step"), _count(templates, "message")),
        Kind.ALERTS: (
            _count(len(books.alerts.targets), "target"),
            _count(len(books.alerts.routes), "route"),
        ),
        Kind.IMPROVEMENTS: (_count(len(books.improvements.trackers), "tracker"),),
    }
    return ", ".join(parts[kind])


def written(value: Any) -> str:
    """Return a value of a document as it is written there."""
    return to_yaml(value, width=inf).removesuffix("...\n").rstrip("\n")


def _count(count: int, one: str, many: str | None = None) -> str:
    return f"{count or 'no'} {one if count == 1 else many or one + 's'}"


def _members(rules: Rules) -> set[str]:
    return {member.name for team in rules.routing.teams.values() for member in team.members}
