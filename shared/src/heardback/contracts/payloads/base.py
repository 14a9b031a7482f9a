"""What every payload is made of, and the recipient that several carry."""

from datetime import UTC, datetime
from typing import Annotated, Final

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints

EARLIEST: Final = datetime(1, 1, 2, tzinfo=UTC)
LATEST: Final = datetime(9999, 12, 30, tzinfo=UTC)

Id = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$")]
Text = Annotated[str, StringConstraints(max_length=10_000, pattern=r"^[^\x00]*$")]
Label = Annotated[str, StringConstraints(max_length=200, pattern=r"^[^\x00]*$")]
Score = Annotated[int, Field(ge=0, le=10)]
Scalar = Annotated[str, StringConstraints(pattern=r"^[^\x00]*$")] | float | bool | None
Attributes = dict[Annotated[str, StringConstraints(max_length=200, pattern=r"^[^\x00]*$")], Scalar]


def _in_utc(at: datetime) -> datetime:
    """Postgres knows no offset of 16 hours or more, which RFC 3339 allows."""
    return at.astimezone(UTC)


Instant = Annotated[AwareDatetime, Field(ge=EARLIEST, le=LATEST), AfterValidator(_in_utc)]
"""An aware instant that is a date in every time zone, in UTC."""


class Payload(BaseModel):
    """What an event says."""

    model_config = ConfigDict(frozen=True, extra="ignore", use_enum_values=False)

    @property
    def key(self) -> str:
        """What the event is about: events of one key stay in order."""
        raise NotImplementedError


class CustomerPayload(Payload):
    """What an event says about a customer: nearly all of them do."""

    customer_id: Id

    @property
    def key(self) -> str:
        """The customer's id."""
        return self.customer_id


class Recipient(BaseModel):
    """Where and how to reach a customer."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    email: Label | None = None
    phone: Label | None = None
    name: Label | None = None
    locale: Label | None = None
    timezone: Label | None = None


class Profile(Recipient):
    """What is known of a customer; a field that is absent says nothing about it."""

    segment: Label | None = None
    attributes: Attributes = Field(default_factory=dict)
