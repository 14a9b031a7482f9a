"""What a route does to its task: it has an owner, waits in a queue, or is nobody's."""

from datetime import datetime

from closeloop_service.domain.commands import Assign
from closeloop_service.domain.decision import Decision, changed
from closeloop_service.domain.history import Entry
from closeloop_service.domain.moving import decide
from closeloop_service.domain.routing import Route
from closeloop_service.domain.rules import AlertKind, Rules
from closeloop_service.domain.task import Task
from closeloop_service.domain.telling import about


def follow(task: Task, route: Route, rules: Rules, now: datetime) -> Decision | None:
    """Take a task without an owner where its route leads; None: it stays where it is.

    Ops are told when it comes to be nobody's, and not again while it is.
    """
    if route.owner is not None:
        command = Assign(actor=None, owner=route.owner, team=route.team, note=route.reason)
        return decide(task, command, rules, now)
    unrouted = route.reason if route.is_unrouted else None
    if (task.team, task.unrouted) == (route.team, unrouted):
        return None
    after = changed(task, team=route.team, unrouted=unrouted)
    entry = Entry(
        what="queued" if unrouted is None else "unrouted",
        note=route.reason,
        details={"team": route.team},
    )
    if unrouted is None or task.unrouted is not None:
        return Decision(task=after, entries=(entry,))
    alert = about(
        after,
        AlertKind.UNROUTED,
        f"unrouted/{task.task_id}/{after.version}",
        title="Nobody can take this task",
        due_at=after.due_at,
        note=f"Why: {route.reason}.",
    )
    return Decision(task=after, entries=(entry,), alerts=(alert,))
