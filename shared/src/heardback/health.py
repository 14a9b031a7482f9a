"""Health: alive is that the process answers; ready is that each of its parts says so."""

from dataclasses import dataclass, field
from typing import Final

STARTING: Final = "starting"


@dataclass(slots=True, kw_only=True)
class Check:
    """What one part says of itself."""

    name: str
    why_not: str | None = STARTING

    def ok(self) -> None:
        """Say that the part works."""
        self.why_not = None

    def fail(self, why_not: str) -> None:
        """Say that the part does not work, and why."""
        self.why_not = why_not


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
