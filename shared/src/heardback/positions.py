"""Which partitions are this consumer's, and the next offset of each, as Postgres says.

A partition is *unplaced* from its assignment until its offset is loaded; none of its messages is
taken before. A partition that was revoked, or whose batch was fenced, is forgotten.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TypeAlias

from aiokafka import ConsumerRebalanceListener, ConsumerRecord, TopicPartition

from heardback.errors import HeardbackError
from heardback.offsets import Partition

Record: TypeAlias = "ConsumerRecord[bytes, bytes]"


class TopicWentBack(HeardbackError):
    """The topic holds less than was read from it: it was lost or made anew. See the runbooks."""

    topic: str
    partition: int


class Positions(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka is untyped
    """Follows the group's assignments for one connection."""

    def __init__(self) -> None:
        self.joined = False
        self.unplaced: set[Partition] = set()
        self._next: dict[Partition, int] = {}

    async def on_partitions_revoked(self, revoked: Sequence[TopicPartition]) -> None:
        """Forget them: what was fetched of them is not processed any more."""
        self.forget((lost.topic, lost.partition) for lost in revoked)

    async def on_partitions_assigned(self, assigned: Sequence[TopicPartition]) -> None:
        """Note them, without a place yet."""
        self.unplaced |= {(new.topic, new.partition) for new in assigned}
        self.joined = True

    @property
    def known(self) -> Mapping[Partition, int]:
        """The next offset of each partition that has its place."""
        return self._next

    def place(self, partition: Partition, offset: int) -> None:
        """Note where a partition is read on."""
        self._next[partition] = offset
        self.unplaced.discard(partition)

    def forget(self, partitions: Iterable[Partition]) -> None:
        """Take nothing of these partitions any more."""
        for partition in partitions:
            self._next.pop(partition, None)
            self.unplaced.discard(partition)

    def move(self, following: Mapping[Partition, int]) -> None:
        """Move on after a commit; a partition that was revoked meanwhile stays forgotten."""
        self._next.update({p: offset for p, offset in following.items() if p in self._next})

    def takeable(self, topic: str, records: Sequence[Record]) -> list[Record]:
        """Return the records whose partition is ours and that have not been applied."""
        return [
            r
            for r in records
            if (place := (topic, r.partition)) in self._next and r.offset >= self._next[place]
        ]

    def by_topic(
        self, polled: Mapping[TopicPartition, Sequence[Record]]
    ) -> Mapping[str, Sequence[Record]]:
        """Group what was polled by topic, without what has no place.

        Raises: TopicWentBack.
        """
        grouped: dict[str, list[Record]] = defaultdict(list)
        for partition, records in polled.items():
            place = (partition.topic, partition.partition)
            if place not in self._next or place in self.unplaced:
                continue
            first, expected = records[0].offset, self._next[place]
            if first < expected:
                raise TopicWentBack(topic=place[0], partition=place[1], at=first, read=expected)
            grouped[partition.topic].extend(records)
        return grouped


def partitions_of(topic: str, records: Collection[Record]) -> set[Partition]:
    """Return the partitions that `records` of `topic` are from."""
    return {(topic, record.partition) for record in records}
