"""A survey as data, for those who show it themselves: the widget, the customer's own systems."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from dispatch_service.adapters.interface import Parcel
from dispatch_service.domain.message import Kind
from dispatch_service.rendering import follow_up
from dispatch_service.rendering.links import SurveyLinks, WaysOut
from dispatch_service.rendering.wording import locale_of, texts_of, values_of, words_for
from heardback.surveys import Survey, Texts
from heardback.vocabulary import Category, category_of

Card = dict[str, Any]

_WIDGET: Final = ("label", "close", "send", "hint", "not_saved")
"""What the widget itself says."""


class CardComposer:
    """Makes the card of a parcel; the same parcel always gives the same card."""

    def __init__(
        self, *, company: str, survey_url: str, preferences_url: str, link_keys: Sequence[str]
    ) -> None:
        self._company = company
        self._survey_links = SurveyLinks(survey_url=survey_url, link_keys=link_keys)
        self._ways_out = WaysOut(preferences_url=preferences_url, link_keys=link_keys)

    def compose(self, parcel: Parcel) -> Card:
        """Return a survey's card, or a follow-up's, which has `subject` and `text` instead.

        Shapes: see docs/messages.md.
        """
        message, invitation, texts = parcel.message, parcel.invitation, texts_of(parcel)
        words = words_for(texts)
        card: Card = {
            "message_id": message.message_id,
            "invitation_id": message.invitation_id,
            "kind": message.kind.value,
            "company": self._company,
            "locale": locale_of(invitation, texts),
            "direction": texts.direction,
            "test": parcel.is_test,
            "texts": {key: words.say(f"widget.{key}", company=self._company) for key in _WIDGET},
        }
        if message.kind is Kind.FOLLOW_UP:
            return {**card, **self._follow_up(parcel, texts)}
        values = values_of(invitation, texts, company=self._company)
        token = self._survey_links.token(invitation)
        return {
            **card,
            "expires_at": invitation.expires_at.isoformat(),
            "token": token,
            "survey_url": self._survey_links.at(token),
            "answer_url": self._survey_links.answer(token),
            "way_out_url": self._ways_out.link(invitation),
            "reminder": texts.reminder.render(values) if message.kind is Kind.REMINDER else None,
            "review": _review(parcel.survey, texts, values),
            **_survey(parcel.survey, texts, values),
        }

    def _follow_up(self, parcel: Parcel, texts: Texts) -> Card:
        otherwise = words_for(texts).say("mail.follow_up_subject", company=self._company)
        written = follow_up.read(parcel.message.content, otherwise=otherwise)
        return {"subject": written.subject, "text": written.text.strip()}


def _survey(survey: Survey, texts: Texts, values: Mapping[str, Any]) -> Card:
    scores = survey.scale.scores
    return {
        "survey_id": survey.survey_id,
        "survey_version": survey.version,
        "scale": survey.scale.value,
        "scores": list(scores),
        "groups": [category_of(score, survey.scale).value for score in scores],
        "about": texts.about.render(values),
        "question": texts.question.render(values),
        "lowest": texts.lowest.render(values),
        "highest": texts.highest.render(values),
        "purpose": texts.purpose.render(values),
        "follow_up": texts.follow_up.render(values),
        "follow_ups": {group.value: texts.follow_ups[group].render(values) for group in Category},
        "drivers": [
            {"id": driver, "label": label.render(values)} for driver, label in texts.drivers.items()
        ],
        "thanks": {group.value: _thanks(texts, group, values) for group in Category},
    }


def _thanks(texts: Texts, group: Category, values: Mapping[str, Any]) -> dict[str, str]:
    said = texts.thanks[group]
    return {"title": said.title.render(values), "text": said.text.render(values)}


def _review(survey: Survey, texts: Texts, values: Mapping[str, Any]) -> dict[str, str] | None:
    if survey.review_url is None:
        return None
    return {"url": survey.review_url, "label": texts.review_label.render(values)}
