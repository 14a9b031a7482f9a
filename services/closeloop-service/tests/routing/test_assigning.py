"""Tasks get their owners: when they open, and later, when there was nobody before."""

import asyncio
from collections import Counter
from dataclasses import replace
from datetime import timedelta

import pytest

from closeloop_service.domain.commands import Assign, Cancel, Release, Reopen
from closeloop_service.domain.matching import Match
from closeloop_service.domain.routing import LOOK_AGAIN, UNROUTED
from closeloop_service.domain.rules import Alerting, AlertKind, AlertRoute, Member, Strategy
from closeloop_service.domain.task import TaskState
from closeloop_service.handlers import alerts, routing
from closeloop_service.store import tasks as store
from heardback.contracts import registry
from heardback.testing.builders import an_event
from heardback.testing.clock import START
from heardback.testing.statements import counted

from .queues import call, lines_of, open_tasks, rows, wake
from .teams import a_team, rules_of

NEXT_MORNING = START + timedelta(days=1)


@pytest.fixture(autouse=True)
def two_who_are_always_in(closeloop):
    """Ana and Ben, in the one team, unless a test says otherwise."""
    closeloop.keeper.fix(rules_of(a_team("care", "Ana", "Ben")))


def an_account(number, owner):
    """Return that customer data names the owner of an account."""
    return an_event(
        registry.CUSTOMER_UPDATED,
        customer_id=f"c{number}",
        customer={"attributes": {"account_owner": owner}},
        occurred_at=START,
    )


async def test_row_40_task_has_its_owner_in_the_transaction_that_opens_it(closeloop, an_alert):
    (task,) = await open_tasks(closeloop, an_alert())
    assert (task.owner, task.team, task.state) == ("Ana", "care", TaskState.ASSIGNED)
    lines = await lines_of(closeloop, task)
    assert [line.what for line in lines] == ["opened", "assigned"]
    assert (lines[1].actor, lines[1].note) == (None, "least loaded of 2 in Care")
    said = [event for event in await closeloop.said() if event.type is registry.TASK_ASSIGNED]
    assert [(event.data.owner, event.data.by) for event in said] == [("Ana", None)]  # type: ignore[attr-defined]


async def test_tasks_are_spread_evenly_within_a_batch_and_over_batches(closeloop, an_alert):
    await open_tasks(closeloop, *(an_alert(number) for number in range(7)))
    for number in range(7, 12):
        await open_tasks(closeloop, an_alert(number))
    assert Counter(task.owner for task in await closeloop.tasks()) == {"Ana": 6, "Ben": 6}


async def test_batch_of_500_costs_as_many_statements_as_one_of_5(closeloop, an_alert):
    team = a_team("care", *(Member(name=f"M{n}", capacity=30) for n in range(10)))
    closeloop.keeper.fix(rules_of(team))
    with counted(closeloop.database) as few:
        await open_tasks(closeloop, *(an_alert(number) for number in range(5)))
    with counted(closeloop.database) as many:
        await open_tasks(closeloop, *(an_alert(number) for number in range(5, 505)))
    assert len(many) <= len(few) + 2
    tasks = await closeloop.tasks()
    assert Counter(task.owner for task in tasks)[None] == 505 - 300
    assert max(Counter(task.owner for task in tasks if task.owner).values()) == 30


async def test_row_40_capacity_holds_when_two_replicas_route_at_once(closeloop, an_alert):
    closeloop.keeper.fix(rules_of(a_team("care", Member(name="Ana", capacity=10))))

    async def replica(first: int) -> None:
        for number in range(first, first + 5):
            async with closeloop.database.transaction() as tx:
                await alerts.on_alerts(
                    closeloop.keeper, tx, [an_alert(1_000 * number + n) for n in range(2)]
                )

    await asyncio.gather(replica(1), replica(11), replica(21))
    owners = Counter(task.owner for task in await closeloop.tasks())
    assert owners == {"Ana": 10, None: 20}


async def test_row_40_customer_data_says_who_owns_the_account(closeloop, an_alert):
    closeloop.keeper.fix(
        rules_of(a_team("care", "Ana"), a_team("keys", Member(name="Dora", email="d@example.com")))
    )
    await closeloop.hear(an_account(1, "D@example.com"), an_account(2, "Nobody"))
    tasks = await open_tasks(closeloop, an_alert(1), an_alert(2), an_alert(3))
    assert [task.owner for task in tasks] == ["Dora", "Ana", "Ana"]
    lines = await lines_of(closeloop, tasks[1])
    assert lines[-1].note == "least loaded of 1 in Care; the account's owner, Nobody, is in no team"


async def test_queue_is_tried_when_somebody_comes_in(closeloop, an_alert):
    closeloop.keeper.fix(rules_of(a_team("care", "Ana", calendar_id="office")))
    closeloop.clock.advance(timedelta(hours=10))
    (task,) = await open_tasks(closeloop, an_alert())
    assert (task.owner, task.team, task.unrouted) == (None, "care", None)
    (timer,) = await rows(
        closeloop, "SELECT split_part(key, '/', 1) AS queue, due_at FROM timer WHERE kind = 'route'"
    )
    assert (timer.queue, timer.due_at) == ("care", NEXT_MORNING)
    lines = await lines_of(closeloop, task)
    assert (lines[-1].what, lines[-1].note) == (
        "queued",
        "nobody in Care who could take it is in now",
    )
    await closeloop.pass_time(hours=13)
    assert (await closeloop.task()).owner is None
    await closeloop.pass_time(hours=1)
    assert (await closeloop.task()).owner == "Ana"


async def test_tasks_of_one_queue_share_the_timer_that_is_due_first(closeloop, an_alert):
    closeloop.keeper.fix(rules_of(a_team("care", "Ana", calendar_id="office")))
    closeloop.clock.advance(timedelta(hours=10))
    for number in range(5):
        await open_tasks(closeloop, an_alert(number))
    assert len(await rows(closeloop, "SELECT key FROM timer WHERE kind = 'route'")) == 1


@pytest.mark.parametrize("leaves", ["cancel", "release", "assign"])
async def test_queue_is_tried_when_somebody_has_room_again(closeloop, an_alert, leaves):
    closeloop.keeper.fix(
        rules_of(
            a_team("care", Member(name="Ana", capacity=1)),
            a_team("keys", "Kim"),
            to=[(Match(), "care")],
        )
    )
    first, second = await open_tasks(closeloop, an_alert(1), an_alert(2))
    assert (first.owner, second.owner) == ("Ana", None)
    await closeloop.move(
        first.task_id,
        {
            "cancel": Cancel(actor="Ana", reason="a test"),
            "release": Release(actor="Ana"),
            "assign": Assign(actor="Ana", owner="Kim"),
        }[leaves],
    )
    await closeloop.pass_time()
    assert (await closeloop.tasks())[1].owner == "Ana"


async def test_task_that_was_given_back_goes_to_somebody_else(closeloop, an_alert):
    (task,) = await open_tasks(closeloop, an_alert())
    await closeloop.move(task.task_id, Release(actor="Ana", note="I know them"))
    await closeloop.pass_time()
    assert (await closeloop.task()).owner == "Ben"
    await closeloop.move(task.task_id, Release(actor="Ben"))
    await closeloop.pass_time()
    after = await closeloop.task()
    assert (after.owner, after.unrouted) == (None, "all in Care who could take it gave it back")


async def test_task_that_was_given_by_hand_and_given_back_is_seen_as_nobodys_again(
    closeloop, an_alert
):
    closeloop.keeper.fix(rules_of(a_team("care", "Ana"), to=[]))
    (task,) = await open_tasks(closeloop, an_alert())
    await closeloop.move(task.task_id, Assign(actor="Zoe", owner="Zoe"))
    assert (await closeloop.task()).unrouted is None
    await closeloop.move(task.task_id, Release(actor="Zoe"))
    await closeloop.pass_time()
    after = await closeloop.task()
    assert (after.owner, after.unrouted) == (None, "no routing rule fits")


async def test_turns_go_on_from_batch_to_batch(closeloop, an_alert):
    team = a_team("care", "Ana", "Ben", "Cleo", strategy=Strategy.ROUND_ROBIN)
    closeloop.keeper.fix(rules_of(team))
    for batch in ([1], [2, 3, 4], [5]):
        await closeloop.hear(*map(an_alert, batch))
    owners = {task.customer_id: task.owner for task in await closeloop.tasks()}
    assert [owners[f"c{n}"] for n in range(1, 6)] == ["Ana", "Ben", "Cleo", "Ana", "Ben"]


async def test_task_that_its_customer_reopens_stays_away_from_who_gave_it_back(
    closeloop, an_alert, a_revision
):
    closeloop.keeper.fix(rules_of(a_team("care", "Ana", Member(name="Ben", capacity=1))))
    await open_tasks(closeloop, an_alert(1), an_alert(2))
    task = next(task for task in await closeloop.tasks() if task.owner == "Ana")
    number = int(task.customer_id[1:])
    await closeloop.move(task.task_id, Release(actor="Ana", note="I know them"))
    await closeloop.pass_time()
    await closeloop.move(task.task_id, Cancel(actor="Ana", reason="a test"))
    await closeloop.hear(an_alert(number, alert_id="again", revision=2))
    after = next(one for one in await closeloop.tasks() if one.task_id == task.task_id)
    assert (after.state, after.owner) == (TaskState.REOPENED, None)


@pytest.mark.parametrize("locales", [("de", "en"), ("en", "de")])
async def test_queue_is_tried_at_the_earliest_time_that_any_of_its_tasks_waits_for(
    closeloop, an_alert, locales
):
    early = Member(name="Ana", languages=frozenset({"en"}), calendar_id="office")
    late = Member(name="Ben", languages=frozenset({"de"}), calendar_id="late")
    closeloop.keeper.fix(rules_of(a_team("care", early, late)))
    await closeloop.pass_time(hours=13)
    for number, locale in enumerate(locales, start=1):
        await closeloop.hear(an_alert(number, recipient={"locale": locale}))
    assert len(await closeloop.timer_keys("route")) == (2 if locales[0] == "de" else 1)
    await closeloop.pass_time(hours=11)
    assert {task.owner for task in await closeloop.tasks()} == {None, "Ana"}
    await closeloop.pass_time(hours=4)
    assert {task.owner for task in await closeloop.tasks()} == {"Ana", "Ben"}


async def test_full_team_is_looked_at_again_in_case_nobody_tells(closeloop, an_alert):
    closeloop.keeper.fix(rules_of(a_team("care", Member(name="Ana", capacity=1))))
    await open_tasks(closeloop, an_alert(1), an_alert(2))
    closeloop.keeper.fix(rules_of(a_team("care", Member(name="Ana", capacity=2))))
    await closeloop.pass_time(seconds=LOOK_AGAIN.total_seconds())
    assert [task.owner for task in await closeloop.tasks()] == ["Ana", "Ana"]


async def test_ops_are_told_once_of_a_task_that_nobody_can_take(closeloop, an_alert):
    target = {"ops": object()}
    route = AlertRoute(kinds=frozenset({AlertKind.UNROUTED}), target_id="ops")
    told = Alerting(targets=target, routes=(route,))  # type: ignore[arg-type]
    rules = rules_of(a_team("care"))
    closeloop.keeper.fix(replace(rules, alerting=told))
    (task,) = await open_tasks(closeloop, an_alert())
    assert (task.team, task.owner, task.unrouted) == ("care", None, "Care has no members yet")
    await wake(closeloop, "care", UNROUTED)
    (row,) = await rows(closeloop, "SELECT kind, title, text, task_id FROM ops_alert")
    assert (row.kind, row.title, row.task_id) == (
        "unrouted",
        "Nobody can take this task",
        task.task_id,
    )
    assert row.text.endswith("Why: Care has no members yet.")


async def test_tasks_are_routed_anew_when_the_rules_change(closeloop, an_alert):
    closeloop.keeper.fix(rules_of(a_team("care"), to=[]))
    tasks = await open_tasks(closeloop, *(an_alert(number) for number in range(3)))
    assert {(task.team, task.unrouted) for task in tasks} == {(None, "no routing rule fits")}
    closeloop.keeper.fix(rules_of(a_team("keys", "Kim")))
    await wake(closeloop, UNROUTED)
    after = await closeloop.tasks()
    assert {(task.team, task.owner, task.unrouted) for task in after} == {("keys", "Kim", None)}


async def test_long_queue_is_tried_to_its_end(closeloop, an_alert):
    closeloop.keeper.fix(rules_of(a_team("care")))
    for first in range(0, 1_200, 400):
        await open_tasks(closeloop, *(an_alert(number) for number in range(first, first + 400)))
    everybody = [Member(name=f"M{n}", capacity=500) for n in range(3)]
    closeloop.keeper.fix(rules_of(a_team("care", *everybody)))
    await wake(closeloop, UNROUTED)
    owners = Counter(task.owner for task in await closeloop.tasks())
    assert set(owners.values()) == {400}
    assert None not in owners


async def test_queue_waits_a_moment_when_others_route_or_change_its_tasks(closeloop, an_alert):
    closeloop.keeper.fix(rules_of(a_team("care")))
    await open_tasks(closeloop, an_alert(1), an_alert(2))
    closeloop.keeper.fix(rules_of(a_team("care", "Ana")))
    await call(closeloop, "care")
    async with closeloop.database.transaction() as other:
        await routing.lock(other)
        await closeloop.timers.fire()
        assert {task.owner for task in await closeloop.tasks()} == {None}
    task = (await closeloop.tasks())[0]
    async with closeloop.database.transaction() as other:
        await store.lock_tasks(other.connection, [task.task_id])
        closeloop.clock.advance(timedelta(seconds=1))
        await closeloop.timers.fire()
        assert [task.owner for task in await closeloop.tasks()] == [None, "Ana"]
    await closeloop.pass_time(seconds=2)
    assert [task.owner for task in await closeloop.tasks()] == ["Ana", "Ana"]


async def test_task_that_opens_again_without_an_owner_is_given_one(closeloop, an_alert):
    closeloop.keeper.fix(rules_of(a_team("care")))
    (task,) = await open_tasks(closeloop, an_alert())
    await closeloop.move(task.task_id, Cancel(actor="Eva", reason="a test"))
    closeloop.keeper.fix(rules_of(a_team("care", "Ana")))
    await closeloop.move(task.task_id, Reopen(actor="Eva", reason="it was none"))
    await closeloop.pass_time()
    after = await closeloop.task()
    assert (after.state, after.owner) == (TaskState.REOPENED, "Ana")
