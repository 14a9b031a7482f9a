"""The score and its interval against published and independently computed cases."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from insights_service.domain.nps import ENOUGH_RESPONSES, Tally, estimate

# Source: R package NPS 2.0.999 by B. Rocks, the author of "Interval Estimation for the Net
# Promoter Score" (The American Statistician 70(4), 2016); its intervals are not clipped.
# (detractors, passives, promoters, NPS, low, high)
CASES = [
    (395, 476, 291, -8.95008606, -13.30837042, -4.54570684),
    (54, 108, 162, 33.33333333, 24.94525141, 41.10979446),
    (1, 2, 3, 33.33333333, -26.74325879, 71.18770324),
    (1271, 392, 690, -24.6918827, -28.20870403, -21.11217882),
    (10, 20, 70, 60.0, 45.26976025, 71.23509412),
    (5, 5, 10, 25.0, -11.71613321, 55.19439408),
]
counts = st.integers(min_value=0, max_value=10_000)
tallies = st.builds(Tally, detractors=counts, passives=counts, promoters=counts)


@pytest.mark.parametrize(("detractors", "passives", "promoters", "nps", "low", "high"), CASES)
def test_interval_equals_the_reference(
    detractors: int, passives: int, promoters: int, nps: float, low: float, high: float
) -> None:
    found = estimate(Tally(detractors=detractors, passives=passives, promoters=promoters))
    assert found is not None
    assert (found.nps, found.low, found.high) == pytest.approx((nps, low, high), abs=1e-6)


def test_interval_is_centred_nearer_to_zero_than_the_score() -> None:
    found = estimate(Tally(detractors=20, passives=30, promoters=50))
    assert found is not None
    assert found.nps == 30.0
    assert (found.low + found.high) / 2 == pytest.approx(29.1, abs=0.05)
    assert found.margin == pytest.approx(15.1, abs=0.05)


def test_interval_is_clipped_when_everyone_is_a_promoter() -> None:
    found = estimate(Tally(promoters=10))
    assert found is not None
    assert found.nps == found.high == 100.0
    assert found.low == pytest.approx(76.9 - 29.4, abs=0.1)


def test_interval_is_clipped_when_everyone_is_a_detractor() -> None:
    found = estimate(Tally(detractors=10))
    assert found is not None
    assert found.nps == found.low == -100.0


def test_nothing_is_estimated_when_nobody_answered() -> None:
    assert estimate(Tally()) is None


@pytest.mark.parametrize(("responses", "enough"), [(29, False), (30, True)])
def test_score_is_enough_from_thirty_responses_on(responses: int, enough: bool) -> None:
    found = estimate(Tally(passives=responses))
    assert found is not None
    assert found.enough is enough
    assert ENOUGH_RESPONSES == 30


@given(tallies)
def test_interval_lies_within_the_scale_and_has_a_width(tally: Tally) -> None:
    found = estimate(tally)
    if found is None:
        assert tally.responses == 0
        return
    assert -100 <= found.low < found.high <= 100
    assert -100 <= found.nps <= 100


@given(tallies)
def test_interval_mirrors_when_promoters_and_detractors_change_places(tally: Tally) -> None:
    mirrored = Tally(
        detractors=tally.promoters, passives=tally.passives, promoters=tally.detractors
    )
    one, other = estimate(tally), estimate(mirrored)
    if one is None or other is None:
        assert one is other
        return
    assert (one.nps, one.low, one.high) == pytest.approx((-other.nps, -other.high, -other.low))


@given(tallies, tallies)
def test_tallies_add_up(one: Tally, other: Tally) -> None:
    assert (one + other).responses == one.responses + other.responses
