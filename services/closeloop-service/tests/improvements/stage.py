"""Themes over their threshold, and what is to be seen of their improvements."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import select

from closeloop_service.queries import improvements as queries
from closeloop_service.queries.history import HistoryLine
from closeloop_service.queries.improvements import Filters, ImprovementLine
from closeloop_service.tables import OUTBOX
from heardback import outbox
from heardback.contracts import registry
from heardback.contracts.payloads import Payload
from heardback.contracts.topics import Topic
from heardback.db import Database
from heardback.envelope import Event, decode
from heardback.testing.builders import an_event
from heardback.testing.clock import START


def a_reporter(number: int, *, response: str | None = None) -> dict[str, str]:
    return {
        "customer_id": f"c{number:04}",
        "invitation_id": f"i{number}",
        "response_id": response or f"r{number}",
        "program_id": "after-purchase",
    }


def a_quote(number: int, *, consent: bool = True, text: str = "Too late.") -> dict[str, Any]:
    return {
        "response_id": f"r{number}",
        "customer_id": f"c{number:04}",
        "text": text,
        "score": 3,
        "consent": consent,
    }


def a_theme(theme_id: str = "late-delivery", **data: Any) -> Event[Any]:
    """Return a theme of which three customers spoke."""
    fields = {
        "theme_id": theme_id,
        "title": "Late delivery",
        "responses": 3,
        "detractors": 2,
        "customers": 3,
        "revenue_at_risk": 1200.5,
        "currency": "EUR",
        "quotes": [a_quote(1), a_quote(2, consent=False)],
        "reporters": [a_reporter(number) for number in (1, 2, 3)],
        "since": START,
        "reached_at": START,
    }
    return an_event(registry.THEME_THRESHOLD_REACHED, id="t1", **{**fields, **data})


async def lines_of(database: Database) -> list[ImprovementLine]:
    """Return all improvements, the oldest first."""
    async with database.read() as connection:
        found = await queries.newest(connection, Filters(), before=None, limit=200)
    return found[::-1]


async def history_of(database: Database, line: ImprovementLine) -> list[HistoryLine]:
    async with database.read() as connection:
        found = await queries.history_of(connection, line.improvement.improvement_id)
    return found[::-1]


async def said_in(database: Database, topic: Topic) -> Sequence[Event[Payload]]:
    """Return what was said in a topic and waits in the outbox, in order."""
    query = select(OUTBOX).where(OUTBOX.c.topic == topic.name).order_by(OUTBOX.c.seq)
    async with database.read() as connection:
        rows = (await connection.execute(query)).all()
    return [decode(topic, row.value, outbox.unpack(row.headers)) for row in rows]
