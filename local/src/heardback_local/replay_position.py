"""How far a log has been published, kept in the state folder so that a replay can go on."""

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """Lines 1 to `last_line` of a log are done: so many became events, so many were refused."""

    last_line: int = 0
    accepted: int = 0
    rejected: int = 0

    def after(self, line: int, *, rejected: bool) -> "Position":
        """Return the position once `line` is done too."""
        return Position(
            last_line=line,
            accepted=self.accepted + (not rejected),
            rejected=self.rejected + rejected,
        )


class PositionFile:
    """The position of one file under one source; the furthest that any replay of it came."""

    def __init__(self, state: Path, *, file_hash: str, source: str) -> None:
        name = hashlib.sha256(f"{file_hash}\n{source}".encode()).hexdigest()[:16]
        self._path = state / "replays" / f"{name}.json"

    def load(self) -> Position:
        """Return what was saved, or the beginning."""
        if not self._path.exists():
            return Position()
        return Position(**json.loads(self._path.read_text()))

    def save(self, position: Position) -> Position:
        """Keep `position` unless an earlier replay came further; return which one stands."""
        known = self.load()
        if known.last_line > position.last_line:
            return known
        self._path.parent.mkdir(parents=True, exist_ok=True)
        fresh = self._path.with_suffix(".new")
        fresh.write_text(json.dumps(asdict(position)))
        fresh.replace(self._path)
        return position
