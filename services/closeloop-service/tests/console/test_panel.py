"""A task's panel: what it shows in each state, its forms, and what becomes of what was typed."""

import re

import pytest

from closeloop_service.domain.commands import (
    Acknowledge,
    Contact,
    Note,
    Resolve,
    Wait,
)
from heardback.testing.clock import START

ANA = Acknowledge(actor="Ana")
PHONED = Contact(actor="Ana", channel="phone", note="Called.")
RESOLVED = Resolve(actor="Ana", root_cause="other", note="Sent a new one.")
PATCH = {"X-Patch": "1"}


@pytest.fixture
def panel(http, task_id):
    """Return the panel as text without tags, or what a query of its page gives."""

    async def get(query: str = "") -> str:
        http.cookies.set("owner", "Ana")
        return (await http.get(f"/board/tasks/{task_id}?{query}")).text

    return get


@pytest.fixture
def send(http, task_id):
    async def post(move: str, **fields: str):
        http.cookies.set("owner", "Ana")
        return await http.post(f"/board/tasks/{task_id}/{move}", data=fields)

    return post


def moves_in(page: str) -> set[str]:
    return set(re.findall(r'<form id="([a-z]+)-form"', page))


async def test_only_what_the_state_allows_can_be_done(closeloop, panel, task_id):
    always = {"note", "assign", "claim", "compensate", "escalate", "cancel"}
    assert moves_in(await panel()) == always | {"acknowledge", "contact"}
    await closeloop.move(task_id, PHONED)
    contacted = (always - {"claim"}) | {"contact", "reply", "wait", "resolve", "release"}
    assert moves_in(await panel()) == contacted
    await closeloop.move(task_id, RESOLVED)
    assert moves_in(await panel()) == {"note", "verify", "reopen", "reply"}


async def test_row_44_panel_says_what_to_do_next_by_the_playbook(closeloop, panel, task_id):
    page = await panel()
    assert re.search(r'id="next-title">Thank them, and say sorry<', page)
    await closeloop.move(task_id, PHONED)
    assert re.search(r'id="next-title">Listen<', await panel())


async def test_step_is_ticked_and_unticked_when_pressed(closeloop, panel, send):
    await send("contact", channel="phone", note="")
    await send("step", step="listen", done="1")
    assert "listen" in (await closeloop.task()).steps_done
    assert re.search(r'id="tick-listen" class="tick" aria-pressed="true"', await panel())
    await send("step", step="listen")
    assert "listen" not in (await closeloop.task()).steps_done


async def test_every_form_moves_the_task_when_it_is_sent(closeloop, send):
    for move, fields, state in (
        ("claim", {}, "assigned"),
        ("release", {"note": "wrong team"}, "open"),
        ("assign", {"owner": "Ben", "team": "care"}, "assigned"),
        ("acknowledge", {}, "acknowledged"),
        ("contact", {"channel": "phone", "note": "Called."}, "contacted"),
        ("wait", {"days": "3", "note": "They look for the invoice."}, "waiting"),
        ("reply", {"channel": "phone", "text": "Found it."}, "contacted"),
        ("wait", {"days": ""}, "waiting"),
        ("resume", {}, "contacted"),
        ("compensate", {"kind": "refund", "amount": "12,50", "currency": "eur"}, "contacted"),
        ("escalate", {"reason": "Two refunds."}, "contacted"),
        ("note", {"note": "Likes tea."}, "contacted"),
        ("resolve", {"root_cause": "other", "note": "Done."}, "resolved"),
        ("verify", {"outcome": "recovered"}, "verified"),
        ("reopen", {"reason": "They called again."}, "reopened"),
        ("cancel", {"reason": "A test."}, "cancelled"),
    ):
        answer = await send(move, **fields)
        assert (move, answer.status_code) == (move, 303)
        assert (move, (await closeloop.task()).state) == (move, state)
    given = next(line for line in await closeloop.history() if line.what == "compensated")
    assert (given.details["amount"], given.details["currency"]) == (12.5, "EUR")


@pytest.mark.parametrize(
    ("move", "fields", "said"),
    [
        ("cancel", {"reason": " "}, "Not done: say why."),
        ("contact", {"channel": "smoke signs"}, "no such way of contact"),
        ("compensate", {"kind": "refund", "amount": "a lot", "currency": "EUR"}, "the amount"),
        ("compensate", {"kind": "refund", "amount": "1", "currency": "Euro"}, "three letters"),
        ("note", {"note": "x" * 10_001}, "the note can’t be read"),
        ("contact", {"channel": "pho\x00ne"}, "how can’t be read"),
    ],
)
async def test_panel_says_what_to_correct_when_a_form_is_wrong(send, move, fields, said):
    answer = await send(move, **fields)
    assert answer.status_code == 422
    assert said in answer.text


async def test_wait_is_refused_when_the_policy_allows_none_so_long(closeloop, send, task_id):
    await closeloop.move(task_id, PHONED)
    answer = await send("wait", days="90", note="On holiday.")
    assert answer.status_code == 422
    assert "allows no such long wait" in answer.text
    assert "On holiday." in answer.text


async def test_newer_state_and_what_was_typed_are_shown_when_somebody_was_faster(
    closeloop, send, task_id
):
    await closeloop.move(task_id, PHONED)
    await closeloop.move(task_id, RESOLVED)
    answer = await send("resolve", root_cause="other", note="I sent a voucher.")
    assert answer.status_code == 409
    assert "Not done: it is resolved now." in answer.text
    kept = re.search(r'<textarea id="note-note-kept"[^>]*>\s*([^<]*)</textarea>', answer.text)
    assert kept.group(1) == "I sent a voucher."


async def test_second_press_is_a_conflict_when_based_on_an_older_version(closeloop, send, task_id):
    version = str((await closeloop.task()).version)
    await closeloop.move(task_id, Note(actor="Ben", note="I call them."))
    answer = await send("assign", owner="Ana", version=version)
    assert answer.status_code == 409
    assert "it changed while you looked" in answer.text
    assert "I call them." in answer.text


async def test_row_44_message_begins_as_its_template_and_is_sent_as_it_was_edited(
    closeloop, an_alert, an_asking, http
):
    await closeloop.hear(an_asking(2))
    await closeloop.hear(an_alert(2))
    page_url = f"/board/tasks/{(await closeloop.task()).task_id}"
    page = (await http.get(f"{page_url}?template=thank-and-ask")).text
    assert "Hello Ada 2," in page
    form = {
        "actor": "Ana",
        "template_id": "thank-and-ask",
        "subject": "Sorry",
        "text": "Hello Ada,\r\n\r\nI am sorry.",
    }
    assert (await http.post(f"{page_url}/write", data=form)).status_code == 303
    page = (await http.get(page_url)).text
    assert "on its way" in page
    assert "Hello Ada,\n\nI am sorry." in page
    assert (await closeloop.task()).contacted_at is None


async def test_empty_message_is_not_sent(closeloop, an_alert, an_asking, http):
    await closeloop.hear(an_asking(2))
    await closeloop.hear(an_alert(2))
    url = f"/board/tasks/{(await closeloop.task()).task_id}/write"
    answer = await http.post(url, data={"actor": "Ana", "subject": "Sorry", "text": " "})
    assert answer.status_code == 422
    assert "Not done: say the text." in answer.text
    assert 'value="Sorry"' in answer.text


async def test_writing_is_explained_away_when_there_is_no_conversation(panel, closeloop):
    task = await closeloop.task()
    assert task.channel is None
    assert "phone or mail them yourself, then log the contact" in await panel()


async def test_row_42_wait_is_explained_in_words_when_it_pauses_the_clocks(
    closeloop, panel, task_id
):
    await closeloop.move(task_id, PHONED)
    await closeloop.pass_time(minutes=30)
    await closeloop.move(task_id, Wait(actor="Ana", note="They look for the invoice."))
    text = " ".join(re.sub(r"<[^>]+>", "", await panel()).split())
    assert "Paused since Mon 2 Mar 09:30 UTC, at most until Mon 9 Mar 09:30 UTC." in text
    assert START.strftime("%a %-d %b") == "Mon 2 Mar"


async def test_row_46_outcome_is_shown_once_it_is_known(closeloop, panel, send, task_id):
    await closeloop.move(task_id, PHONED)
    await closeloop.move(task_id, RESOLVED)
    await send("verify", outcome="recovered")
    text = " ".join(re.sub(r"<[^>]+>", " ", await panel()).split())
    assert "Outcome recovered" in text
    assert "Ana noted the outcome: recovered" in text


async def test_past_tasks_are_linked_when_the_customer_had_some(
    closeloop, panel, task_id, an_alert
):
    await closeloop.move(task_id, PHONED)
    await closeloop.move(task_id, RESOLVED)
    fields = {"customer_id": "c1", "invitation_id": "later"}
    await closeloop.hear(an_alert(7, **fields))
    (other,) = [one.task_id for one in await closeloop.tasks() if one.task_id != task_id]
    assert f'href="/board/tasks/{other}"' in await panel()


async def test_row_45_history_tells_everything_in_words(closeloop, panel, send, task_id):
    await closeloop.move(task_id, ANA)
    await send("escalate", reason="Third time.")
    await closeloop.pass_time(hours=5)
    text = " ".join(re.sub(r"<[^>]+>", "", await panel()).split())
    for words in (
        "Opened for a score of 2, clocks by policy default",
        "Ana acknowledged it",
        "Ana escalated to level 1",
        "Third time.",
        "Warning: most of the first response time is used",
        "The first response clock ran out",
    ):
        assert words in text


async def test_answer_is_a_patch_when_the_script_posts(http, task_id):
    form = {"actor": "Ana", "channel": "phone", "note": "Called."}
    answer = await http.post(f"/board/tasks/{task_id}/contact", data=form, headers=PATCH)
    assert f'<tr id="task-{task_id}" data-rev=' in answer.text
    assert '<section id="panel"' in answer.text
    assert "<html" not in answer.text


async def test_answer_is_the_row_alone_when_its_button_was_pressed(http, task_id):
    form = {"actor": "Ana", "row": "1"}
    url = f"/board/tasks/{task_id}/acknowledge"
    done = await http.post(url, data=form, headers=PATCH)
    assert '<section id="panel"' not in done.text
    again = await http.post(url, data=form, headers=PATCH)
    assert again.status_code == 409
    assert "Not done: it is acknowledged now." in again.text
