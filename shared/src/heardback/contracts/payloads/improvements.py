"""Themes, and the improvements that are made of them."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from heardback.contracts.payloads.base import Id, Instant, Label, Payload, Score, Text


class Quote(BaseModel):
    """What a customer said. Without `consent` it does not leave Heardback."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    response_id: Id
    customer_id: Id
    text: Text
    score: Score | None = None
    consent: bool = False


class Reporter(BaseModel):
    """A customer who spoke of a theme, and the conversation in which they did."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    customer_id: Id
    invitation_id: Id
    response_id: Id
    program_id: Id


class ThemeThresholdReached(Payload):
    """So many spoke of a theme that somebody should mend its cause.

    It may come again, with newer counts and with reporters that were not in it before.
    Units: `revenue_at_risk` in `currency` a year.
    """

    theme_id: Id
    title: Label
    responses: int = Field(ge=0)
    detractors: int = Field(ge=0)
    customers: int = Field(ge=0)
    revenue_at_risk: float | None = Field(default=None, ge=0)
    currency: Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")] | None = None
    quotes: tuple[Quote, ...] = Field(default=(), max_length=100)
    reporters: tuple[Reporter, ...] = Field(default=(), max_length=2_000)
    since: Instant
    reached_at: Instant

    @property
    def key(self) -> str:
        """The theme's id."""
        return self.theme_id


class ImprovementEvent(Payload):
    """Something happened to an improvement: what is to be mended because of a theme."""

    improvement_id: Id
    theme_id: Id
    title: Label
    occurred_at: Instant

    @property
    def key(self) -> str:
        """The improvement's id."""
        return self.improvement_id


class ImprovementOpened(ImprovementEvent):
    """An improvement was opened; it should ship by `due_at`."""

    owner: Label | None = None
    due_at: Instant


class ImprovementTicketed(ImprovementEvent):
    """The improvement is a ticket in the tracker of the product team."""

    tracker: Label
    ticket: Label
    url: Label | None = None


class ImprovementOverdue(ImprovementEvent):
    """The improvement did not ship in time."""

    due_at: Instant


class ImprovementShipped(ImprovementEvent):
    """The cause is mended; each of the reporters is told once."""

    reporters: int = Field(ge=0)


class ImprovementDeclined(ImprovementEvent):
    """It will not be mended, for this reason; nobody is told that it is."""

    reason: Label
