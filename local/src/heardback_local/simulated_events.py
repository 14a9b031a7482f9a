"""The events of simulated customers, set apart from other runs by the names that they carry."""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from heardback.contracts.payloads import (
    OnboardingCompleted,
    Payload,
    Profile,
    PurchaseCompleted,
    TicketClosed,
)
from heardback.contracts.registry import (
    ONBOARDING_COMPLETED,
    PURCHASE_COMPLETED,
    TICKET_CLOSED,
    EventType,
)
from heardback.envelope import Event
from heardback_local.customers import Customer, Happening, Play


@dataclass(frozen=True, slots=True)
class Run:
    """One simulation; its id is in the name of everything that it makes."""

    id: str

    @property
    def source(self) -> str:
        """The CloudEvents source of its events."""
        return f"/simulate/{self.id}"

    @property
    def segment(self) -> str:
        """The segment of its customers."""
        return f"sim-{self.id}"

    def customer_id(self, number: int) -> str:
        return f"{self.segment}-{number}"

    def email(self, number: int) -> str:
        return f"c{number}.{self.id}@example.com"

    def number_of(self, email: str) -> int | None:
        """Return whose address it is, None for somebody of another run."""
        match = re.fullmatch(rf"c([0-9]+)\.{re.escape(self.id)}@example\.com", email)
        return int(match[1]) if match else None


def event_of(run: Run, play: Play, *, at: datetime) -> Event[Payload]:
    """Return what a product system would publish."""
    customer = play.customer
    key = f"{customer.number}-{'again' if play.is_repeat else 'first'}"
    common: dict[str, Any] = {
        "customer_id": run.customer_id(customer.number),
        "occurred_at": at,
        "customer": _profile(run, customer),
    }
    event_type, data = _what_happened(customer, key, common)
    event_id = f"{customer.happening}-{key}"
    return Event(id=event_id, source=run.source, type=event_type, data=data, time=at)


def _what_happened(
    customer: Customer, key: str, common: dict[str, Any]
) -> tuple[EventType, Payload]:
    match customer.happening:
        case Happening.PURCHASE:
            purchase = PurchaseCompleted(
                **common,
                order_id=f"order-{key}",
                amount=10 + customer.number * 37 % 190,
                currency="EUR",
                items=1,
            )
            return PURCHASE_COMPLETED, purchase
        case Happening.TICKET_CLOSED:
            return TICKET_CLOSED, TicketClosed(**common, ticket_id=f"ticket-{key}")
        case Happening.TICKET_CLOSED_BY_AUTOMATION:
            ticket = TicketClosed(**common, ticket_id=f"ticket-{key}", closed_by="automation")
            return TICKET_CLOSED, ticket
        case Happening.ONBOARDING_COMPLETE:
            return ONBOARDING_COMPLETED, OnboardingCompleted(**common, plan="team")


def _profile(run: Run, customer: Customer) -> Profile:
    return Profile(
        email=run.email(customer.number), name=customer.name, locale="en", segment=run.segment
    )
