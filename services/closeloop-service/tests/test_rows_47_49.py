"""Every promise about improvements, reporters and alerts, by its number in the product's list.

Events in, events out and HTTP, on a real Postgres, with trackers and alert targets that are served,
and a clock that the test moves.
"""

from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import Any

import pytest

from closeloop_service.domain.rules import TrackerKind
from heardback.contracts import registry
from heardback.contracts.registry import EventType
from heardback.envelope import Event
from heardback.testing.browser import serve
from heardback.testing.clock import START

from .improvements.stage import a_quote, a_reporter, a_theme
from .ops_alerts.doubles import Providers
from .rows import ANA, HOUR, MAYA, Whole
from .trackers.stages import BASE_PATHS, Stage, stage_of
from .trackers.test_hooks import call_of

Make = Callable[..., Event[Any]]
HOOK = "whsec_aG9vay1zZWNyZXQtb2Ytb3Vycw=="
READABLE = [kind for kind in TrackerKind if kind is not TrackerKind.WEBHOOK]


@pytest.fixture
async def providers() -> AsyncIterator[Providers]:
    """Slack, Teams, PagerDuty and a webhook's receiver, served."""
    doubles = Providers()
    async with serve(doubles.app) as url:
        doubles.url = url
        yield doubles


@pytest.fixture
async def tracked(make_whole: Callable[..., Whole]) -> AsyncIterator[Callable[..., Any]]:
    """Serve a tracker of a kind and have it in the rules: `whole, stage = await tracked(kind)`."""
    async with AsyncExitStack() as stack:

        async def start(kind: Any) -> tuple[Whole, Stage]:
            stage = stage_of(kind)
            url = await stack.enter_async_context(serve(stage.double.app))
            tracker = {
                "kind": str(kind),
                "base_url": f"{url}{BASE_PATHS.get(kind, '')}",
                "project": stage.tracker.project,
                "secret": "tracker_token",
                "webhook_secret": "tracker_hook",
                "options": dict(stage.tracker.options),
            }
            whole = make_whole(secrets={"tracker_token": stage.secret, "tracker_hook": HOOK})
            await whole.put(
                "improvements", trackers={"product": tracker}, tracker="product", owner="Maya Lind"
            )
            return whole, stage

        yield start


async def the_improvement(whole: Whole) -> Any:
    (shown,) = (await whole.get("/improvements"))["improvements"]
    return shown


async def test_row_47_one_improvement_is_opened_when_a_theme_is_over_its_threshold(
    whole: Whole,
) -> None:
    await whole.put("improvements", owner="Maya Lind", owners={"late-delivery": "Sam Okoye"})
    await whole.hear(a_theme(), a_theme())
    newer = {"responses": 5, "customers": 4, "revenue_at_risk": 2000, "quotes": [a_quote(4)]}
    later = START + HOUR
    await whole.hear(a_theme(**newer, reporters=[a_reporter(4)], reached_at=later))
    await whole.hear(a_theme("no-dark-mode", title="No dark mode"))
    other, shown = (await whole.get("/improvements"))["improvements"]
    assert (shown["title"], shown["owner"]) == ("Late delivery", "Sam Okoye")
    assert (shown["responses"], shown["detractors"], shown["customers"]) == (5, 2, 4)
    assert (shown["revenue_at_risk"], shown["currency"], shown["reporters"]) == (2000, "EUR", 4)
    assert {quote["customer_id"] for quote in shown["quotes"]} == {"c0001", "c0002", "c0004"}
    assert (other["title"], other["owner"]) == ("No dark mode", "Maya Lind")
    opened = await whole.said(registry.IMPROVEMENT_OPENED)
    assert [one.theme_id for one in opened] == ["late-delivery", "no-dark-mode"]


@pytest.mark.parametrize("kind", READABLE)
async def test_row_47_ticket_is_made_and_its_status_read_back_when_there_is_a_tracker(
    tracked: Callable[..., Any], kind: TrackerKind
) -> None:
    whole, stage = await tracked(kind)
    quotes = [a_quote(1, text="Two weeks late"), a_quote(2, consent=False, text="Our secret")]
    await whole.hear(a_theme(quotes=quotes))

    async def is_ticketed() -> bool:
        return bool(await whole.said(registry.IMPROVEMENT_TICKETED))

    async def is_planned() -> bool:
        return (await the_improvement(whole))["state"] == "planned"

    async def is_shipped() -> bool:
        return (await the_improvement(whole))["state"] == "shipped"

    async with whole.at_work():
        await whole.eventually(is_ticketed)
        (text,) = stage.texts()
        for said in (
            "Answers: 3, of which 2",
            "Customers: 3",
            "1,20",
            "Maya Lind",
            "Two weeks late",
        ):
            assert said in text.replace("\\", "")
        assert "Our secret" not in text
        (ticketed,) = await whole.said(registry.IMPROVEMENT_TICKETED)
        shown = (await the_improvement(whole))["ticket"]
        assert (ticketed.tracker, bool(ticketed.ticket), bool(shown)) == ("product", True, True)
        stage.ways["plan"]()
        await whole.eventually(is_planned, step=60)
        stage.ways["done"]()
        await whole.eventually(is_shipped, step=60)
    assert len(stage.texts()) == 1
    assert len(await whole.said(registry.IMPROVEMENT_SHIPPED)) == 1


async def test_row_47_status_is_read_back_at_once_when_the_tracker_calls(
    tracked: Callable[..., Any],
) -> None:
    whole, stage = await tracked(TrackerKind.GITHUB)
    await whole.hear(a_theme())
    async with whole.at_work():
        await whole.eventually(lambda: bool(stage.texts()))
        await whole.eventually(lambda: _said(whole, registry.IMPROVEMENT_TICKETED))
        stage.ways["declined"]()
        called_at = whole.clock.now()
        headers, body = call_of(TrackerKind.GITHUB, "example/product#1", whole.clock)
        hook = "/trackers/product/webhook"
        forged = {**headers, "x-hub-signature-256": f"sha256={'0' * 64}"}
        assert (await whole.http.post(hook, headers=forged, content=body)).status_code == 401
        assert (await whole.http.post(hook, headers=headers, content=body)).status_code == 204
        await whole.eventually(lambda: _said(whole, registry.IMPROVEMENT_DECLINED))
    assert whole.clock.now() - called_at < timedelta(minutes=2)


async def _said(whole: Whole, event_type: EventType) -> bool:
    return bool(await whole.said(event_type))


async def test_row_47_clock_of_thirty_days_runs_out_once_when_nothing_ships(whole: Whole) -> None:
    await whole.hear(a_theme(), a_theme("no-dark-mode"))
    shipped, late = (await whole.get("/improvements"))["improvements"]
    await whole.post(f"/improvements/{shipped['improvement_id']}/ship", **MAYA)
    await whole.until(START + timedelta(days=30, seconds=-1))
    assert await whole.said(registry.IMPROVEMENT_OVERDUE) == []
    await whole.until(START + timedelta(days=30))
    await whole.after(days=60)
    (overdue,) = await whole.said(registry.IMPROVEMENT_OVERDUE)
    assert (overdue.improvement_id, overdue.due_at) == (
        late["improvement_id"],
        START + timedelta(days=30),
    )
    (shown,) = (await whole.get("/improvements", overdue=True))["improvements"]
    assert (shown["state"], shown["improvement_id"]) == ("open", late["improvement_id"])


async def test_row_48_each_reporter_is_told_once_when_an_improvement_ships(
    whole: Whole, make_whole: Callable[..., Whole]
) -> None:
    reporters = [a_reporter(number) for number in range(1, 251)]
    theme = a_theme(reporters=[*reporters, a_reporter(1, response="r-again")])
    await whole.hear(theme, theme)
    improvement = await the_improvement(whole)
    path = f"/improvements/{improvement['improvement_id']}/ship"
    await whole.after(days=1)
    assert await whole.said(registry.FOLLOW_UP_REQUESTED) == []
    await whole.post(path, **MAYA)
    await whole.dies("tell_reporters")
    await make_whole(clock=whole.clock).after(seconds=1)
    assert len(await whole.said(registry.FOLLOW_UP_REQUESTED)) == 250
    await whole.post(path, 409, **MAYA)
    # It comes again, with one of those who were told, and one who was not heard of before.
    late = [a_reporter(7), a_reporter(999)]
    await whole.hear(a_theme(reporters=late, reached_at=START + HOUR))
    await whole.after(days=1)
    told = await whole.said(registry.FOLLOW_UP_REQUESTED)
    expected = {f"c{number:04}" for number in (*range(1, 251), 999)}
    assert Counter(one.customer_id for one in told) == dict.fromkeys(expected, 1)
    assert {one.invitation_id for one in told} == {f"i{n}" for n in (*range(1, 251), 999)}
    assert all("we have changed it: Late delivery" in one.text for one in told)
    (said,) = await whole.said(registry.IMPROVEMENT_SHIPPED)
    assert said.reporters == 250


async def test_row_48_nobody_is_told_when_an_improvement_is_declined(whole: Whole) -> None:
    await whole.hear(a_theme())
    improvement = await the_improvement(whole)
    path = f"/improvements/{improvement['improvement_id']}/decline"
    await whole.post(path, **MAYA, note="It works as designed.")
    await whole.after(days=60)
    assert await whole.said(registry.FOLLOW_UP_REQUESTED) == []


TARGETS = {
    "slack": {"kind": "slack", "secret": "slack_url"},
    "teams": {"kind": "teams", "secret": "teams_url"},
    "pager": {"kind": "pagerduty", "secret": "pager_key"},
    "hook": {"kind": "webhook", "secret": "hook_secret"},
}


async def alerting(make_whole: Callable[..., Whole], to: Providers, *kinds: str) -> Whole:
    """Return the service with all targets, each of which is told of these kinds."""
    whole = make_whole(secrets=to.secrets)
    urls = {"pager": to.url, "hook": f"{to.url}/hook"}
    targets = {
        name: target | ({"url": urls[name]} if name in urls else {})
        for name, target in TARGETS.items()
    }
    routes = [{"target": name, "kinds": list(kinds)} for name in targets]
    await whole.put("alerts", targets=targets, routes=routes)
    return whole


async def test_row_49_flood_of_breaches_is_one_message_when_it_reaches_each_target(
    make_whole: Callable[..., Whole], providers: Providers, an_alert: Make
) -> None:
    to = providers
    doubles = (to.slack, to.teams, to.pager, to.hook)
    whole = await alerting(make_whole, to, "breached")
    await whole.hear(*(an_alert(number) for number in range(200)))
    async with whole.at_work():
        whole.clock.advance(4 * HOUR)  # type: ignore[attr-defined]
        await whole.eventually(lambda: all(double.taken for double in doubles))
        ended = whole.clock.now() + timedelta(minutes=2)
        await whole.eventually(lambda: whole.clock.now() > ended)
    assert len(await whole.said(registry.TASK_SLA_BREACHED)) == 200
    assert [(double.calls, double.refused) for double in doubles] == [(1, [])] * 4
    assert all("200" in str(double.taken[0]) for double in doubles)


async def test_row_49_single_alert_says_who_waits_and_is_seen_when_its_link_is_used(
    make_whole: Callable[..., Whole], providers: Providers, an_alert: Make
) -> None:
    to = providers
    doubles = (to.slack, to.teams, to.pager, to.hook)
    whole = await alerting(make_whole, to, "opened")
    async with whole.at_work():
        await whole.hear(an_alert())
        await whole.eventually(lambda: all(double.taken for double in doubles))
        assert [double.refused for double in doubles] == [[]] * 4
        assert all("Ada 1" in str(double.taken[0]) for double in doubles)
        link = to.hook.taken[0]["data"]["acknowledge_url"]
        assert link.startswith("http://board.example.com/alerts/")
        assert (await whole.http.get(link)).status_code == 200
        assert (await whole.task())["state"] == "open"
        assert (await whole.http.post(link, data=ANA)).status_code == 200
        task = await whole.task()
        assert (task["state"], task["owner"]) == ("acknowledged", "Ana")
        await whole.eventually(lambda: [one["event_action"] for one in to.pager.taken][1:] != [])
    assert [one["event_action"] for one in to.pager.taken] == ["trigger", "acknowledge"]
