"""Every topic, once.

The key of each message is the customer id, but for `theme`, `improvement` and `survey-version`,
whose keys are the theme's, the improvement's and the survey's id.
"""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class Topic:
    """A Kafka topic as it is created.

    `retention_seconds` is short where contact data travels; None: kept for good.
    """

    name: str
    retention_seconds: int | None
    partitions: int = 6
    max_message_bytes: int = 1_048_588

    def __str__(self) -> str:
        return self.name


_DAY: Final = 86_400

PURCHASE: Final = Topic(name="purchase", retention_seconds=7 * _DAY)
TICKET_CLOSED: Final = Topic(name="ticket-closed", retention_seconds=7 * _DAY)
ONBOARDING_COMPLETE: Final = Topic(name="onboarding-complete", retention_seconds=7 * _DAY)
TOUCHPOINT: Final = Topic(name="touchpoint", retention_seconds=7 * _DAY)
CUSTOMER: Final = Topic(name="customer", retention_seconds=7 * _DAY)

SURVEY: Final = Topic(name="survey", retention_seconds=7 * _DAY)
DELIVERY: Final = Topic(name="delivery", retention_seconds=30 * _DAY)
RESPONSE: Final = Topic(name="response", retention_seconds=30 * _DAY)
DETRACTOR_ALERT: Final = Topic(name="detractor-alert", retention_seconds=7 * _DAY)
TASK: Final = Topic(name="task", retention_seconds=30 * _DAY)
FOLLOW_UP: Final = Topic(name="follow-up", retention_seconds=7 * _DAY)
THEME: Final = Topic(name="theme", retention_seconds=30 * _DAY, partitions=1)
IMPROVEMENT: Final = Topic(name="improvement", retention_seconds=30 * _DAY, partitions=1)
SURVEY_VERSION: Final = Topic(name="survey-version", retention_seconds=None, partitions=1)
"""Kept for good: a service that is new reads every version that invitations may be pinned to."""

DEAD_LETTER: Final = Topic(
    name="dead-letter", retention_seconds=30 * _DAY, partitions=1, max_message_bytes=8 * 1_048_576
)

INBOUND: Final = (PURCHASE, TICKET_CLOSED, ONBOARDING_COMPLETE, TOUCHPOINT, CUSTOMER)
OUTBOUND: Final = (
    SURVEY,
    DELIVERY,
    RESPONSE,
    DETRACTOR_ALERT,
    TASK,
    FOLLOW_UP,
    THEME,
    IMPROVEMENT,
    SURVEY_VERSION,
)
ALL: Final = (*INBOUND, *OUTBOUND, DEAD_LETTER)
