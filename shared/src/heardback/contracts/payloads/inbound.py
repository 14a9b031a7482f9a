"""What product systems publish: what happened to customers, and who they are."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from heardback.contracts.payloads.base import (
    Attributes,
    CustomerPayload,
    Id,
    Instant,
    Label,
    Profile,
)


class TouchpointPayload(CustomerPayload):
    """Something happened to a customer. `customer` may carry what the product system knows."""

    occurred_at: Instant
    customer: Profile | None = None
    attributes: Attributes = Field(default_factory=dict)


class PurchaseCompleted(TouchpointPayload):
    """A customer bought something."""

    order_id: Id
    amount: float | None = Field(default=None, ge=0)
    currency: Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")] | None = None
    items: int | None = Field(default=None, ge=0, le=2**63 - 1)


class PurchaseRefunded(CustomerPayload):
    """An order was refunded; what waits to be asked about it is not asked."""

    occurred_at: Instant
    order_id: Id


class PurchaseCancelled(CustomerPayload):
    """An order was cancelled; what waits to be asked about it is not asked."""

    occurred_at: Instant
    order_id: Id


class TicketClosed(TouchpointPayload):
    """A support ticket was closed, by a person or by a rule."""

    ticket_id: Id
    closed_by: Literal["agent", "automation", "spam", "merge"] = "agent"
    agent: Label | None = None
    topic: Label | None = None


class TicketReopened(CustomerPayload):
    """A ticket was opened again; it is asked about when it is closed for good."""

    occurred_at: Instant
    ticket_id: Id


class OnboardingCompleted(TouchpointPayload):
    """A customer finished onboarding."""

    account_id: Id | None = None
    plan: Label | None = None


class TouchpointRecorded(TouchpointPayload):
    """Any other touchpoint, named by the product system (`delivery-confirmed`, …).

    `subject` is what it is about: `order:1001` and `ticket:77` are cancelled by a refund of that
    order and a reopening of that ticket, anything else by `touchpoint.revoked`.
    """

    touchpoint: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,62}$")]
    subject: Id | None = None


class TouchpointRevoked(CustomerPayload):
    """What a touchpoint was about did not last (a delivery that was returned, …)."""

    occurred_at: Instant
    subject: Id


class CustomerUpdated(CustomerPayload):
    """A customer's profile, as it is from `occurred_at` on.

    `version` counts the changes in the product system; where it is given, it says which of two
    profiles is the newer one, and `occurred_at` does not.
    """

    occurred_at: Instant
    customer: Profile
    version: int | None = Field(default=None, ge=0, le=2**63 - 1)


class CustomerChurned(CustomerPayload):
    """A customer left; nothing more is asked."""

    occurred_at: Instant


class CustomerReturned(CustomerPayload):
    """A customer who had left is back; they may be asked again."""

    occurred_at: Instant


class CustomerErased(CustomerPayload):
    """A customer asked to be forgotten."""

    occurred_at: Instant
