"""A program: the rule that asks. Which touchpoint it listens to, when it asks, how seldom."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from hashlib import blake2b
from typing import Final

from heardback.vocabulary import Channel, ProgramType

_HASH_BYTES: Final = 8


class ProgramState(StrEnum):
    """Whether a program asks. A paused one decides and refuses; an archived one is only kept."""

    ACTIVE = "active"
    PAUSED = "paused"
    ARCHIVED = "archived"


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """One version of a program, with the cooldowns that hold for it."""

    program_id: str
    name: str
    version: int
    state: ProgramState
    touchpoint: str
    type: ProgramType
    survey_id: str
    channel: Channel
    delay_min: timedelta
    delay_max: timedelta
    expires_after: timedelta
    cooldown_any: timedelta
    cooldown_type: timedelta
    cooldown_program: timedelta

    def planned_at(self, touchpoint_id: str, occurred_at: datetime) -> datetime:
        """Return when to ask: inside the delay window, always the same for one touchpoint.

        A hash spreads the instants evenly, so that a burst of touchpoints is no burst of mail.
        """
        width = self.delay_max - self.delay_min
        return occurred_at + self.delay_min + width * _fraction(self.program_id, touchpoint_id)


def listening(programs: Iterable[Program]) -> Mapping[str, Sequence[Program]]:
    """Return the programs that listen to each touchpoint, in the order of their ids."""
    by_touchpoint: dict[str, list[Program]] = defaultdict(list)
    for program in sorted(programs, key=lambda program: program.program_id):
        if program.state is not ProgramState.ARCHIVED:
            by_touchpoint[program.touchpoint].append(program)
    return by_touchpoint


def _fraction(program_id: str, touchpoint_id: str) -> float:
    """Return a number in [0, 1] that looks random and never changes."""
    key = f"{program_id}\0{touchpoint_id}".encode()
    return int.from_bytes(blake2b(key, digest_size=_HASH_BYTES).digest(), "big") / (
        1 << 8 * _HASH_BYTES
    )
