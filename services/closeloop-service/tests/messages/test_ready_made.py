"""The ready-made playbooks, from an answer to what is suggested and what templates say."""

import re
from dataclasses import replace

import httpx2
import pytest

from closeloop_service.api import messages, tasks
from closeloop_service.domain.commands import Contact, Resolve, Step
from closeloop_service.domain.rules import Opens
from closeloop_service.domain.writing import check_message, render
from heardback.contracts.payloads import Recipient
from heardback.health import Health
from heardback.http import build_app

from .tasks import a_task

SUGGESTED = {
    "detractor": ["acknowledge", "listen", "explain-and-act", "follow-up", None],
    "passive": ["ask", "help", "roadmap", None],
    "promoter": ["thank", "review", "referral", "beta-group", None],
}


@pytest.fixture
async def playbooks(closeloop):
    async with closeloop.database.read() as connection:
        return (await closeloop.keeper.in_force(connection)).playbooks.by_category


@pytest.fixture
async def http(closeloop):
    routers = (tasks.router(closeloop.keeper), messages.router(closeloop.keeper, "Northwind"))
    app = build_app(name="closeloop", database=closeloop.database, health=Health(), routers=routers)
    transport = httpx2.ASGITransport(app=app)
    async with httpx2.AsyncClient(transport=transport, base_url="http://closeloop") as client:
        yield client


async def opened(closeloop, an_alert, an_answer, group):
    """Open the task of a customer of a group, in which every answer opens one."""
    async with closeloop.database.read() as connection:
        rules = await closeloop.keeper.in_force(connection)
    books = rules.playbooks
    always = {
        category: replace(book, opens=Opens.ALWAYS) for category, book in books.by_category.items()
    }
    await closeloop.change_rules(playbooks=replace(books, by_category=always))
    score = {"passive": 7, "promoter": 10}.get(group)
    event = an_alert() if score is None else an_answer(score=score, category=group)
    await closeloop.hear(event)
    return await closeloop.task()


@pytest.mark.parametrize("group", SUGGESTED)
async def test_row_44_playbook_of_the_group_leads_through_the_task(
    closeloop, an_alert, an_answer, http, group
):
    task = await opened(closeloop, an_alert, an_answer, group)
    suggested = []
    while True:
        body = (await http.get(f"/tasks/{task.task_id}")).json()
        step = body["next_action"]
        suggested.append(step and step["step_id"])
        if step is None:
            break
        move = {
            "contact": Contact(actor="Ana", channel="phone"),
            "resolve": Resolve(actor="Ana", root_cause="other"),
            None: Step(actor="Ana", step_id=step["step_id"]),
        }[step["done_by"]]
        await closeloop.move(task.task_id, move)
    assert suggested == SUGGESTED[group]
    assert all(step["done"] for step in body["steps"])
    assert body["state"] == "resolved"


async def test_row_44_template_is_shown_before_it_is_sent(closeloop, an_alert, an_answer, http):
    task = await opened(closeloop, an_alert, an_answer, "detractor")
    asked = {"template_id": "thank-and-ask", "owner": "Ana"}
    answer = await http.get(f"/tasks/{task.task_id}/messages/preview", params=asked)
    written = answer.json()
    assert written["subject"] == "Thank you for telling us"
    assert written["text"].startswith("Hello Ada 1,\n\nThank you")
    assert written["text"].endswith("\n\nAna")
    asked["template_id"] = "sorry"
    refused = await http.get(f"/tasks/{task.task_id}/messages/preview", params=asked)
    assert refused.status_code == 422
    assert refused.json()["known"] == ["thank-and-ask", "what-we-do", "is-it-well"]


async def test_template_reads_well_in_every_language_with_a_name_and_without(playbooks):
    for playbook in playbooks.values():
        for template in playbook.templates.values():
            for locale in template.texts:
                for recipient in (Recipient(name="Ada"), Recipient()):
                    task = a_task(recipient=recipient, comment=None)
                    written = render(template, task, owner="Ana", locale=locale)
                    check_message(task, written)
                    assert written.subject
                    assert ("Ada" in written.text) == (recipient.name is not None)
                    assert not re.search(r"[{}]|  | [,،.]|\n{3}", written.text)


async def test_every_step_names_what_the_task_allows(playbooks):
    for category, playbook in playbooks.items():
        assert playbook.steps[0].done_by == "contact", category
        assert playbook.steps[-1].done_by == "resolve", category
