"""Customers in the table, and what an erasure takes with it."""

import asyncio
from datetime import timedelta

from sqlalchemy import text

from closeloop_service.domain.commands import Note, Reply
from closeloop_service.domain.writing import Written
from closeloop_service.handlers import messages
from closeloop_service.handlers.conversations import on_answers
from closeloop_service.handlers.messages import Draft
from closeloop_service.queries import story
from closeloop_service.tables import CUSTOMER, INVITATION, STORY, metadata
from heardback.clock import breathe
from heardback.contracts import registry
from heardback.contracts.payloads import Recipient
from heardback.testing.clock import START

from .conftest import profile, said


async def waits_for_a_lock(database):
    """Return once a transaction of this database waits for another one's lock."""
    waiting = text("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
    async with asyncio.timeout(5), database.engine.connect() as connection:
        while not await connection.scalar(waiting):
            await breathe()


async def tables_that_name(database, *words):
    """Return the tables in which any of these words stands; what is on its way out is not ours."""
    named = set()
    async with database.read() as connection:
        for table in metadata.tables.keys() - {"outbox"}:
            rows = await connection.scalars(text(f'SELECT to_jsonb(t)::text FROM "{table}" AS t'))
            if any(word in row for row in rows for word in words):
                named.add(table)
    return named


async def test_profiles_are_folded_when_a_batch_has_several(hear, rows):
    await hear(
        profile(name="Ada", attributes={"account_owner": "Ben"}),
        profile(at=START + timedelta(hours=1), segment="gold"),
        said(registry.CUSTOMER_CHURNED, "c2"),
    )
    await hear(profile(name="Aida", at=START - timedelta(hours=1)))
    ada, churned = await rows(CUSTOMER)
    assert (ada.name, ada.segment, ada.attributes) == ("Ada", "gold", {"account_owner": "Ben"})
    assert (churned.customer_id, churned.churned_at) == ("c2", START)


async def test_nothing_but_the_erasure_is_kept_when_a_customer_is_erased(hear, rows):
    await hear(profile(name="Ada", email="ada@example.com", attributes={"plan": "pro"}))
    await hear(said(registry.SURVEY_SCHEDULED), said(registry.SURVEY_REQUESTED))
    await hear(said(registry.RESPONSE_RECORDED))
    await hear(said(registry.CUSTOMER_ERASED))
    (kept,) = await rows(CUSTOMER)
    assert (kept.name, kept.email, kept.attributes) == (None, None, {})
    assert kept.erased_at == START
    assert await rows(STORY) == []
    assert [row.recipient for row in await rows(INVITATION)] == [None]


async def test_nothing_is_kept_when_something_comes_after_the_erasure(hear, rows):
    await hear(said(registry.CUSTOMER_ERASED))
    await hear(said(registry.SURVEY_SCHEDULED), said(registry.SURVEY_REQUESTED))
    await hear(said(registry.INVITATION_SENT))
    await hear(said(registry.RESPONSE_RECORDED))
    await hear(profile(name="Ada"))
    assert (await rows(STORY), await rows(INVITATION)) == ([], [])
    assert (await rows(CUSTOMER))[0].name is None


async def test_task_shows_nobody_any_more_when_its_customer_is_erased(
    hear, closeloop, an_alert, rows
):
    await closeloop.hear(an_alert(1), an_alert(2))
    before, _ = await closeloop.tasks()
    await hear(said(registry.CUSTOMER_ERASED))
    await hear(said(registry.CUSTOMER_ERASED))
    after, other = await closeloop.tasks()
    assert (after.recipient, other.recipient.name) == (Recipient(), "Ada 2")
    assert after.version == before.version + 1
    assert [line.what for line in await closeloop.history()].count("erased") == 1


async def test_no_word_of_or_to_a_customer_is_left_when_they_are_erased(hear, closeloop, an_alert):
    known = {"name": "Zora", "email": "zora@example.com", "phone": "+4917012345"}
    conversation = {"invitation_id": "invitation-1", "recipient": {"email": "zora@example.com"}}
    await hear(profile(**known))
    await hear(said(registry.SURVEY_SCHEDULED), said(registry.SURVEY_REQUESTED, **conversation))
    again = {"customer_id": "c1", "comment": "Zora here, still waiting."}
    alerts = (an_alert(1, recipient=known, comment="It is me, Zora."), an_alert(2, **again))
    await closeloop.hear(*alerts, an_alert(3))
    task_id = (await closeloop.tasks())[0].task_id
    draft = Draft(actor="Ana", written=Written(subject="Dear Zora", text="Hello Zora, sorry."))
    async with closeloop.database.transaction() as tx:
        await messages.write(tx, closeloop.keeper, task_id, draft)
    await closeloop.move(task_id, Reply(channel="phone", text="Zora called."))
    await closeloop.move(task_id, Note(actor="Ana", note="Zora is on +4917012345."))
    assert await tables_that_name(closeloop.database, "Zora") == {
        "answer", "customer", "message", "task", "task_history",
    }  # fmt: skip
    await hear(said(registry.CUSTOMER_ERASED))
    await closeloop.hear(*alerts, an_alert(4, **again))
    assert await tables_that_name(closeloop.database, "Zora", "zora@", "+4917012345") == set()
    before = [line.what for line in await closeloop.history() if line.task_id == task_id]
    assert [what for what in before if what != "unrouted"][:3] == ["opened", "joined", "wrote"]
    other = (await closeloop.tasks())[1]
    assert other.answer.comment == "It came two weeks late."


async def test_batch_that_is_under_way_is_erased_too(hear, database, rows):
    async with database.transaction() as tx:
        await on_answers(tx, [said(registry.RESPONSE_RECORDED)])
        erasing = asyncio.ensure_future(hear(said(registry.CUSTOMER_ERASED)))
        await waits_for_a_lock(database)
    await erasing
    assert await rows(STORY) == []


async def test_erasure_of_one_leaves_the_others(hear, rows):
    await hear(said(registry.RESPONSE_RECORDED), said(registry.RESPONSE_RECORDED, "c2"))
    await hear(said(registry.CUSTOMER_ERASED), said(registry.CUSTOMER_ERASED))
    assert [line.customer_id for line in await rows(STORY)] == ["c2"]


async def test_unknown_customer_is_nobody_when_asked_for(database):
    async with database.read() as connection:
        customer = await story.find_customer(connection, "nobody")
    assert (customer.customer_id, customer.name, dict(customer.attributes)) == ("nobody", None, {})
