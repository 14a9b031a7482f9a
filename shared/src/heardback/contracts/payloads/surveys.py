"""What trigger decides, and the survey versions that response publishes."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from heardback.contracts.payloads.base import (
    CustomerPayload,
    Id,
    Instant,
    Label,
    Payload,
    Recipient,
)
from heardback.vocabulary import Channel, ProgramType


class SurveyScheduled(CustomerPayload):
    """A program decided to ask; the invitation goes out at `send_at` if nothing changes.

    `subject` is what it is about, as `order:1001` or `task:…`.
    """

    decision_id: Id
    invitation_id: Id
    program_id: Id
    touchpoint: Label
    touchpoint_id: Id
    survey_id: Id
    segment: Label | None = None
    program_version: int | None = None
    variant: Label | None = None
    subject: Id | None = None
    send_at: Instant
    decided_at: Instant


class Suppression(BaseModel):
    """One program's reasons not to ask. No program: none listens to the touchpoint."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    program_id: Id | None = None
    program_version: int | None = None
    reasons: tuple[Label, ...]


class SurveySuppressed(CustomerPayload):
    """It was decided not to ask about a touchpoint, by each of these programs."""

    touchpoint: Label
    touchpoint_id: Id
    segment: Label | None = None
    suppressions: tuple[Suppression, ...] = Field(min_length=1)
    decided_at: Instant


class SurveySuppressedV1(CustomerPayload):
    """The same of one program, as it was said before: read, and not published any more."""

    decision_id: Id
    program_id: Id | None = None
    program_version: int | None = None
    touchpoint: Label
    touchpoint_id: Id
    segment: Label | None = None
    reasons: tuple[Label, ...]
    decided_at: Instant


class SurveyCancelled(CustomerPayload):
    """A scheduled invitation will not go out after all."""

    invitation_id: Id
    program_id: Id
    touchpoint: Label
    segment: Label | None = None
    reason: Label
    cancelled_at: Instant


class SurveyPostponed(CustomerPayload):
    """A scheduled invitation was due and goes out later: something made it wait."""

    invitation_id: Id
    program_id: Id
    touchpoint: Label
    segment: Label | None = None
    reason: Label
    send_at: Instant
    postponed_at: Instant


class DailyHours(BaseModel):
    """Times of day and days at which a channel may reach somebody: inside every one of `spans`.

    Shapes: a span is `["09:00", "20:00"]`, past midnight where it ends before it begins.
    `weekdays`: 0 is Monday.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    spans: tuple[tuple[str, str], ...] = ()
    weekdays: tuple[int, ...] = tuple(range(7))


class PermittedHours(BaseModel):
    """When each channel may reach a recipient, by the clock of `timezone`; absent: always."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    timezone: Label
    channels: dict[Channel, DailyHours] = Field(default_factory=dict)


class SurveyRequested(CustomerPayload):
    """An invitation is due: send it over `channel`, or over those that follow it in `channels`.

    `survey_version` is pinned here, once for all; without it each service takes its newest.
    `reminders`: so many at most, each `reminder_after_seconds` after the message before it, none
    after a score. `fallback_after_seconds`: not opened by then, the next channel is tried.
    `learn_channels`: the order of the channels is learnt from what was answered.
    `hours` hold for whatever is sent about this invitation, whenever that is.
    """

    invitation_id: Id
    program_id: Id
    touchpoint: Label
    survey_id: Id
    segment: Label | None = None
    channel: Channel
    channels: tuple[Channel, ...] = ()
    program_version: int | None = None
    program_type: ProgramType | None = None
    survey_version: int | None = None
    variant: Label | None = None
    reminders: int = Field(default=0, ge=0, le=10)
    reminder_after_seconds: int | None = Field(default=None, ge=1)
    fallback_after_seconds: int | None = Field(default=None, ge=1)
    learn_channels: bool = False
    hours: PermittedHours | None = None
    recipient: Recipient
    occurred_at: Instant
    requested_at: Instant
    expires_at: Instant


class SurveyVersionPublished(Payload):
    """A version of a survey was published. It never changes; see `heardback.surveys`."""

    survey_id: Id
    version: int = Field(ge=1)
    document: dict[str, Any]
    published_at: Instant

    @property
    def key(self) -> str:
        """The survey's id."""
        return self.survey_id
