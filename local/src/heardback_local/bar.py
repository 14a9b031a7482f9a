"""A progress bar on a terminal; plain lines now and then elsewhere."""

from contextlib import AbstractContextManager
from time import monotonic
from types import TracebackType
from typing import Final, Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

_PLAIN_SECONDS: Final = 5.0


class Bar(AbstractContextManager["Bar"]):
    """Use as `with Bar(console, "Publishing", total=n) as bar`, then `bar.show(done)`."""

    def __init__(self, console: Console, title: str, *, total: int) -> None:
        self._console = console
        self._title = title
        self._total = total
        self._done = 0
        self._printed_at = monotonic()
        columns = (TextColumn(title), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        self._progress = Progress(*columns, console=console) if console.is_terminal else None
        self._task = None if self._progress is None else self._progress.add_task("", total=total)

    def __enter__(self) -> Self:
        if self._progress is not None:
            self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._progress is not None:
            self._progress.stop()
        else:
            self._print()

    def show(self, done: int) -> None:
        """Show that `done` of the total are done."""
        self._done = done
        if self._progress is not None and self._task is not None:
            self._progress.update(self._task, completed=done)
        elif monotonic() - self._printed_at > _PLAIN_SECONDS:
            self._print()

    def _print(self) -> None:
        self._printed_at = monotonic()
        self._console.print(f"{self._title}: {self._done} of {self._total}")
