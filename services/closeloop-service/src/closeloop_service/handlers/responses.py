"""Answers: tasks show their newest revisions; other groups' open lighter ones."""

from collections.abc import Sequence
from typing import Any

from closeloop_service.domain import opening
from closeloop_service.domain.rules import Opens, Rules
from closeloop_service.domain.task import Answer
from closeloop_service.handlers.caseload import Caseload, answer_of, load_caseload
from closeloop_service.rulebook.keeper import Keeper
from closeloop_service.store import tasks
from closeloop_service.store.answers import keep_newest, load_belonging
from heardback.contracts.payloads import ResponseQuarantined, ResponseRecorded
from heardback.db import Transaction
from heardback.envelope import Event
from heardback.vocabulary import Category


async def on_responses(keeper: Keeper, tx: Transaction, events: Sequence[Event[Any]]) -> None:
    """Show changed answers on their tasks, take back what counts no more, open lighter tasks."""
    rules = await keeper.in_force(tx.connection)
    said = [event for event in events if _matters(event.data, rules)]
    if not said:
        return
    suspect = {e.data.response_id for e in said if isinstance(e.data, ResponseQuarantined)}
    timeless: set[str] = set()
    if suspect:
        belonging = await load_belonging(tx.connection, suspect)
        timeless = set(belonging.tasks.values())
        await tasks.forget_timers(tx, timeless)
    responses = [event.data.response_id for event in said]
    caseload = await load_caseload(tx, said, responses, task_ids=timeless)
    recorded = [e.data for e in said if isinstance(e.data, ResponseRecorded)]
    newest = await keep_newest(tx.connection, [answer_of(data) for data in recorded])
    for event in said:
        if isinstance(event.data, ResponseQuarantined):
            _take_back(caseload, event.data, rules, tx)
        else:
            _take_in(caseload, event, newest[event.data.response_id], rules, tx)
    await caseload.save(tx, rules)
    # What was heard before changes nothing: its task waits on as it did.
    tasks.set_timers_anew(tx, rules, caseload.tasks(timeless))


def _matters(data: Any, rules: Rules) -> bool:
    """Tell whether it may change anything.

    A detractor's first answer comes as an alert too; what never counted is not taken back.
    """
    if isinstance(data, ResponseQuarantined):
        return data.revision is not None
    if not isinstance(data, ResponseRecorded):
        return False
    if data.category is Category.DETRACTOR:
        return data.revision > 1
    return data.revision > 1 or rules.playbooks.by_category[data.category].opens is not Opens.NEVER


def _take_back(
    caseload: Caseload, data: ResponseQuarantined, rules: Rules, tx: Transaction
) -> None:
    task = caseload.of_response(data.response_id)
    key = f"{data.response_id}/taken-back/{data.revision}"
    if task is None or caseload.is_known(key):
        return
    caseload.decide(opening.take_back(task, data.response_id, rules, tx.now))
    caseload.belongs(key, data.response_id, task, tx.now)


def _take_in(
    caseload: Caseload,
    event: Event[ResponseRecorded],
    answer: Answer,
    rules: Rules,
    tx: Transaction,
) -> None:
    heard = caseload.heard(event, answer, rules)
    around = caseload.around(heard)
    if heard.category is Category.DETRACTOR and around.known is None:
        return  # its alert opens the task
    decision = opening.other(heard, around, rules, tx.now, new_id=tx.ids.new)
    caseload.decide(decision)
    if decision is not None and around.known is None:
        caseload.belongs(heard.alert_id, event.data.response_id, decision.task, tx.now)
