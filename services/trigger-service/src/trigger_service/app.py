"""What trigger is made of: who handles which topic and which timer, and what it serves."""

from functools import partial

from heardback.contracts import registry, topics
from heardback.service import Service
from trigger_service import handlers
from trigger_service.api import router
from trigger_service.settings import Settings


def service(settings: Settings) -> Service:
    """Describe the service."""
    return Service(
        name="trigger",
        package="trigger_service",
        settings=settings,
        handlers={
            topics.PURCHASE: handlers.on_touchpoints,
            topics.TICKET_CLOSED: handlers.on_touchpoints,
            topics.ONBOARDING_COMPLETE: handlers.on_touchpoints,
            topics.TOUCHPOINT: handlers.on_touchpoints,
            topics.CUSTOMER: handlers.on_customer_events,
            topics.DELIVERY: handlers.on_delivery,
        },
        publishes=[
            registry.SURVEY_SCHEDULED,
            registry.SURVEY_SUPPRESSED,
            registry.SURVEY_CANCELLED,
            registry.SURVEY_REQUESTED,
        ],
        timers={handlers.SEND: handlers.on_send_due},
        routers=[router],
        on_start=partial(handlers.install_programs, folder=settings.programs_folder),
    )
