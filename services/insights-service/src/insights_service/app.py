"""What insights is made of."""

from heardback.clock import SystemClock
from heardback.console.pages import Console, navigation
from heardback.console.sse import Hub
from heardback.ids import TimeOrderedIds
from heardback.service import Run, Runtime, Service
from insights_service import api, dashboard
from insights_service.handlers import CHANGED, HANDLERS
from insights_service.settings import Settings


def service(settings: Settings) -> Service:
    """Return the service: every outbound topic in, figures and a dashboard out."""
    console = _console(settings)
    hub = Hub(ids=TimeOrderedIds())

    def refresh(runtime: Runtime) -> Run:
        return dashboard.refresher(hub, runtime.doorbell.bell(CHANGED), runtime.clock)

    return Service(
        name="insights",
        package="insights_service",
        settings=settings,
        handlers=HANDLERS,
        routers=[api.router, dashboard.routes(console, hub), console.assets_router],
        loops=[refresh],
    )


def _console(settings: Settings) -> Console:
    links = navigation(settings)
    return Console(
        package="insights_service",
        active="Dashboard",
        clock=SystemClock(),
        navigation=links,
    )
