"""What must come of published events, and the comparison with what was measured."""

from dataclasses import replace

import pytest

from heardback.vocabulary import Category
from heardback_local.customers import Answer, Happening, Play, make_customer
from heardback_local.truth import Comparison, Truth, all_equal, compare, nps


def _play(
    happening: Happening = Happening.PURCHASE,
    score: int | None = None,
    comment: str | None = None,
    *,
    is_repeat: bool = False,
) -> Play:
    answer = None
    if score is not None:
        answer = Answer(score=score, comment=comment, submits_twice=False)
    customer = replace(make_customer(1, 1), happening=happening, answer=answer)
    return Play(customer=customer, is_repeat=is_repeat)


def test_figures_follow_from_the_events_when_they_are_mixed() -> None:
    truth = Truth()
    for play in (
        _play(score=10),
        _play(score=10, is_repeat=True),
        _play(score=7, comment="fine"),
        _play(Happening.TICKET_CLOSED, score=3, comment="slow"),
        _play(Happening.ONBOARDING_COMPLETE),
        _play(Happening.TICKET_CLOSED_BY_AUTOMATION, score=0),
    ):
        truth.add(play)
    figures = truth.figures()
    assert truth.invited == 4
    assert figures["trigger: touchpoints"] == 6
    assert figures["trigger: suppressed by cooldown"] == 1
    assert figures["trigger: suppressed, closed by automation"] == 1
    assert figures["insights: suppressed"] == 2
    assert figures["insights: scored"] == 3
    assert figures["insights: commented"] == 2
    assert figures["closeloop: detractors' tasks"] == 1
    assert figures["closeloop: passives' tasks"] == 1
    assert figures["insights: NPS"] == 0


@pytest.mark.parametrize(
    ("promoters", "passives", "detractors", "expected"),
    [(0, 0, 0, None), (0, 0, 1, -100), (1, 0, 0, 100), (2, 1, 1, 25), (0, 3, 0, 0)],
)
def test_nps_is_promoters_less_detractors_when_all_are_counted(
    promoters: int, passives: int, detractors: int, expected: float | None
) -> None:
    groups = {
        Category.PROMOTER: promoters,
        Category.PASSIVE: passives,
        Category.DETRACTOR: detractors,
    }
    assert nps(groups) == expected


def test_comparison_is_equal_when_figures_differ_by_rounding_only() -> None:
    assert all_equal(compare({"NPS": 33.333}, {"NPS": 33.3}))


@pytest.mark.parametrize("measured", [{}, {"tasks": None}, {"tasks": 3}])
def test_comparison_is_unequal_when_a_figure_is_missing_or_off(
    measured: dict[str, float | None],
) -> None:
    comparisons = compare({"tasks": 2}, measured)
    assert comparisons == [Comparison(name="tasks", planted=2, measured=measured.get("tasks"))]
    assert not all_equal(comparisons)
