"""An owner's due dates as a calendar that other programs subscribe to.

Source: RFC 5545 (line folding 3.1, escaping 3.3.11, components 3.4 and 3.6.1), RFC 7986 (the
calendar's name and how often to come again).
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from closeloop_service.domain.grouping import one_line, task_path
from closeloop_service.domain.task import Task

_MOST_OCTETS: Final = 75
_LONG: Final = timedelta(minutes=15)
_ESCAPES: Final = str.maketrans({"\\": "\\\\", ";": "\\;", ",": "\\,", "\n": "\\n"})
_CALENDAR: Final = (
    "BEGIN:VCALENDAR",
    "VERSION:2.0",
    "PRODID:-//Heardback//Due dates//EN",
    "CALSCALE:GREGORIAN",
    "METHOD:PUBLISH",
    "REFRESH-INTERVAL;VALUE=DURATION:PT15M",
    "X-PUBLISHED-TTL:PT15M",
)


def due_feed(owner: str, tasks: Sequence[Task], *, board_url: str, now: datetime) -> str:
    """Return the feed: an event for each clock that runs, which ends when it runs out."""
    name = f"Due: {one_line(owner)}"
    head = [*_CALENDAR, _text("NAME", name), _text("X-WR-CALNAME", name)]
    events = (line for task in tasks for line in _event(task, board_url, now))
    lines = (*head, *events, "END:VCALENDAR")
    return "".join(f"{part}\r\n" for part in _folded(lines))


def _event(task: Task, board_url: str, now: datetime) -> Iterator[str]:
    running, due_at = task.running, task.due_at
    if running is None or due_at is None:
        return
    who = one_line(task.recipient.name or task.customer_id)
    url = f"{board_url}{task_path(task.task_id)}"
    late = "Late: " if due_at <= now else ""
    clock = running.replace("_", " ")
    said = one_line(task.answer.comment or "")
    yield "BEGIN:VEVENT"
    yield f"UID:{task.task_id}@heardback"
    yield f"SEQUENCE:{task.version}"
    yield f"DTSTAMP:{_instant(now)}"
    yield f"DTSTART:{_instant(due_at - _LONG)}"
    yield f"DTEND:{_instant(due_at)}"
    yield _text("SUMMARY", f"{late}{clock} to {who}")
    asked = f"Score {task.answer.score} after {one_line(task.touchpoint)}"
    yield _text("DESCRIPTION", f"{asked}\n{said}\n{url}")
    yield f"URL:{url}"
    yield "TRANSP:TRANSPARENT"
    yield "END:VEVENT"


def _instant(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y%m%dT%H%M%SZ}"


def _text(name: str, value: str) -> str:
    return f"{name}:{value.translate(_ESCAPES)}"


def _folded(lines: Iterable[str]) -> Iterator[str]:
    """Break lines that are longer than 75 octets, between characters."""
    for line in lines:
        part, octets = "", 0
        for character in line:
            width = len(character.encode("utf-8", "replace"))
            if octets + width > _MOST_OCTETS:
                yield part
                part, octets = " ", 1
            part += character
            octets += width
        yield part
