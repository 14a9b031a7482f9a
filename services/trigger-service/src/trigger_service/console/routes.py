"""Trigger's part of the console."""

from collections.abc import Sequence

from fastapi import APIRouter

from heardback.clock import Clock, SystemClock
from heardback.console.pages import Console, navigation
from trigger_service.console import customer as customer_page
from trigger_service.console.editor import ProgramEditor
from trigger_service.console.programs import ProgramsPages
from trigger_service.settings import Settings


def routers(settings: Settings, *, clock: Clock | None = None) -> Sequence[APIRouter]:
    """Return the routes of every page, and of what they look like."""
    links = navigation(settings)
    console = Console(
        package="trigger_service.console",
        active="Programs",
        navigation=links,
        clock=clock or SystemClock(),
    )
    return (
        ProgramsPages(console=console).router,
        ProgramEditor(console=console).router,
        customer_page.routes(console),
        console.assets_router,
    )
