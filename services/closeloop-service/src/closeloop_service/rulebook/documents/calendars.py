"""Calendars: when somebody works."""

from typing import Annotated, Any, Final

from pydantic import Field

from closeloop_service.rulebook.documents.fields import MOST, Document, Name

_TIME: Final = {"type": "string", "examples": ["09:00"]}
_SPANS: Final[dict[str, Any]] = {
    "type": "array",
    "items": {"type": "array", "items": _TIME, "minItems": 2, "maxItems": 2},
    "examples": [[["09:00", "12:30"], ["13:30", "17:30"]]],
}
_DATE: Final[dict[str, Any]] = {"type": "string", "format": "date"}


class CalendarDocument(Document):
    """One calendar. What its hours mean is checked when it is compiled."""

    tz: str = Field(description="The time zone of its times.", examples=["Europe/Berlin"])
    week: dict[str, Any] = Field(
        description="The shifts of each day, mon to sun; a day that is not written is closed.",
        json_schema_extra={"additionalProperties": _SPANS},
    )
    holidays: list[Any] = Field(
        [], description="Days that are closed.", json_schema_extra={"items": _DATE}
    )
    breaks: dict[Any, Any] = Field(
        {},
        description="What is closed on single days, by date.",
        json_schema_extra={"additionalProperties": _SPANS},
    )
    country: str | None = Field(None, description="Closed on its public holidays.", examples=["DE"])
    subdivision: str | None = Field(None, description="And on those of this part.", examples=["BE"])


class CalendarsDocument(Document):
    """The calendars, by the names that other rulebooks call them."""

    calendars: Annotated[dict[Name, CalendarDocument], Field(min_length=1, max_length=MOST)] = (
        Field(description="Each under the name that policies and teams call it.")
    )
