"""Deleting what the local stack keeps: only what it made itself, whatever else is in the folder."""

import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

from heardback.embedded import postgres_home
from heardback_local.state import State

_FOLDERS: Final = ("kafka", "logs", "replays", "secrets", "simulations")
_FILES: Final = ("broker", "mailbox.sqlite3*", "processes.json", "supervisor.pid")


def reset(state: State) -> None:
    """Delete the databases, mail, logs and secrets of a stack that does not run.

    Raises: AlreadyRunning.
    """
    if not state.folder.exists():
        return
    with state.locked():
        postgres_home.remove(state.postgres)
        for name in _FOLDERS:
            shutil.rmtree(state.folder / name, ignore_errors=True)
        for path in _files(state.folder):
            path.unlink(missing_ok=True)
    with suppress(OSError):  # the user keeps something else there
        state.folder.rmdir()


def _files(folder: Path) -> Iterator[Path]:
    for pattern in _FILES:
        yield from folder.glob(pattern)
