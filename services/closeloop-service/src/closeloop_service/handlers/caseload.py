"""The tasks of the customers of one batch, as they become while its events are taken in.

Alerts and answers come by two topics, and to any replica. Whoever takes them in may open tasks and
so routes alone: what one opens, the next one finds.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from closeloop_service.domain.customer import Customer
from closeloop_service.domain.decision import Decision, joined
from closeloop_service.domain.opening import Around, Heard
from closeloop_service.domain.rules import Rules
from closeloop_service.domain.task import Answer, Task, TaskState
from closeloop_service.handlers import routing
from closeloop_service.handlers.counting import count
from closeloop_service.store import answers, customers, tasks
from closeloop_service.store.answers import Conversation
from heardback.contracts.payloads import DetractorAlerted, Recipient, ResponseRecorded
from heardback.db import Transaction
from heardback.envelope import Event
from heardback.vocabulary import Category, category_of

Spoken = DetractorAlerted | ResponseRecorded


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What is known of the customers of a batch, and of where they were asked."""

    customers: Mapping[str, Customer]
    erased: frozenset[str]
    conversations: Mapping[str, Conversation]


class Caseload:
    """Takes in what the customers of a batch said, one after the other; then saves it all."""

    def __init__(
        self, known: Known, belonging: answers.Belonging, locked: Mapping[str, Task]
    ) -> None:
        self._known = known
        self._tasks = dict(locked)
        self._of_customer: dict[str, list[str]] = {}
        for task in locked.values():
            self._of_customer.setdefault(task.customer_id, []).append(task.task_id)
        self._of_response = dict(belonging.tasks)
        self._alerts = set(belonging.alerts)
        self._decided: dict[str, list[Decision]] = {}
        self._opened: dict[str, None] = {}
        self._belonging: list[dict[str, object]] = []

    def is_known(self, alert_id: str) -> bool:
        """Tell whether a task has taken the alert in already."""
        return alert_id in self._alerts

    def of_response(self, response_id: str) -> Task | None:
        """Return the task that a response belongs to."""
        return self._tasks.get(self._of_response.get(response_id, ""))

    def tasks(self, task_ids: Iterable[str]) -> list[Task]:
        """Return those of these tasks that there are, as they stand now."""
        return [self._tasks[task_id] for task_id in task_ids if task_id in self._tasks]

    def heard(self, event: Event[Spoken], answer: Answer, rules: Rules) -> Heard:
        """Return what was said with what is known of who said it."""
        data = event.data
        conversation = self._known.conversations.get(data.invitation_id) or Conversation()
        customer = self._known.customers[data.customer_id]
        if isinstance(data, DetractorAlerted):
            alert_id, heard_at, given = data.alert_id, data.alerted_at, data.recipient
            category = Category.DETRACTOR
        else:
            # An answer that was held as suspect counts only since it was released.
            alert_id = data.response_id
            heard_at = max(data.answered_at, event.time or data.answered_at)
            given = conversation.recipient or Recipient()
            category = category_of(answer.score, answer.scale)
        is_erased = data.customer_id in self._known.erased
        recipient = Recipient() if is_erased else _recipient(given, customer)
        return Heard(
            alert_id=alert_id,
            category=category,
            answer=answer,
            program_id=data.program_id,
            touchpoint=data.touchpoint,
            segment=data.segment or customer.segment,
            locale=given.locale or conversation.locale or customer.locale,
            value=_value(customer, rules.routing.value_attribute),
            recipient=recipient,
            invitation_id=data.invitation_id,
            # Who answers at once may be heard before it is read where they were asked.
            channel=conversation.channel or data.channel,
            heard_at=heard_at,
            traceparent=event.traceparent,
        )

    def around(self, heard: Heard) -> Around:
        """Return the tasks that it may be a matter of."""
        mine = (self._tasks[i] for i in self._of_customer.get(heard.answer.customer_id, ()))
        active = sorted((task for task in mine if task.active), key=lambda task: task.opened_at)
        conversation = self._known.conversations.get(heard.invitation_id or "")
        asked = self._tasks.get((conversation and conversation.task_id) or "")
        return Around(
            known=self.of_response(heard.answer.response_id),
            asked=asked,
            waiting=next((t for t in active if t.category is Category.DETRACTOR), None),
            active=next(iter(active), None),
        )

    def decide(self, decision: Decision | None) -> None:
        """Take in what was decided on a task."""
        if decision is None:
            return
        task = decision.task
        if task.task_id not in self._tasks:
            self._opened[task.task_id] = None
            self._of_customer.setdefault(task.customer_id, []).append(task.task_id)
        self._tasks[task.task_id] = task
        self._decided.setdefault(task.task_id, []).append(decision)

    def belongs(self, alert_id: str, response_id: str, task: Task, now: datetime) -> None:
        """Note that what was said is the matter of a task, and was taken in."""
        self._alerts.add(alert_id)
        self._of_response[response_id] = task.task_id
        self._belonging.append(
            {
                "alert_id": alert_id,
                "task_id": task.task_id,
                "response_id": response_id,
                "customer_id": task.customer_id,
                "joined_at": now,
            }
        )

    async def save(self, tx: Transaction, rules: Rules) -> None:
        """Save every task that was opened or changed; find owners for those that have none."""
        decided = {task_id: joined(decisions) for task_id, decisions in self._decided.items()}
        unowned = [
            decision.task
            for task_id, decision in decided.items()
            if decision.task.owner is None
            and (task_id in self._opened or decision.task.state is TaskState.REOPENED)
        ]
        for routed in await routing.assign_new(tx, rules, unowned):
            task_id = routed.task.task_id
            decided[task_id] = joined([decided[task_id], routed])
        opened = [decided.pop(task_id) for task_id in self._opened]
        await tasks.save(tx, rules, list(decided.values()))
        await tasks.add_new(tx, rules, opened)
        await answers.add_belonging(tx.connection, self._belonging)
        count([*decided.values(), *opened])


async def load_caseload(
    tx: Transaction,
    events: Iterable[Event[Spoken]],
    response_ids: Iterable[str],
    *,
    task_ids: Collection[str] = (),
) -> Caseload:
    """Wait for whoever takes in others, then load what may become of these, and `task_ids`."""
    spoken = [event.data for event in events]
    customer_ids = {data.customer_id for data in spoken}
    erased = await customers.erased_of(tx.connection, customer_ids)
    await routing.lock(tx)
    belonging = await answers.load_belonging(tx.connection, set(response_ids))
    conversations = await answers.load_conversations(
        tx.connection, {data.invitation_id for data in spoken}
    )
    asked = {c.task_id for c in conversations.values() if c.task_id is not None}
    known = Known(
        customers=await customers.load_customers(tx.connection, customer_ids),
        erased=frozenset(erased),
        conversations=conversations,
    )
    ids = {*belonging.tasks.values(), *asked, *task_ids}
    return Caseload(
        known, belonging, await tasks.lock_tasks_around(tx.connection, ids, customer_ids)
    )


def answer_of(said: Spoken) -> Answer:
    """Return what a customer said, of an alert or a response alike."""
    return Answer(
        response_id=said.response_id,
        customer_id=said.customer_id,
        revision=said.revision,
        scale=said.scale,
        score=said.score,
        comment=said.comment,
    )


def _recipient(given: Recipient, customer: Customer) -> Recipient:
    """Return how to reach a customer: as they were reached, else as the product knows them."""
    return Recipient(
        email=given.email or customer.email,
        phone=given.phone or customer.phone,
        name=given.name or customer.name,
        locale=given.locale or customer.locale,
        timezone=given.timezone or customer.timezone,
    )


def _value(customer: Customer, attribute: str | None) -> float | None:
    value = customer.attributes.get(attribute) if attribute else None
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number and value is not None else None
