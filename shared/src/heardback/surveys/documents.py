"""Surveys as people write them: what each field takes. What texts mean is checked in `checks`."""

from collections.abc import Mapping
from typing import Annotated, Any, Final

import orjson
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from heardback.faults import NO_FIELDS, plain_faults
from heardback.surveys.faults import Fault, SurveyFaults
from heardback.vocabulary import Category, Scale

MOST_BYTES: Final = 65_536
MOST_LOCALES: Final = 50
MOST_VARIANTS: Final = 20
MOST_DRIVERS: Final = 3
"""A customer rates a few things at most; more of them cost answers."""

_ID: Final = r"^[a-z][a-z0-9-]{0,62}$"
_DRIVER: Final = r"^[a-z][a-z0-9_]{0,39}$"
_HTTPS: Final = r"^https://[^\s\"'<>\\]{1,480}$"

_PATTERN_WORDS: Final = {
    _ID: "write a-z, 0-9 and dashes, beginning with a letter",
    _DRIVER: "write a-z, 0-9 and _, beginning with a letter",
    _HTTPS: "write an address that begins with https://",
}

Source = Annotated[str, StringConstraints(min_length=1)]
SurveyName = Annotated[str, StringConstraints(pattern=_ID)]
DriverId = Annotated[str, StringConstraints(pattern=_DRIVER)]


class Document(BaseModel):
    """Something that people write; a field that does not exist is a fault."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class ThanksDocument(Document):
    """What is said after an answer."""

    title: Source | None = None
    text: Source | None = None


class TextsDocument(Document):
    """The texts in one language, each of them a template. The default language has them all."""

    subject: Source | None = Field(None, description="Of the mail.")
    reminder_subject: Source | None = Field(None, description="Of the reminder's mail.")
    about: Source | None = Field(None, description="What the question is about, above it.")
    question: Source | None = Field(None, description="The question, the first thing to be seen.")
    lowest: Source | None = Field(None, description="What the lowest score means.")
    highest: Source | None = Field(None, description="What the highest score means.")
    follow_up: Source | None = Field(None, description="Asked where the score is not known yet.")
    follow_ups: dict[Category, Source] = Field({}, description="Asked after a score, by group.")
    thanks: dict[Category, ThanksDocument] = Field({}, description="Said at the end, by group.")
    purpose: Source | None = Field(None, description="Why it is asked, and how long it takes.")
    reminder: Source | None = Field(None, description="The line that makes a message a reminder.")
    sms: Source | None = Field(None, description="The text message; it says {{ link }}.")
    drivers: dict[DriverId, Source] = Field({}, description="What each driver is called.")
    review_label: Source | None = Field(None, description="What the link to review_url says.")


class SurveyDocument(Document):
    """A survey. `drivers`: what may be rated besides, 1 to 5, if the customer likes."""

    id: SurveyName
    name: Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[^\x00]*$")]
    scale: Scale = Scale.NPS
    default_locale: str = "en"
    drivers: Annotated[tuple[DriverId, ...], Field(max_length=MOST_DRIVERS)] = ()
    review_url: Annotated[str, StringConstraints(pattern=_HTTPS)] | None = None
    texts: Annotated[dict[str, TextsDocument], Field(min_length=1, max_length=MOST_LOCALES)]
    variants: Annotated[
        dict[SurveyName, dict[str, TextsDocument]], Field(max_length=MOST_VARIANTS)
    ] = {}


def read_document(document: Mapping[str, Any]) -> SurveyDocument:
    """Return what `document` says, each field checked by itself.

    Raises: SurveyFaults with every fault.
    """
    if not isinstance(document, Mapping):
        raise SurveyFaults([NO_FIELDS])
    try:
        size = len(orjson.dumps(document))
    except TypeError:
        size = 0  # what is no JSON is no text either, and named below
    if size > MOST_BYTES:
        message = f"this is {size:,} bytes long; write at most {MOST_BYTES:,}"
        raise SurveyFaults([Fault(path=(), message=message)])
    try:
        return SurveyDocument.model_validate(dict(document))
    except ValidationError as error:
        raise SurveyFaults(list(plain_faults(error.errors(), _PATTERN_WORDS))) from None
