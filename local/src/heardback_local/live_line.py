"""One line that tells how far a long command is."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractContextManager
from time import monotonic
from types import TracebackType
from typing import Final, Self

from rich.console import Console
from rich.status import Status

_REFRESH_SECONDS: Final = 0.2
_PLAIN_SECONDS: Final = 5.0


class LiveLine(AbstractContextManager["LiveLine"]):
    """Shows `text()` while the block runs: in place on a terminal, else a plain line now and then.

    Use inside a running event loop.
    """

    def __init__(self, console: Console, text: Callable[[], str]) -> None:
        self._console = console
        self._text = text
        self._status = Status("", console=console) if console.is_terminal else None
        self._showing: asyncio.Task[None] | None = None

    def __enter__(self) -> Self:
        if self._status is not None:
            self._status.start()
        self._showing = asyncio.create_task(self._show())
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._showing is not None:
            self._showing.cancel()
        if self._status is not None:
            self._status.stop()
        self._console.print(self._text(), soft_wrap=True)

    async def _show(self) -> None:
        printed_at = monotonic()
        while True:
            await asyncio.sleep(_REFRESH_SECONDS)
            if self._status is not None:
                self._status.update(self._text())
            elif monotonic() - printed_at > _PLAIN_SECONDS:
                printed_at = monotonic()
                self._console.print(self._text(), soft_wrap=True)
