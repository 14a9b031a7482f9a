"""A month of a shop, and the console served over it."""

import html
import json
import random
import re
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from fastapi import FastAPI

from heardback.contracts import registry
from heardback.db import Database
from heardback.envelope import Event
from heardback.health import Health
from heardback.http import build_app
from heardback.testing.builders import a_purchase, an_event
from trigger_service import program_store, rules
from trigger_service.console import routes as console_pages
from trigger_service.documents import GovernanceDocument, ProgramDocument
from trigger_service.faults import parse
from trigger_service.settings import Settings

LARGE_ORDER = {
    "id": "large-order",
    "name": "After a large order",
    "touchpoint": "purchase",
    "type": "transactional",
    "survey": "purchase-nps",
    "when": "event.amount >= 100 && customer.region in ['north', 'south']",
    "delay": "3d..5d",
    "send_hours": {"from": "09:00", "to": "18:00"},
    "expires_after": "10d",
}

TEXT = """\
id: large-order
name: After a very large order
touchpoint: purchase
type: transactional
survey: purchase-nps
delay: 3d..5d
expires_after: 10d
"""


def make_app(database: Database) -> FastAPI:
    """Return the app with the console's pages and nothing else."""
    settings = Settings(database_url=database.url, board_url="/board", dashboard_url="/dashboard")
    routers = console_pages.routers(settings, clock=database.clock)
    return build_app(name="trigger", database=database, health=Health(), routers=routers)


async def write(database: Database, **fields: Any) -> None:
    """Keep a program, or its next version."""
    document = parse(ProgramDocument, {**LARGE_ORDER, **fields})
    async with database.transaction() as tx:
        if await _exists(tx, document.id):
            await rules.write_program(tx, document, expected=None)
        else:
            await rules.create_program(tx, document)


async def set_state(database: Database, program_id: str, state: Any) -> None:
    async with database.transaction() as tx:
        await rules.set_state(tx, program_id, state)


async def limit(database: Database, most: int) -> None:
    """Let so many invitations go out a day."""
    await _amend(database, daily_budget=most)


async def forget_fields(database: Database) -> None:
    """Take the declared fields away from expressions."""
    await _amend(database, fields={})


def typed(page: str) -> str:
    """Return what stands in the editor's text area."""
    found = re.search(r"<textarea[^>]*>\n(.*?)</textarea>", page, re.DOTALL)
    assert found is not None
    return html.unescape(found[1])


async def play_month(trigger: Any, *, days: int = 30, a_day: int = 14) -> None:
    """Let a shop sell and a help desk close tickets, day after day."""
    dice = random.Random(7)
    for day in range(days):
        trigger.clock.advance(timedelta(days=1))
        today = a_day + day % 7
        await trigger.deliver(*(_purchase(trigger, dice, day, n) for n in range(today)))
        await trigger.deliver(*(_ticket(trigger, dice, day, n) for n in range(today // 2)))
        while await trigger.fire():
            pass


def _purchase(trigger: Any, dice: random.Random, day: int, number: int) -> Event[Any]:
    customer = f"c{dice.randrange(400):03}"
    profile: dict[str, Any] = {"attributes": {"region": dice.choice(["north", "south", "west"])}}
    if dice.random() < 0.93:
        profile["email"] = f"{customer}@example.com"
    if dice.random() < 0.1:
        profile["attributes"] = {}
    return a_purchase(
        day * 1000 + number,
        customer_id=customer,
        occurred_at=trigger.clock.now() - timedelta(hours=dice.randrange(20)),
        amount=float(dice.randrange(10, 300)),
        customer=profile,
    )


def _ticket(trigger: Any, dice: random.Random, day: int, number: int) -> Event[Any]:
    customer = f"c{dice.randrange(400):03}"
    return an_event(
        registry.TICKET_CLOSED,
        id=f"ticket-{day}-{number}",
        source="/desk",
        customer_id=customer,
        ticket_id=f"{day}-{number}",
        occurred_at=trigger.clock.now(),
        closed_by=dice.choice(["agent", "agent", "agent", "automation", "spam"]),
        customer={"email": f"{customer}@example.com"},
    )


def touchpoints(trigger: Any, name: str, count: int) -> Sequence[Event[Any]]:
    """Return touchpoints of a name of one's own."""
    return [
        an_event(
            registry.TOUCHPOINT_RECORDED,
            id=f"{name}-{number}",
            customer_id=f"c{number}",
            occurred_at=trigger.clock.now(),
            touchpoint=name,
        )
        for number in range(count)
    ]


async def kept(trigger: Any, program_id: str = "large-order") -> Any:
    async with trigger.database.read() as connection:
        return await rules.find_program(connection, program_id)


def words_of(html: str) -> str:
    """Return what a reader sees."""
    return " ".join(re.sub(r"<[^>]+>", " ", html).split())


async def _amend(database: Database, **fields: Any) -> None:
    async with database.transaction() as tx:
        kept = await program_store.load_governance(tx.connection)
        document = parse(GovernanceDocument, {**json.loads(kept.document), **fields})
        await rules.write_governance(tx, document)


async def _exists(tx: Any, program_id: str) -> bool:
    try:
        await rules.find_program(tx.connection, program_id)
    except rules.UnknownProgram:
        return False
    return True
