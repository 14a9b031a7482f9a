"""What the survey pages say, made of the survey's texts and what is known of the customer."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from functools import lru_cache
from typing import Any, Final, Literal
from zoneinfo import ZoneInfo

from fastapi.responses import HTMLResponse
from markupsafe import Markup
from msgspec import Struct

from heardback.customer_pages import RETRY_AFTER_SECONDS, CustomerPages, Skeleton, slot
from heardback.locales import chain
from heardback.surveys import Survey, Template, Texts
from heardback.vocabulary import Category, category_of
from heardback.words import Words, words_of
from response_service.domain.answer import DRIVER_SCORES, LONGEST_COMMENT, Answer
from response_service.domain.invitation import Invitation
from response_service.queries import Asked

KIND: Final = {Category.DETRACTOR: "d", Category.PASSIVE: "p", Category.PROMOTER: "x"}
"""Classes in the page: the style shows the follow-up of the score that is chosen."""

_CHECKED: Final = Markup(" checked")
_OPEN: Final = Markup(" open")
_MINUTES: Final = "1"
_MOST_FRAMES: Final = 1024


@dataclass(frozen=True, slots=True)
class Fault:
    """Why an answer was not taken: a key of `heardback.words`, and what its text needs."""

    key: str
    values: Mapping[str, object] = field(default_factory=dict)


class Draft(Struct, frozen=True, kw_only=True):
    """What stands in the form: not sent, or not taken. `fault` tells why it was not taken.

    `made`: the signed time at which the page was made, for the hidden field `t`. `asks`: what it
    asks, signed, for the hidden field of that name.
    """

    score: int | None = None
    comment: str = ""
    drivers: Mapping[str, int] = {}
    fault: Fault | None = None
    made: str = ""
    asks: str = ""


class _Form(Struct, frozen=True, kw_only=True):
    """What the form depends on besides its texts. `state`: what stands above it."""

    state: Literal["fault", "held", ""]
    is_answered: bool
    is_known: bool


class _Goodbye(Struct, frozen=True, kw_only=True):
    """What the thank-you page depends on besides its texts."""

    category: Category
    has_comment: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class _Frame:
    """A page that is ready but for `personal`: the texts that differ from customer to customer."""

    texts: Texts
    skeleton: Skeleton
    personal: Mapping[str, Template]


class SurveyPages:
    """The pages of a survey. Each is rendered once; what differs is put in."""

    def __init__(self, *, company: str) -> None:
        self.customer_pages = CustomerPages(company=company, package="response_service")
        self._company = company
        self._frames: dict[tuple[object, ...], _Frame] = {}

    def survey(
        self,
        asked: Asked | None,
        draft: Draft,
        survey: Survey,
        *,
        status: int = 200,
        locale: str | None = None,
        variant: str | None = None,
    ) -> HTMLResponse:
        """Return the form. `asked` is None when what it is about can't be looked up just now.

        `locale` and `variant` are for then.
        """
        invitation = asked.invitation if asked else None
        held = asked.held if asked else None
        texts, locale = _spoken(survey, invitation, locale, variant)
        shape = _Form(
            state="fault" if draft.fault else "held" if held else "",
            is_answered=held is not None,
            is_known=asked is not None,
        )
        frame = self._frame(shape, survey, texts, locale)
        values = self._texts(frame, invitation, locale) | _form(draft)
        if draft.fault:
            values["fault"] = words_of(locale).say(draft.fault.key, **draft.fault.values)
        elif held:
            values["held_score"] = str(held.answer.score)
            values["held_on"] = _day(held.answered_at, invitation, locale)
        headers = {"Retry-After": str(RETRY_AFTER_SECONDS)} if status == 503 else None
        return self.customer_pages.respond(frame.skeleton.fill(values), status, headers)

    def thanks(
        self,
        answer: Answer,
        survey: Survey,
        asked: Asked | None,
        *,
        made: str = "",
        asks: str = "",
    ) -> HTMLResponse:
        """Return the thank-you page for an answer that is saved; `made`, `asks`: as in `Draft`."""
        invitation = asked.invitation if asked else None
        texts, locale = _spoken(survey, invitation, None)
        shape = _Goodbye(
            category=category_of(answer.score, survey.scale),
            has_comment=answer.comment is not None,
        )
        frame = self._frame(shape, survey, texts, locale)
        values = self._texts(frame, invitation, locale)
        values |= {"score": str(answer.score), "comment": answer.comment or ""}
        values |= {"made": made, "asks": asks}
        values |= {f"driver_{name}": str(rating) for name, rating in answer.drivers.items()}
        return self.customer_pages.respond(frame.skeleton.fill(values))

    def _frame(self, shape: _Form | _Goodbye, survey: Survey, texts: Texts, locale: str) -> _Frame:
        """Return the page of this shape, rendered now if it is not there yet."""
        # The frame holds its texts: no others get their id.
        key = (shape, id(texts), words_of(locale).locale)
        frame = self._frames.get(key)
        if frame is None:
            frame = self._make_frame(shape, survey, texts, words_of(locale))
            if len(self._frames) >= _MOST_FRAMES:
                del self._frames[next(iter(self._frames))]
            self._frames[key] = frame
        return frame

    def _make_frame(
        self, shape: _Form | _Goodbye, survey: Survey, texts: Texts, words: Words
    ) -> _Frame:
        personal: dict[str, Template] = {}

        def say(name: str, template: Template) -> str:
            """Return a text, or its place where it differs from customer to customer."""
            if template.is_constant:
                return template.render({"company": self._company, "minutes": _MINUTES})
            personal[name] = template
            return slot(name)

        template, view = (
            ("survey.html", _survey_view(survey, texts, say, shape))
            if isinstance(shape, _Form)
            else ("thanks.html", _thanks_view(survey, texts, say, shape))
        )
        html = self.customer_pages.render(
            template,
            words.locale,
            **view,
            slot=slot,
            lang=texts.locale,
            direction=texts.direction,
            spoken=_switch(texts, words),
            longest_comment=LONGEST_COMMENT,
            drivers=[(name, say(f"called_{name}", text)) for name, text in texts.drivers.items()],
        )
        return _Frame(texts=texts, skeleton=Skeleton(html), personal=personal)

    def _texts(self, frame: _Frame, invitation: Invitation | None, locale: str) -> dict[str, str]:
        """Return the texts that differ from customer to customer."""
        if not frame.personal:
            return {}
        known: dict[str, Any] = {"company": self._company, "minutes": _MINUTES}
        if invitation:
            known["customer"] = {"name": invitation.recipient.get("name") or ""}
            known["touchpoint"] = invitation.touchpoint
            known["occurred_on"] = _day(invitation.occurred_at, invitation, locale)
        return {name: template.render(known) for name, template in frame.personal.items()}


Say = Callable[[str, Template], str]


def _survey_view(survey: Survey, texts: Texts, say: Say, shape: _Form) -> dict[str, Any]:
    return {
        "state": shape.state,
        "is_answered": shape.is_answered,
        "about": say("about", texts.about) if shape.is_known else None,
        "question": say("question", texts.question),
        "lowest": say("lowest", texts.lowest),
        "highest": say("highest", texts.highest),
        "follow_up": say("follow_up", texts.follow_up),
        "follow_ups": [
            (KIND[group], say(f"follow_up_{group}", texts.follow_ups[group])) for group in Category
        ],
        "purpose": say("purpose", texts.purpose),
        "scores": [
            (score, KIND[category_of(score, survey.scale)]) for score in survey.scale.scores
        ],
        "ratings": DRIVER_SCORES,
    }


def _thanks_view(survey: Survey, texts: Texts, say: Say, shape: _Goodbye) -> dict[str, Any]:
    category = shape.category
    thanks = texts.thanks[category]
    asks = category is Category.PASSIVE and not shape.has_comment
    offers = category is Category.PROMOTER and survey.review_url and texts.review_label.source
    return {
        "title": say("title", thanks.title),
        "text": say("text", thanks.text),
        "highest": survey.scale.scores[-1],
        "has_comment": shape.has_comment,
        "one_thing": say("one_thing", texts.follow_ups[category]) if asks else None,
        "review_url": survey.review_url if offers else None,
        "review_label": say("review_label", texts.review_label) if offers else None,
    }


def _form(draft: Draft) -> dict[str, str]:
    """Return what stands in the form."""
    values: dict[str, str] = {"comment": draft.comment, "made": draft.made, "asks": draft.asks}
    if draft.score is not None:
        values[f"score_{draft.score}"] = _CHECKED
    for name, rating in draft.drivers.items():
        values[f"rated_{name}_{rating}"] = _CHECKED
    if draft.drivers:
        values["open"] = _OPEN
    return values


def _spoken(
    survey: Survey, invitation: Invitation | None, locale: str | None, variant: str | None = None
) -> tuple[Texts, str]:
    """Return the survey's texts for a customer, and the locale of our words around them."""
    if invitation:
        locale = invitation.recipient.get("locale") or locale
        variant = invitation.variant
    texts = survey.texts(locale, variant)
    if locale and chain(locale)[-1:] == chain(texts.locale)[-1:]:
        return texts, locale
    return texts, texts.locale


def _switch(texts: Texts, words: Words) -> Markup:
    """Return the attributes of our words where we don't speak the language of the survey."""
    if texts.locale.split("-")[0] == words.locale:
        return Markup()
    return Markup(' lang="{}" dir="{}"').format(words.locale, words.direction)


def _day(at: datetime, invitation: Invitation | None, locale: str) -> str:
    """Return the customer's day in words that stay on one line."""
    name = invitation.recipient.get("timezone") if invitation else None
    return _in_words(at.astimezone(_zone(name)).date(), locale)


@lru_cache(maxsize=4096)
def _in_words(day: date, locale: str) -> str:
    return words_of(locale).date(day).replace(" ", "\u00a0")


@lru_cache(maxsize=1024)
def _zone(name: str | None) -> Any:
    try:
        return ZoneInfo(name) if name else UTC
    except (KeyError, ValueError, OSError):
        return UTC
