"""Who is measured: trigger-service, the raw limit of its parts, and its peers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Final

from bench.trigger.peers import tables

_OFFSETS: Final = """
SELECT coalesce(sum(next_offset), 0)::bigint FROM {schema}.partition_offset
WHERE topic = 'purchase'
"""
_HOLD_RELAY: Final = "SELECT pg_advisory_lock(hashtext('outbox'), hashtext('trigger'))"
"""What the relay of another replica holds: the one of the tested process then stands by."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Contender:
    """A program that takes purchase events.

    `progress` is the SQL that counts the events whose effects are committed; `before` is SQL that
    runs first, on a connection that stays open until the end.
    """

    name: str
    title: str
    module: str
    schema: str
    progress: str
    before: str = "SELECT 1"
    needs: str | None = None

    @property
    def arguments(self) -> Sequence[str]:
        """What Python is started with."""
        return ("-m", self.module)

    @property
    def missing(self) -> bool:
        """Whether a package that it needs is not installed."""
        return self.needs is not None and find_spec(self.needs) is None


def _peer(name: str, title: str, *, progress: str, needs: str | None = None) -> Contender:
    return Contender(
        name=name,
        title=title,
        module=f"bench.trigger.peers.{name}",
        schema="peer",
        progress=progress,
        needs=needs,
    )


OURS: Final = Contender(
    name="trigger",
    title="trigger-service",
    module="trigger_service",
    schema="trigger",
    progress=_OFFSETS.format(schema="trigger"),
    before=_HOLD_RELAY,
)
WITH_RELAY: Final = Contender(
    name="trigger_and_relay",
    title="trigger-service, publishing as well",
    module="trigger_service",
    schema="trigger",
    progress=_OFFSETS.format(schema="trigger"),
)
RAW: Final = _peer("raw_limit", "(a) raw limit, no logic", progress=_OFFSETS.format(schema="peer"))
PER_MESSAGE: Final = _peer(
    "per_message",
    "(b) FastStream, ORM, commit per message",
    progress="SELECT coalesce(max(seq), 0) FROM peer.outbox",
    needs="faststream",
)
BATCHES: Final = _peer(
    "batches",
    "(c) FastStream, batches, no logic",
    progress="SELECT count(*) FROM peer.touchpoint",
    needs="faststream",
)
ALL: Final = (OURS, WITH_RELAY, RAW, PER_MESSAGE, BATCHES)
GOALS: Final[Mapping[str, float]] = {RAW.name: 0.4, PER_MESSAGE.name: 40, BATCHES.name: 1}
"""How many times as fast as each of these the service wants to be."""
CREATE_PEER_TABLES: Final = f"SET ROLE peer; SET search_path = peer; {tables.CREATE}; RESET ROLE"
