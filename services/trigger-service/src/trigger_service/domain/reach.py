"""Reach: whether a customer may be asked at all, and over which channel."""

import re
from collections.abc import Sequence
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


def first_channel(
    customer: Customer, channels: Sequence[Channel]
) -> tuple[Channel | None, Against]:
    """Return the first of `channels` that reaches the customer, or why none does."""
    against: Against = {}
    for channel in channels:
        missing = _missing(customer, channel)
        if missing is None:
            return channel, {}
        against[missing] = ""
    return None, in_order(against)


def _missing(customer: Customer, channel: Channel) -> Reason | None:
    if channel is Channel.EMAIL:
        if not customer.email:
            return Reason.NO_EMAIL
        return None if _EMAIL.fullmatch(customer.email) else Reason.INVALID_EMAIL
    if channel is Channel.SMS:
        if not customer.phone:
            return Reason.NO_PHONE
        return None if _PHONE.fullmatch(customer.phone) else Reason.INVALID_PHONE
    return None
