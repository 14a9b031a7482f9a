"""What the console says of a task's clocks, its history and its customer, in words."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

from closeloop_service.domain.clock import ClockState
from closeloop_service.domain.task import Task
from closeloop_service.queries.history import HistoryLine
from closeloop_service.queries.story import StoryLine
from heardback.vocabulary import SlaClock

Details = Mapping[str, Any]

CLOCKS: Final = {
    SlaClock.FIRST_RESPONSE: "First response",
    SlaClock.NEXT_RESPONSE: "Next response",
    SlaClock.RESOLUTION: "Resolution",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockLine:
    """One clock of the panel: `due_at` while it runs, else a mark with its sign and look."""

    label: str
    due_at: datetime | None = None
    mark: str = ""
    look: str = ""
    sign: str = ""
    words: str = ""
    at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One thing that happened, as a sentence about `actor`, or without one."""

    at: datetime
    text: str
    actor: str | None = None
    note: str = ""


def clock_lines(task: Task) -> list[ClockLine]:
    """Return the clocks that the task has, in the order of its life."""
    return [
        _clock_line(label, task.clocks[which], active=task.active)
        for which, label in CLOCKS.items()
        if which in task.clocks
    ]


def _clock_line(label: str, clock: ClockState, *, active: bool) -> ClockLine:
    if clock.stopped_at is not None:
        took = f"after {duration(clock.stopped_at - clock.started_at)},"
        line = ClockLine(label=label, words=took, at=clock.stopped_at)
        if clock.breached:
            return replace(line, mark="late", look="breach", sign="!")
        return replace(line, mark="in time", look="ok", sign="✓")
    if clock.due_at is None or not active:
        return ClockLine(label=label, mark="paused" if active else "stopped", sign="‖")
    line = ClockLine(label=label, due_at=clock.due_at)
    return replace(line, mark="breached", look="breach", sign="!") if clock.breached else line


def duration(span: timedelta) -> str:
    """Return a time span in words, as exact as one would say it."""
    minutes = max(int(span.total_seconds()) // 60, 0)
    if minutes < 1:
        return "less than a minute"
    if minutes < 60:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 24:
        return f"{hours} h {minutes:02} m"
    days, hours = divmod(hours, 24)
    return f"{days} d {hours:02} h" if hours else f"{days} d"


def history_lines(history: Sequence[HistoryLine]) -> list[Line]:
    """Return a task's history in words; what is not known here is told by its name."""
    return _told(history, _HISTORY)


def story_lines(story: Sequence[StoryLine]) -> list[Line]:
    """Return a customer's story in words; `note` is what they said."""
    return [
        Line(
            at=line.occurred_at,
            text=_say(_STORY, line.what, {**line.details, "actor": None}),
            note=str(line.details.get("comment") or line.details.get("text") or ""),
        )
        for line in story
    ]


def improvement_lines(history: Sequence[HistoryLine]) -> list[Line]:
    """Return an improvement's history in words."""
    return _told(history, _MENDING)


def _told(
    history: Sequence[HistoryLine], said: Mapping[str, Callable[[Details], str]]
) -> list[Line]:
    return [
        Line(
            at=line.occurred_at,
            actor=line.actor,
            note=line.note,
            text=_say(said, line.what, {**line.details, "actor": line.actor}),
        )
        for line in history
    ]


def _say(said: Mapping[str, Callable[[Details], str]], what: str, details: Details) -> str:
    if what in said:
        text = said[what](details)
    else:
        more = (f"{name}: {value}" for name, value in details.items() if name != "actor")
        text = " · ".join([what.replace("_", " "), *more])
    return text if details["actor"] else text[:1].upper() + text[1:]


def _clock(details: Details) -> str:
    return str(details.get("clock") or "a").replace("_", " ")


def _by(details: Details) -> str:
    channel = details.get("channel")
    return f" by {channel}".replace("_", "-") if channel else ""


def _in_time(details: Details) -> str:
    if not details.get("in_time"):
        return ""
    return ", in time; the news of it came after the clock had run out"


def _money(details: Details) -> str:
    amount = details.get("amount")
    return "" if amount is None else f", {amount:g} {details.get('currency') or ''}".rstrip()


def _step(details: Details) -> str:
    """Return a step's id as words: its title may have changed since."""
    return str(details.get("step_id", "")).replace("-", " ").capitalize()


def _assigned(details: Details) -> str:
    owner, actor = details.get("owner"), details["actor"]
    if actor == owner:
        return "claimed it"
    return f"assigned it to {owner}" if actor else f"assigned to {owner}"


def _escalated(details: Details) -> str:
    to = ", ".join(str(name) for name in details.get("to") or ())
    late = f": {_clock(details)} is late" if details.get("clock") else ""
    return f"escalated to level {details.get('level', '?')}{late}{f'; told {to}' if to else ''}"


def _opened(details: Details) -> str:
    policy = details.get("policy")
    by = f", clocks by policy {policy}" if policy else ""
    return f"opened for a score of {details.get('score', '?')}{by}"


_HISTORY: Final[Mapping[str, Callable[[Details], str]]] = {
    "opened": _opened,
    "joined": lambda d: f"another answer joined, score {d.get('score', '?')}",
    "revised": lambda d: f"the answer changed from {d.get('before', '?')} to {d.get('score', '?')}",
    "answered_elsewhere": lambda d: f"they answered elsewhere too, score {d.get('score', '?')}",
    "taken_back": lambda _: "the answer was taken back as suspect",
    "queued": lambda d: f"in the queue of {d.get('team') or 'no team'}",
    "unrouted": lambda _: "nobody was found to take it",
    "assigned": _assigned,
    "released": lambda _: "gave it back",
    "acknowledged": lambda _: "acknowledged it",
    "wrote": lambda d: f"wrote to them{': ' + d['subject'] if d.get('subject') else ''}",
    "contacted": lambda d: f"contacted them{_by(d)}{_in_time(d)}",
    "replied": lambda d: f"{'took down their reply' if d['actor'] else 'they replied'}{_by(d)}",
    "waiting": lambda _: "waits for them; the clocks pause",
    "resumed": lambda d: "went on; the clocks run" if d["actor"] else "the wait is over",
    "resolved": lambda d: f"resolved it: {d.get('root_cause', '')}",
    "verified": lambda d: f"{'noted the ' if d['actor'] else ''}outcome: {d.get('outcome', '')}",
    "reopened": lambda d: "reopened it" if d["actor"] else "reopened",
    "cancelled": lambda d: "cancelled it" if d["actor"] else "cancelled",
    "escalated": _escalated,
    "message_sent": lambda _: "the message was sent",
    "message_failed": lambda _: "the message did not reach them",
    "noted": lambda _: "noted",
    "compensated": lambda d: f"gave: {d.get('kind', 'a compensation')}{_money(d)}",
    "step": lambda d: f"{'did' if d.get('done') else 'unticked'} “{_step(d)}”",
    "replanned": lambda d: f"the rules changed; clocks by policy {d.get('policy', '')}",
    "sla_warned": lambda d: f"warning: most of the {_clock(d)} time is used",
    "sla_breached": lambda d: f"the {_clock(d)} clock ran out",
}
_STORY: Final[Mapping[str, Callable[[Details], str]]] = {
    "touchpoint": lambda d: str(d.get("touchpoint", "something")).replace("-", " "),
    "sent": lambda d: f"asked{_by(d)}",
    "bounced": lambda d: f"a message{_by(d)} bounced",
    "dropped": lambda d: f"a message{_by(d)} was not sent",
    "answered": lambda d: f"answered {d.get('score', '')}",
    "unsubscribed": lambda _: "unsubscribed",
    "written": lambda _: "we wrote to them",
    "task_opened": lambda _: "a task was opened",
    "task_resolved": lambda d: f"a task was resolved: {d.get('root_cause') or 'no cause given'}",
}
_MENDING: Final[Mapping[str, Callable[[Details], str]]] = {
    "opened": lambda d: "opened it" if d["actor"] else f"opened: {_counts(d)}",
    "heard": lambda d: f"heard of it again: {_counts(d)}",
    "planned": lambda d: "plans it" if d["actor"] else "planned",
    "put_back": lambda d: "put it back" if d["actor"] else "put back",
    "shipped": lambda d: "shipped it" if d["actor"] else "shipped",
    "declined": lambda d: "declined it" if d["actor"] else "declined",
    "reopened": lambda d: "reopened it" if d["actor"] else "reopened",
    "assigned": lambda d: f"gave it to {d.get('owner') or 'nobody'}",
    "overdue": lambda _: "it did not ship in time",
    "noted": lambda _: "noted",
    "ticketed": lambda d: f"made the ticket {d.get('ticket')} in {d.get('tracker')}",
    "ticket_renamed": lambda d: f"the ticket is called {d.get('ticket')} now",
    "ticket_failed": lambda _: "something is wrong with the ticket",
}


def _counts(details: Details) -> str:
    responses, customers = details.get("responses", 0), details.get("customers", 0)
    return f"{responses} answers of {customers} customers"
