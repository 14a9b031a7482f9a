"""A customer, as far as deciding needs: how to reach them, and whether they may be asked."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from heardback.contracts.payloads import Profile

_PROFILE: Final = ("email", "phone", "name", "locale", "timezone", "segment")


@dataclass(frozen=True, slots=True, kw_only=True)
class Customer:
    """What is known of a customer. `profile_at`: the event time of the newest profile seen."""

    customer_id: str
    email: str | None = None
    phone: str | None = None
    name: str | None = None
    locale: str | None = None
    timezone: str | None = None
    segment: str | None = None
    profile_at: datetime | None = None
    churned_at: datetime | None = None
    erased_at: datetime | None = None
    unsubscribed_at: datetime | None = None

    def informed(self, profile: Profile | None, at: datetime) -> "Customer":
        """Return the customer after `profile`, which held at `at`, became known.

        An older profile fills gaps and replaces nothing. An erased customer stays erased.
        """
        if profile is None or self.erased_at is not None:
            return self
        is_newer = self.profile_at is None or at >= self.profile_at
        told = {
            name: value
            for name in _PROFILE
            if (value := getattr(profile, name)) is not None
            and (is_newer or getattr(self, name) is None)
        }
        return replace(self, **told, profile_at=at if is_newer else self.profile_at)

    def churned(self, at: datetime) -> "Customer":
        """Return the customer after leaving."""
        return replace(self, churned_at=self.churned_at or at)

    def unsubscribed(self, at: datetime) -> "Customer":
        """Return the customer after using the way out."""
        return replace(self, unsubscribed_at=self.unsubscribed_at or at)

    def erased(self, at: datetime) -> "Customer":
        """Return what may be kept of the customer after erasure: that they are not to be asked."""
        return Customer(
            customer_id=self.customer_id,
            churned_at=self.churned_at,
            erased_at=self.erased_at or at,
            unsubscribed_at=self.unsubscribed_at,
        )
