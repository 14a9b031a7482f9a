"""Charts as SVG made here: no script, no fixed size, and the figures beside them as a table.

Text and lines keep their size at any width: the plot is an inner SVG that is stretched, labels
stand at percentages of the outer one.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from markupsafe import Markup

_MOST_GRID_LINES: Final = 5
_MOST_LABELS: Final = 6
_BAR_GAP_PERCENT: Final = 0.6
_COLUMN_GAP: Final = 0.2
"""Of the place of a column, what stays free."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One value of a line with its interval; None where there is not enough to tell."""

    label: str
    value: float | None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step of a funnel. `hint` says what the count means."""

    label: str
    count: int
    hint: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One day of a volume: its counts, one for each kind of the chart, the lowest first."""

    label: str
    counts: Sequence[int]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Scale:
    """From values to percentages of the plot, the top being 0."""

    low: float
    high: float
    step: float

    def y(self, value: float) -> float:
        return round(100 * (self.high - value) / (self.high - self.low), 2)

    def ticks(self) -> list[float]:
        count = round((self.high - self.low) / self.step)
        return [self.low + index * self.step for index in range(count + 1)]


def line_chart(points: Sequence[Point], *, summary: str, value_name: str) -> Markup:
    """Return a line with its interval as a band, and the figures as a table.

    `summary` is what a screen reader says for the picture: name the first, the last and the trend.
    Fewer than two values make no line; the caller says what it waits for.
    """
    known = [v for p in points for v in (p.value, p.low, p.high) if v is not None]
    scale = _scale(known or [0.0])
    body = Markup("").join(
        [_grid(scale), _plot(points, scale), _x_labels(points), _last_value(points, scale)]
    )
    return Markup(
        '<figure><svg class="chart" role="img" aria-label="{}">{}</svg>{}</figure>'
    ).format(summary, body, _point_table(points, value_name))


def category_bar(*, detractors: int, passives: int, promoters: int) -> Markup:
    """Return the three groups as one bar, with a legend that carries the numbers."""
    counts = {"detractor": detractors, "passive": passives, "promoter": promoters}
    total = sum(counts.values())
    bars, keys, x = Markup(""), Markup(""), 0.0
    for name, count in counts.items():
        share = 100 * count / total if total else 0.0
        width = max(0.0, share - _BAR_GAP_PERCENT)
        bars += Markup('<rect class="{}" x="{:.2f}%" width="{:.2f}%" height="100%"/>').format(
            name, x, width
        )
        keys += Markup('<li><span class="key {}"></span>{}s {} ({:.0f} %)</li>').format(
            name, name.capitalize(), f"{count:,}", share
        )
        x += share
    return Markup(
        '<svg class="bar" aria-hidden="true">{}{}</svg><ul class="legend">{}</ul>'
    ).format(_GROUND if not total else "", bars, keys)


def funnel_bars(steps: Sequence[Step]) -> Markup:
    """Return the steps of a funnel as bars against the largest, with their share of the first."""
    largest = max((step.count for step in steps), default=0)
    first = steps[0].count if steps else 0
    rows = Markup("").join(_funnel_row(step, largest=largest, first=first) for step in steps)
    return Markup('<dl class="funnel">{}</dl>').format(rows)


def column_chart(columns: Sequence[Column], *, kinds: Mapping[str, str], summary: str) -> Markup:
    """Return a stacked column for each day, a legend, and the figures as a table.

    `kinds`: the class that paints each count of a column, and its name; the lowest first.
    """
    scale = _scale([0.0, *(float(sum(column.counts)) for column in columns)], least_step=1)
    key = Markup('<li><span class="key {}"></span>{}</li>')
    keys = Markup("").join(key.format(kind, name) for kind, name in kinds.items())
    labels = _labels([(x + width / 2, c.label) for x, width, c in _places(columns)])
    body = _grid(scale) + _stacks(columns, scale, tuple(kinds)) + labels
    return Markup(
        '<figure><svg class="chart columns" role="img" aria-label="{}">{}</svg>'
        '<ul class="legend">{}</ul>{}</figure>'
    ).format(summary, body, keys, _column_table(columns, tuple(kinds.values())))


def small_columns(columns: Sequence[Column], *, kinds: Sequence[str]) -> Markup:
    """Return the columns alone, as a hint of their shape; the figures stand beside it."""
    scale = _scale([0.0, *(float(sum(column.counts)) for column in columns)], least_step=1)
    return Markup('<svg class="small-columns" aria-hidden="true">{}</svg>').format(
        _stacks(columns, scale, kinds)
    )


def share_bar(share: float) -> Markup:
    """Return a bar filled to `share` of its length, 0 to 1; the figure stands beside it."""
    return Markup(
        '<svg class="bar" aria-hidden="true">{}'
        '<rect class="step" width="{:.2f}%" height="100%"/></svg>'
    ).format(_GROUND, 100 * share)


_GROUND: Final = Markup('<rect class="ground" width="100%" height="100%"/>')


def _funnel_row(step: Step, *, largest: int, first: int) -> Markup:
    bar = share_bar(step.count / largest if largest else 0.0)
    share = f" ({100 * step.count / first:.0f} %)" if first else ""
    return Markup(
        '<div class="funnel-step"><dt title="{}">{}</dt>'
        '<dd aria-hidden="true">{}</dd><dd class="number">{}{}</dd></div>'
    ).format(step.hint, step.label, bar, f"{step.count:,}", share)


def _scale(values: Sequence[float], *, least_step: float = 0.0) -> _Scale:
    low, high = min(values), max(values)
    rough = max((high - low) / (_MOST_GRID_LINES - 1), least_step, 1 / (_MOST_GRID_LINES - 1))
    magnitude = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * magnitude for factor in (1, 2, 5, 10) if factor * magnitude >= rough)
    bottom = math.floor(low / step) * step
    top = max(math.ceil(high / step) * step, bottom + step)
    return _Scale(low=bottom, high=top, step=step)


def _grid(scale: _Scale) -> Markup:
    line = Markup(
        '<line class="grid" x1="0" x2="100%" y1="{0}%" y2="{0}%"/>'
        '<text x="-8" y="{0}%" dy="4" text-anchor="end">{1:,.10g}</text>'
    )
    return Markup("").join(line.format(scale.y(tick), tick) for tick in scale.ticks())


def _plot(points: Sequence[Point], scale: _Scale) -> Markup:
    xs = _positions(len(points))
    line, band = "", ""
    for run in _runs([point.value is not None for point in points]):
        line += _path([(xs[i], scale.y(points[i].value or 0.0)) for i in run])
    known = [point.low is not None and point.high is not None for point in points]
    for run in _runs(known):
        upper = [(xs[i], scale.y(points[i].high or 0.0)) for i in run]
        lower = [(xs[i], scale.y(points[i].low or 0.0)) for i in reversed(run)]
        band += _path(upper + lower) + "Z"
    return Markup(
        '<svg viewBox="0 0 100 100" width="100%" height="100%" preserveAspectRatio="none"'
        ' overflow="visible"><path class="band" d="{}"/><path class="line" d="{}"/></svg>'
    ).format(band, line)


def _x_labels(points: Sequence[Point]) -> Markup:
    labels = [point.label for point in points]
    return _labels(list(zip(_positions(len(points)), labels, strict=True)))


def _labels(places: Sequence[tuple[float, str]]) -> Markup:
    every = max(1, math.ceil((len(places) - 1) / (_MOST_LABELS - 1)))
    text = Markup('<text x="{:g}%" y="100%" dy="20" text-anchor="middle">{}</text>')
    return Markup("").join(text.format(x, label) for x, label in places[::every])


def _places(columns: Sequence[Column]) -> list[tuple[float, float, Column]]:
    """Return where each column begins, and how wide it is."""
    slot = 100 / max(1, len(columns))
    gap = slot * _COLUMN_GAP
    return [(i * slot + gap / 2, slot - gap, column) for i, column in enumerate(columns)]


def _stacks(columns: Sequence[Column], scale: _Scale, kinds: Sequence[str]) -> Markup:
    bar = Markup('<rect class="{}" x="{:.2f}%" y="{:.2f}%" width="{:.2f}%" height="{:.2f}%"/>')
    drawn = Markup("")
    for x, width, column in _places(columns):
        below = 0
        for kind, count in zip(kinds, column.counts, strict=True):
            top = scale.y(below + count)
            if count:
                drawn += bar.format(kind, x, top, width, scale.y(below) - top)
            below += count
    return drawn


def _column_table(columns: Sequence[Column], names: Sequence[str]) -> Markup:
    head, cell = (
        Markup('<th scope="col" class="number">{}</th>'),
        Markup('<td class="number">{:,}</td>'),
    )
    row = Markup('<tr><th scope="row">{}</th>{}</tr>')
    rows = Markup("").join(
        row.format(c.label, Markup("").join(cell.format(count) for count in c.counts))
        for c in columns
    )
    heads = Markup("").join(head.format(name) for name in names)
    return _figures(Markup('<th scope="col">When</th>') + heads, rows, " and ".join(names))


def _last_value(points: Sequence[Point], scale: _Scale) -> Markup:
    for x, point in reversed(list(zip(_positions(len(points)), points, strict=True))):
        if point.value is not None:
            return Markup(
                '<circle class="dot" cx="{0}%" cy="{1}%" r="4"/>'
                '<text class="last" x="{0}%" y="{1}%" dx="8" dy="5">{2}</text>'
            ).format(x, scale.y(point.value), _figure(point.value))
    return Markup("")


def _point_table(points: Sequence[Point], value_name: str) -> Markup:
    row = Markup(
        '<tr><th scope="row">{}</th><td class="number">{}</td>'
        '<td class="number">{}</td><td class="number">{}</td></tr>'
    )
    rows = Markup("").join(
        row.format(p.label, _figure(p.value), _figure(p.low), _figure(p.high)) for p in points
    )
    head = Markup(
        '<th scope="col">When</th><th scope="col" class="number">{}</th>'
        '<th scope="col" class="number">Low</th><th scope="col" class="number">High</th>'
    ).format(value_name)
    return _figures(head, rows, value_name)


def _figures(head: Markup, rows: Markup, name: str) -> Markup:
    return Markup(
        '<details class="figures"><summary>Figures</summary><div class="table" tabindex="0" '
        'role="region" aria-label="{}, figures"><table><thead><tr>{}</tr></thead>'
        "<tbody>{}</tbody></table></div></details>"
    ).format(name, head, rows)


def _positions(count: int) -> list[float]:
    return [round(100 * index / max(1, count - 1), 2) for index in range(count)]


def _runs(known: Sequence[bool]) -> list[list[int]]:
    """Return the stretches without a gap."""
    runs: list[list[int]] = []
    for index, is_known in enumerate(known):
        if is_known and index and known[index - 1]:
            runs[-1].append(index)
        elif is_known:
            runs.append([index])
    return runs


def _path(corners: Sequence[tuple[float, float]]) -> str:
    path = "M" + "L".join(f"{x:g} {y:g}" for x, y in corners)
    # A lone point has no length; drawn to itself, its round cap shows as a dot.
    return path if len(corners) > 1 else f"{path}h0"


def _figure(value: float | None) -> str:
    return "–" if value is None else f"{value:+.1f}".replace("-", "−")
