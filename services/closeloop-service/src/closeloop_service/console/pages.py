"""The console's pages together: what they share, and their routes."""

from collections.abc import Sequence
from typing import Final

from fastapi import APIRouter

from closeloop_service.console.alerts import AlertPages
from closeloop_service.console.board import Board
from closeloop_service.console.improvements import ImprovementPages
from closeloop_service.console.live import BoardFeed
from closeloop_service.console.rulebook_editor import RulebookEditor
from closeloop_service.console.rulebooks import RulebookPages
from closeloop_service.console.tasks import TaskPages
from closeloop_service.ops_alerts.links import Links
from closeloop_service.rulebook.keeper import Keeper
from closeloop_service.settings import Settings
from heardback.clock import Clock
from heardback.console.pages import Console, navigation
from heardback.console.sse import Hub
from heardback.ids import Ids


class Pages:
    """Every page; `feed` is the loop that keeps the board's live."""

    def __init__(
        self, *, settings: Settings, keeper: Keeper, links: Links, ids: Ids, clock: Clock
    ) -> None:
        self.hub: Final = Hub(ids=ids)
        board, improvements, rules = (
            _console(settings, active, clock) for active in ("Board", "Improvements", "Rules")
        )
        self.feed: Final = BoardFeed(console=board, hub=self.hub, keeper=keeper)
        self.routers: Final[Sequence[APIRouter]] = (
            Board(console=board, hub=self.hub, keeper=keeper).router,
            TaskPages(console=board, hub=self.hub, keeper=keeper, company=settings.company).router,
            ImprovementPages(console=improvements, keeper=keeper).router,
            AlertPages(console=board, links=links, keeper=keeper).router,
            RulebookPages(console=rules).router,
            RulebookEditor(console=rules, secrets=settings.secrets).router,
            board.assets_router,
        )


def _console(settings: Settings, active: str, clock: Clock) -> Console:
    return Console(
        package="closeloop_service.console",
        active=active,
        navigation=navigation(settings),
        clock=clock,
    )
