"""Messages end to end: written by an owner, handed to dispatch, settled by what it tells."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text

from closeloop_service.domain.commands import Cancel, Contact, Resolve, Wait
from closeloop_service.domain.errors import MoveNotAllowed, NoConversation, TaskChanged
from closeloop_service.domain.rules import Alerting, AlertKind, AlertRoute
from closeloop_service.domain.task import TaskState
from closeloop_service.domain.writing import Message, MessageState, Written
from closeloop_service.handlers import messages
from closeloop_service.handlers.messages import Draft
from closeloop_service.queries.tasks import messages_of
from closeloop_service.store.messages import since_contact
from heardback.contracts import registry
from heardback.contracts.payloads import FollowUpRequested
from heardback.envelope import Event
from heardback.testing.builders import an_event
from heardback.testing.clock import START
from heardback.testing.statements import counted
from heardback.vocabulary import SlaClock

DRAFT = Draft(actor="Ana", written=Written(subject="Sorry", text="Hello Ada,\n\nwe are sorry."))
MINUTE = timedelta(minutes=1)


async def conversation(closeloop, an_alert, channel="email"):
    """Open the task of a customer who was asked by a channel."""
    async with closeloop.database.transaction() as tx:
        await tx.connection.exec_driver_sql(
            "INSERT INTO invitation (invitation_id, customer_id, program_id, touchpoint, channel)"
            f" VALUES ('invitation-1', 'c1', 'after-purchase', 'purchase', '{channel}')"
        )
    await closeloop.hear(an_alert())
    return await closeloop.task()


async def write(closeloop, task, draft=DRAFT, **options):
    async with closeloop.database.transaction() as tx:
        return await messages.write(tx, closeloop.keeper, task.task_id, draft, **options)


def was_sent(message: Message, at: datetime = START, channel: str = "email") -> Event[Any]:
    return an_event(
        registry.FOLLOW_UP_SENT,
        customer_id="c1",
        follow_up_id=message.follow_up_id,
        invitation_id="invitation-1",
        channel=channel,
        provider="smtp",
        message_id="m1",
        sent_at=at,
    )


def has_failed(message: Message, reason: str = "suppressed", at: datetime = START) -> Event[Any]:
    return an_event(
        registry.FOLLOW_UP_FAILED,
        customer_id="c1",
        follow_up_id=message.follow_up_id,
        invitation_id="invitation-1",
        reason=reason,
        failed_at=at,
    )


def a_reply(
    text: str = "Thank you!",
    *,
    reply_id: str = "reply-1",
    at: datetime = START + MINUTE,
    invitation_id: str = "invitation-1",
) -> Event[Any]:
    return an_event(
        registry.REPLY_RECEIVED,
        customer_id="c1",
        invitation_id=invitation_id,
        reply_id=reply_id,
        channel="sms",
        text=text,
        received_at=at,
    )


async def whats(closeloop):
    """Return what happened, after the task was opened."""
    return [line.what for line in await closeloop.history()][2:]


async def timer_kinds(closeloop):
    """Return the kinds of the timers of clocks that wait."""
    return {kind for kind, _ in await closeloop.timer_keys("sla_warning", "sla_breach")}


async def rows(closeloop, query):
    async with closeloop.database.read() as connection:
        return list(await connection.execute(text(query)))


async def states(closeloop, task):
    async with closeloop.database.read() as connection:
        return [message.state for message in await messages_of(connection, task.task_id)]


async def test_row_31_message_is_handed_to_dispatch_in_the_conversation(closeloop, an_alert):
    task = await conversation(closeloop, an_alert)
    message = await write(closeloop, task)
    (row,) = await rows(closeloop, "SELECT value FROM outbox WHERE topic = 'follow-up'")
    assert FollowUpRequested.model_validate_json(row.value) == FollowUpRequested(
        customer_id="c1",
        follow_up_id=message.follow_up_id,
        invitation_id="invitation-1",
        program_id="after-purchase",
        subject="Sorry",
        text="Hello Ada,\n\nwe are sorry.",
        requested_at=START,
    )
    lines = await closeloop.history()
    assert (lines[-1].what, lines[-1].actor, lines[-1].note) == ("wrote", "Ana", DRAFT.written.text)
    assert await states(closeloop, task) == [MessageState.REQUESTED]


async def test_row_43_message_is_contact_from_when_it_was_sent(closeloop, an_alert):
    task = await conversation(closeloop, an_alert)
    message = await write(closeloop, task)
    assert (await closeloop.task()).contacted_at is None
    closeloop.clock.advance(timedelta(hours=5))
    await closeloop.hear(was_sent(message, START + MINUTE))
    after = await closeloop.task()
    first = after.clocks[SlaClock.FIRST_RESPONSE]
    assert (after.state, after.contacted_at) == (TaskState.CONTACTED, START + MINUTE)
    assert (first.stopped_at, first.breached) == (START + MINUTE, False)
    lines = await closeloop.history()
    assert (lines[-1].what, lines[-1].actor) == ("contacted", "Ana")
    assert lines[-1].details == {
        "channel": "email",
        "follow_up_id": message.follow_up_id,
        "at": (START + MINUTE).isoformat(),
        "in_time": [],
    }
    keys = {
        (row.kind, row.key.partition("/")[2])
        for row in await rows(closeloop, "SELECT * FROM timer")
    }
    assert keys == {("sla_warning", "resolution"), ("sla_breach", "resolution")}


async def test_message_is_refused_with_nothing_kept_where_there_is_no_conversation(
    closeloop, an_alert
):
    task = await conversation(closeloop, an_alert, "webhook")
    with pytest.raises(NoConversation):
        await write(closeloop, task)
    assert await whats(closeloop) == []
    assert await states(closeloop, task) == []


async def test_message_is_refused_when_the_task_is_closed_or_has_changed(closeloop, an_alert):
    task = await conversation(closeloop, an_alert)
    with pytest.raises(TaskChanged):
        await write(closeloop, task, version=task.version - 1)
    await closeloop.move(task.task_id, Cancel(actor="Ana", reason="a test"))
    with pytest.raises(MoveNotAllowed):
        await write(closeloop, task)


async def test_message_that_fails_is_told_to_its_owner_once(closeloop, an_alert):
    route = AlertRoute(kinds=frozenset({AlertKind.MESSAGE_FAILED}), target_id="ops")
    told = Alerting(targets={"ops": object()}, routes=(route,))  # type: ignore[dict-item]
    await closeloop.change_rules(alerting=told)
    task = await conversation(closeloop, an_alert)
    message = await write(closeloop, task)
    await closeloop.hear(has_failed(message), has_failed(message))
    await closeloop.hear(has_failed(message, "again"))
    after = await closeloop.task()
    assert (after.state, after.contacted_at) == (TaskState.OPEN, None)
    assert await whats(closeloop) == ["wrote", "message_failed"]
    (row,) = await rows(closeloop, "SELECT title, text, people FROM ops_alert")
    assert row.people == ["Ana"]
    assert "asked for no more messages" in row.text
    async with closeloop.database.read() as connection:
        since = await since_contact(connection, task.task_id)
        (kept,) = await messages_of(connection, task.task_id)
    assert since.undelivered == kept
    assert (kept.state, kept.reason) == (MessageState.FAILED, "suppressed")
    assert await timer_kinds(closeloop) == {"sla_warning", "sla_breach"}


async def test_bounce_after_it_was_sent_leaves_the_contact_and_says_so(closeloop, an_alert):
    task = await conversation(closeloop, an_alert)
    message = await write(closeloop, task)
    await closeloop.hear(was_sent(message), has_failed(message, "550 no such user", START + MINUTE))
    after = await closeloop.task()
    assert (after.state, after.contacted_at) == (TaskState.CONTACTED, START)
    assert await states(closeloop, task) == [MessageState.FAILED]
    assert (await whats(closeloop))[-2:] == ["contacted", "message_failed"]
    async with closeloop.database.read() as connection:
        assert (await since_contact(connection, task.task_id)).undelivered is not None
    await closeloop.move(task.task_id, Contact(actor="Ana", channel="phone"))
    async with closeloop.database.read() as connection:
        assert (await since_contact(connection, task.task_id)).undelivered is None


async def test_older_message_that_fails_is_no_matter_once_another_was_written(closeloop, an_alert):
    task = await conversation(closeloop, an_alert)
    older = await write(closeloop, task)
    closeloop.clock.advance(MINUTE)
    newer = await write(closeloop, task)
    for message, is_newest in ((older, False), (newer, True)):
        await closeloop.hear(has_failed(message))
        async with closeloop.database.read() as connection:
            since = await since_contact(connection, task.task_id)
        assert (since.undelivered is not None) is is_newest


async def test_reply_is_about_the_newest_task_of_its_conversation(closeloop, an_alert):
    older = await conversation(closeloop, an_alert)
    await closeloop.move(older.task_id, Cancel(actor="Ana", reason="a test"))
    await closeloop.hear(an_alert(1, alert_id="alert-2", response_id="response-2"))
    _, newer = await closeloop.tasks()
    await closeloop.move(newer.task_id, Contact(actor="Ana", channel="phone"))
    await closeloop.hear(a_reply())
    (line,) = [line for line in await closeloop.history() if line.what == "replied"]
    assert line.task_id == newer.task_id


async def test_events_that_come_twice_or_in_another_order_change_nothing(closeloop, an_alert):
    task = await conversation(closeloop, an_alert)
    message = await write(closeloop, task)
    await closeloop.hear(was_sent(message), was_sent(message))
    await closeloop.hear(was_sent(message, START + MINUTE))
    assert (await whats(closeloop)).count("contacted") == 1
    await closeloop.hear(has_failed(message))
    await closeloop.hear(was_sent(message))
    assert await states(closeloop, task) == [MessageState.FAILED]
    assert (await whats(closeloop)).count("contacted") == 1


async def test_message_sent_after_the_task_was_closed_is_noted(closeloop, an_alert):
    task = await conversation(closeloop, an_alert)
    message = await write(closeloop, task)
    await closeloop.move(task.task_id, Contact(actor="Ana", channel="phone"))
    await closeloop.move(task.task_id, Resolve(actor="Ana", root_cause="late delivery"))
    await closeloop.hear(was_sent(message, START + MINUTE))
    assert (await closeloop.task()).state is TaskState.RESOLVED
    assert (await whats(closeloop))[-1] == "message_sent"
    assert await states(closeloop, task) == [MessageState.SENT]
    assert await timer_kinds(closeloop) & {"sla_breach", "sla_warning"} == set()


async def test_message_older_than_the_customers_words_does_not_answer_them(closeloop, an_alert):
    task = await conversation(closeloop, an_alert)
    await closeloop.move(task.task_id, Contact(actor="Ana", channel="phone"))
    message = await write(closeloop, task)
    closeloop.clock.advance(2 * MINUTE)
    await closeloop.hear(a_reply("Hello?"))
    await closeloop.hear(was_sent(message, START + MINUTE))
    waits = (await closeloop.task()).clocks[SlaClock.NEXT_RESPONSE]
    assert waits.stopped_at is None
    assert (await whats(closeloop))[-1] == "message_sent"


async def test_others_follow_ups_are_nobodys_matter_here(closeloop, an_alert):
    task = await conversation(closeloop, an_alert)
    stranger = Message(
        follow_up_id="another",
        task_id=task.task_id,
        customer_id="c1",
        actor="Ana",
        template_id=None,
        subject=None,
        text="It is fixed",
        requested_at=START,
    )
    await closeloop.hear(was_sent(stranger), has_failed(stranger))
    assert await whats(closeloop) == []


async def test_reply_awaits_an_answer_and_ends_the_wait(closeloop, an_alert):
    task = await conversation(closeloop, an_alert)
    await closeloop.move(task.task_id, Contact(actor="Ana", channel="phone"))
    await closeloop.move(task.task_id, Wait(actor="Ana"))
    closeloop.clock.advance(2 * MINUTE)
    await closeloop.hear(a_reply("2 pm works"), a_reply("2 pm works"))
    await closeloop.hear(a_reply("2 pm works"))
    after = await closeloop.task()
    assert (after.state, after.wait_until) == (TaskState.CONTACTED, None)
    assert after.clocks[SlaClock.NEXT_RESPONSE].stopped_at is None
    lines = await closeloop.history()
    assert [line.note for line in lines if line.what == "replied"] == ["2 pm works"]


async def test_reply_before_any_contact_is_noted_only(closeloop, an_alert):
    await conversation(closeloop, an_alert)
    await closeloop.hear(a_reply("2 bad", at=START))
    assert await whats(closeloop) == []
    await closeloop.hear(a_reply("Anybody?"))
    after = await closeloop.task()
    assert (after.state, set(after.clocks)) == (
        TaskState.OPEN,
        {SlaClock.FIRST_RESPONSE, SlaClock.RESOLUTION},
    )
    assert (await whats(closeloop))[-1] == "replied"
    assert await timer_kinds(closeloop) == {"sla_warning", "sla_breach"}


@pytest.mark.parametrize(
    ("text", "state"),
    [
        ("It broke again", TaskState.REOPENED),
        ("9", TaskState.RESOLVED),
        (" 9/10! ", TaskState.RESOLVED),
        ("2 more things are broken", TaskState.REOPENED),
    ],
)
async def test_words_open_a_resolved_task_again_but_no_score(closeloop, an_alert, text, state):
    task = await conversation(closeloop, an_alert)
    await closeloop.move(task.task_id, Contact(actor="Ana", channel="phone"))
    await closeloop.move(task.task_id, Resolve(actor="Ana", root_cause="late delivery"))
    await closeloop.hear(a_reply(text))
    assert (await closeloop.task()).state is state
    assert "replied" in await whats(closeloop)


@pytest.mark.parametrize(
    ("text", "state"),
    [("9 great now", TaskState.RESOLVED), ("Still broken", TaskState.REOPENED)],
)
async def test_reply_to_the_recovery_question_is_about_the_task(closeloop, an_alert, text, state):
    task = await conversation(closeloop, an_alert)
    await closeloop.move(task.task_id, Contact(actor="Ana", channel="phone"))
    await closeloop.move(task.task_id, Resolve(actor="Ana", root_cause="late delivery"))
    async with closeloop.database.transaction() as tx:
        await tx.connection.exec_driver_sql(
            "INSERT INTO invitation (invitation_id, customer_id, program_id, touchpoint, task_id)"
            f" VALUES ('asked-again', 'c1', 'recovery', 'task-resolved', '{task.task_id}')"
        )
    await closeloop.hear(a_reply(text, invitation_id="asked-again"))
    assert (await closeloop.task()).state is state


async def test_reply_of_an_erased_customer_is_not_kept(closeloop, an_alert):
    task = await conversation(closeloop, an_alert)
    await closeloop.move(task.task_id, Contact(actor="Ana", channel="phone"))
    async with closeloop.database.transaction() as tx:
        await tx.connection.exec_driver_sql(
            "INSERT INTO customer (customer_id, attributes, erased_at) VALUES ('c1', '{}', now())"
        )
    await closeloop.hear(a_reply("my number is 123"))
    assert "replied" not in await whats(closeloop)


async def test_batch_of_news_costs_as_many_statements_as_one(closeloop, an_alert):
    await closeloop.hear(*(an_alert(number) for number in range(1, 21)))
    for task in await closeloop.tasks():
        await closeloop.move(task.task_id, Contact(actor="Ana", channel="phone"))

    def of(numbers: range) -> list[Event[Any]]:
        return [
            an_event(
                registry.REPLY_RECEIVED,
                customer_id=f"c{number}",
                invitation_id=f"invitation-{number}",
                reply_id=f"reply-{number}",
                channel="sms",
                text="Hello",
                received_at=START + MINUTE,
            )
            for number in numbers
        ]

    with counted(closeloop.database) as one:
        await closeloop.hear(*of(range(1, 2)))
    with counted(closeloop.database) as many:
        await closeloop.hear(*of(range(2, 21)))
    assert len(many) == len(one)
