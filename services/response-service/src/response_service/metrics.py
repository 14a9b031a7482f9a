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
    description="Survey links used, by outcome: ok, tampered, expired, unknown, too_many.",
)
LOOKS: Final = _meter.create_counter(
    "heardback.response.looks",
    unit="{invitation}",
    description="Invitations looked at for the first time: by a person or by a scanner.",
)
ALERTS: Final = _meter.create_counter(
    "heardback.response.alerts", unit="{alert}", description="Detractors that owners hear of."
)
SUSPECTS: Final = _meter.create_counter(
    "heardback.response.suspects",
    unit="{answer}",
    description="Answers put into the quarantine, by reason; one may have several.",
)
DECIDED: Final = _meter.create_counter(
    "heardback.response.suspects_decided",
    unit="{answer}",
    description="Suspect answers that a person released or discarded.",
)
REPLIES: Final = _meter.create_counter(
    "heardback.response.replies",
    unit="{reply}",
    description="Replies in the channel, by what came of them: recorded, no_score, older, …",
)
