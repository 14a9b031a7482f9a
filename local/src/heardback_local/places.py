"""Where the parts of a running stack answer, found in its state folder or given by hand."""

from dataclasses import dataclass
from pathlib import Path

from heardback.embedded.processes import HOST
from heardback.errors import Invalid
from heardback_local.state import State


class StackNotRunning(Invalid):
    """No stack runs here; start one with `heardback up`, or name its folder with --state."""

    folder: Path


class PlaceUnknown(Invalid):
    """The stack uses an outside server that its folder does not name; give the option."""

    option: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """The Kafka bootstrap servers, and the base URLs of what speaks HTTP."""

    kafka: str
    trigger: str
    closeloop: str
    insights: str
    mailbox: str


def find_places(folder: Path, *, kafka: str | None = None) -> Places:
    """Return where the stack that owns `folder` answers; `kafka` is needed for an outside broker.

    Raises: StackNotRunning, PlaceUnknown.
    """
    state = State(folder.absolute())
    if state.running_pid() is None:
        raise StackNotRunning(folder=folder)
    addresses = {record.name: f"{HOST}:{record.port}" for record in state.recorded()}
    bootstrap = kafka or addresses.get("kafka")
    if bootstrap is None:
        raise PlaceUnknown(option="--kafka")
    parts = ("trigger", "closeloop", "insights", "mailbox")
    if any(part not in addresses for part in parts):
        raise StackNotRunning(folder=folder)
    return Places(kafka=bootstrap, **{part: f"http://{addresses[part]}" for part in parts})
