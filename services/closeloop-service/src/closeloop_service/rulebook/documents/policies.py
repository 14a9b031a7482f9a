"""SLA policies: how soon, and who is told when it gets late."""

from datetime import timedelta
from typing import Annotated, Any, Final

from pydantic import BeforeValidator, Field, WithJsonSchema

from closeloop_service.rulebook.documents.fields import (
    MOST,
    Delay,
    Document,
    Duration,
    MatchDocument,
    Name,
    Percent,
    Recipient,
    or_plain,
)
from heardback.durations import parse_duration

_UNLIMITED: Final = "unlimited"


class TargetDocument(Document):
    """How long a clock may run."""

    within: Duration = Field(description="In the open time of the calendar.")
    ceiling: Duration | None = Field(None, description="At most so long by the clock on the wall.")
    calendar: Name | None = Field(None, description="This clock's own, if not the policy's.")


def _bound(value: Any) -> timedelta | None:
    return None if value == _UNLIMITED else parse_duration(value)


Target = Annotated[TargetDocument, or_plain("within", Delay | TargetDocument)]
Bound = Annotated[
    timedelta | None,
    BeforeValidator(_bound),
    WithJsonSchema({"type": "string", "pattern": "^([0-9]{1,9}[smhdw]|unlimited)$"}),
]


class EscalationDocument(Document):
    """One level: who is told, and how long after the breach."""

    after: Delay = Field(description="After the breach, in open time.", examples=["2h"])
    tell: Annotated[tuple[Recipient, ...], Field(min_length=1, max_length=20)] = Field(
        description="owner, lead, head, person:Name, team:id, target:id."
    )


class RepeatDocument(Document):
    """The last level again, until the clock stops."""

    every: Duration
    at_most: Annotated[int, Field(ge=1, le=100)] = 3


class PolicyDocument(Document):
    """One policy; the first one that fits a task counts."""

    id: Name = Field(description="Tasks carry it.")
    when: MatchDocument = Field(MatchDocument(), description="Which tasks; the last: leave it out.")
    calendar: Name = Field(description="By whose open time the clocks run.")
    first_response: Target = Field(description="Until somebody must have contacted the customer.")
    next_response: Target | None = Field(
        None, description="Until the next contact, after they wrote back; as the first if left out."
    )
    resolution: Target = Field(description="Until the task must be resolved.")
    warning_at: Percent = Field("75%", description="The part of the time after which it warns.")
    wait_at_most: Bound = Field(
        timedelta(days=7),
        description="The longest single wait on the customer, by the wall; or unlimited.",
        validate_default=False,
    )
    escalations: Annotated[tuple[EscalationDocument, ...], Field(max_length=20)] = Field(
        (), description="Who is told after a breach, level by level."
    )
    repeat: RepeatDocument | None = Field(None, description="The last level again.")


class PoliciesDocument(Document):
    """The SLA policies, the first that fits first."""

    policies: Annotated[tuple[PolicyDocument, ...], Field(min_length=1, max_length=MOST)] = Field(
        description="The first that fits a task counts; the last fits every task."
    )
