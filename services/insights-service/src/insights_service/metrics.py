"""The metrics of insights, once. They count what was handled, before the commit."""

from typing import Final

from opentelemetry import metrics

_meter: Final = metrics.get_meter("heardback.insights")

FACTS: Final = _meter.create_counter(
    "heardback.insights.facts", unit="{fact}", description="Facts that were new, by kind."
)
REPEATS: Final = _meter.create_counter(
    "heardback.insights.repeats", unit="{fact}", description="Facts known already, by kind."
)
