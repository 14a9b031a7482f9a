"""Whatever is repeated, and in whatever order it comes: the counts are the truth."""

import asyncio
from collections import Counter
from random import Random
from typing import Any

import pytest
from sqlalchemy import select

from heardback.db import Database
from heardback.vocabulary import Category, Scale
from insights_service.domain.facts import Fact, Measure
from insights_service.domain.rollups import changes
from insights_service.store import TABLES
from insights_service.tables import ROLLUP


async def rollups(database: Database) -> Counter[Any]:
    """Return the rollups that are not 0."""
    async with database.read() as connection:
        rows = await connection.execute(select(ROLLUP))
        return Counter({tuple(row[:-1]): row[-1] for row in rows if row[-1]})


async def recount(database: Database) -> Counter[Any]:
    """Return the counts as they follow from the facts that are kept."""
    facts: list[Fact] = []
    async with database.read() as connection:
        for kind, table in TABLES.items():
            for row in await connection.execute(select(table)):
                values = row._asdict()
                for name in {"step", "outcome"} & values.keys():
                    values[name] = Measure(values[name])
                if "category" in values:
                    values["category"] = Category(values["category"])
                    values["scale"] = Scale(values["scale"])
                facts.append(kind(**values))
    counts = changes(added=facts)
    return Counter(
        {
            (str(c.measure), c.detail, c.day, c.program_id, c.touchpoint, c.segment): count
            for c, count in counts.items()
        }
    )


def batches(events: list[Any], random: Random, largest: int) -> list[list[Any]]:
    """Return `events` cut into batches of random sizes, which also hold repeats of earlier ones."""
    cut, at = [], 0
    while at < len(events):
        size = random.randint(1, largest)
        repeats = random.choices(events[: at + 1], k=random.randint(0, size))
        batch = events[at : at + size] + repeats
        random.shuffle(batch)
        cut.append(batch)
        at += size
    return cut


@pytest.mark.parametrize("seed", range(5))
async def test_counts_are_true_when_events_are_repeated_and_shuffled(
    seed: int, database: Database, apply: Any, tell: Any
) -> None:
    random = Random(seed)
    story = tell(seed=seed, customers=80)
    stream = story.events * random.choice((1, 2, 3))
    random.shuffle(stream)
    for batch in batches(stream, random, largest=random.choice((8, 40, 500))):
        await apply(batch)
    assert await rollups(database) == story.truth
    assert await recount(database) == story.truth


async def test_counts_are_true_when_two_replicas_hear_everything_at_once(
    database: Database, apply: Any, tell: Any
) -> None:
    story = tell(seed=99, customers=250)

    async def replica(seed: int) -> None:
        random = Random(seed)
        stream = list(story.events)
        random.shuffle(stream)
        for batch in batches(stream, random, largest=120):
            await apply(batch)

    await asyncio.gather(replica(1), replica(2), replica(3))
    assert await rollups(database) == story.truth
    assert await recount(database) == story.truth
