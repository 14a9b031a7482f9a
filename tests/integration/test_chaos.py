"""Everything is killed while customers come: each effect still happens once."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime

import asyncpg
import httpx2
import pytest

from heardback.testing.waiting import until
from heardback_local.customers import plays
from heardback_local.measuring import check
from heardback_local.places import Places
from heardback_local.publisher import Publisher
from heardback_local.services import SERVICES
from heardback_local.simulated_events import Run, event_of
from heardback_local.simulation import Script, Simulation
from heardback_local.stack import Stack

EVENTS = 2_000
UNRECORDED_MAILS = 32
DUPLICATES = "mailbox: mails too many"

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(420)]


def places_of(stack: Stack) -> Places:
    return Places(
        kafka=stack.kafka_bootstrap,
        trigger=stack.url("trigger"),
        closeloop=stack.url("closeloop"),
        insights=stack.url("insights"),
        mailbox=stack.url("mailbox"),
    )


async def kill_everything(stack: Stack, *, with_broker: bool) -> None:
    """Kill each service and Postgres, one after the other, each when all is well again."""
    replicas = stack.config.replicas
    for number, service in enumerate(SERVICES):
        await stack.kill(service.name, replica=number % replicas)
        await stack.wait_ready()
    stack.kill_postgres()
    await stack.wait_ready()
    if with_broker:
        stack.kill_broker()
        await stack.wait_ready()


async def mails_by_invitation(client: httpx2.AsyncClient, stack: Stack) -> Counter[str]:
    """Count the mails under each Message-ID: more than one is a duplicate after a crash."""
    seen: Counter[str] = Counter()
    after = 0
    while True:
        query = {"after": after, "limit": 500}
        page = (await client.get(f"{stack.url('mailbox')}/api/messages", params=query)).json()
        seen.update(mail["message_id"] for mail in page["messages"])
        if not page["messages"]:
            return seen
        after = page["next"]


async def dead_letters(stack: Stack) -> Sequence[asyncpg.Record]:
    """Return every dead letter that any service ever staged."""
    connection = await asyncpg.connect(stack.superuser_url)
    try:
        found = [
            await connection.fetch(
                f"select '{s.name}' as service, convert_from(headers, 'utf-8') as headers "
                f"from {s.name}.outbox where topic = 'dead-letter'"
            )
            for s in SERVICES
        ]
    finally:
        await connection.close()
    return [row for rows in found for row in rows]


async def broken_cooldowns(stack: Stack) -> int:
    """Count the customers who hold two slots; the shortest cooldown is 30 days."""
    connection = await asyncpg.connect(stack.superuser_url)
    try:
        return await connection.fetchval(
            "select count(*) from (select customer_id from trigger.invitation"
            " where state in ('pending', 'requested')"
            " group by customer_id having count(*) > 1) as twice"
        )
    finally:
        await connection.close()


async def expect_truth(
    simulation: Simulation, stack: Stack, client: httpx2.AsyncClient, *, sender_crashes: int
) -> None:
    comparisons = await check(simulation, places_of(stack), client, timeout_seconds=90)
    unequal = [c for c in comparisons if not c.equal and c.name != DUPLICATES]
    assert unequal == []
    assert simulation.progress.problems == []
    mails = await mails_by_invitation(client, stack)
    assert len(mails) == simulation.truth.invited, "one invitation for each eligible customer"
    assert mails.total() - len(mails) <= sender_crashes * UNRECORDED_MAILS
    assert await broken_cooldowns(stack) == 0
    assert await dead_letters(stack) == []


@pytest.mark.parametrize("replicas", [1, 2])
async def test_every_effect_happens_once_when_everything_is_killed(
    start_stack, kafka: str, replicas: int
) -> None:
    async with start_stack(replicas=replicas) as stack, httpx2.AsyncClient(timeout=10) as client:
        # Apache Kafka's restart takes its time, and all that happens in it is to be caught up with.
        script = Script(
            seed=replicas,
            customers=None,
            events_per_second=20 if kafka == "apache" else 40,
            think_scale=0.3,
            patience_seconds=120,
        )
        simulation = Simulation(Run(f"chaos{replicas}"), script, places_of(stack), client)
        playing = asyncio.create_task(simulation.play())
        await until(lambda: simulation.progress.answered.total() > 20 or playing.done())
        await kill_everything(stack, with_broker=kafka == "apache")
        # However long the kills took, they fell into the play.
        await until(lambda: simulation.progress.published >= EVENTS or playing.done(), seconds=90)
        assert not playing.done(), "nothing ends the play but what comes next"
        simulation.enough()
        await playing
        # Postgres' death interrupts the sender too.
        await expect_truth(simulation, stack, client, sender_crashes=2)


async def test_nothing_happens_twice_when_the_broker_forgets_everything(
    start_stack, kafka: str
) -> None:
    if kafka == "apache":
        pytest.skip("Apache Kafka keeps its topics over a restart")
    async with start_stack() as stack, httpx2.AsyncClient(timeout=10) as client:
        run, script = Run("forgetful"), Script(seed=7, customers=300, think_scale=2)
        simulation = Simulation(run, script, places_of(stack), client)
        playing = asyncio.create_task(simulation.play())
        await until(lambda: simulation.progress.answered.total() > 50 or playing.done())
        stack.kill_broker()
        await stack.wait_ready()
        # What the broker had taken and nobody had read is lost with it: product systems send again.
        async with Publisher(stack.kafka_bootstrap) as publisher:
            for play in plays(script.seed, script.customers):
                await publisher.publish(event_of(run, play, at=datetime.now(UTC)))
            await publisher.flush()
        await playing
        await expect_truth(simulation, stack, client, sender_crashes=1)
