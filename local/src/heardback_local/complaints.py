"""Errors as the user of the command line reads them: what happened, and what to do."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console

from heardback.embedded.processes import PortTaken, StartFailed
from heardback.errors import HeardbackError
from heardback_local.places import StackNotRunning
from heardback_local.ports import PortsCollide, UnknownPortName
from heardback_local.readiness import NotReady
from heardback_local.state import AlreadyRunning, State


@contextmanager
def complaints(state: State) -> Iterator[None]:
    """Turn expected errors of the block into a message and exit code 1."""
    try:
        yield
    except (HeardbackError, OSError) as error:
        console = Console(stderr=True, highlight=False)
        console.print(explain(error, state), style="red", markup=False, soft_wrap=True)
        sys.exit(1)


def explain(error: Exception, state: State) -> str:
    """Say in one or a few lines what the user can do about `error`."""
    match error:
        case PortTaken():
            return (
                f"Port {error.port} is already in use, and {error.wanted_by} wants it. Choose "
                f"another with --port {error.wanted_by}=NUMBER, or move all ports with --port-base."
            )
        case AlreadyRunning():
            return (
                f"A stack already runs on {error.folder} (process {error.pid}). Stop it with "
                "'heardback down', or use another folder with --state and other ports with "
                "--port-base."
            )
        case StackNotRunning():
            return (
                f"No stack runs on {error.folder}. Start one with 'heardback up', or name its "
                "folder with --state."
            )
        case StartFailed():
            return f"{error.name} did not start:\n{error.why}\nThe logs are in {state.logs}."
        case NotReady():
            reasons = "\n".join(f"  {name}: {why}" for name, why in error.why.items())
            return f"Not everything became ready in time:\n{reasons}\nThe logs are in {state.logs}."
        case UnknownPortName():
            return f"No part of the stack is called {error.name!r}; there are: {error.known}."
        case PortsCollide():
            return f"Port {error.port} can't serve both {error.first} and {error.second}."
        case _:
            return str(error)
