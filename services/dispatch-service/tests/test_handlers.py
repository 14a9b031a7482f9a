"""What survey events, claims and results do, on a real Postgres."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text

from dispatch_service import delivery
from dispatch_service.domain.message import Outcome
from dispatch_service.domain.suppression import Reason, Suppression
from dispatch_service.requests import UnusableHours, UnusableInvitationId
from dispatch_service.suppression import suppress
from dispatch_service.surveys import Surveys
from dispatch_service.tables import metadata
from heardback.db import Database
from heardback.envelope import Event
from heardback.testing.builders import TRACEPARENT
from heardback.testing.clock import START, ManualClock

from .driving import LEASE, a_result, an_ask, claim, row_of, settle

Make = Callable[..., Event[Any]]
Take = Callable[..., Awaitable[None]]
Published = Callable[[Database], Awaitable[list[Event[Any]]]]


async def test_invitation_is_queued_once_when_its_event_repeats(
    database: Database, requested: Make, take: Take
) -> None:
    await take(database, requested(), requested())
    await take(database, requested())
    assert len(await claim(database)) == 1
    assert await claim(database) == []


async def test_claim_is_committed_with_its_attempt_when_taken(
    database: Database, requested: Make, take: Take, clock: ManualClock
) -> None:
    await take(database, requested())
    assert len(await claim(database)) == 1
    row = await row_of(database, "message")
    assert (row.state, row.attempts, row.due_at) == ("sending", 1, clock.now() + LEASE)
    async with database.read() as connection:
        attempt = (await connection.execute(text("SELECT * FROM attempt"))).one()
    assert (attempt.number, attempt.outcome, attempt.customer_id) == (1, None, "c1")


async def test_sent_is_published_with_the_trace_when_the_provider_took_it(
    database: Database, requested: Make, take: Take, published: Published
) -> None:
    await take(database, requested())
    (taken,) = await claim(database)
    await settle(database, a_result(taken))
    (event,) = await published(database)
    assert event.type.name == "invitation.sent.v1"
    assert event.traceparent == TRACEPARENT
    assert event.data.message_id == event.data.invitation_id == taken.message.message_id
    assert (event.data.segment, event.data.channel, event.data.provider) == (
        "gold",
        "email",
        "smtp",
    )
    row = await row_of(database, "message")
    assert (row.state, row.due_at) == ("sent", None)
    assert (await row_of(database, "invitation")).state == "sent"


async def test_sent_is_published_once_when_its_result_is_recorded_twice(
    database: Database, requested: Make, take: Take, published: Published
) -> None:
    await take(database, requested())
    (taken,) = await claim(database)
    await settle(database, a_result(taken))
    await settle(database, a_result(taken))
    assert len(await published(database)) == 1


async def test_claim_is_taken_over_when_its_lease_is_over(
    database: Database,
    requested: Make,
    take: Take,
    published: Published,
    clock: ManualClock,
) -> None:
    await take(database, requested())
    (first,) = await claim(database)
    clock.advance(LEASE - timedelta(seconds=1))
    assert await claim(database) == []
    clock.advance(timedelta(seconds=1))
    (second,) = await claim(database)
    assert (second.number, second.again, first.again) == (2, True, False)
    await settle(database, a_result(first))  # late: it was taken over
    assert await published(database) == []
    await settle(database, a_result(second))
    assert len(await published(database)) == 1


async def test_deferred_waits_until_its_time_when_the_provider_says_later(
    database: Database, requested: Make, take: Take, published: Published, clock: ManualClock
) -> None:
    await take(database, requested())
    (taken,) = await claim(database)
    retry_at = clock.now() + timedelta(seconds=15)
    await settle(database, a_result(taken, Outcome.DEFERRED, retry_at=retry_at))
    assert await claim(database) == []
    clock.advance(timedelta(seconds=15))
    (again,) = await claim(database)
    assert (again.number, again.again) == (2, False)
    assert await published(database) == []


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"recipient": {"name": "Ada"}}, "no_address"),
        ({"recipient": {"email": "not an address"}}, "no_address"),
    ],
)
async def test_invitation_is_dropped_when_it_can_not_be_sent(
    database: Database,
    requested: Make,
    take: Take,
    published: Published,
    fields: dict[str, Any],
    reason: str,
) -> None:
    await take(database, requested(**fields))
    assert await claim(database) == []
    (event,) = await published(database)
    assert (event.type.name, event.data.reason) == ("invitation.dropped.v1", reason)
    assert await claim(database) == []
    assert len(await published(database)) == 1


async def test_invitation_is_dropped_when_it_is_too_late(
    database: Database, requested: Make, take: Take, published: Published, clock: ManualClock
) -> None:
    await take(database, requested())
    clock.advance(timedelta(days=14))
    assert await claim(database) == []
    (event,) = await published(database)
    assert event.data.reason == "too_late"


@pytest.mark.parametrize(
    "other",
    [
        {"customer_id": "c1", "recipient": {"email": "new@example.com"}},
        {"customer_id": "c9", "recipient": {"email": "C1@example.com"}},
    ],
)
async def test_invitation_is_dropped_when_customer_or_address_is_on_the_list(
    database: Database, requested: Make, take: Take, published: Published, other: dict[str, Any]
) -> None:
    async with database.transaction() as tx:
        entry = Suppression(
            customer_id="c1",
            address="c1@example.com",
            reason=Reason.UNSUBSCRIBED,
            suppressed_at=START,
        )
        await suppress(tx, [entry])
    await take(database, requested(1), requested(2, **other))
    assert await claim(database) == []
    events = await published(database)
    assert [e.type.name for e in events] == ["invitation.dropped.v1"] * 2
    assert {e.data.reason for e in events} == {"suppressed"}


async def test_invitation_is_dropped_when_it_is_cancelled_in_time(
    database: Database, requested: Make, cancelled: Make, take: Take, published: Published
) -> None:
    await take(database, requested(), cancelled())
    await take(database, cancelled())
    assert await claim(database) == []
    (event,) = await published(database)
    assert event.data.reason == "cancelled"


async def test_cancel_changes_nothing_when_the_mail_is_under_way(
    database: Database, requested: Make, cancelled: Make, take: Take, published: Published
) -> None:
    await take(database, requested())
    (taken,) = await claim(database)
    await take(database, cancelled())
    await settle(database, a_result(taken))
    (event,) = await published(database)
    assert event.type.name == "invitation.sent.v1"


async def test_event_is_refused_when_links_can_not_carry_its_id(
    database: Database, requested: Make, take: Take
) -> None:
    with pytest.raises(UnusableInvitationId):
        await take(database, requested(invitation_id="inv-1"))


async def test_event_is_refused_when_its_hours_can_not_be_read(
    database: Database, requested: Make, take: Take
) -> None:
    hours = {"timezone": "UTC", "channels": {"email": {"spans": [["nine", "17:00"]]}}}
    with pytest.raises(UnusableHours):
        await take(database, requested(hours=hours))


async def test_claims_never_overlap_when_two_replicas_take_at_once(
    database: Database, requested: Make, take: Take
) -> None:
    await take(database, *(requested(n) for n in range(1, 21)))
    surveys = Surveys()
    async with database.transaction() as one, database.transaction() as two:
        first = (await delivery.claim(one, an_ask(limit=12), surveys)).claims
        second = (await delivery.claim(two, an_ask(limit=12), surveys)).claims
    ids = [c.message.message_id for c in [*first, *second]]
    assert len(ids) == len(set(ids)) == 20


async def test_schema_is_what_the_tables_say_when_migrated(database: Database) -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    async with database.read() as connection:
        differences = await connection.run_sync(
            lambda c: compare_metadata(MigrationContext.configure(c), metadata)
        )
    assert differences == []
