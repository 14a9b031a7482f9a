"""Alerts: each opens a task, or joins the one in which its customer waits already."""

from collections.abc import Sequence

from closeloop_service.domain import opening
from closeloop_service.handlers.caseload import answer_of, load_caseload
from closeloop_service.rulebook.keeper import Keeper
from closeloop_service.store.answers import keep_newest
from heardback.contracts.payloads import DetractorAlerted
from heardback.db import Transaction
from heardback.envelope import Event


async def on_alerts(
    keeper: Keeper, tx: Transaction, events: Sequence[Event[DetractorAlerted]]
) -> None:
    """Have every detractor heard: by a task of their own, or by the one that waits for them."""
    rules = await keeper.in_force(tx.connection)
    caseload = await load_caseload(tx, events, [event.data.response_id for event in events])
    newest = await keep_newest(tx.connection, [answer_of(event.data) for event in events])
    for event in events:
        if caseload.is_known(event.data.alert_id):
            continue
        heard = caseload.heard(event, newest[event.data.response_id], rules)
        around = caseload.around(heard)
        decision = opening.alert(heard, around, rules, tx.now, new_id=tx.ids.new)
        caseload.decide(decision)
        task = around.known if decision is None else decision.task
        if task is not None:
            caseload.belongs(heard.alert_id, event.data.response_id, task, tx.now)
    await caseload.save(tx, rules)
