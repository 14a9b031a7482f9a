"""Every metric of response-service, once."""

from typing import Final

from opentelemetry import metrics

from heardback.metrics import Tally

_meter: Final = metrics.get_meter("heardback.response")

SUBMITS: Final = Tally(
    _meter,
    "heardback.response.submits",
    unit="{answer}",
    description="Answers taken, by category and by what they changed.",
)
LINKS: Final = Tally(
    _meter,
    "heardback.response.links",
    unit="{visit}",
    description="Survey links used, by outcome: ok, tampered, expired, unknown, too_many.",
)
LOOKS: Final = Tally(
    _meter,
    "heardback.response.looks",
    unit="{invitation}",
    description="Invitations looked at for the first time: by a person or by a scanner.",
)
ALERTS: Final = Tally(
    _meter,
    "heardback.response.alerts",
    unit="{alert}",
    description="Detractors that owners hear of.",
)
SUSPECTS: Final = Tally(
    _meter,
    "heardback.response.suspects",
    unit="{answer}",
    description="Answers put into the quarantine, by reason; one may have several.",
)
DECIDED: Final = Tally(
    _meter,
    "heardback.response.suspects_decided",
    unit="{answer}",
    description="Suspect answers that a person released or discarded.",
)
REPLIES: Final = Tally(
    _meter,
    "heardback.response.replies",
    unit="{reply}",
    description="Replies in the channel, by what came of them: recorded, no_score, older, …",
)
