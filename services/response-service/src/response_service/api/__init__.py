"""What response-service serves to customers and to machines."""

from collections.abc import Sequence

from fastapi import APIRouter

from response_service.api import direct, quarantine, survey, widget
from response_service.api.door import Door
from response_service.settings import Settings
from response_service.store.surveys import KnownSurveys


def routers(settings: Settings, surveys: KnownSurveys) -> Sequence[APIRouter]:
    """Return the routes of the survey, the widget's answers, direct answers and the quarantine."""
    door = Door(settings, surveys)
    return (
        survey.router(door),
        widget.router(door),
        direct.router(surveys),
        quarantine.router(surveys),
    )
