"""Every metric of dispatch-service, once."""

from typing import Final

from opentelemetry import metrics

_meter: Final = metrics.get_meter("heardback.dispatch")

SENDS: Final = _meter.create_counter(
    "heardback.dispatch.sends", unit="{mail}", description="Attempts to send, by outcome."
)
DROPS: Final = _meter.create_counter(
    "heardback.dispatch.drops", unit="{invitation}", description="Not sent, by reason."
)
POSSIBLE_DUPLICATES: Final = _meter.create_counter(
    "heardback.dispatch.possible_duplicates",
    unit="{mail}",
    description="Mails sent again because nobody knows whether the provider took them.",
)
PROVIDER_AWAY: Final = _meter.create_gauge(
    "heardback.dispatch.provider_away", description="1 while the mail provider can't be talked to."
)
LINKS: Final = _meter.create_counter(
    "heardback.dispatch.links", unit="{visit}", description="Unsubscribe links used, by outcome."
)
UNSUBSCRIBES: Final = _meter.create_counter(
    "heardback.dispatch.unsubscribes", unit="{customer}", description="Customers who left."
)
