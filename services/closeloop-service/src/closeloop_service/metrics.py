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
