"""Messages: owners write to customers through dispatch, and hear what became of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from closeloop_service.domain.commands import Write
from closeloop_service.domain.conversing import About, on_failed, on_reply, on_sent
from closeloop_service.domain.decision import Decision, joined
from closeloop_service.domain.rules import Rules
from closeloop_service.domain.task import Task
from closeloop_service.domain.writing import Message, Written, check_message, failed, sent
from closeloop_service.handlers import commands
from closeloop_service.handlers.counting import count
from closeloop_service.rulebook.keeper import Keeper
from closeloop_service.store import customers, tasks
from closeloop_service.store import messages as store
from heardback.contracts import registry
from heardback.contracts.payloads import (
    FollowUpFailed,
    FollowUpRequested,
    FollowUpSent,
    ReplyReceived,
)
from heardback.db import Transaction
from heardback.envelope import Event

News = FollowUpSent | FollowUpFailed | ReplyReceived


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """What somebody wants to write. `template_id`: where it began."""

    actor: str
    written: Written
    template_id: str | None = None


async def write(
    tx: Transaction, keeper: Keeper, task_id: str, draft: Draft, *, version: int | None = None
) -> Message:
    """Hand a message to dispatch when this commits; it counts as contact once it was sent.

    Raises: NoConversation, MessageInvalid, and what `handlers.commands.move` does.
    """
    message_id = tx.ids.new()
    command = Write(
        actor=draft.actor,
        follow_up_id=message_id,
        text=draft.written.text,
        subject=draft.written.subject,
        template_id=draft.template_id,
    )
    task = await commands.move(tx, keeper, task_id, command, version=version)
    check_message(task, draft.written)
    message = Message(
        follow_up_id=message_id,
        task_id=task_id,
        customer_id=task.customer_id,
        actor=draft.actor,
        template_id=draft.template_id,
        subject=draft.written.subject,
        text=draft.written.text,
        requested_at=tx.now,
    )
    await store.add_message(tx.connection, message)
    _request(tx, task, message)
    return message


async def on_deliveries(keeper: Keeper, tx: Transaction, events: Sequence[Event[Any]]) -> None:
    """Hear what became of messages, and what customers wrote back."""
    news = [event.data for event in events if isinstance(event.data, News)]
    if not news:
        return
    # Before any row is locked: an erasure, which locks them in another order, waits or is over.
    erased = await customers.erased_of(tx.connection, {data.customer_id for data in news})
    ids = {data.follow_up_id for data in news if not isinstance(data, ReplyReceived)}
    written = await store.lock_messages(tx.connection, ids)
    replies = [
        data for data in news if isinstance(data, ReplyReceived) and data.customer_id not in erased
    ]
    abouts = await store.tasks_of_conversations(
        tx.connection, {reply.invitation_id: reply.customer_id for reply in replies}
    )
    task_ids = {message.task_id for message in written.values()}
    task_ids |= {subject.task_id for subject in abouts.values()}
    if not task_ids:
        return
    rules = await keeper.in_force(tx.connection)
    await tasks.forget_timers(tx, task_ids)
    known = await tasks.lock_tasks(tx.connection, task_ids)
    heard = await store.replies_heard(tx.connection, task_ids, {one.reply_id for one in replies})
    hearing = _Hearing(tx, rules, known, written, abouts, heard)
    for data in news:
        hearing.hear(data)
    await hearing.save()


class _Hearing:
    """A batch of news, one after the other: where messages and tasks stand, and what changed."""

    def __init__(
        self,
        tx: Transaction,
        rules: Rules,
        known: dict[str, Task],
        written: dict[str, Message],
        abouts: dict[str, About],
        heard: set[str],
    ) -> None:
        self._tx = tx
        self._rules = rules
        self._tasks = known
        self._written = written
        self._abouts = abouts
        self._heard = heard
        self._decided: dict[str, list[Decision]] = {}
        self._settled: set[str] = set()

    def hear(self, data: News) -> None:
        match data:
            case FollowUpSent():
                self._on_sent(data)
            case FollowUpFailed():
                self._on_failed(data)
            case ReplyReceived():
                self._on_reply(data)

    async def save(self) -> None:
        """Save messages and tasks; tasks that stay as they were have their timers again."""
        await store.settle(self._tx.connection, [self._written[one] for one in self._settled])
        decisions = [joined(decided) for decided in self._decided.values()]
        await tasks.save(self._tx, self._rules, decisions)
        tasks.set_timers_anew(self._tx, self._rules, self._tasks.values())
        count(decisions)

    def _on_sent(self, data: FollowUpSent) -> None:
        before = self._written.get(data.follow_up_id)
        if before is None or not self._settle(before, sent(before, data.sent_at)):
            return
        task = self._tasks[before.task_id]
        self._keep(on_sent(task, before, data, self._rules, self._tx.now))

    def _on_failed(self, data: FollowUpFailed) -> None:
        before = self._written.get(data.follow_up_id)
        if before is None:
            return
        after = failed(before, data.failed_at, data.reason)
        if self._settle(before, after):
            self._keep(on_failed(self._tasks[before.task_id], after))

    def _on_reply(self, data: ReplyReceived) -> None:
        subject = self._abouts.get(data.invitation_id)
        if subject is None or data.reply_id in self._heard:
            return
        self._heard.add(data.reply_id)
        task = self._tasks.get(subject.task_id)
        if task is not None:
            self._keep(on_reply(task, data, subject, self._rules, self._tx.now))

    def _settle(self, before: Message, after: Message) -> bool:
        """Tell whether it is news."""
        if after is before:
            return False
        self._written[after.follow_up_id] = after
        self._settled.add(after.follow_up_id)
        return True

    def _keep(self, decision: Decision | None) -> None:
        if decision is not None:
            task_id = decision.task.task_id
            self._tasks[task_id] = decision.task
            self._decided.setdefault(task_id, []).append(decision)


def _request(tx: Transaction, task: Task, message: Message) -> None:
    assert task.invitation_id is not None  # `check_message` refuses it
    request = FollowUpRequested(
        customer_id=task.customer_id,
        follow_up_id=message.follow_up_id,
        invitation_id=task.invitation_id,
        program_id=task.program_id,
        subject=message.subject,
        text=message.text,
        requested_at=message.requested_at,
    )
    tx.emit(registry.FOLLOW_UP_REQUESTED, request, traceparent=task.traceparent)
