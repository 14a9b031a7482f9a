"""What a task's panel shows, whichever way it is opened."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from closeloop_service.console.words import clock_lines, duration, history_lines, story_lines
from closeloop_service.domain import playbook as playbooks
from closeloop_service.domain import writing
from closeloop_service.domain.customer import Customer
from closeloop_service.domain.errors import NoConversation
from closeloop_service.domain.planning import policy_of
from closeloop_service.domain.playbook import Since
from closeloop_service.domain.rules import Playbook, Rules
from closeloop_service.domain.task import Move, Task, allowed_moves
from closeloop_service.domain.writing import Message
from closeloop_service.queries.history import HistoryLine
from closeloop_service.queries.story import StoryLine
from heardback.zones import UTC_ZONE, zone_of

MOVE_TITLES: Final = {
    Move.CONTACT: "Log contact",
    Move.REPLY: "Log their reply",
    Move.WAIT: "Wait for them",
    Move.RESUME: "Go on",
    Move.RESOLVE: "Resolve",
    Move.REOPEN: "Reopen",
    Move.ASSIGN: "Assign",
    Move.ESCALATE: "Escalate",
    Move.NOTE: "Note",
    Move.COMPENSATE: "Log compensation",
}
_MOST_ATTRIBUTES: Final = 20
_DAYS: Final = (1, 2, 3, 5, 7, 14, 30)
_TYPED: Final = ("text", "note", "reason")


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """Everything that is known of one task."""

    task: Task
    customer: Customer
    history: Sequence[HistoryLine]
    messages: Sequence[Message]
    story: Sequence[StoryLine]
    past: Sequence[Task]
    since: Since


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """How the panel is looked at: by whom, in whose name, with which template, after which refusal.

    `typed` are the fields of a form that was refused, `move` what it was to do.
    """

    me: str = ""
    company: str = ""
    template_id: str | None = None
    notice: str = ""
    move: str = ""
    typed: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A message as its writer finds it."""

    template_id: str | None = None
    subject: str = ""
    text: str = ""


def panel(facts: Facts, sight: Sight, rules: Rules, now: datetime) -> dict[str, Any]:
    """Return what the panel's template needs."""
    task, playbook = facts.task, rules.playbooks.by_category.get(facts.task.category)
    moves = {str(move) for move in allowed_moves(task.state)}
    move, typed = _kept(sight, moves)
    return {
        "task": task,
        "me": sight.me,
        "notice": sight.notice,
        "moves": moves,
        "move_titles": MOVE_TITLES,
        "opened": "write" if sight.template_id and not move else move,
        "kept": bool(sight.typed) and move != sight.move,
        "typed": typed,
        "clocks": clock_lines(task),
        "pauses": task.pauses,
        "history": history_lines(facts.history),
        "messages": facts.messages,
        "troubles": {one.follow_up_id: one.trouble(now) for one in facts.messages},
        "story": story_lines(facts.story),
        "past": facts.past,
        **_about(facts.customer, now),
        **_book(facts, playbook, now),
        **_words(task, rules),
        **_writing(task, playbook, sight),
    }


def _kept(sight: Sight, moves: set[str]) -> tuple[str, Mapping[str, str]]:
    """Return the form that holds what was typed: its own while it is allowed, else the note's."""
    typed = defaultdict(str, sight.typed)
    if not typed or sight.move in moves:
        return sight.move, typed
    words = next((typed[name] for name in _TYPED if typed[name]), "")
    return (str(Move.NOTE) if words else "", defaultdict(str, note=words))


def _about(customer: Customer, now: datetime) -> dict[str, Any]:
    """Return what helps before one calls: whether they left, and what time it is there."""
    zone = zone_of(customer.timezone, UTC_ZONE)
    known = [(name, value) for name, value in customer.attributes.items() if value is not None]
    return {
        "has_churned": customer.has_churned,
        "local_time": f"{now.astimezone(zone):%a %H:%M}" if zone is not UTC_ZONE else "",
        "attributes": known[:_MOST_ATTRIBUTES],
    }


def _book(facts: Facts, playbook: Playbook | None, now: datetime) -> dict[str, Any]:
    if playbook is None:
        return {"steps": [], "next_step": None}
    return {
        "steps": playbooks.progress(facts.task, playbook),
        "next_step": playbooks.next_action(facts.task, playbook, now, since=facts.since),
    }


def _words(task: Task, rules: Rules) -> dict[str, Any]:
    book, bound = rules.playbooks, policy_of(task, rules).pause_at_most
    fitting = [days for days in _DAYS if bound is None or days <= bound.days]
    until = f"As long as the policy allows: {duration(bound)}" if bound else "Without an end"
    return {
        **people(rules),
        "root_causes": {cause: cause for cause in book.root_causes},
        "channels": {channel: channel for channel in book.contact_channels},
        "compensations": {kind: kind for kind in book.compensations},
        "waits": {"": until, **{str(n): f"{n} day{'s' if n > 1 else ''}" for n in fitting}},
    }


def people(rules: Rules) -> dict[str, Any]:
    """Return who can own tasks: the teams' titles by id, and the members' names."""
    teams = rules.routing.teams.values()
    return {
        "teams": {team.team_id: team.title for team in teams},
        "members": sorted({member.name for team in teams for member in team.members}),
    }


def _writing(task: Task, playbook: Playbook | None, sight: Sight) -> dict[str, Any]:
    templates = playbook.templates if playbook else {}
    draft = Draft()
    template = templates.get(sight.template_id or "")
    if template is not None:
        written = writing.render(template, task, owner=sight.me, company=sight.company)
        draft = Draft(
            template_id=template.template_id, subject=written.subject or "", text=written.text
        )
    return {
        "templates": templates,
        "draft": draft,
        "can_write": writing.has_conversation(task),
        "why_not_write": NoConversation(task_id=task.task_id).message,
    }
