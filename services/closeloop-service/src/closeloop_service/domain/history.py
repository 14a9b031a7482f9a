"""A line of a history, of a task or an improvement, as it is written."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One line. No actor: Heardback itself, or the other side, did it."""

    what: str
    actor: str | None = None
    note: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)
