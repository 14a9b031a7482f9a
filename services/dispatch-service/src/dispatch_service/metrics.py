"""Every metric of dispatch-service, once."""

from typing import Final

from opentelemetry import metrics

from heardback.metrics import Tally

_meter: Final = metrics.get_meter("heardback.dispatch")

SENDS: Final = Tally(
    _meter,
    "heardback.dispatch.sends",
    unit="{message}",
    description="Attempts to send, by outcome, channel and provider.",
)
DROPS: Final = Tally(
    _meter, "heardback.dispatch.drops", unit="{message}", description="Not sent, by reason."
)
POSSIBLE_DUPLICATES: Final = Tally(
    _meter,
    "heardback.dispatch.possible_duplicates",
    unit="{message}",
    description="Sent again because nobody knows whether the provider took it, by provider.",
)
PROVIDER_AWAY: Final = _meter.create_gauge(
    "heardback.dispatch.provider_away", description="1 while a provider can't be talked to."
)
LINKS: Final = Tally(
    _meter,
    "heardback.dispatch.links",
    unit="{visit}",
    description="Unsubscribe links used, by outcome.",
)
UNSUBSCRIBES: Final = Tally(
    _meter,
    "heardback.dispatch.unsubscribes",
    unit="{customer}",
    description="Customers who left, by scope and by way (one_click, page).",
)
RESUBSCRIBES: Final = Tally(
    _meter,
    "heardback.dispatch.resubscribes",
    unit="{customer}",
    description="Customers who came back.",
)
SUPPRESSIONS: Final = Tally(
    _meter,
    "heardback.dispatch.suppressions",
    unit="{entry}",
    description="Entries that trusted systems added to the suppression list, by reason.",
)
CALLBACKS: Final = Tally(
    _meter,
    "heardback.dispatch.callbacks",
    unit="{call}",
    description="Calls from providers, by outcome (taken, refused, unreadable).",
)
PROVIDER_EVENTS: Final = Tally(
    _meter,
    "heardback.dispatch.provider_events",
    unit="{event}",
    description="What providers told us, by kind; what they repeated is not counted.",
)
TEXTS: Final = Tally(
    _meter,
    "heardback.dispatch.texts",
    unit="{text}",
    description="Texts from customers, by outcome (reply, stop, start, help, about_nothing).",
)
SMS_SEGMENTS: Final = Tally(
    _meter,
    "heardback.dispatch.sms_segments",
    unit="{segment}",
    description="Parts of text messages, which is what they are paid by.",
)
ENDPOINTS_DISABLED: Final = Tally(
    _meter,
    "heardback.dispatch.endpoints_disabled",
    unit="{endpoint}",
    description="Webhook endpoints that are told nothing any more, by reason.",
)
IN_APP_STREAMS: Final = _meter.create_up_down_counter(
    "heardback.dispatch.in_app_streams",
    unit="{stream}",
    description="Apps that wait for cards just now.",
)
