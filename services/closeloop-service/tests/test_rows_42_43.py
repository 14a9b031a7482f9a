"""Every promise about clocks that pause, warn and run out, by its number in the product's list.

Events in, events out and HTTP, on a real Postgres, with a clock that the test moves: it begins on
Monday, 2 March 2026 at 9 UTC.
"""

import asyncio
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from heardback.clock import SystemClock
from heardback.contracts import registry
from heardback.envelope import Event
from heardback.testing.clock import START
from heardback.testing.waiting import until

from .rows import ANA, CALL, HOUR, POLICY, SECOND, Whole, due, with_members

Make = Callable[..., Event[Any]]
OF_CLOCKS = (registry.TASK_SLA_WARNED, registry.TASK_SLA_BREACHED, registry.TASK_ESCALATED)
CHAIN = [
    ("TaskSlaWarned", None),
    ("TaskSlaBreached", None),
    ("TaskEscalated", 1),
    ("TaskEscalated", 2),
    ("TaskEscalated", 3),
]


def what(said: list[Any], *, clock: str = "first_response") -> list[tuple[str, Any]]:
    """Return what was said of a clock, each with its level."""
    return [
        (type(one).__name__, getattr(one, "level", None))
        for one in said
        if getattr(one, "clock", None) == clock
    ]


async def test_row_42_clock_stands_still_when_we_wait_on_the_customer(
    whole: Whole, an_alert: Make
) -> None:
    await whole.hear(an_alert())
    await whole.move(await whole.task(), "contact", **CALL)
    await whole.until(START + HOUR)
    waiting = await whole.move(await whole.task(), "wait", actor="Ana")
    assert (waiting["state"], waiting["resolution_due_at"]) == ("waiting", None)
    await whole.until(START + 71 * HOUR)
    assert await whole.said(*OF_CLOCKS) == []
    resumed = await whole.move(await whole.task(), "resume", actor="Ana")
    assert due(resumed, "resolution") == START + (48 + 70) * HOUR
    await whole.until(START + 118 * HOUR - SECOND)
    assert await whole.said(registry.TASK_SLA_BREACHED) == []
    await whole.until(START + 118 * HOUR)
    (breached,) = await whole.said(registry.TASK_SLA_BREACHED)
    assert (breached.clock, breached.due_at) == ("resolution", START + 118 * HOUR)


async def test_row_42_clock_goes_on_when_the_customer_replies_or_the_wait_was_too_long(
    whole: Whole, an_alert: Make
) -> None:
    await whole.hear(an_alert(1), an_alert(2))
    for task in await whole.tasks():
        await whole.move(task, "contact", **CALL)
        await whole.move(task, "wait", actor="Ana")
    first, second = await whole.tasks()
    await whole.until(START + 24 * HOUR)
    replied = await whole.move(first, "reply", channel="phone", text="It is still broken.")
    assert due(replied, "resolution") == START + 72 * HOUR
    await whole.until(START + 7 * 24 * HOUR)
    task = await whole.get(f"/tasks/{second['task_id']}")
    assert due(task, "resolution") == START + (48 + 7 * 24) * HOUR


async def test_row_42_clock_goes_on_when_a_task_is_reopened(whole: Whole, an_alert: Make) -> None:
    await whole.hear(an_alert())
    await whole.move(await whole.task(), "contact", **CALL)
    await whole.until(START + 2 * HOUR)
    await whole.move(await whole.task(), "resolve", **ANA, root_cause="other")
    await whole.until(START + 100 * HOUR)
    assert await whole.said(*OF_CLOCKS) == []
    reopened = await whole.move(await whole.task(), "reopen", actor="Ana", reason="It broke again.")
    assert reopened["state"] == "reopened"
    assert due(reopened, "resolution") == START + (100 + 46) * HOUR


async def test_row_42_no_pause_is_lost_when_a_policy_changes(whole: Whole, an_alert: Make) -> None:
    await whole.hear(an_alert(1), an_alert(2))
    for task in await whole.tasks():
        await whole.move(task, "contact", **CALL)
        await whole.move(task, "wait", actor="Ana")
    first, second = await whole.tasks()
    await whole.until(START + 10 * HOUR)
    await whole.move(first, "resume", actor="Ana")
    resolution = {"within": "20h", "calendar": "always"}
    await whole.put("sla-policies", policies=[{**POLICY, "resolution": resolution}])
    await whole.after(seconds=1)
    first, second = await whole.tasks()
    assert due(first, "resolution") == START + 30 * HOUR
    assert second["resolution_due_at"] is None
    await whole.until(START + 15 * HOUR)
    second = await whole.move(second, "resume", actor="Ana")
    assert due(second, "resolution") == START + 35 * HOUR


async def test_row_42_target_stays_when_it_was_breached_before_the_policy_changed(
    whole: Whole, an_alert: Make
) -> None:
    await whole.hear(an_alert())
    await whole.until(START + 5 * HOUR)
    policy = {**POLICY, "first_response": "8h", "resolution": "8h"}
    await whole.put("sla-policies", policies=[policy])
    await whole.after(seconds=1)
    task = await whole.task()
    assert (task["first_response_breached"], due(task, "first_response")) == (
        True,
        START + 4 * HOUR,
    )
    assert due(task, "resolution") == START + 8 * HOUR
    await whole.until(START + 8 * HOUR)
    breached = await whole.said(registry.TASK_SLA_BREACHED)
    assert [(one.clock, one.due_at - START) for one in breached] == [
        ("first_response", 4 * HOUR),
        ("resolution", 8 * HOUR),
    ]


async def test_row_43_owner_lead_and_head_are_told_once_and_in_time_when_nobody_responds(
    whole: Whole, an_alert: Make
) -> None:
    await with_members(whole, {"name": "Ana"})
    await whole.hear(an_alert())
    # In office time: 3 of 4 hours, the fourth, and then 0, 2 and 8 hours after it.
    steps = [(3, 1), (4, 3), (6, 4), (24 + 4, 5)]
    for hours, told in steps:
        await whole.until(START + hours * HOUR - SECOND)
        before = what(await whole.said(*OF_CLOCKS))
        await whole.until(START + hours * HOUR)
        assert (len(before) < told, what(await whole.said(*OF_CLOCKS))) == (True, CHAIN[:told])
    escalated = [
        one for one in await whole.said(registry.TASK_ESCALATED) if one.clock == "first_response"
    ]
    assert [one.to for one in escalated] == [("Ana",), ("Maya",), ("Noor",)]
    await whole.after(days=60)
    said = await whole.said(*OF_CLOCKS)
    assert (what(said), what(said, clock="resolution")) == (CHAIN, CHAIN)


async def test_row_43_each_fires_once_when_replicas_die_and_start_again(
    whole: Whole, make_whole: Callable[..., Whole], an_alert: Make
) -> None:
    await with_members(whole, {"name": "Ana", "capacity": 100})
    await whole.hear(*(an_alert(number) for number in range(40)))
    others = [make_whole(clock=whole.clock) for _ in range(2)]
    for hours, kind in (
        (3, "sla_warning"),
        (1, "sla_breach"),
        (2, "escalation"),
        (22, "escalation"),
    ):
        whole.clock.advance(hours * HOUR)  # type: ignore[attr-defined]
        await others[0].dies(kind)
        await asyncio.gather(*(other.after(seconds=0) for other in others))
        await others[1].after(seconds=0)
    said = await whole.said(*OF_CLOCKS)
    per_task = Counter((one.task_id, *step) for one in said for step in what([one]))
    assert set(per_task.values()) == {1}
    assert Counter(step[1:] for step in per_task) == dict.fromkeys(CHAIN, 40)


async def test_row_43_nothing_is_late_when_tasks_come_due_while_two_replicas_run(
    make_whole: Callable[..., Whole], an_alert: Make
) -> None:
    """What the benchmark measures at full rate: no interval at which anybody looks shows up."""
    wholes = [make_whole(clock=SystemClock()) for _ in range(2)]
    policy = {**POLICY, "calendar": "always", "first_response": "3s"}
    await wholes[0].put("sla-policies", policies=[policy])
    async with wholes[0].at_work(), wholes[1].at_work():
        now = SystemClock().now()
        await wholes[0].hear(
            *(an_alert(n, alerted_at=now - timedelta(milliseconds=5 * n)) for n in range(100))
        )

        async def are_late() -> bool:
            return len(await wholes[0].said(registry.TASK_SLA_BREACHED)) == 100

        await until(are_late)
    said = await wholes[0].said(registry.TASK_SLA_BREACHED)
    lateness = sorted((one.occurred_at - one.due_at).total_seconds() for one in said)
    assert lateness[0] >= 0
    assert lateness[98] < 0.5, lateness[90:]


async def test_row_43_clock_goes_on_when_a_task_is_only_acknowledged(
    whole: Whole, an_alert: Make
) -> None:
    await whole.hear(an_alert())
    acknowledged = await whole.move(await whole.task(), "acknowledge", **ANA)
    assert (acknowledged["state"], acknowledged["contacted_at"]) == ("acknowledged", None)
    assert due(acknowledged, "first_response") == START + 4 * HOUR
    await whole.until(START + 4 * HOUR)
    assert what(await whole.said(*OF_CLOCKS)) == CHAIN[:3]
    await whole.move(await whole.task(), "contact", **CALL)
    await whole.after(days=10)
    assert what(await whole.said(*OF_CLOCKS)) == CHAIN[:3]


async def test_row_43_first_response_clock_stops_when_the_customer_is_contacted(
    whole: Whole, an_alert: Make
) -> None:
    await whole.hear(an_alert())
    await whole.until(START + 4 * HOUR - SECOND)
    contacted = await whole.move(await whole.task(), "contact", **CALL)
    assert contacted["contacted_at"] == "2026-03-02T12:59:59Z"
    await whole.until(START + 30 * HOUR)
    assert what(await whole.said(*OF_CLOCKS)) == CHAIN[:1]
    assert (await whole.task())["first_response_breached"] is False
    (said,) = await whole.said(registry.TASK_CONTACTED)
    assert (said.first, said.first_response_seconds) == (True, 4 * 3600 - 1)
