"""What closeloop is made of."""

from functools import partial

from closeloop_service.api.changes import Changes
from closeloop_service.api.routes import routers
from closeloop_service.console.pages import Pages
from closeloop_service.domain.digest import DIGEST
from closeloop_service.handlers import retention
from closeloop_service.handlers.listening import timer_handlers, topic_handlers
from closeloop_service.ops_alerts.digests import on_digests_due
from closeloop_service.ops_alerts.links import Links
from closeloop_service.ops_alerts.loop import alert_loop
from closeloop_service.ops_alerts.sending import Courier
from closeloop_service.rulebook.keeper import Keeper
from closeloop_service.settings import Settings
from closeloop_service.trackers.sync import TrackerSync
from heardback.clock import SystemClock
from heardback.console.sse import Hub
from heardback.contracts import registry, topics
from heardback.db import Database
from heardback.ids import TimeOrderedIds
from heardback.service import Service


def service(settings: Settings) -> Service:
    """Describe the service."""
    keeper, links = Keeper(), Links(settings.public_url, settings.link_key_list)
    pages = Pages(
        settings=settings, keeper=keeper, links=links, ids=TimeOrderedIds(), clock=SystemClock()
    )
    changed = Changes(Hub(ids=TimeOrderedIds(), capacity=1_000))
    sync = TrackerSync(
        keeper=keeper,
        secrets=settings.secret_values,
        allowed=settings.networks,
        page_url=f"{settings.public_url}/console/improvements",
    )
    return Service(
        name="closeloop",
        package="closeloop_service",
        settings=settings,
        handlers=topic_handlers(keeper),
        publishes=[
            event_type
            for event_type in registry.EVENT_TYPES.values()
            if event_type.topic in (topics.TASK, topics.IMPROVEMENT)
            or event_type is registry.FOLLOW_UP_REQUESTED
        ],
        timers={
            **timer_handlers(keeper, company=settings.company),
            DIGEST: partial(on_digests_due, keeper),
        },
        routers=[changed.router(), *routers(settings, keeper, links), *pages.routers],
        loops=[
            pages.feed.loop,
            changed.loop,
            sync.loop,
            alert_loop(keeper, partial(_courier, settings, keeper, links)),
        ],
        on_start=retention.start,
    )


def _courier(settings: Settings, keeper: Keeper, links: Links, database: Database) -> Courier:
    return Courier(
        database=database,
        keeper=keeper,
        secrets=settings.secrets,
        links=links,
        allowed=settings.networks,
    )
