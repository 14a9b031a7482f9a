"""Counts what was decided."""

from collections import Counter
from collections.abc import Sequence

from closeloop_service import metrics
from closeloop_service.domain.decision import Decision
from heardback.contracts import registry


def count(decisions: Sequence[Decision]) -> None:
    """Count the moves, warnings and breaches of decisions."""
    said = Counter(
        (event_type, fields.get("clock"))
        for decision in decisions
        for event_type, fields in decision.events
    )
    for (event_type, clock), times in said.items():
        if event_type is registry.TASK_SLA_WARNED:
            metrics.WARNINGS.add(times, {"clock": str(clock)})
        elif event_type is registry.TASK_SLA_BREACHED:
            metrics.BREACHES.add(times, {"clock": str(clock)})
        else:
            metrics.MOVES.add(times, {"move": event_type.family.removeprefix("task.")})
