"""A customer, as far as deciding needs: how to reach them, and whether they may be asked."""

from collections.abc import Mapping
from datetime import datetime
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from heardback.contracts.payloads import Profile, Scalar

MOST_ATTRIBUTES: Final = 200
"""More than these are not kept of a customer: the last that became known are."""
_PROFILE: Final = ("email", "phone", "name", "locale", "timezone", "segment")


class Customer(Struct, frozen=True, kw_only=True):
    """What is known of a customer.

    `profile_at`, `profile_version`: the event time and the version of the newest profile seen.
    `uses`: by program, how many of the touchpoints that it counts there have been.
    """

    customer_id: str
    email: str | None = None
    phone: str | None = None
    name: str | None = None
    locale: str | None = None
    timezone: str | None = None
    segment: str | None = None
    attributes: Mapping[str, Scalar] = {}
    profile_at: datetime | None = None
    profile_version: int | None = None
    churned_at: datetime | None = None
    returned_at: datetime | None = None
    erased_at: datetime | None = None
    unsubscribed_at: datetime | None = None
    resubscribed_at: datetime | None = None
    uses: Mapping[str, int] = {}

    @property
    def has_churned(self) -> bool:
        """Whether the customer has left, and has not come back since."""
        return self.churned_at is not None and (
            self.returned_at is None or self.returned_at < self.churned_at
        )

    @property
    def has_unsubscribed(self) -> bool:
        """Whether the customer has used the way out, and has not taken that back since."""
        return self.unsubscribed_at is not None and (
            self.resubscribed_at is None or self.resubscribed_at <= self.unsubscribed_at
        )

    def informed(
        self, profile: Profile | None, at: datetime, version: int | None = None
    ) -> "Customer":
        """Return the customer after `profile`, which held at `at`, became known.

        An older profile fills gaps and replaces nothing. An erased customer stays erased.
        """
        if profile is None or self.erased_at is not None:
            return self
        is_newer = self._is_newer(at, version)
        given = vars(profile)
        told = {
            name: value
            for name in _PROFILE
            if (value := given[name]) is not None and (is_newer or getattr(self, name) is None)
        }
        if profile.attributes:
            first, last = (self.attributes, profile.attributes)[:: 1 if is_newer else -1]
            told["attributes"] = _newest({**first, **last})
        if not is_newer:
            return replace(self, **told) if told else self
        newest = self.profile_version if version is None else version
        return replace(self, **told, profile_at=at, profile_version=newest)

    def used(self, program_id: str) -> "Customer":
        """Return the customer after one more touchpoint that `program_id` counts."""
        return replace(self, uses={**self.uses, program_id: self.uses.get(program_id, 0) + 1})

    def churned(self, at: datetime) -> "Customer":
        """Return the customer after leaving."""
        return replace(self, churned_at=max(self.churned_at or at, at))

    def returned(self, at: datetime) -> "Customer":
        """Return the customer after coming back."""
        return replace(self, returned_at=max(self.returned_at or at, at))

    def unsubscribed(self, at: datetime) -> "Customer":
        """Return the customer after using the way out."""
        return replace(self, unsubscribed_at=max(self.unsubscribed_at or at, at))

    def resubscribed(self, at: datetime) -> "Customer":
        """Return the customer after taking that back."""
        return replace(self, resubscribed_at=max(self.resubscribed_at or at, at))

    def erased(self, at: datetime) -> "Customer":
        """Return what may be kept of the customer after erasure: that they are not to be asked."""
        return Customer(
            customer_id=self.customer_id,
            churned_at=self.churned_at,
            returned_at=self.returned_at,
            erased_at=self.erased_at or at,
            unsubscribed_at=self.unsubscribed_at,
            resubscribed_at=self.resubscribed_at,
        )

    def _is_newer(self, at: datetime, version: int | None) -> bool:
        if version is not None and self.profile_version is not None:
            return version > self.profile_version
        return self.profile_at is None or at >= self.profile_at


def _newest(attributes: dict[str, Scalar]) -> dict[str, Scalar]:
    """Return as many of the attributes as are kept."""
    if len(attributes) <= MOST_ATTRIBUTES:
        return attributes
    return dict(list(attributes.items())[-MOST_ATTRIBUTES:])
