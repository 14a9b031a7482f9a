"""A program: the rule that asks. What it listens to, whom it asks, when, and how seldom."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from hashlib import blake2b
from typing import Final
from zlib import crc32
from zoneinfo import ZoneInfo

from msgspec import Struct

from heardback.hours import ALWAYS, Hours
from heardback.vocabulary import Channel, ProgramType
from heardback.zones import UTC_ZONE
from trigger_service.domain.cohort import EVERYBODY, Period, Sample, bucket_of
from trigger_service.domain.duration import Window
from trigger_service.domain.expression import Predicate
from trigger_service.domain.fields import Fields, Reader

_HASH_BYTES: Final = 8
_SPARE_BITS: Final = 11  # a float holds 53: more would round up to 1


class ProgramState(StrEnum):
    """Whether a program asks.

    A paused one decides and refuses; a shadow decides and sends nothing, so that its volume is seen
    before it goes live; an archived one is only kept.
    """

    ACTIVE = "active"
    PAUSED = "paused"
    SHADOW = "shadow"
    ARCHIVED = "archived"


class Throttle(StrEnum):
    """What becomes of an invitation that a cooldown, a quota or the budget stands against."""

    DROP = "drop"
    DEFER = "defer"


class Cadence(StrEnum):
    """How often a program goes through all customers by itself."""

    MONTHLY = "monthly"
    QUARTERLY = "quarterly"
    TWICE_YEARLY = "twice-yearly"
    YEARLY = "yearly"

    @property
    def period(self) -> Period:
        """The part of the year that one run covers."""
        return _PERIODS[self]


_PERIODS: Final = {
    Cadence.MONTHLY: Period.MONTH,
    Cadence.QUARTERLY: Period.QUARTER,
    Cadence.TWICE_YEARLY: Period.HALF_YEAR,
    Cadence.YEARLY: Period.YEAR,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Cooldowns:
    """How far apart two surveys of one customer are: any two, two of one type, of one program."""

    any: timedelta
    type: timedelta
    program: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Reminders:
    """How often to remind who has not answered, `after` the message before it."""

    count: int
    after: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """A named group of customers: those for whom `when` holds."""

    name: str
    when: Predicate


@dataclass(frozen=True, slots=True, kw_only=True)
class Governance:
    """What holds for all programs. `zone`: for recipients whose own is unknown, and for days.

    `segments`: the first whose expression holds is the customer's, else what the profile says.
    """

    zone: ZoneInfo = UTC_ZONE
    daily_budget: int | None = None
    fields: Fields = field(default_factory=Fields)
    segments: tuple[Segment, ...] = ()

    def segment_of(self, values: Mapping[str, object], given: str | None) -> str | None:
        """Return the segment of the customer of whom `values` are known."""
        return next((s.name for s in self.segments if s.when(values) is True), given)


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """One version of a program, with everything of the governance that holds for it.

    `learn_channels`: the order of the channels is learnt. `fallback_after`: not opened by then, the
    next one is tried. `hours`: when each may reach somebody, by their local time; absent: always.
    `quotas`: the most invitations a day for a segment.
    """

    program_id: str
    name: str
    version: int
    state: ProgramState
    touchpoint: str
    cadence: Cadence | None = None
    type: ProgramType
    survey_id: str
    locale: str | None = None
    variants: tuple[tuple[str, int], ...] = ()
    channels: tuple[Channel, ...]
    learn_channels: bool = False
    fallback_after: timedelta | None = None
    reminders: Reminders | None = None
    when: Predicate | None = None
    after_uses: int | None = None
    sample: Sample = EVERYBODY
    delay: Window
    expires_after: timedelta
    hours: Mapping[Channel, Hours] = field(default_factory=dict)
    cooldowns: Cooldowns
    on_throttle: Throttle = Throttle.DROP
    quotas: Mapping[str, int] = field(default_factory=dict)

    def share_of(self, touchpoint_id: str) -> float:
        """Return where in its time to ask a touchpoint stands: in [0, 1), and never changes."""
        # Ids are hashes already: a checksum spreads them evenly, and costs a fifth of a digest.
        return crc32(f"{self.program_id}\0{touchpoint_id}".encode()) / 2**32

    def window(self, occurred_at: datetime) -> tuple[datetime, datetime]:
        """Return from when until when to ask about what happened at `occurred_at`."""
        return occurred_at + self.delay.shortest, occurred_at + self.delay.longest

    def includes(self, customer_id: str, at: datetime, zone: ZoneInfo) -> bool:
        """Tell whether it is the customer's turn at `at`."""
        if self.sample.is_everybody:
            return True
        rotates = self.sample.rotates
        number = 0 if rotates is None else rotates.number(at, zone)
        return self.sample.includes(bucket_of(customer_id), self.program_id, number)

    def hours_of(self, channel: Channel | None) -> Hours:
        """Return when `channel` may reach somebody."""
        return ALWAYS if channel is None else self.hours.get(channel, ALWAYS)

    def variant_of(self, customer_id: str) -> str | None:
        """Return the wording that a customer gets, by weight, and always the same one."""
        if not self.variants:
            return None
        left = _share(f"{self.program_id}\0variant\0{customer_id}") * sum(
            weight for _, weight in self.variants
        )
        for name, weight in self.variants:
            left -= weight
            if left < 0:
                return name
        return self.variants[-1][0]


class Listeners(Struct, frozen=True, kw_only=True):
    """The programs that listen to one touchpoint, in the order of their ids.

    `expressions`: theirs, each once; `reader` reads what these and the segments' look at.
    """

    programs: tuple[Program, ...]
    expressions: tuple[Predicate, ...]
    reader: Reader | None

    @classmethod
    def of(cls, programs: Iterable[Program], governance: Governance) -> "Listeners":
        """Return the listeners that `programs` are."""
        programs = tuple(programs)
        expressions = tuple(dict.fromkeys(p.when for p in programs if p.when is not None))
        looking = (*expressions, *(segment.when for segment in governance.segments))
        names = frozenset[str]().union(*(when.names for when in looking))
        reader = governance.fields.reader(names) if looking else None
        return cls(programs=programs, expressions=expressions, reader=reader)


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalogue:
    """The rules in force at one moment: every program by its id, who listens, the governance."""

    programs: Mapping[str, Program]
    listening: Mapping[str, Listeners]
    governance: Governance
    nobody: Listeners

    @classmethod
    def of(cls, programs: Iterable[Program], governance: Governance) -> "Catalogue":
        """Return the catalogue of `programs`."""
        by_id = {p.program_id: p for p in sorted(programs, key=lambda p: p.program_id)}
        listening: dict[str, list[Program]] = defaultdict(list)
        for program in by_id.values():
            if program.state is not ProgramState.ARCHIVED and program.cadence is None:
                listening[program.touchpoint].append(program)
        return cls(
            programs=by_id,
            listening={name: Listeners.of(many, governance) for name, many in listening.items()},
            governance=governance,
            nobody=Listeners.of((), governance),
        )

    def listeners(self, touchpoint: str) -> Listeners:
        """Return who listens to `touchpoint`."""
        return self.listening.get(touchpoint, self.nobody)

    def only(self, program: Program) -> "Catalogue":
        """Return the same rules, where `program` alone listens."""
        return replace(
            self,
            programs={**self.programs, program.program_id: program},
            listening={program.touchpoint: Listeners.of([program], self.governance)},
        )


def _share(key: str) -> float:
    """Return a number in [0, 1) that looks random and never changes."""
    number = int.from_bytes(blake2b(key.encode(), digest_size=_HASH_BYTES).digest(), "big")
    return (number >> _SPARE_BITS) / (1 << 8 * _HASH_BYTES - _SPARE_BITS)
