"""Every metric of response-service, once."""

from typing import Final

from opentelemetry import metrics

_meter: Final = metrics.get_meter("heardback.response")

SUBMITS: Final = _meter.create_counter(
    "heardback.response.submits",
    unit="{answer}",
    description="Answers taken, by category and by what they changed.",
)
LINKS: Final = _meter.create_counter(
    "heardback.response.links",
    unit="{visit}",
    description="Survey links used, by outcome: ok, tampered, expired, unknown.",
)
ALERTS: Final = _meter.create_counter(
    "heardback.response.alerts", unit="{alert}", description="Detractors that owners hear of."
)
