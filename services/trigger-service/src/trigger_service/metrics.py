"""The metrics of trigger, once. They count what was handled, before the commit."""

from typing import Final

from opentelemetry import metrics

_meter: Final = metrics.get_meter("heardback.trigger")

DECISIONS: Final = _meter.create_counter(
    "heardback.trigger.decisions",
    unit="{decision}",
    description="Decisions by program, outcome and first reason.",
)
REPEATS: Final = _meter.create_counter(
    "heardback.trigger.repeats",
    unit="{touchpoint}",
    description="Touchpoints that were known already, by topic.",
)
INVITATIONS: Final = _meter.create_counter(
    "heardback.trigger.invitations",
    unit="{invitation}",
    description="Invitations requested, cancelled or released, by reason.",
)
