"""What closeloop is made of."""

from functools import partial

from closeloop_service import api, handlers
from closeloop_service.board import Board
from closeloop_service.live import BoardFeed
from closeloop_service.settings import Settings
from heardback.clock import SystemClock
from heardback.console.pages import Console, navigation
from heardback.console.sse import Hub
from heardback.contracts import registry, topics
from heardback.ids import TimeOrderedIds
from heardback.service import Service


def service(settings: Settings) -> Service:
    """Describe the service."""
    links = navigation(settings)
    console = Console(
        package="closeloop_service", active="Board", navigation=links, clock=SystemClock()
    )
    hub = Hub(ids=TimeOrderedIds())
    board = Board(console=console, hub=hub)
    return Service(
        name="closeloop",
        package="closeloop_service",
        settings=settings,
        handlers={
            topics.DETRACTOR_ALERT: partial(handlers.on_alerts, settings.sla_policy),
            topics.RESPONSE: handlers.on_responses,
        },
        publishes=(
            registry.TASK_OPENED,
            registry.TASK_ACKNOWLEDGED,
            registry.TASK_CONTACTED,
            registry.TASK_RESOLVED,
            registry.TASK_SLA_WARNED,
            registry.TASK_SLA_BREACHED,
        ),
        timers={
            handlers.WARNING: handlers.on_warnings_due,
            handlers.BREACH: handlers.on_breaches_due,
        },
        routers=(api.router, board.router, console.assets_router),
        loops=(BoardFeed(console=console, hub=hub).loop,),
    )
