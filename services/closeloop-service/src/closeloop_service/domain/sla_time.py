"""When a clock of a task runs out, and how much of it is used: business time without the pauses."""

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from closeloop_service.domain.business_time import Calendar
from closeloop_service.domain.errors import BeyondCalendar

# From, and until just before; None: it goes on.
Pause = tuple[datetime, datetime | None]

_NOTHING: Final = timedelta(0)


def sla_due(
    calendar: Calendar,
    start: datetime,
    target: timedelta,
    pauses: Sequence[Pause] = (),
    *,
    ceiling: timedelta | None = None,
) -> datetime | None:
    """Return when a clock that starts then runs out; None while a pause keeps that open.

    `pauses` may overlap and come in any order; one that begins when the clock has run out, or that
    ends when it begins, changes nothing. `ceiling` is the most time that may pass, working or not,
    outside of pauses: what runs out first counts.
    Raises: ValueError when `target` or `ceiling` is less than nothing; CalendarNeverOpens;
    BeyondCalendar.
    """
    if target < _NOTHING or (ceiling is not None and ceiling < _NOTHING):
        msg = "a clock cannot run for less than nothing; give a duration of 0 or more"
        raise ValueError(msg)
    due_at = _run_out(start, target, pauses, calendar.between, calendar.add)
    if ceiling is None:
        return due_at
    latest = _run_out(_utc(start), ceiling, pauses, _wall_between, _wall_add)
    return min((at for at in (due_at, latest) if at is not None), default=None)


def sla_elapsed(
    calendar: Calendar, start: datetime, now: datetime, pauses: Sequence[Pause] = ()
) -> timedelta:
    """Return how much of a clock that started then is used at `now`: nothing before it starts."""
    elapsed, running_from, now = _NOTHING, _utc(start), _utc(now)
    for begins, ends in _in_order(start, pauses):
        if begins >= now:
            break
        elapsed += calendar.between(running_from, begins)
        if ends is None or ends >= now:
            return elapsed
        running_from = ends
    return elapsed + max(calendar.between(running_from, now), _NOTHING)


def _run_out(
    start: datetime,
    target: timedelta,
    pauses: Sequence[Pause],
    between: Callable[[datetime, datetime], timedelta],
    add: Callable[[datetime, timedelta], datetime],
) -> datetime | None:
    """Return when so much has passed outside of the pauses, by the arithmetic that is given."""
    for begins, ends in _in_order(start, pauses):
        passed = between(start, begins)
        if passed >= target:
            break
        if ends is None:
            return None
        start, target = ends, target - passed
    return add(start, target)


def _in_order(start: datetime, pauses: Sequence[Pause]) -> Iterator[Pause]:
    """Return the pauses after `start`, one after the other and apart, cut where they overlap."""
    if not pauses:
        return
    free_from = _utc(start)
    known = ((_utc(begins), None if ends is None else _utc(ends)) for begins, ends in pauses)
    for begins, ends in sorted(known, key=lambda pause: pause[0]):
        begins = max(begins, free_from)
        if ends is None or ends > begins:
            yield begins, ends
            if ends is None:
                return
            free_from = ends


def _utc(at: datetime) -> datetime:
    # Two datetimes of one zone are compared by the wall, which goes back every autumn.
    return at if at.tzinfo is None else at.astimezone(UTC)


def _wall_between(start: datetime, end: datetime) -> timedelta:
    return end - start


def _wall_add(start: datetime, duration: timedelta) -> datetime:
    try:
        return start + duration
    except OverflowError:
        raise BeyondCalendar from None
