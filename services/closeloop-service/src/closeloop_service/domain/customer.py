"""A customer as the product's events tell of them: who they are, and whether they are still one."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final

from heardback.contracts.payloads import (
    CustomerChurned,
    CustomerErased,
    CustomerPayload,
    CustomerReturned,
    CustomerUpdated,
    Scalar,
)

MOST_ATTRIBUTES: Final = 200
"""More than these are not kept of a customer: the last that became known are."""
_PROFILE: Final = ("name", "email", "phone", "locale", "timezone", "segment")


@dataclass(frozen=True, slots=True, kw_only=True)
class Customer:
    """What is known of a customer.

    `occurred_at`, `version`: the event time and the version of the newest profile seen.
    """

    customer_id: str
    name: str | None = None
    email: str | None = None
    phone: str | None = None
    locale: str | None = None
    timezone: str | None = None
    segment: str | None = None
    attributes: Mapping[str, Scalar] = field(default_factory=dict)
    version: int | None = None
    occurred_at: datetime | None = None
    churned_at: datetime | None = None
    returned_at: datetime | None = None
    erased_at: datetime | None = None

    @property
    def has_churned(self) -> bool:
        """Whether the customer has left, and has not come back since."""
        return self.churned_at is not None and (
            self.returned_at is None or self.returned_at < self.churned_at
        )


def customer_after(customer: Customer, data: CustomerPayload, *, now: datetime) -> Customer:
    """Return the customer after an event; what claims to be from the future holds from now.

    Events may come late, twice and in any order: what is newest by its own time holds.
    """
    match data:
        case CustomerUpdated() if customer.erased_at is None:
            return _informed(customer, data, min(data.occurred_at, now))
        case CustomerChurned():
            at = min(data.occurred_at, now)
            return replace(customer, churned_at=max(customer.churned_at or at, at))
        case CustomerReturned():
            at = min(data.occurred_at, now)
            return replace(customer, returned_at=max(customer.returned_at or at, at))
        case CustomerErased():
            return Customer(
                customer_id=customer.customer_id,
                churned_at=customer.churned_at,
                returned_at=customer.returned_at,
                erased_at=customer.erased_at or min(data.occurred_at, now),
            )
    return customer


def _informed(customer: Customer, data: CustomerUpdated, at: datetime) -> Customer:
    """An older profile fills gaps and replaces nothing."""
    is_newer = _is_newer(customer, at, data.version)
    told = {
        name: value
        for name in _PROFILE
        if (value := getattr(data.customer, name)) is not None
        and (is_newer or getattr(customer, name) is None)
    }
    first, last = (customer.attributes, data.customer.attributes)[:: 1 if is_newer else -1]
    attributes = dict(list({**first, **last}.items())[-MOST_ATTRIBUTES:])
    if not is_newer:
        return replace(customer, **told, attributes=attributes)
    version = customer.version if data.version is None else data.version
    return replace(customer, **told, attributes=attributes, occurred_at=at, version=version)


def _is_newer(customer: Customer, at: datetime, version: int | None) -> bool:
    if version is not None and customer.version is not None:
        return version > customer.version
    return customer.occurred_at is None or at >= customer.occurred_at
