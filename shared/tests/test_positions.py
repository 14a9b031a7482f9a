from types import SimpleNamespace

import pytest
from aiokafka import TopicPartition

from heardback.positions import Positions, TopicWentBack

FIRST, SECOND = ("purchase", 0), ("purchase", 1)


def record(partition: int, offset: int) -> SimpleNamespace:
    return SimpleNamespace(partition=partition, offset=offset)


async def placed(*, first: int = 10, second: int = 0) -> Positions:
    positions = Positions()
    await positions.on_partitions_assigned([TopicPartition(*FIRST), TopicPartition(*SECOND)])
    positions.place(FIRST, first)
    positions.place(SECOND, second)
    return positions


async def test_messages_are_left_when_their_partition_has_no_place_yet() -> None:
    positions = await placed()
    await positions.on_partitions_assigned([TopicPartition("purchase", 2)])
    polled = {
        TopicPartition("purchase", 0): [record(0, 10)],
        TopicPartition("purchase", 2): [record(2, 5)],
        TopicPartition("purchase", 3): [record(3, 5)],
    }
    assert positions.by_topic(polled) == {"purchase": [record(0, 10)]}


async def test_messages_that_were_applied_are_not_taken_again() -> None:
    positions = await placed()
    batch = [record(0, 10), record(0, 11), record(1, 0)]
    positions.move({FIRST: 11})
    assert positions.takeable("purchase", batch) == batch[1:]


async def test_partition_stays_forgotten_when_it_is_revoked_during_a_commit() -> None:
    positions = await placed()
    await positions.on_partitions_revoked([TopicPartition(*FIRST)])
    positions.move({FIRST: 12, SECOND: 1})
    assert positions.known == {SECOND: 1}
    assert positions.takeable("purchase", [record(0, 12)]) == []


async def test_polling_is_refused_when_a_topic_starts_over() -> None:
    positions = await placed()
    with pytest.raises(TopicWentBack):
        positions.by_topic({TopicPartition(*FIRST): [record(0, 3)]})


async def test_gap_is_no_fault_when_offsets_are_skipped() -> None:
    positions = await placed()
    polled = {TopicPartition(*FIRST): [record(0, 99)]}
    assert positions.by_topic(polled) == {"purchase": [record(0, 99)]}
