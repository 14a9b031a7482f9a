"""Routing: tasks get their owners when they open, and later, when there was nobody before.

Nothing here waits for a lock while it holds another that routing needs: on opening, routing is
locked first; on a timer, what is locked by others is left for a moment later.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

from closeloop_service.domain.assigning import follow
from closeloop_service.domain.decision import Decision
from closeloop_service.domain.routing import (
    LOOK_AGAIN,
    ROUTE,
    UNROUTED,
    Desk,
    Route,
    teams_of,
)
from closeloop_service.domain.rules import Rules
from closeloop_service.domain.task import Task
from closeloop_service.handlers.counting import count
from closeloop_service.rulebook.keeper import Keeper
from closeloop_service.store import loads
from closeloop_service.store import tasks as store
from heardback.db import Transaction
from heardback.timers import Timer

_BATCH: Final = 500
_OTHERS_ROUTE: Final = timedelta(milliseconds=100)
_OTHERS_CHANGE: Final = timedelta(seconds=1)


async def lock(tx: Transaction) -> None:
    """Route alone until this commits; whoever opens tasks begins with it, before any other lock."""
    await loads.lock_routing(tx.connection)


async def assign_new(tx: Transaction, rules: Rules, tasks: Sequence[Task]) -> list[Decision]:
    """Decide who gets each of the tasks that are opened now; return a decision for each, in order.

    They are not saved here: what was decided on opening them goes before it.
    """
    wanted = [task for task in tasks if task.active]
    if not wanted:
        return [Decision(task=task) for task in tasks]
    await lock(tx)
    routes = await _routes(tx, await _desk(tx, rules), rules, wanted)
    await _wake(tx, _retries(routes))
    by_id = {task.task_id: route for task, route in zip(wanted, routes, strict=True)}
    return [_followed(task, by_id.get(task.task_id), rules, tx.now) for task in tasks]


def route_soon(tx: Transaction, tasks: Iterable[Task]) -> None:
    """Find owners for the active ones among these that have none, as soon as this commits.

    Not within it: whoever holds tasks must not wait for others that route.
    """
    unowned = (task for task in tasks if task.active and task.owner is None)
    for queue in sorted({task.team or UNROUTED for task in unowned}):
        tx.set_timer(_timer(tx, queue, tx.now))


async def wake_queues(tx: Transaction, rules: Rules, before: Iterable[Task]) -> None:
    """Try the queues again in which tasks wait for those who owned these and have room now.

    `before`: tasks that were closed, given back or given to somebody else, as they were; what
    became of them is saved already.
    """
    queues: set[str] = set()
    for task in before:
        if task.owner is not None:
            queues |= {task.team or UNROUTED, *teams_of(rules, task.owner)}
    if not queues:
        return
    waiting = await loads.waiting_queues(tx.connection, queues)
    for queue in sorted(waiting | (queues & {UNROUTED})):
        tx.set_timer(_timer(tx, queue, tx.now))


async def on_routes_due(keeper: Keeper, tx: Transaction, timers: Sequence[Timer]) -> None:
    """Try queues again."""
    if not await loads.try_lock_routing(tx.connection):
        for timer in timers:
            tx.set_timer(timer.put_off(tx.now + _OTHERS_ROUTE))
        return
    rules = await keeper.in_force(tx.connection)
    desk = await _desk(tx, rules)
    for queue, after in sorted(_queues(timers).items()):
        await _try_queue(tx, rules, desk, queue, after)


async def _try_queue(tx: Transaction, rules: Rules, desk: Desk, queue: str, after: str) -> None:
    team = None if queue == UNROUTED else queue
    ids = await loads.queue_ids(tx.connection, team, after=after, limit=_BATCH)
    if not ids:
        return
    tasks = await loads.lock_unowned(tx.connection, ids)
    routes = await _routes(tx, desk, rules, tasks)
    followed = zip(tasks, routes, strict=True)
    decided = (follow(task, route, rules, tx.now) for task, route in followed)
    decisions = [decision for decision in decided if decision is not None]
    await store.save(tx, rules, decisions)
    count(decisions)
    retries = dict(_retries(routes))
    if len(ids) == _BATCH and (team is None or desk.has_room(team)):
        tx.set_timer(_timer(tx, queue, tx.now, after=ids[-1]))
    elif len(ids) == _BATCH:
        retries[queue] = min(retries.get(queue, tx.now + LOOK_AGAIN), tx.now + LOOK_AGAIN)
    if len(tasks) < len(ids):
        retries[queue] = tx.now + _OTHERS_CHANGE
    await _wake(tx, retries)


async def _desk(tx: Transaction, rules: Rules) -> Desk:
    names = {member.name for team in rules.routing.teams.values() for member in team.members}
    return Desk(rules, await loads.load_loads(tx.connection, names), tx.now)


async def _routes(tx: Transaction, desk: Desk, rules: Rules, tasks: Sequence[Task]) -> list[Route]:
    """Route tasks one after the other."""
    customers = {task.customer_id for task in tasks}
    attribute = rules.routing.owner_attribute
    owners = await loads.account_owners(tx.connection, customers, attribute)
    gave_back = await loads.gave_back(tx.connection, [task.task_id for task in tasks])
    routes = [
        desk.route(
            task.facts,
            account_owner=owners.get(task.customer_id),
            gave_back=gave_back.get(task.task_id, frozenset()),
        )
        for task in tasks
    ]
    given = [route.owner for route in routes if route.owner is not None]
    await loads.keep_turns(tx.connection, given)
    return routes


def _followed(task: Task, route: Route | None, rules: Rules, now: datetime) -> Decision:
    decision = route and follow(task, route, rules, now)
    return decision or Decision(task=task)


def _retries(routes: Iterable[Route]) -> Mapping[str, datetime]:
    """Return when to try each queue again, as far as these tell."""
    retries: dict[str, datetime] = {}
    for route in routes:
        if route.team is not None and route.retry_at is not None:
            earliest = retries.get(route.team, route.retry_at)
            retries[route.team] = min(earliest, route.retry_at)
    return retries


async def _wake(tx: Transaction, retries: Mapping[str, datetime]) -> None:
    """See to it that each queue is tried at that time, or earlier."""
    if not retries:
        return
    known = await loads.wake_times(tx.connection, ROUTE)
    for queue, retry_at in retries.items():
        if queue not in known or retry_at < known[queue]:
            tx.set_timer(_timer(tx, queue, retry_at))


def _timer(tx: Transaction, queue: str, due_at: datetime, *, after: str = "") -> Timer:
    # Each has a key of its own: to replace one that is firing would wait for what waits for us.
    key = f"{queue}/{tx.ids.new()}"
    return Timer(kind=ROUTE, key=key, due_at=due_at, payload={"after": after} if after else {})


def _queues(timers: Iterable[Timer]) -> Mapping[str, str]:
    """Return the queues to try, and the task after which to begin with each."""
    queues: dict[str, str] = {}
    for timer in timers:
        queue, after = timer.key.partition("/")[0], timer.payload.get("after", "")
        queues[queue] = min(queues.get(queue, after), after)
    return queues
