"""The metrics of closeloop, once. They count what was decided, before the commit."""

from typing import Final

from opentelemetry import metrics

_meter: Final = metrics.get_meter("heardback.closeloop")

MOVES: Final = _meter.create_counter(
    "heardback.closeloop.moves", unit="{move}", description="Steps of tasks' lives, by kind."
)
WARNINGS: Final = _meter.create_counter(
    "heardback.closeloop.warnings", unit="{warning}", description="Warnings, by clock."
)
BREACHES: Final = _meter.create_counter(
    "heardback.closeloop.breaches", unit="{breach}", description="Clocks that ran out, by clock."
)
TRACKER_TALKS: Final = _meter.create_counter(
    "heardback.closeloop.tracker_talks",
    unit="{talk}",
    description="Talks with trackers about one ticket each, by tracker and outcome.",
)
ALERT_MESSAGES: Final = _meter.create_counter(
    "heardback.closeloop.alert_messages",
    unit="{message}",
    description="Attempts to tell ops, by kind of target and outcome.",
)
POSSIBLE_DUPLICATE_ALERTS: Final = _meter.create_counter(
    "heardback.closeloop.possible_duplicate_alerts",
    unit="{message}",
    description="Sent again because nobody knows whether the target took it, by its kind.",
)
