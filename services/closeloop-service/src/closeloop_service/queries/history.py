"""A line of a history, of a task or an improvement, as it is read."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryLine:
    """One line. No actor: Heardback itself, or the other side, did it."""

    occurred_at: datetime
    what: str
    actor: str | None
    note: str
    details: dict[str, Any]
