"""Whether clocks can run out at all: a calendar that hardly opens may never see the end of one."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Final

from closeloop_service.domain.business_time import Calendar
from closeloop_service.domain.errors import BeyondCalendar, CalendarNeverOpens
from closeloop_service.rulebook.books import Books
from closeloop_service.rulebook.compiling import compile_calendars
from closeloop_service.rulebook.documents.policies import PolicyDocument
from closeloop_service.rulebook.kinds import Kind
from heardback.faults import Fault, Path

_FROM: Final = datetime(2030, 1, 1, tzinfo=UTC)
_UNTIL: Final = datetime(2080, 1, 1, tzinfo=UTC)


def check_reach(kind: Kind, books: Books) -> Iterator[Fault]:
    """Return what takes longer than the open time of fifty years, where it is to be corrected."""
    if kind not in (Kind.SLA_POLICIES, Kind.CALENDARS):
        return
    calendars = compile_calendars(books.calendars)
    for place, policy in enumerate(books.policies.policies):
        for path, calendar, needs in _needs(policy):
            if _is_open_for(calendars[calendar], needs):
                continue
            at: Path = ("policies", place, *path)
            message = f"calendar {calendar} is not open for so long in fifty years; write less"
            if kind is Kind.CALENDARS:
                at, place_there = ("calendars", calendar), ".".join(map(str, at))
                message = f"too little for {place_there} of the SLA policies; give it more hours"
            yield Fault(path=at, message=message)


def _is_open_for(calendar: Calendar, needs: timedelta) -> bool:
    try:
        return calendar.add(_FROM, needs) <= _UNTIL
    except (BeyondCalendar, CalendarNeverOpens):
        return False


def _needs(policy: PolicyDocument) -> Iterator[tuple[Path, str, timedelta]]:
    """Return what takes open time, of which calendar, and how much."""
    for clock in ("first_response", "next_response", "resolution"):
        target = getattr(policy, clock)
        if target is not None:
            yield (clock,), target.calendar or policy.calendar, target.within
    for place, level in enumerate(policy.escalations):
        yield ("escalations", place, "after"), policy.calendar, level.after
    if policy.repeat is not None and policy.escalations:
        repeated = policy.repeat.every * policy.repeat.at_most
        yield ("repeat",), policy.calendar, policy.escalations[-1].after + repeated
