"""What a survey's texts are told about a customer, and in which words we speak beside them."""

import re
from collections.abc import Mapping
from datetime import date, datetime
from functools import lru_cache
from typing import Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from dispatch_service.adapters.interface import Parcel
from dispatch_service.domain.invitation import Invitation
from heardback.locales import chain
from heardback.surveys import Texts
from heardback.words import Words, words_of

TEST_MARK: Final = "[Test] "
_LONGEST_NAME: Final = 60
_UNSEEMLY: Final = re.compile(
    r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]+"
)
_MINUTES: Final = 1


def texts_of(parcel: Parcel) -> Texts:
    """Return the survey's texts for the customer."""
    return parcel.survey.texts(parcel.invitation.locale, parcel.invitation.variant)


def values_of(invitation: Invitation, texts: Texts, *, company: str) -> dict[str, Any]:
    """Return what the texts may name; see `heardback.surveys` for what each value says."""
    return {
        **constant_values(texts, company=company),
        # To Liquid, an empty text is as true as any other.
        "customer": {"name": seemly_name(invitation.name) or None},
        "touchpoint": invitation.touchpoint,
        "occurred_on": _day(locale_of(invitation, texts), _local_day(invitation)),
    }


def constant_values(texts: Texts, *, company: str) -> dict[str, Any]:
    """Return what is the same for every customer."""
    return {"company": company, "minutes": _minutes(texts.locale)}


def words_for(texts: Texts) -> Words:
    """Return our own words, in the language of the texts, not in another one between them."""
    return words_of(texts.locale)


def locale_of(invitation: Invitation, texts: Texts) -> str:
    """Return the customer's locale where the texts are in its language, else that of the texts."""
    asked = chain(invitation.locale)
    return asked[0] if asked and asked[-1] == chain(texts.locale)[-1] else texts.locale


def seemly_name(name: str | None) -> str:
    """Return a customer's name as it can stand in a header and a greeting: one line, not long."""
    if not name:
        return ""
    if not name.isprintable():
        name = _UNSEEMLY.sub(" ", name)
    return " ".join(name.split())[:_LONGEST_NAME].rstrip()


def _local_day(invitation: Invitation) -> date:
    """Return the day on which it happened, by the customer's clock where that is known."""
    hours: Mapping[str, Any] = invitation.hours or {}
    return _in_zone(invitation.occurred_at, hours.get("timezone") or "UTC").date()


def _in_zone(at: datetime, zone: str) -> datetime:
    try:
        return at.astimezone(ZoneInfo(zone))
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return at


@lru_cache(maxsize=256)
def _minutes(locale: str) -> str:
    return words_of(locale).number(_MINUTES)


@lru_cache(maxsize=1024)
def _day(locale: str, day: date) -> str:
    return words_of(locale).date(day)
