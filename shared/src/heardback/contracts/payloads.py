"""The payload of every event, frozen. A field may be added; none is renamed, removed or tightened.

Units: every `*_at` is an aware instant (RFC 3339 with an offset); scores are on the survey's scale.
Unknown fields are ignored, so that a newer producer does not break an older consumer.
"""

from datetime import UTC, datetime
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints

from heardback.vocabulary import Category, Channel, ProgramType, Scale, Scope, SlaClock

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


# Inbound: what product systems publish.


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


# Outbound: what Heardback publishes.


class SurveyScheduled(CustomerPayload):
    """A program decided to ask; the invitation goes out at `send_at` if nothing changes."""

    decision_id: Id
    invitation_id: Id
    program_id: Id
    touchpoint: Label
    touchpoint_id: Id
    survey_id: Id
    segment: Label | None = None
    program_version: int | None = None
    variant: Label | None = None
    send_at: Instant
    decided_at: Instant


class SurveySuppressed(CustomerPayload):
    """It was decided not to ask, for these reasons. No program: no program listens to it."""

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


class MessagePayload(CustomerPayload):
    """What is said of a message about an invitation that a provider took."""

    invitation_id: Id
    program_id: Id
    touchpoint: Label
    segment: Label | None = None
    channel: Channel
    provider: Label
    message_id: Label
    sent_at: Instant


class InvitationSent(MessagePayload):
    """A provider took the invitation."""


class InvitationReminded(MessagePayload):
    """A provider took reminder `number` of an invitation, which counts from 1."""

    number: int = Field(ge=1)


class InvitationBounced(CustomerPayload):
    """The recipient's address refuses for good. With a `next_channel` that one is tried now."""

    invitation_id: Id
    program_id: Id
    touchpoint: Label
    segment: Label | None = None
    channel: Channel
    next_channel: Channel | None = None
    reason: Label
    bounced_at: Instant


class InvitationDropped(CustomerPayload):
    """The invitation was not sent and will not be (`suppressed`, `too_late`, `no_address`)."""

    invitation_id: Id
    program_id: Id
    touchpoint: Label
    segment: Label | None = None
    reason: Label
    dropped_at: Instant


class RecipientUnsubscribed(CustomerPayload):
    """A customer used the way out, or complained; nothing more within `scope` is sent.

    `scoped_to`: the program, the program type or the channel; none for the scope `all`.
    """

    invitation_id: Id
    program_id: Id
    scope: Scope = Scope.ALL
    scoped_to: Label | None = None
    reason: Literal["unsubscribed", "complaint", "stop"] = "unsubscribed"
    unsubscribed_at: Instant


class RecipientResubscribed(CustomerPayload):
    """A customer took a "no more" back."""

    invitation_id: Id
    program_id: Id
    scope: Scope = Scope.ALL
    scoped_to: Label | None = None
    resubscribed_at: Instant


class ReplyReceived(CustomerPayload):
    """A customer answered an invitation in the channel itself ("9 great service")."""

    invitation_id: Id
    reply_id: Id
    channel: Channel
    text: Text
    received_at: Instant


class FollowUpRequested(CustomerPayload):
    """An owner writes to a customer, over the channel in which the conversation began."""

    follow_up_id: Id
    invitation_id: Id
    program_id: Id
    subject: Label | None = None
    text: Text
    requested_at: Instant
    expires_at: Instant | None = None


class FollowUpSent(CustomerPayload):
    """A provider took a follow-up."""

    follow_up_id: Id
    invitation_id: Id
    channel: Channel
    provider: Label
    message_id: Label
    sent_at: Instant


class FollowUpFailed(CustomerPayload):
    """A follow-up will not reach the customer; its owner should use another way."""

    follow_up_id: Id
    invitation_id: Id
    reason: Label
    failed_at: Instant


class InvitationOpened(CustomerPayload):
    """A person, as far as can be told, looked at the survey for the first time."""

    invitation_id: Id
    program_id: Id
    touchpoint: Label
    segment: Label | None = None
    opened_at: Instant


class ResponseRecorded(CustomerPayload):
    """A customer answered (revision 1), or changed the answer (revision 2 and up).

    `previous_category` is the category before the change, on a revision.
    """

    response_id: Id
    invitation_id: Id
    program_id: Id
    touchpoint: Label
    survey_id: Id
    survey_version: int | None = None
    variant: Label | None = None
    segment: Label | None = None
    channel: Channel
    revision: int = Field(ge=1)
    scale: Scale = Scale.NPS
    score: Score
    drivers: dict[Label, Score] = Field(default_factory=dict)
    category: Category
    previous_category: Category | None = None
    previously_commented: bool = False
    comment: Text | None = None
    answered_at: Instant


class ResponseQuarantined(CustomerPayload):
    """An answer is suspect and does not count until a person releases it, for these reasons.

    `revision` and `category` are those that it had counted with; none: it never counted. Once
    released, it is recorded like any other.
    """

    response_id: Id
    invitation_id: Id
    program_id: Id
    touchpoint: Label
    survey_id: Id
    segment: Label | None = None
    channel: Channel
    revision: int | None = Field(default=None, ge=1)
    category: Category | None = None
    reasons: tuple[Label, ...]
    quarantined_at: Instant


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


class DetractorAlerted(CustomerPayload):
    """A detractor answered and waits to be heard back; `revision` is the answer's that said so."""

    alert_id: Id
    response_id: Id
    revision: int = Field(default=1, ge=1)
    invitation_id: Id
    program_id: Id
    touchpoint: Label
    segment: Label | None = None
    scale: Scale = Scale.NPS
    score: Score
    comment: Text | None = None
    recipient: Recipient
    alerted_at: Instant


class TaskEvent(CustomerPayload):
    """Something happened to an owner task."""

    task_id: Id
    program_id: Id
    touchpoint: Label
    segment: Label | None = None
    occurred_at: Instant


class TaskOpened(TaskEvent):
    """An owner task was opened for a detractor; both clocks run from `occurred_at`."""

    alert_id: Id
    score: Score
    first_response_due_at: Instant
    resolution_due_at: Instant


class TaskAcknowledged(TaskEvent):
    """An owner took the task. This is not yet a response to the customer."""

    owner: Label


class TaskContacted(TaskEvent):
    """The owner reached the customer; the first-response clock stops at the first contact."""

    owner: Label
    channel: Label
    first: bool
    first_response_seconds: float = Field(ge=0)


class TaskResolved(TaskEvent):
    """The task is closed with its root cause; the resolution clock stops."""

    owner: Label
    root_cause: Label
    resolution_seconds: float = Field(ge=0)


class TaskSlaWarned(TaskEvent):
    """A clock of the task has used its warning share."""

    clock: SlaClock
    due_at: Instant


class TaskSlaBreached(TaskEvent):
    """A clock of the task ran out."""

    clock: SlaClock
    due_at: Instant
