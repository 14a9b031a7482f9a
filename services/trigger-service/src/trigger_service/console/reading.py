"""A program read aloud: what its fields mean together, in plain words."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from heardback.vocabulary import Channel, ProgramType
from trigger_service.documents import GovernanceDocument, ProgramDocument, SendHours
from trigger_service.domain.duration import parse_window
from trigger_service.domain.program import Throttle

_UNITS: Final = {"s": "second", "m": "minute", "h": "hour", "d": "day", "w": "week"}
_CHANNELS: Final = {
    Channel.EMAIL: "email",
    Channel.SMS: "text message",
    Channel.IN_APP: "in-app",
    Channel.WEBHOOK: "webhook",
}
_ROTATIONS: Final = {1: "month", 3: "quarter", 6: "half-year", 12: "year"}
_THROTTLED: Final = {
    Throttle.DROP: "it does not ask",
    Throttle.DEFER: "it waits for the next free time",
}
_WHATEVER: Final = ", whatever has happened"
_TIMES: Final = {1: "once", 2: "twice", 3: "three times"}
_ORDINALS: Final = {1: "st", 2: "nd", 3: "rd"}
_WEEK: Final = 7


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One thing that a program says."""

    label: str
    text: str


def read_aloud(document: ProgramDocument, governance: GovernanceDocument) -> list[Line]:
    """Return what the program does, one line for each question that people ask about it."""
    return [
        Line(label="Asks", text=f"{occasion(document)}{_WHATEVER if document.cadence else ''}"),
        Line(label="When", text=_joined([timing(document), *_hours(document.send_hours)])),
        Line(label="Whom", text=_joined(_whom(document))),
        Line(label="How", text=_joined(_how(document))),
        *_afterwards(document),
        Line(label="At most", text=_joined(_at_most(document, governance))),
        Line(label="If throttled", text=_THROTTLED[document.on_throttle]),
        Line(label="Too late", text=f"{duration(document.expires_after)} after the planned time"),
    ]


def occasion(document: ProgramDocument) -> str:
    """Return what makes the program ask."""
    if document.cadence is not None:
        return str(document.cadence)
    return f"after {document.touchpoint}"


def timing(document: ProgramDocument) -> str:
    """Return when it asks, after what makes it ask."""
    window = parse_window(document.delay)
    first, _, last = document.delay.partition("..")
    since = "into the period" if document.cadence else "later"
    if document.cadence and last and window.shortest == timedelta(0):
        return f"over the first {duration(last)}"
    if window.longest == timedelta(0):
        return "at once"
    if not last or window.shortest == window.longest:
        return f"{duration(first)} {since}"
    same_unit = first[-1] == last[-1] or window.shortest == timedelta(0)
    begin = first[:-1] if same_unit else duration(first)
    return f"{begin} to {duration(last)} {since}"


def channels(document: ProgramDocument) -> str:
    """Return over which channels it asks, in their order."""
    return ", else ".join(_CHANNELS[channel] for channel in document.channels)


def duration(text: str) -> str:
    """Return a duration such as `7d` in words."""
    number, unit = int(text[:-1]), _UNITS[text[-1]]
    return f"{number:,} {unit}" if number == 1 else f"{number:,} {unit}s"


def _hours(hours: SendHours | None) -> list[str]:
    if hours is None:
        return []
    said = [f"between {hours.opens} and {hours.closes}, their time"] if hours.opens else []
    if len(hours.days) < _WEEK:
        weekdays = set(hours.days) == {"mon", "tue", "wed", "thu", "fri"}
        said.append("Monday to Friday" if weekdays else f"on {', '.join(hours.days).title()}")
    return said


def _whom(document: ProgramDocument) -> list[str]:
    said = []
    if document.after_uses is not None:
        said.append(f"who did it for the {_nth(document.after_uses)} time or more")
    if document.sample is not None:
        rotates = document.sample.sample(document.cadence).rotates
        turn = f", the next ones each {_ROTATIONS[rotates]}" if rotates else ", always the same"
        said.append(f"{document.sample.share} of the customers{turn}")
    if document.when is not None:
        said.append(f"where {document.when.strip()}")
    return said or ["every customer"]


def _how(document: ProgramDocument) -> list[str]:
    first = ", the most answered one first" if document.learn_channels else ""
    said = [f"by {channels(document)}{first}", f"survey {document.survey}"]
    if document.locale is not None:
        said.append(f"in {document.locale}")
    if document.variants is not None:
        said.append(f"wordings {', '.join(document.variants)}")
    return said


def _afterwards(document: ProgramDocument) -> list[Line]:
    """What follows where nothing comes back."""
    said = []
    if document.fallback_after is not None:
        said.append(f"not opened in {duration(document.fallback_after)}: by the next channel")
    if document.reminders is not None:
        each = "each " if document.reminders.count > 1 else ""
        later = f"{each}{duration(document.reminders.after)} later"
        said.append(f"not answered: reminded {_TIMES[document.reminders.count]}, {later}")
    return [Line(label="Afterwards", text=_joined(said))] if said else []


def _at_most(document: ProgramDocument, governance: GovernanceDocument) -> list[str]:
    cooldowns = governance.cooldowns
    from_any = f"{duration(cooldowns.any)} from any survey at all"
    return [
        f"once in {duration(document.cooldown or cooldowns.program)}",
        f"{duration(cooldowns.of_type(document.type))} from any other {document.type} survey",
        *([] if document.type is ProgramType.RECOVERY else [from_any]),
        *(f"{most:,} a day to {segment}" for segment, most in document.quotas.items()),
    ]


def _nth(number: int) -> str:
    tens = number % 100 // 10
    return f"{number:,}{'th' if tens == 1 else _ORDINALS.get(number % 10, 'th')}"


def _joined(parts: Iterable[str]) -> str:
    return "; ".join(parts)
