"""What an endpoint of the customer's own is told: the card, and whom it is for.

Source: Standard Webhooks (`type`, `timestamp`, `data`); its headers are the adapter's.
"""

from typing import Any

from dispatch_service.adapters.interface import Parcel
from dispatch_service.rendering.card import CardComposer


class WebhookComposer:
    """Makes the body of a parcel; every attempt sends the same."""

    def __init__(self, cards: CardComposer) -> None:
        self._cards = cards

    def compose(self, parcel: Parcel) -> dict[str, Any]:
        """Return the body. Shapes: see docs/messages.md."""
        invitation = parcel.invitation
        return {
            "type": f"{parcel.message.kind.value}.due",
            "timestamp": invitation.requested_at.isoformat(),
            "data": {
                "customer_id": invitation.customer_id,
                "program_id": invitation.program_id,
                "touchpoint": invitation.touchpoint,
                "segment": invitation.segment,
                "variant": invitation.variant,
                "occurred_at": invitation.occurred_at.isoformat(),
                **self._cards.compose(parcel),
            },
        }
