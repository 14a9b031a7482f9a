"""Dispatch's part of the console."""

from collections.abc import Sequence

from fastapi import APIRouter

from dispatch_service.console.messages import MessagesPages
from dispatch_service.console.trying import Adapters, Trials
from dispatch_service.rendering.composers import Composers
from heardback.clock import Clock, SystemClock
from heardback.console.pages import Console, NavigationLink


def routers(
    *,
    composers: Composers,
    adapters: Adapters,
    navigation: Sequence[NavigationLink],
    clock: Clock | None = None,
) -> Sequence[APIRouter]:
    """Return the routes of the pages, and of what they look like."""
    console = Console(
        package="dispatch_service.console",
        active="Messages",
        navigation=navigation,
        clock=clock or SystemClock(),
    )
    pages = MessagesPages(console=console, composers=composers, trials=Trials(adapters))
    return pages.router, console.assets_router
