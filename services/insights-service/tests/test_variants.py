"""Variants compared: the intervals against published cases and by trial, and what is said."""

from datetime import timedelta
from random import Random
from typing import Any

import httpx2
import pytest

from heardback.contracts import registry
from heardback.contracts.payloads import Payload
from heardback.envelope import Event
from heardback.shares import share
from heardback.testing.builders import an_event
from heardback.testing.clock import START
from heardback.vocabulary import category_of
from insights_service import words
from insights_service.domain.nps import Tally
from insights_service.domain.variants import (
    Compared,
    Difference,
    Experiment,
    Interval,
    Variant,
    difference,
)

Z = 1.959963984540054
# Source: R. G. Newcombe, Interval estimation for the difference between independent proportions,
# Statistics in Medicine 17(8), 1998, table II, method 10.
CASES = [
    (56, 70, 48, 80, 0.0524, 0.3339),
    (9, 10, 3, 10, 0.1705, 0.8090),
    (6, 7, 2, 7, 0.0582, 0.8062),
    (5, 56, 0, 29, -0.0381, 0.1926),
]


def a_variant(name: str, tally: Tally | None = None, **fields: Any) -> Variant:
    tally = tally or Tally()
    return Variant(name=name, **{"sent": 0, "scored": tally.responses, **fields}, tally=tally)


def an_experiment(*variants: Variant) -> Experiment:
    return Experiment(program="shop", variants=variants)


@pytest.mark.parametrize(("part", "whole", "other", "of", "low", "high"), CASES)
def test_difference_of_shares_equals_the_reference(
    part: int, whole: int, other: int, of: int, low: float, high: float
) -> None:
    one, two = share(part, whole, z=Z), share(other, of, z=Z)
    assert one is not None
    assert two is not None
    found = difference(one, two)
    assert (found.low, found.high) == pytest.approx((low, high), abs=1e-4)


def test_nothing_is_a_share_of_nothing() -> None:
    assert share(0, 0, z=Z) is None


@pytest.mark.parametrize("compared", list(Compared))
@pytest.mark.parametrize("variants", [2, 3])
def test_chance_is_rarely_taken_for_a_difference(compared: Compared, variants: int) -> None:
    random, told_apart, trials = Random(variants), 0, 400
    for _ in range(trials):
        drawn = [_drawn(random, name) for name in "abc"[:variants]]
        found = an_experiment(*drawn).differences(compared)
        told_apart += any(each.told_apart for each in found)
    assert told_apart / trials < 0.075


def test_true_difference_is_found_when_there_is_enough() -> None:
    ahead = a_variant("a", Tally(detractors=60, passives=80, promoters=260), sent=1000)
    behind = a_variant("b", Tally(detractors=70, passives=80, promoters=90), sent=1000)
    for compared, by in ((Compared.NPS, 41.667), (Compared.RESPONSE_RATE, 0.16)):
        (found,) = an_experiment(behind, ahead).differences(compared)
        assert (found.ahead, found.behind, found.told_apart) == ("a", "b", True)
        assert found.by.value == pytest.approx(by, abs=0.001)


def test_interval_is_wider_when_more_variants_are_compared() -> None:
    tally = Tally(detractors=20, passives=30, promoters=50)
    two, many = (
        an_experiment(*(a_variant(name, tally) for name in names)).differences(Compared.NPS)
        for names in ("ab", "abcde")
    )
    assert len(many) == 4
    assert two[0].by.high < many[0].by.high


def test_interval_holds_the_difference_when_everybody_is_a_promoter() -> None:
    everybody = a_variant("a", Tally(promoters=1))
    nobody = a_variant("b", Tally(detractors=1))
    (found,) = an_experiment(everybody, nobody).differences(Compared.NPS)
    assert found.by.low <= found.by.value <= found.by.high


def test_variant_without_a_figure_is_left_out_when_others_are_compared() -> None:
    assert an_experiment(a_variant("a"), a_variant("b")).differences(Compared.NPS) == []


@pytest.mark.parametrize(
    ("compared", "by", "enough", "said"),
    [
        (
            Compared.NPS,
            Interval(value=12.4, low=2.1, high=22.0),
            True,
            "a is ahead of b by 12 points of NPS (+2 to +22 at 95 %).",
        ),
        (
            Compared.RESPONSE_RATE,
            Interval(value=0.021, low=-0.03, high=0.07),
            True,
            "a and b cannot be told apart: 2 points of response rate (−3 to +7 at 95 %).",
        ),
        (
            Compared.NPS,
            Interval(value=40, low=9, high=71),
            False,
            "a and b: too few to compare; each needs 30 responses.",
        ),
    ],
)
def test_finding_says_how_sure_it_is(
    compared: Compared, by: Interval, enough: bool, said: str
) -> None:
    found = Difference(compared=compared, ahead="a", behind="b", by=by, enough=enough)
    assert words.difference(found) == said


async def test_row_22_variants_are_compared_by_what_was_sent_with_them(
    client: httpx2.AsyncClient, apply: Any
) -> None:
    for event in (*told("friendly", 40, score=10), *told("short", 40, score=0)):
        await apply([event])
    await apply([*told("friendly", 40, score=10)])
    answer = (await client.get("/variants", params={"program": "shop"})).json()
    (program,) = answer["programs"]
    friendly, short = program["variants"]
    assert (friendly["variant"], short["variant"]) == ("friendly", "short")
    for variant, nps in ((friendly, 100.0), (short, -100.0)):
        assert (variant["sent"], variant["scored"]) == (40, 30)
        assert variant["response_rate"]["value"] == 0.75
        assert (variant["nps"]["nps"], variant["nps"]["responses"]) == (nps, 30)
    by_nps, by_rate = program["differences"]
    assert (by_nps["compared"], by_nps["ahead"], by_nps["behind"]) == ("nps", "friendly", "short")
    assert (by_nps["told_apart"], by_nps["by"]["value"]) == (True, 200.0)
    assert (by_rate["enough"], by_rate["told_apart"]) == (True, False)


async def test_page_compares_variants_when_there_are_two(
    client: httpx2.AsyncClient, apply: Any
) -> None:
    await apply([*told("friendly", 40, score=10)])
    assert "Variants of shop" not in (await client.get("/")).text
    await apply([*told("short", 40, score=0)])
    page = (await client.get("/")).text
    assert "Variants of shop" in page
    assert "friendly is ahead of short by 200 points of NPS" in page
    assert "friendly and short cannot be told apart: 0 points of response rate" in page
    assert "Variants of shop" not in (await client.get("/", params={"segment": "none"})).text


def told(variant: str, sent: int, *, score: int) -> list[Event[Payload]]:
    """Return what became of so many invitations: one in four is not answered."""
    happened = []
    for number in range(sent):
        about = {
            "customer_id": f"c{number}",
            "program_id": "shop",
            "touchpoint": "purchase",
            "invitation_id": f"{variant}-{number}",
        }
        happened += [_requested(about, variant), _sent(about)]
        if number % 4:
            happened.append(_answered(about, score))
    return happened


def _requested(about: dict[str, str], variant: str) -> Event[Payload]:
    times = {"occurred_at": START, "requested_at": START, "expires_at": START + timedelta(days=9)}
    fields = {"survey_id": "nps", "variant": variant, "channel": "email", "recipient": {}}
    return an_event(registry.SURVEY_REQUESTED, **about, **fields, **times)


def _sent(about: dict[str, str]) -> Event[Payload]:
    fields = {"channel": "email", "provider": "smtp", "message_id": "m", "sent_at": START}
    return an_event(registry.INVITATION_SENT, **about, **fields)


def _answered(about: dict[str, str], score: int) -> Event[Payload]:
    fields = {
        "response_id": f"r-{about['invitation_id']}",
        "survey_id": "nps",
        "channel": "email",
        "revision": 1,
        "score": score,
        "category": category_of(score),
        "answered_at": START,
    }
    return an_event(registry.RESPONSE_RECORDED, **about, **fields)


def _drawn(random: Random, name: str) -> Variant:
    """Return what a wording brings that is like any other: a fifth of 400 answer."""
    scored = sum(random.random() < 0.2 for _ in range(400))
    groups = random.choices(("detractors", "passives", "promoters"), (3, 3, 4), k=scored)
    tally = Tally(**{group: groups.count(group) for group in set(groups)})
    return a_variant(name, tally, sent=400)
