"""Row 49: ops are told, in one message however many alerts there are, whatever dies meanwhile."""

import asyncio
import re
from datetime import timedelta
from typing import Any

import pytest
from fastapi.responses import PlainTextResponse, Response

from closeloop_service.domain.rules import AlertKind
from closeloop_service.ops_alerts.gathering import gather
from closeloop_service.ops_alerts.loop import LEASE
from closeloop_service.store import alert_messages, alerts
from heardback.testing.clock import ManualClock

from .conftest import an_alert_of
from .doubles import too_many


async def test_row_49_flood_of_breaches_is_one_message(ops: Any) -> None:
    await ops.use("slack", "teams", "pager", "hook")
    await ops.tell(*(an_alert_of(number) for number in range(5_000)))
    assert await ops.turn() == 30
    assert ops.to.slack.calls == 0
    await ops.turn(seconds=30)
    to = ops.to
    assert [len(d.taken) for d in (to.slack, to.teams, to.pager, to.hook)] == [1, 1, 1, 1]
    blocks = to.slack.taken[0]["blocks"]
    assert blocks[0]["text"]["text"] == "5,000 late tasks"
    assert blocks[-2]["elements"][0]["text"] == "and 4,990 more"
    assert "https://board.example.com/?view=breached&team=care" in blocks[-1]["text"]["text"]
    assert to.pager.taken[0]["dedup_key"].startswith("message/")
    assert to.hook.taken[0]["data"]["facts"] == [{"label": "Late", "text": "Customer care 5,000"}]
    await ops.turn(hours=2)
    assert to.slack.calls == 1
    assert {message.state for message in await ops.messages()} == {"sent"}


async def test_row_49_alert_is_told_once_when_it_is_raised_again(ops: Any) -> None:
    await ops.use("slack")
    await ops.tell(an_alert_of(), an_alert_of())
    await ops.turn(seconds=30)
    await ops.tell(an_alert_of())
    await ops.turn(seconds=60)
    assert len(ops.to.slack.taken) == 1


async def test_the_most_urgent_are_named_first(ops: Any) -> None:
    await ops.use("hook")
    warned = [
        an_alert_of(n, alert_key=f"w{n}", kind=AlertKind.WARNED, title=f"Warned {n}")
        for n in range(20)
    ]
    await ops.tell(*warned, an_alert_of(21, kind=AlertKind.ESCALATED, title="Escalated"))
    # Of one subject the most urgent is named, once.
    await ops.tell(an_alert_of(3, title="Late"))
    await ops.turn(seconds=31)
    data = ops.to.hook.taken[0]["data"]
    assert [item["title"] for item in data["items"]][:3] == ["Escalated", "Late", "Warned 0"]
    assert (len(data["items"]), data["more"]) == (10, 11)
    assert data["severity"] == "critical"


async def test_no_more_messages_an_hour_than_allowed(ops: Any) -> None:
    await ops.use("slack", at_most_per_hour=3)
    for number in range(10):
        await ops.tell(an_alert_of(number))
        await ops.turn(minutes=1)
    assert len(ops.to.slack.taken) == 3
    await ops.turn(minutes=52)
    assert len(ops.to.slack.taken) == 4
    assert ops.to.slack.taken[-1]["blocks"][0]["text"]["text"] == "7 late tasks"


async def test_busy_provider_is_asked_again_when_it_said_so(ops: Any) -> None:
    await ops.use("slack")
    ops.to.slack.says = [too_many(90)]
    await ops.tell(an_alert_of())
    await ops.turn(seconds=30)
    await ops.turn(seconds=89)
    assert ops.to.slack.calls == 1
    await ops.turn(seconds=1)
    assert (ops.to.slack.calls, len(ops.to.slack.taken)) == (2, 1)


async def test_what_comes_while_a_target_is_away_is_gathered(ops: Any) -> None:
    await ops.use("slack")
    ops.to.slack.always = Response("rollup_error", 500)
    await ops.tell(an_alert_of(1))
    await ops.turn(seconds=30)
    for number in range(2, 50):
        await ops.tell(an_alert_of(number))
        await ops.turn(seconds=60)
    ops.to.slack.always = None
    await ops.turn(minutes=11)
    await ops.turn()
    titles = [message["blocks"][0]["text"]["text"] for message in ops.to.slack.taken]
    assert titles == ["First response is late", "48 late tasks"]
    (first, _) = await ops.messages()
    assert first.attempts > 3


@pytest.mark.parametrize(
    ("status", "said"),
    [(403, "action_prohibited"), (404, "no_service"), (410, "channel_is_archived")],
)
async def test_refusal_for_good_is_told_to_the_others_once(
    ops: Any, status: int, said: str
) -> None:
    await ops.use("slack", "hook")
    ops.to.slack.always = PlainTextResponse(said, status)
    for number in range(4):
        await ops.tell(an_alert_of(number))
        await ops.turn(seconds=60)
        await ops.turn(seconds=60)
    failed = [m for m in await ops.messages() if m.state == "failed"]
    assert {m.target_id for m in failed} == {"slack"}
    assert failed[0].fault == f"HTTP {status}: {said}"
    assert len(failed) == 4
    titles = [taken["data"]["title"] for taken in ops.to.hook.taken]
    assert titles.count("Alerts no longer reach slack") == 1


async def test_two_dead_targets_do_not_tell_each_other_for_ever(ops: Any) -> None:
    await ops.use("slack", "hook")
    ops.to.slack.always = PlainTextResponse("no_service", 404)
    ops.to.hook.always = Response(status_code=410)
    await ops.tell(an_alert_of())
    for _ in range(20):
        await ops.turn(minutes=2)
    calls = ops.to.slack.calls + ops.to.hook.calls
    for _ in range(20):
        await ops.turn(minutes=2)
    assert ops.to.slack.calls + ops.to.hook.calls == calls <= 4


async def test_target_that_works_again_may_fail_anew(ops: Any) -> None:
    await ops.use("slack", "hook")
    dead = PlainTextResponse("no_service", 404)
    for number, answer in enumerate((dead, None, dead)):
        ops.to.slack.always = answer
        await ops.tell(an_alert_of(number))
        await ops.turn(minutes=2)
        await ops.turn(minutes=2)
    titles = [taken["data"]["title"] for taken in ops.to.hook.taken]
    assert titles.count("Alerts no longer reach slack") == 2


async def test_given_up_after_a_day(ops: Any) -> None:
    await ops.use("slack")
    ops.to.slack.always = Response(status_code=503)
    await ops.tell(an_alert_of())
    await ops.turn(seconds=30)
    while (await ops.messages())[0].state == "sending":
        await ops.turn(minutes=30)
    assert timedelta(hours=24) <= ops.clock.now() - (await ops.messages())[0].made_at
    assert ops.to.slack.calls < 60


async def test_dead_target_holds_up_no_other(ops: Any) -> None:
    await ops.use("slack", "hook")
    await ops.tell(an_alert_of())
    ops.clock.advance(timedelta(seconds=30))
    waits = asyncio.Event()
    stop = asyncio.Event()
    original = ops.loop._courier.send

    async def send(claimed: Any) -> Any:
        if claimed.target_id == "slack":
            await waits.wait()
        return await original(claimed)

    ops.loop._courier.send = send
    await ops.loop.turn(stop)
    await ops.tell(an_alert_of(2))
    ops.clock.advance(timedelta(seconds=31))
    while len(ops.to.hook.taken) < 2:
        await ops.loop.turn(stop)
        await asyncio.sleep(0.01)
    assert ops.to.slack.calls == 0
    waits.set()
    await ops.loop.drained()
    assert ops.to.slack.calls == 1


async def test_two_replicas_tell_each_message_once(ops: Any) -> None:
    await ops.use("slack", "teams", "pager", "hook")
    replicas = [ops.replica(), ops.replica()]
    for batch in range(5):
        await ops.tell(*(an_alert_of(batch * 20 + number) for number in range(20)))
        ops.clock.advance(timedelta(seconds=31))
        stop = asyncio.Event()
        for _ in range(3):
            await asyncio.gather(*(replica.turn(stop) for replica in replicas))
            await asyncio.gather(*(replica.drained() for replica in replicas))
            ops.clock.advance(timedelta(seconds=1))
    doubles = (ops.to.slack, ops.to.teams, ops.to.pager, ops.to.hook)
    assert [double.calls for double in doubles] == [5] * 4
    told = sum(int(re.sub(r"\D", "", taken["data"]["title"])) for taken in ops.to.hook.taken)
    assert told == 100


async def test_message_comes_twice_at_most_when_a_replica_dies_after_the_yes(
    ops: Any, clock: ManualClock
) -> None:
    await ops.use("slack", "pager", "hook")
    await ops.tell(an_alert_of())
    dying = ops.replica()

    async def die(*_: object) -> None:
        raise RuntimeError("killed")

    dying._courier.record = die
    clock.advance(timedelta(seconds=30))
    await dying.turn(asyncio.Event())
    await dying.drained()
    await ops.turn()
    assert ops.to.slack.calls == 1, "its lease is not over"
    await ops.turn(seconds=LEASE.total_seconds())
    await ops.turn(minutes=10)
    assert len(ops.to.slack.taken) == 2
    assert (ops.to.pager.calls, ops.to.pager.open) == (2, {"task/task-1"})
    assert (ops.to.hook.calls, len(ops.to.hook.taken)) == (2, 1)
    assert {m.state for m in await ops.messages()} == {"sent"}


async def test_answer_that_comes_too_late_changes_nothing_when_another_has_it(ops: Any) -> None:
    await ops.use("slack")
    await ops.tell(an_alert_of())
    ops.clock.advance(timedelta(seconds=30))
    await ops.loop._look_around()
    await gather(ops.database, ops.keeper)
    async with ops.database.transaction() as tx:
        first = await alert_messages.claim(tx, busy=(), lease=LEASE)
    ops.clock.advance(LEASE)
    async with ops.database.transaction() as tx:
        second = await alert_messages.claim(tx, busy=(), lease=LEASE)
    assert first and second and second.again and second.doubts == 1
    async with ops.database.transaction() as tx:
        assert not await alert_messages.settle(tx, first, state="failed", fault="x")
        assert await alert_messages.settle(tx, second, state="sent", fault=None)


async def test_nothing_of_ours_is_called_when_its_network_is_not_allowed(ops: Any) -> None:
    await ops.use("hook")
    await ops.tell(an_alert_of())
    await ops.turn(ops.replica(allowed=""), seconds=30)
    (message,) = await ops.messages()
    assert (message.state, ops.to.hook.calls) == ("failed", 0)
    assert "AddressForbidden" in message.fault


async def test_missing_secret_fails_the_message_and_says_its_name(ops: Any) -> None:
    await ops.use("slack")
    await ops.tell(an_alert_of())
    await ops.turn(ops.replica(secrets={}), seconds=30)
    (message,) = await ops.messages()
    assert message.fault == "there is no secret slack_url; set it in HEARDBACK_SECRETS"


async def test_what_waits_for_a_target_is_dropped_when_it_is_taken_out(ops: Any) -> None:
    await ops.use("slack", "hook")
    await ops.tell(an_alert_of())
    await ops.use("hook")
    await ops.turn(seconds=30)
    assert {alert.target_id for alert in await ops.alerts()} == {"hook"}


async def test_bell_that_rings_has_the_message_sent_at_its_time(
    ops: Any, clock: ManualClock
) -> None:
    await ops.use("slack")
    stop = asyncio.Event()
    running = asyncio.create_task(ops.loop.run(stop))
    await ops.tell(an_alert_of())
    ops.loop._bell.set()
    while not ops.to.slack.calls:
        clock.advance(timedelta(seconds=1))
        await asyncio.sleep(0.01)
    assert clock.now() - (await ops.alerts())[0].raised_at < timedelta(seconds=60)
    stop.set()
    await running


async def test_what_was_told_is_forgotten_after_a_while(ops: Any) -> None:
    await ops.use("slack")
    await ops.tell(an_alert_of(1))
    await ops.turn(seconds=30)
    await ops.tell(an_alert_of(2))
    await ops.turn(days=91)
    async with ops.database.transaction() as tx:
        before = tx.now - timedelta(days=90)
        assert not await alerts.forget_before(tx.connection, before, limit=100)
    assert [alert.alert_key for alert in await ops.alerts()] == ["breached/task-2"]
    assert len(await ops.messages()) == 1
