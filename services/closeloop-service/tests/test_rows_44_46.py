"""Every promise about playbooks, records and recovery, by its number in the product's list.

Events in, events out and HTTP, on a real Postgres, with a clock that the test moves: it begins on
Monday, 2 March 2026 at 9 UTC.
"""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from heardback.contracts import registry
from heardback.contracts.payloads import FollowUpRequested
from heardback.contracts.registry import EventType
from heardback.envelope import Event
from heardback.testing.builders import an_event
from heardback.testing.clock import START

from .rows import ANA, CALL, FIX, MAYA, Whole

Make = Callable[..., Event[Any]]
PLAYBOOKS = {
    "detractor": ["acknowledge", "listen", "explain-and-act", "follow-up"],
    "passive": ["ask", "help", "roadmap"],
    "promoter": ["thank", "review", "referral", "beta-group"],
}


def a_request(number: int = 1) -> Event[Any]:
    """Return how customer `number` was asked, by mail."""
    return an_event(
        registry.SURVEY_REQUESTED,
        id=f"request-{number}",
        customer_id=f"c{number}",
        invitation_id=f"invitation-{number}",
        program_id="after-purchase",
        touchpoint="purchase",
        survey_id="nps",
        channel="email",
        recipient={"email": f"c{number}@example.com"},
        occurred_at=START,
        requested_at=START,
        expires_at=START + timedelta(days=14),
    )


def was_sent(request: FollowUpRequested) -> Event[Any]:
    return an_event(
        registry.FOLLOW_UP_SENT,
        id=f"sent-{request.follow_up_id}",
        customer_id=request.customer_id,
        follow_up_id=request.follow_up_id,
        invitation_id=request.invitation_id,
        channel="email",
        provider="smtp",
        message_id="m1",
        sent_at=START,
    )


def of_customer(event_type: EventType, number: int) -> Event[Any]:
    return an_event(
        event_type, id=f"{event_type}-{number}", customer_id=f"c{number}", occurred_at=START
    )


@pytest.fixture
def of_group(whole: Whole, an_alert: Make, an_answer: Make) -> Callable[..., Any]:
    """Have customer `number`, of a group, owned a task: `task = await of_group(category)`."""

    async def open_one(category: str, number: int = 1) -> Any:
        playbooks = (await whole.get("/rulebooks/playbooks"))["document"]["playbooks"]
        playbooks["promoter"]["opens"] = "always"
        await whole.put("playbooks", playbooks=playbooks)
        await whole.hear(a_request(number))
        if category == "detractor":
            await whole.hear(an_alert(number))
        else:
            score = 7 if category == "passive" else 10
            await whole.hear(an_answer(number, category=category, score=score))
        return await whole.task(customer_id=f"c{number}")

    return open_one


@pytest.mark.parametrize("category", PLAYBOOKS)
async def test_row_44_playbook_leads_through_its_steps_when_a_customer_of_its_group_waits(
    whole: Whole, of_group: Callable[..., Any], category: str
) -> None:
    task = await of_group(category)
    steps = PLAYBOOKS[category]
    assert [step["step_id"] for step in task["steps"]] == steps
    assert all(step["title"] and step["advice"] for step in task["steps"])
    suggested = []
    while (step := (await whole.task())["next_action"]) is not None:
        suggested.append(step["step_id"])
        assert len(suggested) <= len(steps), suggested
        if step["done_by"] == "contact":
            await whole.move(task, "contact", **CALL)
        elif step["done_by"] == "resolve":
            await whole.move(task, "resolve", **FIX)
        else:
            await whole.move(task, "steps", actor="Ana", step_id=step["step_id"])
    assert suggested == steps
    assert all(step["done"] for step in (await whole.task())["steps"])


@pytest.mark.parametrize("category", PLAYBOOKS)
async def test_row_44_templates_speak_to_the_customer_when_they_are_previewed(
    whole: Whole, of_group: Callable[..., Any], category: str
) -> None:
    task = await of_group(category)
    path = f"/tasks/{task['task_id']}/messages/preview"
    templates = [step["template"] for step in task["steps"] if step["template"]]
    assert len(templates) >= 3
    for template in templates:
        preview = await whole.get(path, template_id=template, owner="Ana Ruiz")
        assert preview["subject"]
        assert "Ana Ruiz" in preview["text"]
        assert ("Ada 1" in preview["text"]) is (category == "detractor")
        assert "{" not in preview["text"]
    assert await whole.said(registry.FOLLOW_UP_REQUESTED) == []


async def test_row_44_next_action_follows_when_a_template_was_sent_to_the_customer(
    whole: Whole, of_group: Callable[..., Any]
) -> None:
    task = await of_group("detractor")
    template = task["next_action"]["template"]
    path = f"/tasks/{task['task_id']}/messages/preview"
    preview = await whole.get(path, template_id=template, owner="Ana")
    await whole.move(task, "messages", actor="Ana", template_id=template, **preview)
    (request,) = await whole.said(registry.FOLLOW_UP_REQUESTED)
    assert (request.text, request.invitation_id) == (preview["text"], "invitation-1")
    # Asked for is not sent.
    assert (await whole.task())["contacted_at"] is None
    await whole.hear(was_sent(request))
    task = await whole.task()
    assert (task["state"], task["next_action"]["step_id"]) == ("contacted", "listen")
    assert [message["state"] for message in task["messages"]] == ["sent"]


async def test_row_44_what_is_urgent_is_suggested_first_when_the_customer_waits(
    whole: Whole, of_group: Callable[..., Any]
) -> None:
    async def suggested() -> str:
        return str((await whole.task())["next_action"]["step_id"])

    task = await of_group("detractor")
    await whole.after(hours=4)
    assert await suggested() == "call_now"
    await whole.move(task, "contact", **CALL)
    assert await suggested() == "listen"
    await whole.move(task, "reply", channel="email", text="It is still broken.")
    assert await suggested() == "answer"
    await whole.move(task, "contact", **CALL)
    assert await suggested() == "listen"


async def test_row_45_root_cause_is_asked_for_when_a_task_is_closed(
    whole: Whole, of_group: Callable[..., Any]
) -> None:
    task = await of_group("detractor")
    await whole.move(task, "resolve", 409, **FIX)
    await whole.move(task, "contact", **CALL)
    await whole.move(task, "resolve", 422, **ANA)
    refused = await whole.move(task, "resolve", 422, **ANA, root_cause="the moon")
    assert "late delivery" in str(refused)
    assert await whole.said(registry.TASK_RESOLVED) == []
    closed = await whole.move(task, "resolve", **FIX)
    assert (closed["state"], closed["root_cause"]) == ("resolved", "late delivery")
    (said,) = await whole.said(registry.TASK_RESOLVED)
    assert (said.root_cause, said.owner) == ("late delivery", "Ana")


async def test_row_45_outreach_and_everything_else_is_on_record_when_a_task_has_been_worked_on(
    whole: Whole, of_group: Callable[..., Any]
) -> None:
    task = await of_group("detractor")
    moves: list[tuple[str, dict[str, Any], str]] = [
        ("assign", {**MAYA, **ANA}, "assigned"),
        ("acknowledge", ANA, "acknowledged"),
        ("messages", {"actor": "Ana", "subject": "Sorry", "text": "We are sorry."}, "wrote"),
        ("contact", CALL, "contacted"),
        ("wait", {"actor": "Ana", "note": "She sends a photo."}, "waiting"),
        ("resume", {"actor": "Ana"}, "resumed"),
        ("reply", {"channel": "phone", "text": "Here it is."}, "replied"),
        ("note", {"actor": "Ben", "note": "A regular."}, "noted"),
        (
            "compensate",
            {"actor": "Ana", "kind": "refund", "amount": 20.5, "currency": "EUR"},
            "compensated",
        ),
        ("steps", {"actor": "Ana", "step_id": "listen"}, "step"),
        ("escalate", {"actor": "Ana", "reason": "She is furious."}, "escalated"),
        ("release", {"actor": "Ana"}, "released"),
        ("resolve", FIX, "resolved"),
        ("reopen", {**MAYA, "reason": "It broke again."}, "reopened"),
        ("cancel", {**MAYA, "reason": "A duplicate."}, "cancelled"),
    ]
    known = (await whole.task())["history"]
    for number, (move, form, line) in enumerate(moves, 1):
        await whole.after(minutes=1)
        await whole.move(task, move, **form)
        history = (await whole.task())["history"]
        assert history[-len(known) :] == known, "what happened stays as it was"
        # Who takes up a task that nobody owns is its owner: that is a line of its own.
        (new,) = [one for one in history[: len(history) - len(known)] if one["what"] == line]
        assert new["actor"] == form.get("actor", form.get("owner"))
        assert new["occurred_at"] == f"2026-03-02T09:{number:02}:00Z"
        said = {new["note"], *map(str, new["details"].values())}
        assert {str(value) for key, value in form.items() if key not in ("actor", "owner")} <= said
        known = history
    await whole.move(task, "contact", 409, **CALL)
    assert (await whole.task())["history"] == known


def about_recovery(number: int, score: int) -> dict[str, Any]:
    group = "promoter" if score > 8 else "passive" if score > 6 else "detractor"
    return {
        "program_id": "recovery",
        "touchpoint": "task-resolved",
        "response_id": f"recovery-{number}",
        "invitation_id": f"recovery-{number}",
        "survey_id": "recovery-nps",
        "score": score,
        "category": group,
    }


async def fixed(whole: Whole, task: Any, number: int) -> None:
    """Resolve a task, and have the recovery question about it scheduled."""
    await whole.move(task, "contact", **CALL)
    await whole.move(task, "resolve", **FIX)
    resolved = (await whole.said(registry.TASK_RESOLVED))[-1]
    question = an_event(
        registry.SURVEY_SCHEDULED,
        id=f"question-{number}",
        customer_id=resolved.customer_id,
        program_id="recovery",
        touchpoint="task-resolved",
        touchpoint_id=f"resolved-{number}",
        decision_id=f"recovery-{number}",
        invitation_id=f"recovery-{number}",
        survey_id="recovery-nps",
        subject=f"task:{resolved.task_id}",
        send_at=START,
        decided_at=START,
    )
    await whole.hear(question)


async def test_row_46_recovered_saved_and_lost_are_measured_when_customers_were_asked_again(
    whole: Whole, of_group: Callable[..., Any], an_answer: Make
) -> None:
    for number in range(1, 6):
        await fixed(whole, await of_group("detractor", number), number)
    # Two are won back, one is not, one leaves, and one says nothing.
    for number, score in ((1, 9), (2, 7), (3, 3)):
        await whole.hear(an_answer(number, **about_recovery(number, score)))
    await whole.hear(of_customer(registry.CUSTOMER_CHURNED, 4))
    verified = await whole.said(registry.TASK_VERIFIED)
    outcomes = [(one.customer_id, one.outcome, one.score) for one in verified]
    assert outcomes == [
        ("c1", "recovered", 9),
        ("c2", "recovered", 7),
        ("c3", "unchanged", 3),
        ("c4", "lost", None),
    ]
    states = {task["customer_id"]: task["outcome"] for task in await whole.tasks(state="verified")}
    assert states == {"c1": "recovered", "c2": "recovered", "c3": "unchanged", "c4": "lost"}
    await whole.after(seconds=1)
    groups = (await whole.get("/recovery"))["groups"]
    found = next(group for group in groups if group["category"] == "detractor")
    assert (found["resolved"], found["open"]) == (5, 1)
    assert (found["recovered"]["count"], found["recovered"]["of"]) == (2, 3)
    assert (found["saved"]["count"], found["saved"]["of"]) == (4, 5)
    assert (found["lost"]["count"], found["lost"]["of"]) == (1, 5)
    await whole.after(days=30)
    assert (await whole.said(registry.TASK_VERIFIED))[-1].outcome == "unanswered"


async def test_row_46_conversion_is_measured_when_a_passive_becomes_a_promoter(
    whole: Whole, of_group: Callable[..., Any], an_answer: Make
) -> None:
    for number, score in ((1, 9), (2, 8)):
        await fixed(whole, await of_group("passive", number), number)
        await whole.hear(an_answer(number, **about_recovery(number, score)))
    await whole.after(seconds=1)
    groups = {group["category"]: group for group in (await whole.get("/recovery"))["groups"]}
    assert (groups["passive"]["recovered"]["count"], groups["passive"]["recovered"]["of"]) == (1, 2)
    assert groups["detractor"]["resolved"] == 0
