"""Who has seen a message, by its link: the page, the act, and what becomes of the pager."""

from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from typing import Any

import httpx2
import pytest
from fastapi import Response
from fastapi.responses import PlainTextResponse

from closeloop_service.api import alerts as alerts_api
from closeloop_service.console.alerts import AlertPages
from closeloop_service.domain.commands import Contact, Resolve
from closeloop_service.domain.rules import AlertKind
from closeloop_service.domain.task import TaskState
from closeloop_service.handlers.customers import on_customers
from heardback.console.pages import Console
from heardback.contracts import registry
from heardback.health import Health
from heardback.http import build_app
from heardback.testing.builders import an_event

from .conftest import BOARD, an_alert_of


@pytest.fixture
async def http(ops: Any) -> AsyncIterator[httpx2.AsyncClient]:
    console = Console(
        package="closeloop_service.console", active="Board", navigation=[], clock=ops.clock
    )
    pages = AlertPages(console=console, links=ops.links, keeper=ops.keeper)
    routers = (alerts_api.router(ops.keeper), pages.router, console.assets_router)
    app = build_app(name="closeloop", database=ops.database, health=Health(), routers=routers)
    transport = httpx2.ASGITransport(app=app)
    async with httpx2.AsyncClient(transport=transport, base_url=BOARD) as client:
        yield client


async def opened(closeloop: Any, an_alert: Callable[..., Any], count: int) -> list[str]:
    await closeloop.hear(*(an_alert(number) for number in range(1, count + 1)))
    return [task.task_id for task in await closeloop.tasks()]


async def told(ops: Any, closeloop: Any, an_alert: Callable[..., Any], count: int = 1) -> str:
    """Have so many new tasks told to the hook; return the link in the message."""
    await ops.use("hook")
    await opened(closeloop, an_alert, count)
    task_ids = [task.task_id for task in await closeloop.tasks()]
    await ops.tell(
        *(an_alert_of(n, task_id=t, alert_key=f"late/{t}") for n, t in enumerate(task_ids))
    )
    await ops.turn(seconds=31)
    return str(ops.to.hook.taken[-1]["data"]["acknowledge_url"])


async def test_row_49_link_acknowledges_the_alerts_and_their_tasks(
    ops: Any, closeloop: Any, an_alert: Any, http: httpx2.AsyncClient
) -> None:
    link = await told(ops, closeloop, an_alert, 3)
    page = await http.post(link, data={"owner": "Ana Ruiz"})
    assert (page.status_code, "3 tasks are acknowledged." in page.text) == (200, True)
    assert "by <strong" in page.text
    tasks = await closeloop.tasks()
    assert {(task.state, task.owner) for task in tasks} == {(TaskState.ACKNOWLEDGED, "Ana Ruiz")}
    assert {alert.acknowledged_by for alert in await ops.alerts()} == {"Ana Ruiz"}


async def test_second_click_changes_nothing(
    ops: Any, closeloop: Any, an_alert: Any, http: httpx2.AsyncClient
) -> None:
    link = await told(ops, closeloop, an_alert)
    await http.post(link, data={"owner": "Ana"})
    before = await closeloop.tasks()
    page = await http.post(link, data={"owner": "Ben"})
    assert "Somebody had seen it already" in page.text
    assert await closeloop.tasks() == before
    assert {alert.acknowledged_by for alert in await ops.alerts()} == {"Ana"}


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_programs_that_look_at_links_change_nothing(
    ops: Any, closeloop: Any, an_alert: Any, http: httpx2.AsyncClient, method: str
) -> None:
    link = await told(ops, closeloop, an_alert)
    before = await closeloop.tasks()
    for _ in range(3):
        page = await http.request(method, link)
    assert page.status_code == 200
    assert page.headers["cache-control"] == "no-store"
    assert await closeloop.tasks() == before
    assert not any(alert.acknowledged_at for alert in await ops.alerts())


async def test_flood_is_not_taken_by_one_person(
    ops: Any, closeloop: Any, an_alert: Any, http: httpx2.AsyncClient
) -> None:
    link = await told(ops, closeloop, an_alert, 11)
    assert "too many for one" in (await http.get(link)).text
    page = await http.post(link, data={"owner": "Ana"})
    assert "take yours from the board" in page.text
    assert {task.owner for task in await closeloop.tasks()} == {None}
    assert all(alert.acknowledged_at for alert in await ops.alerts())


async def test_name_is_asked_for_when_it_is_missing(
    ops: Any, closeloop: Any, an_alert: Any, http: httpx2.AsyncClient
) -> None:
    link = await told(ops, closeloop, an_alert)
    page = await http.post(link, data={"owner": "  "})
    assert (page.status_code, "Say who you are" in page.text) == (422, True)
    assert not any(alert.acknowledged_at for alert in await ops.alerts())


async def test_form_of_another_site_is_refused(
    ops: Any, closeloop: Any, an_alert: Any, http: httpx2.AsyncClient
) -> None:
    link = await told(ops, closeloop, an_alert)
    elsewhere = {"origin": "https://evil.example", "sec-fetch-site": "cross-site"}
    page = await http.post(link, data={"owner": "Eve"}, headers=elsewhere)
    assert page.status_code == 400
    assert not any(alert.acknowledged_at for alert in await ops.alerts())


async def test_link_leads_nowhere_when_it_is_over_or_made_up(
    ops: Any, closeloop: Any, an_alert: Any, http: httpx2.AsyncClient
) -> None:
    link = await told(ops, closeloop, an_alert)
    made_up = f"{link[:-1]}{'A' if link[-1] != 'A' else 'E'}"
    assert (await http.get(made_up)).status_code == 404
    assert (await http.post(made_up, data={"owner": "Eve"})).status_code == 404
    ops.clock.advance(timedelta(days=7))
    assert (await http.get(link)).status_code == 410
    assert (await http.post(link, data={"owner": "Ana"})).status_code == 410
    assert not any(alert.acknowledged_at for alert in await ops.alerts())


async def test_names_of_customers_are_text_on_the_page(ops: Any, http: httpx2.AsyncClient) -> None:
    await ops.use("hook")
    await ops.tell(an_alert_of(text="<script>alert(1)</script>"))
    await ops.turn(seconds=30)
    page = await http.get(ops.to.hook.taken[0]["data"]["acknowledge_url"])
    assert "<script>alert" not in page.text
    assert "&lt;script&gt;alert(1)" in page.text


async def test_pager_is_told_that_somebody_is_at_it_and_that_it_is_over(
    ops: Any, closeloop: Any, an_alert: Any, http: httpx2.AsyncClient
) -> None:
    await ops.use("pager", "hook", kinds=frozenset({AlertKind.BREACHED, AlertKind.WARNED}))
    (task_id,) = await opened(closeloop, an_alert, 1)
    incident = f"task/{task_id}"
    await closeloop.pass_time(hours=3)
    await ops.turn(seconds=30)
    assert ops.to.pager.alerts == {incident: ["trigger"]}
    await http.post(ops.to.hook.taken[0]["data"]["acknowledge_url"], data={"owner": "Ana"})
    await ops.turn(seconds=30)
    assert ops.to.pager.alerts == {incident: ["trigger", "acknowledge"]}
    await closeloop.pass_time(hours=1)
    await ops.turn(seconds=30)
    assert ops.to.pager.alerts[incident] == ["trigger", "acknowledge", "trigger"]
    await closeloop.move(task_id, Contact(actor="Ana", channel="phone"))
    await ops.turn(seconds=30)
    await ops.turn(seconds=30)
    assert ops.to.pager.open == set()
    assert ops.to.pager.alerts[incident][-1] == "resolve"


async def test_incident_of_a_late_resolution_is_over_when_it_is_resolved(
    ops: Any, closeloop: Any, an_alert: Any
) -> None:
    await ops.use("pager", kinds=frozenset({AlertKind.BREACHED}))
    (task_id,) = await opened(closeloop, an_alert, 1)
    await closeloop.move(task_id, Contact(actor="Ana", channel="phone"))
    await closeloop.pass_time(hours=49)
    await ops.turn(seconds=30)
    await closeloop.move(task_id, Contact(actor="Ana", channel="phone"))
    await ops.turn(seconds=60)
    assert ops.to.pager.open == {f"task/{task_id}"}, "to call again is not to resolve"
    root_cause = (await _rules(ops)).playbooks.root_causes[0]
    await closeloop.move(task_id, Resolve(actor="Ana", root_cause=root_cause))
    await ops.turn(seconds=60)
    assert ops.to.pager.open == set()


async def test_incident_of_a_flood_is_over_when_all_of_its_tasks_are(
    ops: Any, closeloop: Any, an_alert: Any
) -> None:
    await ops.use("pager", kinds=frozenset({AlertKind.BREACHED}))
    task_ids = await opened(closeloop, an_alert, 8)
    await closeloop.pass_time(hours=4)
    await ops.turn(seconds=30)
    assert len(ops.to.pager.open) == 1
    for task_id in task_ids[:-1]:
        await closeloop.move(task_id, Contact(actor="Ana", channel="phone"))
    await ops.turn(seconds=60)
    assert len(ops.to.pager.open) == 1
    await closeloop.move(task_ids[-1], Contact(actor="Ana", channel="phone"))
    await ops.turn(seconds=60)
    assert ops.to.pager.open == set()


async def test_end_of_an_incident_never_ends_the_one_that_came_after(
    ops: Any, closeloop: Any, an_alert: Any
) -> None:
    await ops.use("pager")
    (task_id,) = await opened(closeloop, an_alert, 1)
    await ops.tell(an_alert_of(task_id=task_id, alert_key="first"))
    await ops.turn(seconds=30)
    await closeloop.move(task_id, Contact(actor="Ana", channel="phone"))
    ops.to.pager.always = Response(status_code=503)
    await ops.turn(seconds=30)
    await ops.tell(an_alert_of(task_id=task_id, alert_key="second"))
    await ops.turn(seconds=30)
    ops.to.pager.always = None
    await ops.turn(minutes=10)
    assert ops.to.pager.alerts[f"task/{task_id}"] == ["trigger", "trigger"]
    assert [m.state for m in await ops.messages() if m.what == "resolve"] == ["dropped"]


async def test_failed_messages_are_listed_and_sent_again(
    ops: Any, http: httpx2.AsyncClient
) -> None:
    await ops.use("slack")
    ops.to.slack.always = PlainTextResponse("channel_is_archived", 410)
    await ops.tell(an_alert_of())
    await ops.turn(seconds=30)
    (failed,) = (await http.get("/alerts/messages?state=failed")).json()["messages"]
    assert (failed["fault"], failed["try_at"]) == ("HTTP 410: channel_is_archived", None)
    ops.to.slack.always = None
    path = f"/alerts/messages/{failed['message_id']}"
    assert (await http.post(f"{path}/retry")).json()["state"] == "sending"
    await ops.turn()
    assert (await http.get(path)).json()["state"] == "sent"
    assert (await http.post(f"{path}/retry")).status_code == 409
    assert (await http.post("/alerts/messages/none/retry")).status_code == 404


async def test_alerts_come_in_pages(ops: Any, http: httpx2.AsyncClient) -> None:
    await ops.use("slack")
    await ops.tell(*(an_alert_of(number) for number in range(5)))
    seen, cursor = [], ""
    for _ in range(3):
        page = (await http.get(f"/alerts?limit=2{cursor}")).json()
        seen += [alert["alert_key"] for alert in page["alerts"]]
        cursor = f"&cursor={page['next']}"
    assert seen == [f"breached/task-{number}" for number in reversed(range(5))]
    assert page["next"] is None
    assert (await http.get("/alerts/messages?cursor=x")).status_code == 422


async def test_messages_come_in_pages(ops: Any, http: httpx2.AsyncClient) -> None:
    await ops.use("slack")
    for number in range(5):
        await ops.tell(an_alert_of(number))
        await ops.turn(seconds=31)
    seen, cursor = [], ""
    for _ in range(3):
        page = (await http.get(f"/alerts/messages?limit=2{cursor}")).json()
        seen += [message["message_id"] for message in page["messages"]]
        cursor = f"&cursor={page['next']}"
    assert len(set(seen)) == len(seen) == 5


async def test_message_is_acknowledged_over_the_api(
    ops: Any, closeloop: Any, an_alert: Any, http: httpx2.AsyncClient
) -> None:
    await told(ops, closeloop, an_alert)
    message_id = ops.to.hook.taken[0]["data"]["message_id"]
    path = f"/alerts/messages/{message_id}/acknowledge"
    first, again = [(await http.post(path, json={"actor": "Ana"})).json() for _ in range(2)]
    assert (first["is_new"], first["tasks"][0]["acknowledged"]) == (True, True)
    assert again == {"is_new": False, "too_many": False, "tasks": []}


async def _rules(ops: Any) -> Any:
    async with ops.database.read() as connection:
        return await ops.keeper.in_force(connection)


async def test_customer_who_is_erased_is_named_nowhere(
    ops: Any, closeloop: Any, an_alert: Any, http: httpx2.AsyncClient
) -> None:
    link = await told(ops, closeloop, an_alert, 3)
    waits = await closeloop.tasks()
    await ops.tell(an_alert_of(1, task_id=waits[0].task_id, alert_key="waits"))
    assert "Ada 0" in (await http.get(link)).text
    about = {"customer_id": "c1", "occurred_at": ops.clock.now(), "reason": "asked"}
    erased = an_event(registry.CUSTOMER_ERASED, id="e1", **about)
    async with ops.database.transaction() as tx:
        await on_customers(tx, [erased])
    page = (await http.get(link)).text
    assert ("Ada 0" in page, "Ada 1" in page) == (False, True)
    assert "The customer was erased." in page
    alerts = [alert for alert in await ops.alerts() if alert.task_id == waits[0].task_id]
    assert {alert.text for alert in alerts} == {"The customer was erased."}
