"""Log files shown on the terminal, each line under the name of its process."""

import asyncio
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.text import Text

_LOOK_SECONDS: Final = 0.15
_COLOURS: Final = (
    *("cyan", "magenta", "green", "yellow", "blue", "bright_cyan", "bright_magenta"),
    *("bright_green", "bright_yellow", "bright_blue"),
)


class Tail:
    """Follows files from their present end on; a file may appear later or shrink."""

    def __init__(self, files: Mapping[str, Path], console: Console) -> None:
        self._files = dict(files)
        self._console = console
        self._width = max(map(len, files), default=0)
        self._positions = {name: _size(path) for name, path in files.items()}
        self._unfinished = dict.fromkeys(files, b"")

    def print_last(self, lines: int) -> None:
        """Print the last lines of each file."""
        for name, path in self._files.items():
            if path.exists():
                with path.open("rb") as file:
                    for line in deque(file, maxlen=lines):
                        self._print(name, line)

    def print_new(self) -> None:
        """Print what was written since the last time."""
        for name, path in self._files.items():
            size = _size(path)
            if size < self._positions[name]:
                self._positions[name] = 0
            if size > self._positions[name]:
                self._print_from(name, path)

    async def run(self) -> None:
        """Print what is written until cancelled."""
        while True:
            self.print_new()
            await asyncio.sleep(_LOOK_SECONDS)

    def _print_from(self, name: str, path: Path) -> None:
        with path.open("rb") as file:
            file.seek(self._positions[name])
            written = self._unfinished[name] + file.read()
            self._positions[name] = file.tell()
        *lines, self._unfinished[name] = written.split(b"\n")
        for line in lines:
            self._print(name, line)

    def _print(self, name: str, line: bytes) -> None:
        colour = _COLOURS[list(self._files).index(name) % len(_COLOURS)]
        text = Text(f"{name:<{self._width}} │ ", style=colour)
        text.append_text(Text.from_ansi(line.decode(errors="replace").rstrip()))
        self._console.print(text, soft_wrap=True)


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
