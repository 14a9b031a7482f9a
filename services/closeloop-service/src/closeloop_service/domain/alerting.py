"""What ops are to be told: decided with the task, delivered by `ops_alerts`."""

from dataclasses import dataclass

from closeloop_service.domain.rules import AlertKind


@dataclass(frozen=True, slots=True, kw_only=True)
class OpsAlert:
    """One thing to tell. `people`, `teams` and `targets` are told beside those of the routes.

    `alert_key` is its natural key: the same thing is told once. `text` is one sentence.
    """

    alert_key: str
    kind: AlertKind
    title: str
    text: str
    task_id: str | None = None
    improvement_id: str | None = None
    team: str | None = None
    people: tuple[str, ...] = ()
    teams: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()
