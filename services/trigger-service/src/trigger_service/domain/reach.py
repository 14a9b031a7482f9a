"""Reach: whether a customer may be asked at all, and over which channel."""

import re
from collections.abc import Mapping, Sequence
from typing import Final

from heardback.vocabulary import Channel
from trigger_service.domain.customer import Customer
from trigger_service.domain.reason import Against, Reason, in_order

# What is surely no address; the provider has the last word on the rest.
_EMAIL: Final = re.compile(r"[^@\s]{1,64}@[^@\s.]+(\.[^@\s.]+)+")
# E.164, as ITU-T writes it.
_PHONE: Final = re.compile(r"\+[1-9][0-9]{6,14}")


def reasons_to_leave_alone(customer: Customer) -> Against:
    """Return why the customer is not asked anything any more, whatever happens to them."""
    against: Against = {}
    if customer.erased_at is not None:
        against[Reason.ERASED] = ""
    if customer.has_churned:
        against[Reason.CHURNED] = ""
    if customer.has_unsubscribed:
        against[Reason.UNSUBSCRIBED] = ""
    return against


Missing = Mapping[Channel, Reason]
"""The channels that do not reach a customer, and why."""


def missing_of(customer: Customer) -> Missing:
    """Return the channels that do not reach the customer."""
    missing: dict[Channel, Reason] = {}
    if not customer.email:
        missing[Channel.EMAIL] = Reason.NO_EMAIL
    elif not _EMAIL.fullmatch(customer.email):
        missing[Channel.EMAIL] = Reason.INVALID_EMAIL
    if not customer.phone:
        missing[Channel.SMS] = Reason.NO_PHONE
    elif not _PHONE.fullmatch(customer.phone):
        missing[Channel.SMS] = Reason.INVALID_PHONE
    return missing


def first_channel(missing: Missing, channels: Sequence[Channel]) -> tuple[Channel | None, Against]:
    """Return the first of `channels` that reaches the customer, or why none does."""
    for channel in channels:
        if channel not in missing:
            return channel, {}
    return None, in_order({missing[channel]: "" for channel in channels})
