"""The lines of a log that are no purchases: the first are shown, all are counted and kept."""

from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from types import TracebackType
from typing import Final, Self, TextIO

from rich.console import Console

from heardback_local.replaying import Rejected

_MOST_SHOWN: Final = 20
_MOST_TEXT: Final = 80


class Rejects(AbstractContextManager["Rejects"]):
    """Writes each line to `path`, if given: number, reason, text, separated by tabs."""

    def __init__(self, console: Console, path: Path | None, *, append: bool) -> None:
        self.count = 0
        self._console = console
        self._path = path
        self._append = append
        self._file: TextIO | None = None
        self._open = ExitStack()

    def __enter__(self) -> Self:
        if self._path is not None:
            if not self._append:
                self._path.unlink(missing_ok=True)
            opened = self._path.open("a", encoding="utf-8", errors="surrogateescape")
            self._file = self._open.enter_context(opened)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._open.close()

    def add(self, rejected: Rejected) -> None:
        """Take one."""
        self.count += 1
        if self._file is not None:
            self._file.write(f"{rejected.number}\t{rejected.reason}\t{rejected.text}\n")
        if self.count > _MOST_SHOWN:
            return
        text = rejected.text[:_MOST_TEXT].encode(errors="backslashreplace").decode()
        line = f"line {rejected.number}: {rejected.reason}: {text}"
        self._console.print(line, style="yellow", markup=False, soft_wrap=True)
        if self.count == _MOST_SHOWN:
            self._console.print("Further bad lines are counted, not shown.", style="yellow")
