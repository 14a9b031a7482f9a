"""Moving the times of a log to another place and scale."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeMap:
    """`anchor` becomes `becomes`; distances to it are divided by `factor`."""

    anchor: datetime
    becomes: datetime
    factor: float = 1.0

    def __call__(self, time: datetime) -> datetime:
        """Return where `time` comes to lie."""
        return self.becomes + (time - self.anchor) / self.factor
