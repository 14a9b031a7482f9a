"""response-service: what it hears and what it serves."""

from heardback.contracts import registry, topics
from heardback.service import Service
from response_service import api, handlers
from response_service.settings import Settings


def service(settings: Settings) -> Service:
    """Describe the service."""
    return Service(
        name="response",
        package="response_service",
        settings=settings,
        handlers={topics.SURVEY: handlers.on_survey_events},
        publishes=[
            registry.RESPONSE_RECORDED,
            registry.RESPONSE_REVISED,
            registry.DETRACTOR_ALERTED,
        ],
        routers=[api.router(settings)],
    )
