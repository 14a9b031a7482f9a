"""What customers answered."""

from pydantic import Field

from heardback.contracts.payloads.base import (
    CustomerPayload,
    Id,
    Instant,
    Label,
    Recipient,
    Score,
    Text,
)
from heardback.vocabulary import Category, Channel, Scale


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


class DetractorAlerted(CustomerPayload):
    """A detractor answered and waits to be heard back; `revision` is the answer's that said so.

    `channel` is where they were asked: an owner can write to them there.
    """

    alert_id: Id
    response_id: Id
    revision: int = Field(default=1, ge=1)
    invitation_id: Id
    program_id: Id
    touchpoint: Label
    segment: Label | None = None
    channel: Channel | None = None
    scale: Scale = Scale.NPS
    score: Score
    comment: Text | None = None
    recipient: Recipient
    alerted_at: Instant
