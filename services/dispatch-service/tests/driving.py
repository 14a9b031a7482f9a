"""What a sending loop does to the database, one step at a time."""

import asyncio
from datetime import timedelta
from typing import Any

from sqlalchemy import text

from dispatch_service import delivery
from dispatch_service.domain.message import Claim, Outcome, Result
from dispatch_service.handlers import on_fallbacks_due, on_reminders_due
from dispatch_service.surveys import Surveys
from heardback.db import Database
from heardback.health import Check
from heardback.timer_loop import TimerLoop
from heardback.vocabulary import Channel

LEASE = timedelta(seconds=60)


def an_ask(channel: Channel = Channel.EMAIL, *, limit: int = 100) -> delivery.Ask:
    return delivery.Ask(channel=channel, provider="smtp", limit=limit, lease=LEASE)


async def claim(
    database: Database, channel: Channel = Channel.EMAIL, *, limit: int = 100
) -> list[Claim]:
    async with database.transaction() as tx:
        ask = an_ask(channel, limit=limit)
        return list((await delivery.claim(tx, ask, Surveys())).claims)


async def settle(database: Database, *results: Result) -> None:
    async with database.transaction() as tx:
        await delivery.settle(tx, results)


def a_result(claim: Claim, outcome: Outcome = Outcome.SENT, **fields: Any) -> Result:
    known = {"detail": "said the provider", "finished_at": claim.claimed_at}
    return Result(claim=claim, outcome=outcome, **{**known, **fields})


async def send(
    database: Database, channel: Channel = Channel.EMAIL, outcome: Outcome = Outcome.SENT
) -> list[Claim]:
    """Claim what is due in a channel and let it end like this."""
    claims = await claim(database, channel)
    await settle(database, *(a_result(one, outcome) for one in claims))
    return claims


async def fire(database: Database) -> int:
    """Fire the timers that are due; return how many there were."""
    loop = TimerLoop(
        database=database,
        handlers={"reminder": on_reminders_due, "fallback": on_fallbacks_due},
        bell=asyncio.Event(),
        batch_size=100,
        check=Check(name="timers"),
    )
    return await loop.fire()


async def row_of(database: Database, table: str, **where: Any) -> Any:
    """Return the one row of a table that has these values."""
    rows = await rows_of(database, table, **where)
    assert len(rows) == 1, f"{len(rows)} rows in {table} with {where}"
    return rows[0]


async def rows_of(database: Database, table: str, **where: Any) -> list[Any]:
    conditions = " AND ".join(f"{name} = :{name}" for name in where) or "true"
    async with database.read() as connection:
        query = text(f"SELECT * FROM {table} WHERE {conditions}")
        return list((await connection.execute(query, where)).all())
