"""Deciding, on a real Postgres: what comes twice, at once, out of order or to nobody."""

import asyncio
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select, text

from heardback.contracts import registry
from heardback.contracts.payloads import Payload
from heardback.db import Database
from heardback.envelope import Event
from heardback.ids import TimeOrderedIds
from heardback.testing.builders import TRACEPARENT, a_purchase, an_event
from heardback.testing.clock import START
from heardback.testing.statements import counted
from heardback.testing.waiting import until
from trigger_service.app import install_programs
from trigger_service.domain.program import ProgramState
from trigger_service.faults import InvalidDocument
from trigger_service.handlers import on_touchpoints
from trigger_service.rules import set_state
from trigger_service.tables import CUSTOMER, TOUCHPOINT

DAY = timedelta(days=1)
CUSTOM_PROGRAM = """\
id: third-use
name: After the third use
touchpoint: feature-used
type: transactional
survey: feature-nps
delay: 0s
expires_after: 7d
"""


def a_ticket(number: int = 1, *, customer_id: str = "c1", **data: Any) -> Event[Payload]:
    fields = {
        "ticket_id": f"ticket-{number}",
        "occurred_at": START,
        "customer": {"email": f"{customer_id}@example.com"},
    }
    return an_event(
        registry.TICKET_CLOSED, id=f"ticket-{number}", customer_id=customer_id, **{**fields, **data}
    )


def a_profile(*, days: int = 0, **profile: Any) -> Event[Payload]:
    at = START + days * DAY
    return an_event(registry.CUSTOMER_UPDATED, customer_id="c1", occurred_at=at, customer=profile)


def another_replica(trigger: Any) -> Database:
    return Database(
        trigger.database.url, service="trigger", clock=trigger.clock, ids=TimeOrderedIds()
    )


async def count(database: Database, table: Any) -> int:
    async with database.read() as connection:
        return int(await connection.scalar(select(func.count()).select_from(table)) or 0)


async def reasons(trigger: Any) -> list[tuple[str, ...]]:
    return [s.reasons for s in await trigger.suppressions()]


async def test_invitation_is_scheduled_when_a_program_listens(trigger: Any) -> None:
    await trigger.deliver(a_purchase())
    (scheduled,) = await trigger.published()
    assert (scheduled.program_id, scheduled.survey_id) == ("purchase", "purchase-nps")
    assert START + 7 * DAY <= scheduled.send_at < START + 10 * DAY


async def test_one_decision_is_made_when_an_event_is_repeated(trigger: Any) -> None:
    await trigger.deliver(a_purchase(), a_purchase())
    await trigger.deliver(a_purchase())
    assert len(await trigger.published()) == 1
    assert await count(trigger.database, TOUCHPOINT) == 1


async def test_events_are_different_when_only_their_source_differs(trigger: Any) -> None:
    ticket = a_ticket()
    await trigger.deliver(
        ticket, an_event(ticket.type, id=ticket.id, source="/other", **dict(ticket.data))
    )
    assert await count(trigger.database, TOUCHPOINT) == 2


async def test_one_invitation_goes_out_when_a_batch_has_two_events_of_a_customer(
    trigger: Any,
) -> None:
    await trigger.deliver(a_purchase(1), a_purchase(2))
    assert len(await trigger.published(registry.SURVEY_SCHEDULED)) == 1
    assert await reasons(trigger) == [("cooldown_any", "cooldown_type", "cooldown_program")]


async def test_one_invitation_goes_out_when_two_replicas_decide_at_once(trigger: Any) -> None:
    other = another_replica(trigger)

    async def handle_ticket() -> None:
        async with other.transaction() as tx:
            await on_touchpoints(tx, [a_ticket()])

    async def waits_for_the_lock() -> bool:
        waiting = text("SELECT count(*) FROM pg_locks WHERE NOT granted")
        async with trigger.database.read() as connection:
            return bool(await connection.scalar(waiting))

    async with trigger.database.transaction() as tx:
        await on_touchpoints(tx, [a_purchase()])
        second = asyncio.create_task(handle_ticket())
        await until(waits_for_the_lock)
    await second
    await other.close()
    assert len(await trigger.published(registry.SURVEY_SCHEDULED)) == 1
    assert await reasons(trigger) == [("cooldown_any", "cooldown_type")]


async def test_each_customer_gets_one_invitation_when_replicas_race_over_many(
    trigger: Any,
) -> None:
    other = another_replica(trigger)

    async def race(database: Database, events: list[Event[Payload]]) -> None:
        for start in range(0, len(events), 20):
            async with database.transaction() as tx:
                await on_touchpoints(tx, events[start : start + 20])

    customers = [f"c{number}" for number in range(100)]
    purchases = [a_purchase(n, customer_id=c) for n, c in enumerate(customers)]
    tickets = [a_ticket(n, customer_id=c) for n, c in enumerate(reversed(customers))]
    await asyncio.gather(race(trigger.database, purchases), race(other, tickets))
    await other.close()
    scheduled = await trigger.published(registry.SURVEY_SCHEDULED)
    assert Counter(s.customer_id for s in scheduled) == Counter(customers)


async def test_decision_says_no_program_when_none_listens(trigger: Any) -> None:
    await trigger.deliver(
        an_event(
            registry.TOUCHPOINT_RECORDED,
            customer_id="c1",
            occurred_at=START,
            touchpoint="page-viewed",
        )
    )
    (suppressed,) = await trigger.suppressions()
    assert suppressed.program_id is None
    assert suppressed.reasons == ("no_program",)


async def test_custom_touchpoint_starts_a_survey_when_a_program_names_it(
    trigger: Any, tmp_path: Path
) -> None:
    (tmp_path / "third-use.yaml").write_text(CUSTOM_PROGRAM)
    await install_programs(trigger.database, folder=tmp_path)
    await trigger.deliver(
        an_event(
            registry.TOUCHPOINT_RECORDED,
            customer_id="c1",
            occurred_at=START,
            touchpoint="feature-used",
            customer={"email": "ada@example.com"},
        )
    )
    (scheduled,) = await trigger.published()
    assert (scheduled.touchpoint, scheduled.send_at) == ("feature-used", START)


async def test_ticket_is_skipped_when_automation_closed_it(trigger: Any) -> None:
    await trigger.deliver(a_ticket(closed_by="automation"))
    assert await reasons(trigger) == [("ticket_closed_by_automation",)]


async def test_customer_is_not_asked_when_no_address_is_known(trigger: Any) -> None:
    await trigger.deliver(a_purchase(customer=None))
    assert await reasons(trigger) == [("no_email",)]


async def test_customer_is_asked_when_their_profile_came_before(trigger: Any) -> None:
    await trigger.deliver(a_profile(email="ada@example.com", segment="smb"))
    await trigger.deliver(a_purchase(customer=None))
    (scheduled,) = await trigger.published(registry.SURVEY_SCHEDULED)
    assert scheduled.segment == "smb"


async def test_newer_profile_stays_when_an_older_one_comes_late(trigger: Any) -> None:
    await trigger.deliver(a_profile(days=-1, email="new@example.com"))
    await trigger.deliver(a_profile(days=-2, email="old@example.com", name="Ada"))
    async with trigger.database.read() as connection:
        row = (await connection.execute(select(CUSTOMER.c.email, CUSTOMER.c.name))).one()
    assert tuple(row) == ("new@example.com", "Ada")


async def test_later_profile_wins_when_an_earlier_one_claimed_the_future(trigger: Any) -> None:
    await trigger.deliver(a_profile(days=4_000, email="wrong@example.com"))
    trigger.clock.advance(DAY)
    await trigger.deliver(a_profile(days=1, email="right@example.com"))
    async with trigger.database.read() as connection:
        assert await connection.scalar(select(CUSTOMER.c.email)) == "right@example.com"


async def test_churned_customer_is_not_asked_when_something_happens_after(trigger: Any) -> None:
    churned = an_event(registry.CUSTOMER_CHURNED, customer_id="c1", occurred_at=START)
    await trigger.deliver(churned, churned)
    await trigger.deliver(a_purchase())
    assert await reasons(trigger) == [("churned",)]


async def test_decision_is_made_when_ids_are_as_long_as_they_may_be(trigger: Any) -> None:
    purchase = a_purchase()
    long = an_event(purchase.type, id="i" * 500, source="s" * 500, **dict(purchase.data))
    await trigger.deliver(long)
    assert len(await trigger.published(registry.SURVEY_SCHEDULED)) == 1


@pytest.mark.parametrize(
    ("occurred_at", "reason"),
    [
        (datetime(9999, 12, 30, tzinfo=UTC), "in_future"),
        (datetime(1, 1, 2, tzinfo=UTC), "stale"),
    ],
)
async def test_decision_is_made_when_the_date_is_absurd(
    trigger: Any, occurred_at: datetime, reason: str
) -> None:
    await trigger.deliver(a_purchase(occurred_at=occurred_at))
    assert await reasons(trigger) == [(reason,)]


async def test_trace_of_the_touchpoint_goes_on_when_a_decision_is_announced(trigger: Any) -> None:
    await trigger.deliver(a_purchase())
    async with trigger.database.read() as connection:
        assert await connection.scalar(text("SELECT traceparent FROM timer")) == TRACEPARENT


async def test_statements_are_as_many_when_the_batch_is_a_hundred_times_as_large(
    trigger: Any,
) -> None:
    await trigger.deliver(a_purchase(1, customer_id="c1"))  # the driver looks up types once
    with counted(trigger.database) as for_one:
        await trigger.deliver(a_purchase(0, customer_id="c2"))
    with counted(trigger.database) as for_many:
        await trigger.deliver(*(a_purchase(n, customer_id=f"c{n}") for n in range(100, 200)))
    assert len(for_many) == len(for_one)
    assert any("outbox" in statement for statement in for_one), "raw statements count as well"


async def test_program_is_archived_when_its_file_is_gone(trigger: Any, tmp_path: Path) -> None:
    await install_programs(trigger.database, folder=tmp_path)
    await trigger.deliver(a_purchase())
    assert await reasons(trigger) == [("no_program",)]


async def test_archived_program_is_refused_when_it_is_not_valid_any_more(
    trigger: Any, tmp_path: Path
) -> None:
    await install_programs(trigger.database, folder=tmp_path)  # declares no field event.feature
    async with trigger.database.transaction() as tx:
        with pytest.raises(InvalidDocument) as refused:
            await set_state(tx, "feature-used", ProgramState.ACTIVE)
    (fault,) = refused.value.faults
    assert fault.path == ("when",)
