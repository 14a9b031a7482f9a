"""Handlers on a real Postgres: each corner of what is repeated, revised and late."""

import itertools
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import delete, select

from heardback.contracts import registry
from heardback.contracts.payloads import Payload
from heardback.db import Database
from heardback.envelope import Event
from heardback.testing import statements
from heardback.testing.builders import an_event
from heardback.testing.clock import START
from heardback.vocabulary import category_of
from insights_service import queries
from insights_service.domain.facts import Measure
from insights_service.domain.nps import Tally
from insights_service.domain.scope import Scope
from insights_service.tables import RESPONSE, ROLLUP

ABOUT = {"customer_id": "c1", "program_id": "shop", "touchpoint": "purchase", "segment": "smb"}


def a_response(score: int, *, revision: int = 1, days: int = 0, **data: Any) -> Event[Payload]:
    recorded = registry.RESPONSE_RECORDED if revision == 1 else registry.RESPONSE_REVISED
    fields = {
        "response_id": "r1",
        "invitation_id": "i1",
        "survey_id": "nps",
        "channel": "email",
        "revision": revision,
        "score": score,
        "category": category_of(score),
        "answered_at": START + timedelta(days=days),
    }
    return an_event(recorded, id=f"response-{revision}", **{**ABOUT, **fields, **data})


async def counted(database: Database, **scope: Any) -> dict[str, int]:
    async with database.read() as connection:
        counts = await queries.counts(connection, Scope(**scope))
    return {str(measure): n for measure in Measure if (n := counts.of(measure))}


async def test_revision_moves_a_response_to_its_new_group(database: Database, apply: Any) -> None:
    await apply([a_response(2, comment="Late.")])
    await apply([a_response(9, revision=2)])
    assert await counted(database) == {"promoter": 1}


async def test_earlier_revision_changes_nothing_when_it_comes_later(
    database: Database, apply: Any
) -> None:
    await apply([a_response(9, revision=3, comment="All good now.")])
    await apply([a_response(2, comment="Late."), a_response(7, revision=2)])
    assert await counted(database) == {"promoter": 1, "commented": 1}


async def test_revisions_of_one_batch_count_once(database: Database, apply: Any) -> None:
    await apply([a_response(9, revision=2), a_response(2), a_response(9, revision=2)])
    assert await counted(database) == {"promoter": 1}


async def test_response_counts_on_the_day_of_its_last_revision(
    database: Database, apply: Any
) -> None:
    await apply([a_response(2)])
    await apply([a_response(9, revision=2, days=3)])
    assert await counted(database, last_day=START.date()) == {}
    assert await counted(database, first_day=START.date() + timedelta(days=3)) == {"promoter": 1}


def a_quarantine(*, revision: int | None = 1, days: int = 0) -> Event[Payload]:
    fields = {
        "response_id": "r1",
        "invitation_id": "i1",
        "survey_id": "nps",
        "channel": "email",
        "revision": revision,
        "category": revision and "detractor",
        "reasons": ["every_link"],
        "quarantined_at": START + timedelta(days=days),
    }
    about = {**ABOUT, **fields}
    return an_event(registry.RESPONSE_QUARANTINED, id=f"quarantine-{revision}", **about)


@pytest.mark.parametrize(
    ("events", "counts"),
    [
        ([a_response(2), a_quarantine()], {}),
        ([a_response(2), a_quarantine(), a_response(9, revision=2)], {"promoter": 1}),
        (
            [a_response(2), a_response(3, revision=2), a_quarantine(revision=2)],
            {},
        ),
        ([a_response(2), a_quarantine(), a_response(9, revision=2), a_quarantine(revision=2)], {}),
        ([a_quarantine(revision=None), a_response(2)], {"detractor": 1}),
    ],
)
async def test_answer_counts_unless_its_last_word_is_a_quarantine(
    database: Database, apply: Any, events: list[Event[Payload]], counts: dict[str, int]
) -> None:
    for order in itertools.permutations(events):
        for batch in ([order], [[event] for event in order]):
            await _forget(database)
            for part in batch:
                await apply(part)
                await apply(part)
            assert await counted(database) == counts


async def test_score_of_another_scale_counts_and_makes_no_nps(
    database: Database, apply: Any
) -> None:
    await apply([a_response(2, scale="csat", category="detractor"), an_answer_nobody_asked_for()])
    async with database.read() as connection:
        counts = await queries.counts(connection, Scope())
        days = await queries.scores_by_day(connection, Scope())
    assert counts.tally == days[START.date()] == Tally(promoters=1)
    assert (counts.scored, counts.of(Measure.UNASKED)) == (2, 1)
    await apply([a_response(4, revision=2, scale="csat", category="promoter")])
    assert await counted(database) == {"promoter": 2, "unasked": 1}


def an_answer_nobody_asked_for() -> Event[Payload]:
    return a_response(10, response_id="r2", invitation_id="i2", channel="direct")


async def test_invitation_is_opened_once_and_reminded_by_number(
    database: Database, apply: Any
) -> None:
    about = {**ABOUT, "invitation_id": "i1"}
    sent = {**about, "channel": "email", "provider": "smtp", "message_id": "m", "sent_at": START}
    opened = an_event(registry.INVITATION_OPENED, opened_at=START, **about)
    reminded = [an_event(registry.INVITATION_REMINDED, number=n, **sent) for n in (1, 2, 1)]
    await apply([an_event(registry.INVITATION_SENT, **sent), *reminded, opened, opened])
    await apply([opened, *reminded])
    assert await counted(database) == {"sent": 1, "reminded": 2, "invitation_opened": 1}


async def test_bounce_is_no_loss_when_the_next_channel_is_tried(
    database: Database, apply: Any
) -> None:
    about = {**ABOUT, "invitation_id": "i1", "reason": "550", "bounced_at": START}
    on = {"channel": "email", "next_channel": "sms"}
    await apply([an_event(registry.INVITATION_BOUNCED, **about, **on)])
    assert await counted(database) == {}
    await apply([an_event(registry.INVITATION_BOUNCED, **about, channel="sms")])
    assert await counted(database) == {"bounced": 1}


async def test_what_counts_nowhere_passes(database: Database, apply: Any) -> None:
    about = {"customer_id": "c1", "invitation_id": "i1"}
    back = {**about, "program_id": "shop", "resubscribed_at": START}
    reply = {"reply_id": "y", "channel": "sms", "text": "9", "received_at": START}
    sent = {"follow_up_id": "f", "channel": "sms", "provider": "p", "message_id": "m"}
    failed = {"follow_up_id": "f", "reason": "no_address", "failed_at": START}
    await apply(
        [
            an_event(registry.RECIPIENT_RESUBSCRIBED, **back),
            an_event(registry.REPLY_RECEIVED, **about, **reply),
            an_event(registry.FOLLOW_UP_SENT, **about, **sent, sent_at=START),
            an_event(registry.FOLLOW_UP_FAILED, **about, **failed),
        ]
    )
    assert await counted(database) == {}


async def _forget(database: Database) -> None:
    async with database.transaction() as tx:
        await tx.connection.execute(delete(RESPONSE))
        await tx.connection.execute(delete(ROLLUP))


async def test_comment_of_blanks_is_none(database: Database, apply: Any) -> None:
    await apply([a_response(2, comment=" \n ")])
    assert await counted(database) == {"detractor": 1}


async def test_words_of_customers_are_not_kept(database: Database, apply: Any) -> None:
    await apply([a_response(2, comment="My number is 555-0100.")])
    async with database.read() as connection:
        row = (await connection.execute(select(RESPONSE))).one()
    assert "555" not in str(row)


async def test_segment_that_is_not_named_counts_too(database: Database, apply: Any) -> None:
    await apply([a_response(9, segment=None)])
    assert await counted(database) == {"promoter": 1}
    assert await counted(database, segment="smb") == {}


async def test_figures_ring_when_they_change_and_only_then(database: Database, apply: Any) -> None:
    with statements.counted(database) as at_first:
        await apply([a_response(9)])
    with statements.counted(database) as again:
        await apply([a_response(9)])
    assert any("pg_notify" in statement for statement in at_first)
    assert not any("pg_notify" in statement for statement in again)


async def test_statements_are_as_many_for_a_large_batch_as_for_a_small_one(
    database: Database, apply: Any, tell: Any
) -> None:
    await apply(tell(seed=1, customers=20, until=START).events)  # the driver looks up types once
    counts = []
    for customers in (60, 600):
        events = tell(seed=customers, customers=customers, until=START).events
        for _ in ("new", "known"):
            with statements.counted(database) as sent:
                await apply(events)
            counts.append(len(sent))
    assert counts == [17, 8, 17, 8]


async def test_each_time_counts_once_when_a_task_is_reopened(
    database: Database, apply: Any
) -> None:
    about: dict[str, Any] = {**ABOUT, "task_id": "t1", "occurred_at": START}
    closed = {"owner": "Ana", "root_cause": "late delivery", "resolution_seconds": 60.0}
    events = [
        an_event(registry.TASK_RESOLVED, **about, **closed, version=4),
        an_event(registry.TASK_VERIFIED, **about, outcome="unchanged", score=3, version=5),
        an_event(registry.TASK_REOPENED, **about, reason="scored 3", version=6),
        an_event(registry.TASK_RESOLVED, **about, **closed, number=2, version=9),
        an_event(registry.TASK_REOPENED, **about, reason="called", version=10),
        an_event(registry.TASK_CANCELLED, **about, reason="moved away", version=11),
    ]
    await apply(events)
    await apply(events)
    expected = {"resolved": 2, "reopened": 2, "task_cancelled": 1, "verified": 1}
    assert await counted(database) == expected


async def test_customer_counts_once_in_the_score_when_asked_again(
    database: Database, apply: Any
) -> None:
    again = {"response_id": "r2", "program_id": "recovery", "touchpoint": "task-resolved"}
    await apply([a_response(2), a_response(9, **again)])
    async with database.read() as connection:
        overall = await queries.counts(connection, Scope())
        recovery = await queries.counts(connection, Scope(program="recovery"))
        (day,) = (await queries.scores_by_day(connection, Scope())).values()
    assert overall.tally == day == Tally(detractors=1, passives=0, promoters=0)
    assert recovery.tally == Tally(detractors=0, passives=0, promoters=1)
    assert overall.scored == 2
