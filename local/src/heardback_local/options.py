"""Options that several commands share."""

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from heardback.errors import Invalid
from heardback_local.ports import Ports


class KafkaKind(StrEnum):
    """The brokers that the stack can start."""

    embedded = "embedded"
    apache = "apache"


class BadPort(Invalid):
    """A port is given as NAME=PORT, such as mailbox=9000."""

    given: str


StateOption = Annotated[
    Path, typer.Option("--state", help="The folder that keeps databases, mail and logs.")
]
PortBaseOption = Annotated[int, typer.Option(help="Ports are numbered from here.")]
PortOption = Annotated[
    list[str] | None,
    typer.Option("--port", metavar="NAME=PORT", help="Another port for one part."),
]
KafkaChoice = Annotated[KafkaKind, typer.Option("--kafka", help="Which broker to start.")]
ProgramsOption = Annotated[
    Path, typer.Option(exists=True, file_okay=False, help="The programs to load.")
]
KafkaOption = Annotated[
    str | None,
    typer.Option("--kafka-bootstrap", metavar="HOST:PORT", help="Of a stack with outside Kafka."),
]


def chosen_ports(base: int, overrides: Sequence[str] | None) -> Ports:
    """Return the ports from `base` on, except those given as `NAME=PORT`.

    Raises: BadPort, UnknownPortName, PortsCollide, PortOutOfRange.
    """
    return Ports.from_base(base, dict(map(_parse_port, overrides or ())))


def _parse_port(text: str) -> tuple[str, int]:
    name, _, number = text.partition("=")
    if not number.isdigit():
        raise BadPort(given=text)
    return name, int(number)
