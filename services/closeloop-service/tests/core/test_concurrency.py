"""Two people, two replicas, one task: one of them wins, and the other is told."""

import asyncio
from datetime import timedelta

from sqlalchemy import text

from closeloop_service.domain.commands import (
    Acknowledge,
    Assign,
    Cancel,
    Contact,
    Reopen,
    Resolve,
    Wait,
)
from closeloop_service.domain.errors import MoveNotAllowed

CALL = Contact(actor="Ana", channel="phone")


async def both(closeloop, *moves, **options) -> list[str]:
    """Make moves at the same time; return what became of each."""
    results = await asyncio.gather(
        *(closeloop.move(task_id, command, **options) for task_id, command in moves),
        return_exceptions=True,
    )
    return sorted(type(result).__name__ for result in results)


async def test_second_owner_is_told_what_is_next_when_two_acknowledge_at_once(closeloop, an_alert):
    await closeloop.hear(an_alert())
    task_id = (await closeloop.task()).task_id
    names = ("Ana", "Ben", "Cleo", "Dan")
    results = await both(closeloop, *((task_id, Acknowledge(actor=name)) for name in names))
    assert results == [*["MoveNotAllowed"] * 3, "Task"]
    assert (await closeloop.families()).count("task.acknowledged") == 1


async def test_second_owner_is_told_that_it_changed_when_two_claim_what_they_see(
    closeloop, an_alert
):
    await closeloop.hear(an_alert())
    task = await closeloop.task()
    claims = ((task.task_id, Assign(actor=name, owner=name)) for name in ("Ana", "Ben"))
    assert await both(closeloop, *claims, version=task.version) == ["Task", "TaskChanged"]


async def test_second_owner_is_told_whose_it_is_when_two_claim_blindly(closeloop, an_alert):
    await closeloop.hear(an_alert())
    task_id = (await closeloop.task()).task_id
    claims = ((task_id, Assign(actor=name, owner=name)) for name in ("Ana", "Ben"))
    assert await both(closeloop, *claims) == ["Task", "TaskTaken"]
    assert (await closeloop.families()).count("task.assigned") == 1


async def test_customer_is_resolved_once_when_two_resolve_at_once(closeloop, an_alert):
    await closeloop.hear(an_alert())
    task_id = (await closeloop.task()).task_id
    await closeloop.move(task_id, CALL)
    fixes = ((task_id, Resolve(actor=name, root_cause="other")) for name in ("Ana", "Ben"))
    assert await both(closeloop, *fixes) == ["MoveNotAllowed", "Task"]
    assert (await closeloop.task()).resolutions == 1


async def test_all_that_can_be_moved_are_and_the_others_are_named(closeloop, an_alert):
    await closeloop.hear(*(an_alert(number) for number in range(4)))
    ids = [task.task_id for task in await closeloop.tasks()]
    await closeloop.move(ids[1], Cancel(actor="Ana", reason="A test."))
    before = await closeloop.timer_keys("sla_breach")
    moved = await closeloop.move_many([*ids, "nobody", ids[0]], CALL)
    assert [(m.task_id, m.task is not None) for m in moved] == [
        *((task_id, task_id != ids[1]) for task_id in ids),
        ("nobody", False),
    ]
    assert isinstance(moved[1].error, MoveNotAllowed)
    assert moved[-1].error is not None
    first = {key for key in before if key[1].endswith("first_response")}
    assert await closeloop.timer_keys("sla_breach") == before - first


async def test_refused_task_keeps_its_timers_when_others_are_moved(closeloop, an_alert):
    await closeloop.hear(an_alert(1), an_alert(2))
    ids = [task.task_id for task in await closeloop.tasks()]
    await closeloop.move(ids[0], CALL)
    before = await closeloop.timer_keys()
    moved = await closeloop.move_many(ids, Wait(actor="Ana"))
    assert [m.task is not None for m in moved] == [True, False]
    kept = {key for key in before if key[1].startswith(ids[1])}
    assert kept <= await closeloop.timer_keys()


async def test_many_change_at_once_without_a_deadlock_when_timers_fire_meanwhile(
    closeloop, an_alert
):
    await closeloop.hear(*(an_alert(number) for number in range(40)))
    task_ids = [task.task_id for task in await closeloop.tasks()]
    closeloop.clock.advance(timedelta(hours=4))
    moves = (closeloop.move(task_id, CALL) for task_id in reversed(task_ids))
    await asyncio.gather(closeloop.timers.fire(), *moves, closeloop.timers.fire())
    while await closeloop.timers.fire():
        pass
    families = await closeloop.families()
    assert families.count("task.sla_breached") == families.count("task.contacted") == 40


async def test_bulk_and_single_moves_timers_and_a_replan_do_not_deadlock(closeloop, an_alert):
    await closeloop.hear(*(an_alert(number) for number in range(60)))
    ids = [task.task_id for task in await closeloop.tasks()]
    closeloop.clock.advance(timedelta(hours=4))
    await closeloop.change_rules()
    async with closeloop.database.transaction() as tx:
        await tx.connection.execute(
            text("INSERT INTO timer VALUES ('replan', 'rules', :now, '{}', NULL, 0)"),
            {"now": tx.now},
        )
    again = Reopen(actor="Ana", reason="It broke.")
    cancel = Cancel(actor="Ana", reason="A test.")
    singles = (closeloop.move(task_id, cancel) for task_id in ids[:20])
    await asyncio.gather(
        closeloop.timers.fire(),
        closeloop.move_many(ids[::-1], CALL),
        *singles,
        closeloop.timers.fire(),
        closeloop.move_many(ids, again),
        return_exceptions=True,
    )
    while await closeloop.timers.fire():
        pass
    tasks = await closeloop.tasks()
    assert {task.rules_version for task in tasks if task.active} == {1}
    said = await closeloop.said()
    breaches = [e.data.task_id for e in said if e.type.family == "task.sla_breached"]
    assert sorted(breaches) == sorted(ids)
