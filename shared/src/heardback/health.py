"""Health: alive is that the process answers; ready is that each of its parts says so."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

STARTING: Final = "starting"


@dataclass(slots=True, kw_only=True)
class Check:
    """What one part says of itself; it works where what it is made of does, too."""

    name: str
    own: str | None = STARTING
    made_of: Sequence["Check"] = ()

    @property
    def why_not(self) -> str | None:
        """Why the part does not work; None: it does."""
        return next((why for why in (self.own, *(p.own for p in self.made_of)) if why), None)

    def ok(self) -> None:
        """Say that the part works."""
        self.own = None

    def fail(self, why_not: str) -> None:
        """Say that the part does not work, and why."""
        self.own = why_not

    def split(self, parts: int) -> Sequence["Check"]:
        """Return checks for so many parts that work side by side, in place of those before."""
        self.made_of = [Check(name=self.name, own=None) for _ in range(parts)]
        return self.made_of


@dataclass(slots=True)
class Health:
    """The checks of one process."""

    checks: dict[str, Check] = field(default_factory=dict)

    def check(self, name: str) -> Check:
        """Return the check of this name; a new one is not ready yet."""
        return self.checks.setdefault(name, Check(name=name))

    def report(self) -> dict[str, str]:
        """Return each check with `ok` or why not."""
        return {name: check.why_not or "ok" for name, check in sorted(self.checks.items())}

    @property
    def ready(self) -> bool:
        """Whether every part works."""
        return all(check.why_not is None for check in self.checks.values())
