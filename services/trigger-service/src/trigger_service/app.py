"""What trigger is made of: who handles which topic and which timer, and what it serves."""

from functools import partial
from pathlib import Path

from heardback.contracts import registry, topics
from heardback.db import Database
from heardback.service import Service
from trigger_service import cadences, handlers, rules
from trigger_service.api import decisions as api
from trigger_service.api import dry_run as dry_run_api
from trigger_service.api import governance as governance_api
from trigger_service.api import programs as programs_api
from trigger_service.console import routes as console_pages
from trigger_service.program_files import read_folder
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
            topics.TASK: handlers.on_tasks,
            topics.DELIVERY: handlers.on_delivery,
            topics.SURVEY_VERSION: handlers.on_survey_versions,
        },
        publishes=[
            registry.SURVEY_SCHEDULED,
            registry.SURVEY_SUPPRESSED,
            registry.SURVEY_POSTPONED,
            registry.SURVEY_CANCELLED,
            registry.SURVEY_REQUESTED,
        ],
        timers={handlers.SEND: handlers.on_send_due, rules.CADENCE: cadences.on_cadence_due},
        routers=[
            api.router,
            dry_run_api.router,
            programs_api.router,
            governance_api.router,
            *console_pages.routers(settings),
        ],
        on_start=partial(install_programs, folder=settings.programs_folder),
    )


async def install_programs(database: Database, *, folder: Path) -> None:
    """Put what the files in `folder` say in force.

    Raises: InvalidPrograms with every fault; the service does not start.
    """
    files = read_folder(folder)
    async with database.transaction() as tx:
        await rules.install_files(tx, files.programs, files.governance)
