"""What a local stack is made of."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from heardback_local.ports import Ports
from heardback_local.state import DEFAULT_FOLDER


@dataclass(frozen=True, slots=True, kw_only=True)
class StackConfig:
    """Where the stack lives, and which of its parts are its own.

    `kafka_bootstrap` and `database_url` (of a superuser) name outside servers; then nothing is
    started for that part. `replicas` is the number of processes of each service. `extra_env` goes
    to every service, past everything else.
    """

    state: Path = DEFAULT_FOLDER
    ports: Ports = field(default_factory=Ports.from_base)
    kafka: Literal["embedded", "apache"] = "embedded"
    kafka_bootstrap: str | None = None
    database_url: str | None = None
    replicas: int = 1
    programs: Path | None = None
    extra_env: Mapping[str, str] = field(default_factory=dict)
