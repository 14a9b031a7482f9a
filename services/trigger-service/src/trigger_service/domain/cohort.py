"""Cohorts: which part of the customers it is the turn of, and where in it a customer stands.

A customer's bucket is a hash of their id, so that a share of buckets is a fair sample. Each program
turns the circle of buckets by its own hash, so that two programs do not pick the same people.
Independent draws of 25 % a quarter would reach 68 % of the customers in a year (1 − 0.75⁴); cohorts
that follow each other on the circle reach everybody, once.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import IntEnum
from functools import lru_cache
from hashlib import blake2b
from typing import Final
from zoneinfo import ZoneInfo

CIRCLE: Final = 1 << 32
"""How many buckets there are."""

_WHOLE: Final = 1000


class Period(IntEnum):
    """A part of the year, in months."""

    MONTH = 1
    QUARTER = 3
    HALF_YEAR = 6
    YEAR = 12

    def number(self, at: datetime, zone: ZoneInfo) -> int:
        """Return the number of the period that `at` lies in; consecutive periods count up."""
        local = at.astimezone(zone)
        return (local.year * 12 + local.month - 1) // self

    def starts_at(self, number: int, zone: ZoneInfo) -> datetime:
        """Return the instant at which period `number` begins in `zone`."""
        years, months = divmod(number * self, 12)
        return datetime(years, months + 1, 1, tzinfo=zone).astimezone(UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """A share of the customers, in thousandths. `rotates`: every period it is the next ones' turn.

    No rotation: always the same customers.
    """

    thousandths: int
    rotates: Period | None

    @property
    def is_everybody(self) -> bool:
        """Whether it is always everybody's turn."""
        return self.thousandths == _WHOLE

    def arc(self, program_id: str, number: int) -> "Arc":
        """Return the part of the circle whose turn it is in period `number`."""
        first = number * self.thousandths % _WHOLE if self.rotates else 0
        start, end = _edge(first), _edge(first + self.thousandths)
        return Arc(start=start - turn(program_id), width=end - start)

    def includes(self, bucket: int, program_id: str, number: int) -> bool:
        """Tell whether it is the turn of the customers in `bucket`."""
        return self.arc(program_id, number).along(bucket) is not None


EVERYBODY: Final = Sample(thousandths=_WHOLE, rotates=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Arc:
    """A part of the circle: `width` buckets from `start` on."""

    start: int
    width: int

    def along(self, bucket: int) -> int | None:
        """Return how many buckets into the arc `bucket` stands; None: outside."""
        steps = (bucket - self.start) % CIRCLE
        return steps if steps < self.width else None

    def ranges(self, first: int, last: int) -> Iterator[tuple[int, int]]:
        """Return as half-open ranges of buckets what lies from `first` up to `last` steps in."""
        low = (self.start + first) % CIRCLE
        high = low + last - first
        yield low, min(high, CIRCLE)
        if high > CIRCLE:
            yield 0, high - CIRCLE


def bucket_of(customer_id: str) -> int:
    """Return the bucket of a customer: always the same one, evenly spread over the circle."""
    return int.from_bytes(blake2b(customer_id.encode(), digest_size=4).digest(), "big")


@lru_cache(maxsize=4096)
def turn(program_id: str) -> int:
    """Return by how many buckets a program turns the circle."""
    return bucket_of(f"program\0{program_id}")


def _edge(thousandth: int) -> int:
    return -(-thousandth * CIRCLE // _WHOLE)
