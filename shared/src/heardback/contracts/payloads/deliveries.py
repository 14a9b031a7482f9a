"""What dispatch says of messages, and what owners ask it to send."""

from typing import Literal

from pydantic import Field

from heardback.contracts.payloads.base import CustomerPayload, Id, Instant, Label, Text
from heardback.vocabulary import Channel, Scope


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
