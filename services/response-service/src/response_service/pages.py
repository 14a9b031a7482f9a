"""What the survey pages say, made of the survey's texts and what is known of the customer."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from fastapi.responses import HTMLResponse

from heardback.customer_pages import RETRY_AFTER_SECONDS, CustomerPages
from heardback.vocabulary import Category, category_of
from response_service.domain.answer import LONGEST_COMMENT, Answer
from response_service.domain.survey import NPS, interaction, survey_of
from response_service.queries import Asked

_KIND: Final = {Category.DETRACTOR: "d", Category.PASSIVE: "p", Category.PROMOTER: "x"}
"""Classes in the page: the style shows the follow-up of the score that is chosen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """What stands in the form: not sent, or not taken. `fault` tells why it was not taken."""

    score: int | None = None
    comment: str = ""
    fault: str | None = None


class SurveyPages:
    """The pages of a survey."""

    def __init__(self, *, company: str) -> None:
        self.customer_pages = CustomerPages(company=company, package="response_service")
        self._company = company

    def survey(self, asked: Asked | None, draft: Draft, *, status: int = 200) -> HTMLResponse:
        """Return the form. `asked` is None when what it is about can't be looked up just now."""
        survey = survey_of(asked.invitation.survey_id) if asked else NPS
        headers = {"Retry-After": str(RETRY_AFTER_SECONDS)} if status == 503 else None
        return self.customer_pages.page(
            "survey.html",
            status=status,
            headers=headers,
            survey=survey,
            question=survey.question.format(company=self._company),
            about=_about(asked) if asked else None,
            held=asked.held if asked else None,
            answered_on=_day(asked.held.answered_at) if asked and asked.held else None,
            draft=draft,
            scores=[(score, _KIND[category_of(score)]) for score in range(11)],
            follow_ups=[(_KIND[category], survey.follow_ups[category]) for category in Category],
            longest_comment=LONGEST_COMMENT,
        )

    def thanks(self, answer: Answer, survey_id: str, token: str) -> HTMLResponse:
        """Return the thank-you page for an answer that is saved."""
        thanks = survey_of(survey_id).thanks[answer.category]
        return self.customer_pages.page(
            "thanks.html",
            title=thanks.title,
            text=thanks.text.format(company=self._company),
            answer=answer,
            token=token,
        )


def _about(asked: Asked) -> str:
    invitation = asked.invitation
    return f"About {interaction(invitation.touchpoint)} on {_day(invitation.occurred_at)}"


def _day(at: datetime) -> str:
    """Return the day in words that stay on one line."""
    return f"{at.day}\u00a0{at:%B}\u00a0{at.year}"
