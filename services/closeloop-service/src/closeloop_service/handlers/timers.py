"""What falls due: clocks of tasks, waits on customers, and plans by rules that have changed."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any, Final

from closeloop_service.domain import firing
from closeloop_service.domain.commands import Resume
from closeloop_service.domain.decision import (
    BREACH,
    ESCALATION,
    WARNING,
    Decision,
    joined,
    of_clock_key,
)
from closeloop_service.domain.firing import OnClock
from closeloop_service.domain.moving import decide, replan
from closeloop_service.domain.planning import REPLAN, REPLAN_KEY
from closeloop_service.domain.task import TaskState
from closeloop_service.handlers.counting import count
from closeloop_service.rulebook.keeper import Keeper
from closeloop_service.store import tasks
from heardback.db import Transaction
from heardback.timers import Timer
from heardback.vocabulary import SlaClock

_ON_CLOCKS: Final[Mapping[str, OnClock]] = {
    WARNING: firing.warn,
    BREACH: firing.breach,
    ESCALATION: firing.escalate,
}
_PLANS: Final = 500
# Whoever began by the rules of before, and opened or moved a task, has committed or failed by then.
_LAST_LOOK: Final = timedelta(minutes=2)


async def on_clocks_due(keeper: Keeper, tx: Transaction, timers: Sequence[Timer]) -> None:
    """Warn of clocks that have used their share, mark those that ran out, tell who is next.

    All kinds at once: replicas that lock tasks kind by kind wait for each other in a circle.
    """
    rules = await keeper.in_force(tx.connection)
    due: dict[str, list[tuple[OnClock, SlaClock]]] = defaultdict(list)
    for timer in timers:
        task_id, which = of_clock_key(timer.key)
        due[task_id].append((_ON_CLOCKS[timer.kind], which))
    decided: list[Decision] = []
    for task_id, task in (await tasks.lock_tasks(tx.connection, due)).items():
        decisions: list[Decision] = []
        for decide_on, which in due[task_id]:
            latest = decisions[-1].task if decisions else task
            decision = decide_on(latest, which, rules, tx.now)
            decisions += [decision] if decision else []
        decided += [joined(decisions)] if decisions else []
    await tasks.save_marks(tx, rules, decided)
    count(decided)


async def on_waits_over(keeper: Keeper, tx: Transaction, timers: Sequence[Timer]) -> None:
    """End the waits on customers who did not come back in time; the clocks go on."""
    rules = await keeper.in_force(tx.connection)
    found = await tasks.lock_tasks(tx.connection, [timer.key for timer in timers])
    over = [
        decide(task, Resume(note="the wait was over"), rules, tx.now)
        for task in found.values()
        if task.state is TaskState.WAITING and task.wait_until and task.wait_until <= tx.now
    ]
    await tasks.save(tx, rules, over)
    count(over)


async def on_replan_due(keeper: Keeper, tx: Transaction, timers: Sequence[Timer]) -> None:
    """Plan the active tasks by the rules in force, so many at a time, until none is left."""
    rules = await keeper.in_force(tx.connection)
    outdated = await tasks.outdated_tasks(tx.connection, rules.version, limit=_PLANS)
    if not outdated:
        if not any(timer.payload.get("last") for timer in timers):
            _plan_again(tx, tx.now + _LAST_LOOK, {"last": True})
        return
    await tasks.forget_timers(tx, outdated)
    found = await tasks.lock_tasks(tx.connection, outdated)
    planned = [replan(task, rules, tx.now) for task in found.values()]
    await tasks.save(tx, rules, planned)
    count(planned)
    _plan_again(tx, tx.now)


def _plan_again(
    tx: Transaction, due_at: datetime, payload: Mapping[str, Any] = MappingProxyType({})
) -> None:
    tx.set_timer(Timer(kind=REPLAN, key=REPLAN_KEY, due_at=due_at, payload=payload))
