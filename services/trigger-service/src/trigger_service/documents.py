"""Programs and the governance as people write them, in a file or over HTTP.

What each field takes is said here, and published as a JSON schema for editors. What fields mean
together is checked in `compiling`. Durations and hours stay the texts that people wrote.
"""

from collections.abc import Callable
from hashlib import sha256
from typing import Annotated, Any, Final, Literal, Self

import orjson
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    model_validator,
)

from heardback.durations import parse_duration
from heardback.hours import Span, parse_span
from heardback.vocabulary import Channel, ProgramType
from trigger_service.domain.cohort import Period, Sample
from trigger_service.domain.duration import parse_window
from trigger_service.domain.fields import FieldType
from trigger_service.domain.program import Cadence, Throttle

_PERCENT: Final = r"^(100(\.0)?|[0-9]{1,2}(\.[0-9])?)\s*%$"
_DURATION: Final = r"^[0-9]{1,9}[smhdw]$"
_TIME: Final = r"^([01][0-9]|2[0-3]):[0-5][0-9]$|^24:00$"
_NAME: Final = r"^[a-z][a-z0-9-]{0,62}$"
_FIELD_NAME: Final = r"^[a-z][a-z0-9_]{0,62}$"
_LOCALE: Final = r"^[a-z]{2,3}(-[A-Za-z0-9]{2,8}){0,3}$"
_MOST: Final = 50

PATTERN_WORDS: Final = {
    _PERCENT: "write a part of 100% with its sign, such as 25%",
    _TIME: 'write a time of day such as "09:00", in quotes',
    _NAME: "write a-z, 0-9 and dashes, beginning with a letter",
    _FIELD_NAME: "write a-z, 0-9 and _, beginning with a letter",
    _LOCALE: "write a language such as en, de or pt-BR",
}
"""What a text that does not fit its pattern should have been."""


def _checked(parse: Callable[[object], object]) -> BeforeValidator:
    """Keep a text as it was written, once `parse` has understood it."""

    def check(text: object) -> object:
        parse(text)
        return text

    return BeforeValidator(check)


Name = Annotated[str, StringConstraints(pattern=_NAME)]
Title = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[^\x00]*$")]
Duration = Annotated[str, _checked(parse_duration), Field(json_schema_extra={"pattern": _DURATION})]
Delay = Annotated[
    str,
    _checked(parse_window),
    Field(json_schema_extra={"pattern": rf"{_DURATION[:-1]}(\.\.[0-9]{{1,9}}[smhdw])?$"}),
]
TimeOfDay = Annotated[str, StringConstraints(pattern=_TIME)]
Expression = Annotated[str, StringConstraints(min_length=1, max_length=2000)]
LocaleName = Annotated[str, StringConstraints(pattern=_LOCALE)]
FieldName = Annotated[str, StringConstraints(pattern=_FIELD_NAME)]
PerDay = Annotated[int, Field(ge=0, le=1_000_000_000)]
Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
SendingChannel = Literal[Channel.EMAIL, Channel.SMS, Channel.IN_APP, Channel.WEBHOOK]
"""A channel that reaches somebody; by `direct` answers only come in."""
WEEKDAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


class Document(BaseModel):
    """Something that people write; a field that does not exist is a fault."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class DailyHours(Document):
    """Hours of the day by the recipient's clock, `from` inclusive, `to` exclusive."""

    opens: TimeOfDay = Field(alias="from", examples=["09:00"])
    closes: TimeOfDay = Field(alias="to", examples=["18:00"])

    @model_validator(mode="after")
    def _is_span(self) -> Self:
        parse_span(self.opens, self.closes)
        return self

    @property
    def span(self) -> Span:
        """The hours, understood."""
        return parse_span(self.opens, self.closes)


class SendHours(Document):
    """The hours by the recipient's clock, and the days of the week, at which a program asks."""

    opens: TimeOfDay | None = Field(None, alias="from", examples=["09:00"])
    closes: TimeOfDay | None = Field(None, alias="to", examples=["18:00"])
    days: Annotated[tuple[Weekday, ...], Field(min_length=1)] = WEEKDAYS

    @model_validator(mode="after")
    def _both_or_neither(self) -> Self:
        if (self.opens is None) != (self.closes is None):
            msg = "write both from and to, or neither for the whole day"
            raise ValueError(msg)
        _ = self.span
        return self

    @property
    def span(self) -> Span | None:
        """The hours, understood; None: all day."""
        if self.opens is None or self.closes is None:
            return None
        return parse_span(self.opens, self.closes)


class SampleDocument(Document):
    """A part of the customers. `rotate`: every so often it is the next ones' turn.

    25 % that rotate every quarter are everybody once a year. By default a sample of a cadence
    rotates with it, and any other every quarter.
    """

    share: Annotated[str, StringConstraints(pattern=_PERCENT)] = Field(examples=["25%"])
    rotate: Literal["month", "quarter", "half-year", "year", "never"] | None = None

    def sample(self, cadence: Cadence | None) -> Sample:
        """Return the sample, understood."""
        thousandths = round(float(self.share.rstrip("% ")) * 10)
        if self.rotate == "never":
            return Sample(thousandths=thousandths, rotates=None)
        if self.rotate is None:
            rotates = cadence.period if cadence else Period.QUARTER
        else:
            rotates = Period[self.rotate.replace("-", "_").upper()]
        return Sample(thousandths=thousandths, rotates=rotates)


class RemindersDocument(Document):
    """How often to remind who has not answered, and how long after the message before."""

    count: Annotated[int, Field(ge=1, le=3)] = 1
    after: Duration = Field(examples=["3d"])


class ProgramDocument(Document):
    """A program: the rule that asks."""

    id: Name = Field(description="Never changes. Decisions and answers carry it.")
    name: Title = Field(description="What people call it.")
    description: Annotated[str, StringConstraints(max_length=2000)] | None = Field(
        None, description="For those who work with it; no customer sees it."
    )
    touchpoint: Name | None = Field(
        None, description="What has to happen: purchase, ticket-closed, …, or your own."
    )
    cadence: Cadence | None = Field(
        None, description="Instead of a touchpoint: go through all customers this often."
    )
    type: ProgramType = Field(
        description="About what has happened (transactional), all in all (relational), or how "
        "what was wrong was put right (recovery)."
    )
    survey: Name = Field(description="The survey that is sent.")
    locale: LocaleName | None = Field(None, description="Instead of the customer's own.")
    variants: (
        Annotated[
            dict[Name, Annotated[int, Field(ge=1, le=1000)]], Field(min_length=2, max_length=10)
        ]
        | None
    ) = Field(None, description="Wordings to compare, each with its weight.")
    channels: Annotated[tuple[SendingChannel, ...], Field(min_length=1, max_length=4)] = Field(
        (Channel.EMAIL,), description="In the order in which they are tried."
    )
    learn_channels: bool = Field(
        False, description="Begin with the channel that is answered most; the order is learnt."
    )
    fallback_after: Duration | None = Field(
        None, description="Not opened by then? The next channel is tried.", examples=["2d"]
    )
    reminders: RemindersDocument | None = Field(
        None,
        description="Remind who has not answered: how often (1 to 3), and how long after.",
        examples=[{"count": 1, "after": "3d"}],
    )
    when: Expression | None = Field(
        None,
        description="CEL: whom to ask. A customer for whom it fails is not asked.",
        examples=['customer.plan == "pro" && event.amount >= 50.0'],
    )
    after_uses: Annotated[int, Field(ge=1, le=1_000_000)] | None = Field(
        None, description="Ask from the nth such touchpoint of a customer on."
    )
    sample: SampleDocument | None = Field(None, description="Ask a part of the customers only.")
    delay: Delay = Field(
        description="When to ask, after the touchpoint or after the period has begun.",
        examples=["7d..14d"],
    )
    send_hours: SendHours | None = Field(
        None, description="When to ask, by the recipient's clock; left out: at any time."
    )
    expires_after: Duration = Field(description="How late is too late, after the planned time.")
    cooldown: Duration | None = Field(
        None, description="Between two surveys of this program, in place of the governance's."
    )
    on_throttle: Throttle = Field(
        Throttle.DROP, description="When a cooldown, a quota or the budget stands against asking."
    )
    quotas: Annotated[dict[Title, PerDay], Field(max_length=_MOST)] = Field(
        {}, description="The most invitations a day, by segment."
    )


class CooldownsDocument(Document):
    """How far apart two surveys of one customer are: any two, two of one type, of one program.

    One of the type recovery waits for those of its own type and program alone.
    """

    any: Duration = "30d"
    transactional: Duration = "60d"
    relational: Duration = "90d"
    recovery: Duration = "30d"
    program: Duration = "90d"

    def of_type(self, kind: ProgramType) -> str:
        """Return how far apart two of one type are."""
        cooldown: str = getattr(self, kind.value)
        return cooldown


class SegmentDocument(Document):
    """A group of customers: those for whom `when` holds."""

    name: Title
    when: Expression


class FieldsDocument(Document):
    """Fields of your own that expressions can look at, by their type."""

    customer: Annotated[dict[FieldName, FieldType], Field(max_length=_MOST)] = {}
    event: Annotated[dict[FieldName, FieldType], Field(max_length=_MOST)] = {}


class GovernanceDocument(Document):
    """What holds for all programs."""

    cooldowns: CooldownsDocument = CooldownsDocument()
    timezone: Annotated[str, StringConstraints(min_length=1, max_length=64)] = Field(
        "UTC", description="For recipients whose own is not known, and for what a day is."
    )
    quiet_hours: DailyHours | None = Field(
        None, description="When nobody is written to: no mail and no text message."
    )
    legal_hours: dict[SendingChannel, DailyHours] = Field(
        {Channel.SMS: DailyHours(opens="08:00", closes="21:00")},
        description="When a channel may be used at all.",
    )
    daily_budget: PerDay | None = Field(None, description="The most invitations a day, in all.")
    locales: Annotated[tuple[LocaleName, ...], Field(min_length=1, max_length=200)] = Field(
        ("en",), description="The languages in which there are texts."
    )
    segments: Annotated[tuple[SegmentDocument, ...], Field(max_length=_MOST)] = Field(
        (), description="The first that fits is the customer's; else what the profile says."
    )
    fields: FieldsDocument = FieldsDocument()


def as_written(document: Document) -> dict[str, Any]:
    """Return the document as plain data, with what was written and nothing else."""
    return document.model_dump(mode="json", by_alias=True, exclude_unset=True)


def text_of(document: Document) -> str:
    """Return the text as which a document is kept."""
    return orjson.dumps(as_written(document)).decode()


def digest_of(document: Document) -> str:
    """Return what tells two documents apart."""
    return sha256(text_of(document).encode()).hexdigest()
