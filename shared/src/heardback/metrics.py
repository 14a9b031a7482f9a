"""Every metric, once. Names follow OpenTelemetry; Prometheus sees dots as underscores."""

from typing import Final

from opentelemetry import metrics

_meter: Final = metrics.get_meter("heardback")

CONSUMED: Final = _meter.create_counter(
    "messaging.client.consumed.messages", unit="{message}", description="Messages taken, by topic."
)
SENT: Final = _meter.create_counter(
    "messaging.client.sent.messages", unit="{message}", description="Messages published, by topic."
)
PROCESS_SECONDS: Final = _meter.create_histogram(
    "messaging.process.duration", unit="s", description="From a batch's parse to its commit."
)
LAG: Final = _meter.create_gauge(
    "heardback.consumer.lag", unit="{message}", description="Messages behind, by topic."
)
DEAD_LETTERS: Final = _meter.create_counter(
    "heardback.dead_letters", unit="{message}", description="Messages set aside, by reason."
)
FENCED: Final = _meter.create_counter(
    "heardback.consumer.fenced", unit="{batch}", description="Batches rolled back: partition lost."
)
OUTBOX_BACKLOG: Final = _meter.create_gauge(
    "heardback.outbox.backlog", unit="{message}", description="Events that wait to be published."
)
TIMERS_FIRED: Final = _meter.create_counter(
    "heardback.timers.fired", unit="{timer}", description="Timers whose effect is committed."
)
TIMER_LATENESS: Final = _meter.create_histogram(
    "heardback.timer.lateness", unit="s", description="From due to committed."
)
LOOP_RESTARTS: Final = _meter.create_counter(
    "heardback.loop.failures", unit="{failure}", description="Failures that a loop survived."
)
TEMPLATE_FAULTS: Final = _meter.create_counter(
    "heardback.template.faults", unit="{text}", description="Survey texts shown with blanks."
)
