"""Who is told about a task, and in which words."""

from dataclasses import dataclass
from datetime import datetime

from closeloop_service.domain.alerting import OpsAlert
from closeloop_service.domain.rules import AlertKind, Escalation, Rank, Rules, Team
from closeloop_service.domain.task import Task


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """Whom an escalation reaches."""

    people: tuple[str, ...] = ()
    teams: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """All of them, as history and events name them."""
        return (*self.people, *self.teams, *self.targets)


def about(
    task: Task,
    kind: AlertKind,
    alert_key: str,
    *,
    title: str,
    due_at: datetime | None = None,
    note: str = "",
    told: Told | None = None,
) -> OpsAlert:
    """Return what is told about a task: who waits, what they said, until when.

    `told`: they are told besides those of the routes.
    """
    name = task.recipient.name or task.customer_id
    text = f"{name} gave {task.answer.score} after {task.touchpoint}"
    if due_at is not None:
        text += f", due {due_at.isoformat(sep=' ', timespec='minutes')[:16]} UTC"
    return OpsAlert(
        alert_key=alert_key,
        kind=kind,
        title=title,
        text=f"{text}. {note}".rstrip(),
        task_id=task.task_id,
        team=task.team,
        people=told.people if told else (),
        teams=told.teams if told else (),
        targets=told.targets if told else (),
    )


def level_of(task: Task, level: Escalation, rules: Rules) -> Told:
    """Return whom a level reaches. A rank that nobody holds is its team's matter."""
    team = rules.routing.teams.get(task.team) if task.team else None
    people, teams = list(level.people), list(level.teams)
    for rank in level.ranks:
        holder = _holder(rank, task, team)
        if holder is not None:
            people.append(holder)
        elif team is not None:
            teams.append(team.team_id)
    return Told(
        people=tuple(dict.fromkeys(people)),
        teams=tuple(dict.fromkeys(teams)),
        targets=level.targets,
    )


def _holder(rank: Rank, task: Task, team: Team | None) -> str | None:
    if rank is Rank.OWNER:
        return task.owner
    if team is None:
        return None
    return team.lead if rank is Rank.LEAD else team.head
