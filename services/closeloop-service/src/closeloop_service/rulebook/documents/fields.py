"""What the fields of the documents take."""

from datetime import timedelta
from typing import Annotated, Any, Final
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    WithJsonSchema,
)

from closeloop_service.domain.matching import Match
from heardback.durations import parse_duration
from heardback.vocabulary import Category

MOST: Final = 200
"""Of anything in one list."""

_NAME: Final = r"^[a-z][a-z0-9-]{0,62}$"
_THEME: Final = r"^[A-Za-z0-9][A-Za-z0-9_.:/-]{0,199}$"
_SECRET: Final = r"^[A-Za-z][A-Za-z0-9_.-]{0,99}$"  # noqa: S105  # what names one looks like
_ATTRIBUTE: Final = r"^[a-z][a-z0-9_]{0,62}$"
_LOCALE: Final = r"^[a-z]{2,3}(-[A-Za-z0-9]{2,8}){0,3}$"
_PERCENT: Final = r"^[1-9][0-9]?\s*%$"
_RECIPIENT: Final = r"^(owner|lead|head|person:.{1,200}|(team|target):[a-z][a-z0-9-]{0,62})$"
_LINE: Final = r"^[^\x00-\x1f\x7f]+$"
_MAIL: Final = r"^[^@\s]+@[^@\s]+\.[^@\s]+$"
_HTTP: Final = r"^https?://[^\s\"'<>\\]{1,480}$"

PATTERN_WORDS: Final = {
    _NAME: "write a-z, 0-9 and dashes, beginning with a letter",
    _THEME: "write a theme's id: letters, digits and . _ : / -",
    _SECRET: "write the name of a secret: letters, digits and . _ -; never the secret itself",
    _ATTRIBUTE: "write a-z, 0-9 and _, beginning with a letter",
    _LOCALE: "write a language such as en, de or pt-BR",
    _PERCENT: "write a part of the time with its sign, from 1% to 99%, such as 75%",
    _RECIPIENT: "write owner, lead, head, person:Name, team:id or target:id",
    _LINE: "write it on one line",
    _MAIL: "write a mail address such as ana@example.com",
    _HTTP: "write an address that begins with https://",
}
"""What a text that does not fit its pattern should have been."""


class Document(BaseModel):
    """Something that people write; a field that does not exist is a fault."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


def _positive(duration: timedelta) -> timedelta:
    if not duration:
        msg = "write more than 0, such as 30m or 4h"
        raise ValueError(msg)
    return duration


def _callable(url: str) -> str:
    try:
        has_place = bool(urlsplit(url).hostname) and urlsplit(url).port != 0
    except ValueError:
        has_place = False
    if not has_place or not url.isascii():
        msg = "write the whole of an address, such as https://ops.example.com/hook"
        raise ValueError(msg)
    return url


def _share(text: str) -> str:
    return text.replace(" ", "")


_DURATION_SCHEMA: Final = {"type": "string", "pattern": "^[0-9]{1,9}[smhdw]$", "examples": ["4h"]}

Name = Annotated[str, StringConstraints(pattern=_NAME)]
ThemeId = Annotated[str, StringConstraints(pattern=_THEME)]
SecretName = Annotated[str, StringConstraints(pattern=_SECRET)]
AttributeName = Annotated[str, StringConstraints(pattern=_ATTRIBUTE)]
LocaleName = Annotated[str, StringConstraints(pattern=_LOCALE)]
Percent = Annotated[str, StringConstraints(pattern=_PERCENT), AfterValidator(_share)]
Recipient = Annotated[str, StringConstraints(pattern=_RECIPIENT)]
Line = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=200, pattern=_LINE),
]
Mail = Annotated[str, StringConstraints(max_length=254, pattern=_MAIL)]
Url = Annotated[str, StringConstraints(pattern=_HTTP), AfterValidator(_callable)]
Prose = Annotated[str, StringConstraints(min_length=1, max_length=2000)]
Delay = Annotated[timedelta, BeforeValidator(parse_duration), WithJsonSchema(_DURATION_SCHEMA)]
Duration = Annotated[Delay, AfterValidator(_positive)]
Money = Annotated[float, Field(ge=0, le=1e12, allow_inf_nan=False)]
Score = Annotated[int, Field(ge=0, le=10)]


class MatchDocument(Document):
    """Which tasks: all that is written must fit."""

    categories: tuple[Category, ...] = Field((), description="detractor, passive, promoter.")
    segments: tuple[Line, ...] = Field((), description="The customer's segment.")
    touchpoints: tuple[Name, ...] = Field((), description="What had happened: purchase, …")
    programs: tuple[Name, ...] = Field((), description="The program that asked.")
    languages: tuple[LocaleName, ...] = Field((), description="de fits de-AT too.")
    min_value: Money | None = Field(None, description="What the customer brings in a year.")
    max_value: Money | None = Field(None, description="Likewise; both are included.")
    min_score: Score | None = Field(None, description="On the survey's own scale.")
    max_score: Score | None = Field(None, description="Likewise; both are included.")

    @property
    def is_empty(self) -> bool:
        """Whether it fits every task."""
        return self.match == Match()

    @property
    def match(self) -> Match:
        """The match, understood."""
        return Match(
            categories=frozenset(self.categories),
            segments=frozenset(self.segments),
            touchpoints=frozenset(self.touchpoints),
            programs=frozenset(self.programs),
            languages=frozenset(self.languages),
            min_value=self.min_value,
            max_value=self.max_value,
            min_score=self.min_score,
            max_score=self.max_score,
        )


class MessageDocument(Document):
    """A message in one language, in Liquid."""

    subject: Annotated[str, StringConstraints(min_length=1, max_length=200)]
    text: Annotated[str, StringConstraints(min_length=1, max_length=2000)]


Messages = Annotated[dict[LocaleName, MessageDocument], Field(min_length=1, max_length=50)]


def texts_of(messages: dict[str, MessageDocument]) -> dict[str, tuple[str, str]]:
    """Return `(subject, text)` by locale."""
    return {locale: (message.subject, message.text) for locale, message in messages.items()}


def or_plain(field: str, written: Any) -> BeforeValidator:
    """Read `4h` as `{field: 4h}`: the short way to write a document of mostly one field.

    `written`: the type of both ways, for the schema.
    """

    def spread(value: Any) -> Any:
        return {field: value} if isinstance(value, str) else value

    return BeforeValidator(spread, json_schema_input_type=written)
