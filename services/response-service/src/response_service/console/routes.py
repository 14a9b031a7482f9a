"""Response's part of the console."""

from collections.abc import Sequence

from fastapi import APIRouter

from heardback.clock import Clock, SystemClock
from heardback.console.pages import Console, navigation
from response_service.console.editor import SurveyEditor
from response_service.console.quarantine import QuarantinePages
from response_service.console.surveys import SurveysPages
from response_service.settings import Settings
from response_service.store.surveys import KnownSurveys
from response_service.survey_preview import SurveyPreview


def routers(
    settings: Settings, surveys: KnownSurveys | None = None, *, clock: Clock | None = None
) -> Sequence[APIRouter]:
    """Return the routes of every page, and of what they look like."""
    console = _console(settings, "Surveys", clock)
    preview = SurveyPreview(company=settings.company)
    return (
        SurveysPages(console=console, preview=preview).router,
        SurveyEditor(console=console, preview=preview).router,
        QuarantinePages(
            console=_console(settings, "Quarantine", clock), surveys=surveys or KnownSurveys()
        ).router,
        console.assets_router,
    )


def _console(settings: Settings, active: str, clock: Clock | None) -> Console:
    return Console(
        package="response_service.console",
        active=active,
        navigation=navigation(settings),
        clock=clock or SystemClock(),
    )
