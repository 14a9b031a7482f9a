"""The routes of the API together: what is more exact comes before what is less."""

from collections.abc import Sequence

from fastapi import APIRouter

from closeloop_service.api import (
    alerts,
    bulk,
    calendar_feed,
    commands,
    improvements,
    messages,
    recovery,
    rulebooks,
    tasks,
    trackers,
)
from closeloop_service.ops_alerts.links import Links
from closeloop_service.rulebook.keeper import Keeper
from closeloop_service.settings import Settings


def routers(settings: Settings, keeper: Keeper, links: Links) -> Sequence[APIRouter]:
    """Return all but the stream of changes, which stands before them."""
    return [
        bulk.router(keeper),
        tasks.router(keeper),
        commands.router(keeper),
        messages.router(keeper, settings.company),
        improvements.router(keeper),
        trackers.router(keeper, settings.secret_values),
        rulebooks.router(settings.secrets),
        alerts.router(keeper),
        calendar_feed.router(keeper, links),
        recovery.router,
    ]
