"""A survey as a customer would see it: somebody who does not exist, and nothing is recorded."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from fastapi.responses import HTMLResponse

from heardback.surveys import SAMPLE, Survey
from heardback.vocabulary import Channel
from heardback.words import words_of
from response_service.domain.answer import Answer
from response_service.domain.invitation import Invitation
from response_service.pages import Draft, SurveyPages
from response_service.queries import Asked
from response_service.reading import Spoken, read_aloud

_A_WEEK: Final = timedelta(days=7)


class SurveyPreview:
    """Shows surveys to nobody in particular."""

    def __init__(self, *, company: str) -> None:
        self._company = company
        self._pages = SurveyPages(company=company)

    def page(
        self,
        survey: Survey,
        *,
        now: datetime,
        locale: str | None,
        variant: str | None,
        score: int | None = None,
    ) -> HTMLResponse:
        """Return the survey's page; a score that the scale does not have is left out."""
        draft = Draft(score=score if score in survey.scale.scores else None)
        return self._pages.survey(_asked(survey, now, locale, variant), draft, survey)

    def thanks(
        self, survey: Survey, *, now: datetime, locale: str | None, variant: str | None, score: int
    ) -> HTMLResponse:
        """Return what is said after a score."""
        answer = Answer(scale=survey.scale, score=score)
        return self._pages.thanks(answer, survey, _asked(survey, now, locale, variant))

    def read_aloud(self, survey: Survey, *, now: datetime) -> list[Spoken]:
        """Return what it says in every language."""
        return read_aloud(survey, {name: self._words(name, now) for name in survey.locales})

    def _words(self, locale: str, now: datetime) -> Mapping[str, Any]:
        """Return what to fill texts with, in a language."""
        day = words_of(locale).date((now - _A_WEEK).date())
        return {**SAMPLE, "company": self._company, "occurred_on": day}


def _asked(survey: Survey, now: datetime, locale: str | None, variant: str | None) -> Asked:
    invitation = Invitation(
        invitation_id="preview",
        customer_id="preview",
        program_id="preview",
        touchpoint=str(SAMPLE["touchpoint"]),
        survey_id=survey.survey_id,
        survey_version=survey.version,
        variant=variant,
        segment=None,
        channel=Channel.EMAIL,
        recipient={"name": SAMPLE["customer"]["name"], "locale": locale or survey.default_locale},
        occurred_at=now - _A_WEEK,
        expires_at=now + _A_WEEK,
        traceparent=None,
    )
    return Asked(invitation=invitation, held=None)
