"""The event as the FastStream peers declare it."""

from datetime import datetime

from pydantic import AwareDatetime, BaseModel


class Profile(BaseModel):
    """The customer, as the event carries them."""

    email: str | None = None
    name: str | None = None
    locale: str | None = None
    timezone: str | None = None
    segment: str | None = None


class Purchase(BaseModel):
    """A purchase."""

    customer_id: str
    order_id: str
    occurred_at: AwareDatetime
    customer: Profile | None = None
    amount: float | None = None
    currency: str | None = None
    items: int | None = None


class SurveyDecided(BaseModel):
    """What goes out."""

    customer_id: str
    touchpoint_id: str
    occurred_at: datetime
