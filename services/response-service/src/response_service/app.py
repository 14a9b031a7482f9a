"""response-service: what it hears and what it serves."""

from heardback.contracts import registry, topics
from heardback.service import Service
from response_service import api, survey_api, survey_store, widget
from response_service.commands.hearing import EARLY
from response_service.commands.looking import OPENED
from response_service.console import routes as console_pages
from response_service.handlers import Handlers
from response_service.purge import Purge
from response_service.settings import Settings
from response_service.store.surveys import KnownSurveys


def service(settings: Settings) -> Service:
    """Describe the service."""
    surveys = KnownSurveys()
    handlers = Handlers(link_keys=settings.link_key_list, surveys=surveys)
    return Service(
        name="response",
        package="response_service",
        settings=settings,
        handlers={
            topics.SURVEY: handlers.on_survey_events,
            topics.DELIVERY: handlers.on_delivery_events,
        },
        publishes=[
            registry.INVITATION_OPENED,
            registry.RESPONSE_RECORDED,
            registry.RESPONSE_REVISED,
            registry.RESPONSE_QUARANTINED,
            registry.DETRACTOR_ALERTED,
            registry.SURVEY_VERSION_PUBLISHED,
        ],
        timers={EARLY: handlers.on_early, OPENED: handlers.on_opened},
        routers=[
            *api.routers(settings, surveys),
            widget.router(settings),
            survey_api.router(settings),
            *console_pages.routers(settings, surveys),
        ],
        loops=[lambda runtime: Purge(runtime).run],
        on_start=survey_store.publish_ready_made,
    )
