"""Charts: what they draw, what they say, and that words in them stay words."""

import re
import xml.etree.ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markupsafe import Markup

from heardback.console.charts import (
    Column,
    Point,
    Step,
    category_bar,
    column_chart,
    funnel_bars,
    line_chart,
    share_bar,
    small_columns,
)


def a_line(*values: float | None) -> Markup:
    points = [
        Point(
            label=f"d{number}",
            value=value,
            low=None if value is None else value - 5,
            high=None if value is None else value + 5,
        )
        for number, value in enumerate(values)
    ]
    return line_chart(points, summary="NPS over three days", value_name="NPS")


def parse(markup: Markup) -> ET.Element:
    return ET.fromstring(f"<body>{markup}</body>".replace("&nbsp;", " "))


def test_summary_is_spoken_when_the_picture_is_not_seen() -> None:
    svg = parse(a_line(1, 2, 3)).find(".//svg")
    assert svg is not None
    assert (svg.get("role"), svg.get("aria-label")) == ("img", "NPS over three days")


def test_last_known_value_is_labelled_when_the_newest_is_missing() -> None:
    assert re.search(r'class="last"[^>]*>\+20.0<', a_line(10, 20, None))


def test_line_is_interrupted_when_a_value_is_missing() -> None:
    path = re.search(r'class="line" d="([^"]*)"', a_line(1, 2, None, 4, 5))
    assert path is not None
    assert path[1].count("M") == 2


def test_figures_stand_in_a_table_when_opened() -> None:
    rows = parse(a_line(-12.5, None)).findall(".//tbody/tr")
    cells = [[cell.text for cell in row] for row in rows]
    assert cells == [["d0", "−12.5", "−17.5", "−7.5"], ["d1", "–", "–", "–"]]


@given(st.lists(st.none() | st.floats(-100, 100, allow_nan=False), max_size=40))
def test_everything_lies_inside_the_plot_when_values_are_any(values: list[float | None]) -> None:
    markup = a_line(*values)
    parse(markup)
    for path in re.findall(r' d="([^"]*)"', markup):
        numbers = [float(number) for number in re.findall(r"-?[\d.]+(?:e-?\d+)?", path)]
        assert all(-0.01 <= number <= 100.01 for number in numbers)


def test_words_stay_words_when_they_look_like_markup() -> None:
    evil = "<script>alert(1)</script>"
    chart = line_chart([Point(label=evil, value=1.0)], summary=evil, value_name=evil)
    assert "<script" not in chart + funnel_bars([Step(label=evil, count=1, hint=evil)])


def test_shares_fill_the_bar_when_there_are_answers() -> None:
    bar = category_bar(detractors=10, passives=30, promoters=60)
    assert re.findall(r'x="([\d.]+)%"', bar) == ["0.00", "10.00", "40.00"]
    assert "Promoters 60 (60 %)" in bar


@pytest.mark.parametrize(
    "chart", [category_bar(detractors=0, passives=0, promoters=0), funnel_bars([])]
)
def test_chart_is_drawn_when_there_is_nothing(chart: Markup) -> None:
    parse(chart)


def test_step_is_measured_against_the_first_when_a_funnel_narrows() -> None:
    bars = funnel_bars([Step(label="sent", count=200), Step(label="scored", count=50)])
    assert "50 (25 %)" in bars
    assert 'class="step" width="25.00%"' in bars


KINDS = {"asked": "Asked", "not-asked": "Not asked"}
RECT = re.compile(r'<rect class="([a-z-]+)"[^>]*? y="([\d.]+)%"[^>]*? height="([\d.]+)%"')


def rects(markup: Markup) -> list[tuple[str, float, float]]:
    """Return the kind, the top and the height of each drawn part of a column."""
    return [(kind, float(top), float(height)) for kind, top, height in RECT.findall(markup)]


@given(st.lists(st.tuples(st.integers(0, 10**9), st.integers(0, 10**9)), max_size=40))
def test_columns_are_stacked_inside_the_plot_when_counts_are_any(
    counts: list[tuple[int, int]],
) -> None:
    columns = [Column(label=f"d{n}", counts=pair) for n, pair in enumerate(counts)]
    markup = column_chart(columns, kinds=KINDS, summary="Decisions")
    parse(markup)
    for drawn in (markup, small_columns(columns, kinds=tuple(KINDS))):
        assert all(0 <= top <= 100 and top + height <= 100.03 for _, top, height in rects(drawn))


def test_count_stands_on_the_one_below_when_a_column_has_two() -> None:
    columns = [Column(label="d", counts=(30, 10))]
    below, above = rects(column_chart(columns, kinds=KINDS, summary="Decisions"))
    assert (below[0], above[0]) == ("asked", "not-asked")
    assert above[1] + above[2] == pytest.approx(below[1], abs=0.02)
    assert below[2] == pytest.approx(3 * above[2], abs=0.05)


def test_ticks_are_whole_when_counts_are_small() -> None:
    markup = column_chart([Column(label="d", counts=(1, 0))], kinds=KINDS, summary="Decisions")
    assert re.findall(r'text-anchor="end">([^<]*)<', markup) == ["0", "1"]


def test_counts_stand_in_a_table_when_the_figures_are_opened() -> None:
    columns = [Column(label="<b>", counts=(1234, 5))]
    rows = parse(column_chart(columns, kinds=KINDS, summary="Decisions")).findall(".//tbody/tr")
    assert [[cell.text for cell in row] for row in rows] == [["<b>", "1,234", "5"]]


def test_bar_is_filled_by_its_share() -> None:
    assert 'class="step" width="25.00%"' in share_bar(0.25)
