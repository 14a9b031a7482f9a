"""The figures over HTTP."""

from datetime import timedelta
from typing import Any

import httpx2
import pytest

from heardback.testing.clock import START
from heardback.vocabulary import SlaClock

GROUPS = ("detractor", "passive", "promoter")
FILTERS = {"program": "shop-after-purchase", "touchpoint": "purchase", "segment": "enterprise"}


@pytest.fixture
async def truth(apply: Any, tell: Any) -> Any:
    """The true counts of a story that the service has heard."""
    story = tell(seed=7, customers=600, days=40)
    await apply(story.events)
    return story.truth


def _true(truth: Any, measure: str, **wanted: Any) -> int:
    names = ("measure", "detail", "day", "program", "touchpoint", "segment")
    return sum(
        count
        for cell, count in truth.items()
        if cell[0] == measure
        and all(cell[names.index(name)] == value for name, value in wanted.items())
    )


@pytest.mark.parametrize("filters", [{}, FILTERS])
async def test_nps_is_that_of_the_truth(
    client: httpx2.AsyncClient, truth: Any, filters: dict[str, str]
) -> None:
    answer = (await client.get("/nps", params=filters)).json()
    groups = {group: _true(truth, group, detail="", **filters) for group in GROUPS}
    assert {group: answer[f"{group}s"] for group in groups} == groups
    responses = sum(groups.values())
    assert answer["responses"] == responses
    assert answer["nps"] == pytest.approx(
        100 * (groups["promoter"] - groups["detractor"]) / responses
    )
    assert answer["low"] < answer["nps"] < answer["high"]
    assert answer["confidence"] == 0.95
    assert answer["enough"] is (responses >= 30)


async def test_nps_is_null_when_nobody_answered(client: httpx2.AsyncClient, database: Any) -> None:
    assert (await client.get("/nps")).json() == {
        "nps": None, "low": None, "high": None, "confidence": 0.95, "responses": 0,
        "detractors": 0, "passives": 0, "promoters": 0, "enough": False,
    }  # fmt: skip


@pytest.mark.parametrize("by", ["day", "week", "month"])
async def test_series_adds_up_to_the_whole(client: httpx2.AsyncClient, truth: Any, by: str) -> None:
    whole = (await client.get("/nps")).json()
    answer = (await client.get("/nps/series", params={"by": by})).json()
    assert answer["by"] == by
    for name in ("responses", "detractors", "passives", "promoters"):
        assert sum(point[name] for point in answer["points"]) == whole[name]
    days = [point["first_day"] for point in answer["points"]]
    assert days == sorted(set(days))


async def test_period_includes_both_of_its_days(client: httpx2.AsyncClient, truth: Any) -> None:
    day = START.date() - timedelta(days=3)
    answer = (await client.get("/nps", params={"from": str(day), "to": str(day)})).json()
    assert answer["responses"] == sum(_true(truth, group, day=day, detail="") for group in GROUPS)
    assert answer["responses"] > 0


async def test_funnel_is_that_of_the_truth(client: httpx2.AsyncClient, truth: Any) -> None:
    answer = (await client.get("/funnel")).json()
    steps = (
        "scheduled", "suppressed", "cancelled", "requested", "sent", "bounced", "dropped",
        "reminded", "unasked", "commented",
    )  # fmt: skip
    assert {step: answer[step] for step in steps} == {step: _true(truth, step) for step in steps}
    assert sum(answer["suppressed_by_reason"].values()) == answer["suppressed"]
    assert answer["suppressed_by_reason"]["cooldown"] == _true(
        truth, "suppressed", detail="cooldown"
    )
    assert answer["opened"] == _true(truth, "invitation_opened")
    assert answer["scored"] == sum(_true(truth, group) for group in GROUPS)
    assert answer["response_rate"] == (answer["scored"] - answer["unasked"]) / answer["sent"]


async def test_sla_is_that_of_the_truth(client: httpx2.AsyncClient, truth: Any) -> None:
    answer = (await client.get("/sla")).json()
    for step in ("opened", "acknowledged", "contacted", "resolved"):
        assert answer[step] == _true(truth, step)
    assert answer["open"] == answer["opened"] - answer["resolved"]
    for clock in ("first_response", "resolution"):
        assert answer["warned"][clock] == _true(truth, "warned", detail=clock)
        assert answer["breached"][clock] == _true(truth, "breached", detail=clock)
        assert answer["breach_rate"][clock] == answer["breached"][clock] / answer["opened"]
        taken = answer[clock]
        assert taken["p50_seconds"] <= taken["p90_seconds"] <= taken["p99_seconds"]
    assert answer["first_response"]["count"] == answer["contacted"]
    assert answer["resolution"]["count"] == answer["resolved"]


async def test_durations_are_of_the_period(client: httpx2.AsyncClient, truth: Any) -> None:
    day = START.date() - timedelta(days=6)
    answer = (await client.get("/sla", params={"from": str(day), "to": str(day)})).json()
    assert answer["first_response"]["count"] == _true(truth, "contacted", day=day)


async def test_open_tasks_are_those_of_now_whatever_the_period(
    client: httpx2.AsyncClient, truth: Any
) -> None:
    answer = (await client.get("/sla", params={"from": "2030-01-01"})).json()
    assert answer["opened"] == 0
    assert answer["open"] == _true(truth, "opened") - _true(truth, "resolved")
    assert answer["breach_rate"] == dict.fromkeys(SlaClock)


async def test_filters_list_what_is_known(client: httpx2.AsyncClient, truth: Any) -> None:
    answer = (await client.get("/filters")).json()
    assert answer == {
        "programs": ["saas-after-onboarding", "shop-after-purchase", "support-after-ticket"],
        "touchpoints": ["onboarding-complete", "purchase", "ticket-closed"],
        "segments": ["enterprise", "self-serve", "small-business"],
    }


async def test_date_is_refused_with_what_to_do_when_it_is_none(
    client: httpx2.AsyncClient, database: Any
) -> None:
    answer = await client.get("/nps", params={"from": "yesterday"})
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json() == {
        "type": "urn:heardback:problem:date-not-understood",
        "title": "Write the date as year-month-day, for example 2026-03-31.",
        "status": 422, "field": "from", "value": "yesterday",
    }  # fmt: skip


async def test_period_is_refused_when_it_ends_before_it_begins(
    client: httpx2.AsyncClient, database: Any
) -> None:
    answer = await client.get("/funnel", params={"from": "2026-03-02", "to": "2026-03-01"})
    assert answer.status_code == 422
    assert answer.json()["title"] == "The period ends before it begins: swap `from` and `to`."


async def test_grain_is_refused_when_it_is_unknown(
    client: httpx2.AsyncClient, database: Any
) -> None:
    assert (await client.get("/nps/series", params={"by": "hour"})).status_code == 422
