"""The ports of the local stack."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Final, Self

from heardback.embedded.processes import free_port
from heardback.errors import Invalid

DEFAULT_BASE: Final = 8100


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """Where everything listens on the loopback interface, by name."""

    trigger: int
    dispatch: int
    response: int
    closeloop: int
    insights: int
    mailbox: int
    smtp: int
    postgres: int
    kafka: int

    @classmethod
    def from_base(
        cls, base: int = DEFAULT_BASE, overrides: Mapping[str, int] | None = None
    ) -> Self:
        """Number the ports from `base` + 1 on, except those in `overrides`.

        Raises: UnknownPortName, PortsCollide, PortOutOfRange.
        """
        names = [field.name for field in fields(cls)]
        chosen = {name: base + number for number, name in enumerate(names, start=1)}
        for name, port in (overrides or {}).items():
            if name not in chosen:
                raise UnknownPortName(name=name, known=", ".join(names))
            chosen[name] = port
        _require_distinct(chosen)
        return cls(**chosen)

    @classmethod
    def free(cls) -> Self:
        """Choose ports on which nobody listens right now."""
        return cls(**{field.name: free_port() for field in fields(cls)})

    def by_name(self) -> dict[str, int]:
        """Return all of them."""
        return asdict(self)


class UnknownPortName(Invalid):
    """No part of the stack has this name."""

    name: str
    known: str


class PortsCollide(Invalid):
    """Two parts of the stack would listen on the same port."""

    port: int
    first: str
    second: str


class PortOutOfRange(Invalid):
    """A port is a number from 1 to 65535."""

    name: str
    port: int


def _require_distinct(ports: Mapping[str, int]) -> None:
    seen: dict[int, str] = {}
    for name, port in ports.items():
        if not 1 <= port <= 65_535:
            raise PortOutOfRange(name=name, port=port)
        if port in seen:
            raise PortsCollide(port=port, first=seen[port], second=name)
        seen[port] = name
