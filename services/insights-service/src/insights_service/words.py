"""Figures in words: what the page says, and how sure it is."""

from collections.abc import Sequence
from datetime import date

from heardback.shares import Interval
from insights_service.domain.counts import Funnel
from insights_service.domain.nps import ENOUGH_RESPONSES, Estimate
from insights_service.domain.scope import Grain
from insights_service.domain.series import Point
from insights_service.domain.variants import ENOUGH_SENT, Compared, Difference

NOTHING = "–"
_UNBROKEN = "\N{NO-BREAK SPACE}"
_MINUTE = 60
_HOUR = 3_600
_DAY = 86_400


def points(value: float) -> str:
    """Return a score: whole points with their sign."""
    whole = round(value)
    return f"{whole:+d}".replace("-", "−") if whole else "0"


def score(found: Estimate | None) -> str:
    """Return the score with half of its interval's width."""
    return f"{points(found.nps)} ±{found.margin:.0f}" if found else NOTHING


def certainty(found: Estimate | None) -> str:
    """Say how sure the score is, or that it is not."""
    if found is None:
        return "no responses in this period"
    interval = f"{points(found.low)} to {points(found.high)} at 95 %"
    responses = plural(found.tally.responses, "response")
    if found.enough:
        return f"{interval}, from {responses}"
    return f"too few to go by: {responses}, {ENOUGH_RESPONSES} are enough; {interval}"


def plural(count: int, noun: str) -> str:
    """Return `count` with its noun."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def percent(share: float | None) -> str:
    """Return a share as a percentage; small ones with a decimal."""
    if share is None:
        return NOTHING
    digits = 1 if 0 < share < 0.1 else 0
    return f"{100 * share:.{digits}f}{_UNBROKEN}%"


def response_rate(funnel: Funnel) -> str:
    """Say what the response rate is a share of."""
    if not funnel.sent:
        return "no invitations sent in this period"
    asked = funnel.scored - funnel.unasked
    rate = f"{asked:,} scored ÷ {funnel.sent:,} sent"
    if asked > funnel.sent:
        return f"{rate}; some were asked before this period"
    return f"{rate}; what was delivered is not known yet"


def rate(found: Interval | None) -> str:
    """Return a response rate with its interval."""
    if found is None:
        return NOTHING
    return f"{percent(found.value)} ({100 * found.low:.0f}–{100 * found.high:.0f})"


def difference(found: Difference) -> str:
    """Say how far one variant is ahead of another, and whether that is more than chance."""
    is_nps = found.compared is Compared.NPS
    unit, scale = ("of NPS", 1) if is_nps else ("of response rate", 100)
    if not found.enough:
        least = f"{ENOUGH_RESPONSES} responses" if is_nps else f"{ENOUGH_SENT} sent"
        return f"{found.ahead} and {found.behind}: too few to compare; each needs {least}."
    by, low, high = (scale * each for each in (found.by.value, found.by.low, found.by.high))
    sure = f"{plural(round(by), 'point')} {unit} ({points(low)} to {points(high)} at 95 %)"
    if found.told_apart:
        return f"{found.ahead} is ahead of {found.behind} by {sure}."
    return f"{found.ahead} and {found.behind} cannot be told apart: {sure}."


def duration(seconds: float | None) -> str:
    """Return a duration in its two largest units, in one piece."""
    if seconds is None:
        return NOTHING
    whole = round(seconds)
    if whole < _MINUTE:
        text = f"{whole} s"
    elif whole < _HOUR:
        text = f"{whole // _MINUTE} min"
    elif whole < _DAY:
        text = f"{whole // _HOUR} h {whole % _HOUR // _MINUTE:02} min"
    else:
        text = f"{whole // _DAY} d {whole % _DAY // _HOUR:02} h"
    return text.replace(" ", _UNBROKEN)


def reason(text: str) -> str:
    """Return a reason's name as words."""
    return text.replace("_", " ").replace("-", " ")


def moment(day: date, grain: Grain) -> str:
    """Return the label of the point that begins on `day`: the day, or its month."""
    return f"{day:%b %Y}" if grain is Grain.MONTH else f"{day.day} {day:%b}"


def trend(series: Sequence[Point], grain: Grain) -> str:
    """Say in one sentence what the trend's picture shows."""
    first, last = series[0], series[-1]
    begin, end = moment(first.first_day, grain), moment(last.first_day, grain)
    return (
        f"NPS by {grain.value}: from {points(first.estimate.nps)} on {begin}"
        f" to {points(last.estimate.nps)} on {end}; the last one {certainty(last.estimate)}."
    )


def basis(drawn: Sequence[Point], grain: Grain, *, left_out: int) -> str:
    """Say how many responses the points of a trend stand on, and how many are left out."""
    sizes = [point.estimate.tally.responses for point in drawn]
    span = f"{min(sizes):,} to {max(sizes):,}" if min(sizes) < max(sizes) else f"{max(sizes):,}"
    said = f"by {grain.value}, band: 95 % interval, {span} responses a {grain.value}"
    if not left_out:
        return said
    return f"{said}; {plural(left_out, grain.value)} with under {ENOUGH_RESPONSES} left out"


def no_trend() -> str:
    """Say what a trend needs."""
    return f"A line needs two days, weeks or months with {ENOUGH_RESPONSES} responses each."
