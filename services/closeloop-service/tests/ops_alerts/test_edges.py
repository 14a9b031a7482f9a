"""Where messages to ops touch a limit: of a provider, of an hour, of what people write."""

from base64 import urlsafe_b64encode
from datetime import timedelta
from typing import Any

import httpx2
import orjson
import pytest
from fastapi.responses import PlainTextResponse
from hypothesis import given
from hypothesis import strategies as st

from closeloop_service.domain.commands import Acknowledge, Contact
from closeloop_service.domain.grouping import Item, MessageText, Severity
from closeloop_service.domain.rules import AlertKind, AlertTarget, TargetKind
from closeloop_service.ops_alerts import slack, teams
from closeloop_service.ops_alerts.acknowledging import acknowledge
from closeloop_service.ops_alerts.interface import TargetUnusable
from closeloop_service.store.alert_messages import NewMessage, What, add

from .conftest import an_alert_of
from .doubles import SLACK_PATH, too_many
from .test_adapters import a_letter
from .test_seen import http, opened, told

__all__ = ["http"]
SLACK = AlertTarget(target_id="t", kind=TargetKind.SLACK, secret="s")
SECRET = "https://hooks.slack.com/services/T0/B0/x"
NASTY = st.text(alphabet="&<>*_~`|@ax\u202e\U0001f600", max_size=500)


@given(title=NASTY, text=NASTY, facts=st.lists(st.tuples(NASTY, NASTY), max_size=10))
def test_slack_blocks_keep_to_their_size_whatever_customers_are_called(
    title: str, text: str, facts: list[tuple[str, str]]
) -> None:
    content = MessageText(
        title="Late",
        severity=Severity.INFO,
        path="/",
        facts=tuple(facts),
        items=(Item(title=title or "x", text=text, path="/board/tasks/1"),),
    )
    body = orjson.loads(slack.compose(a_letter(content), SLACK, SECRET).content)
    assert all(len(b["text"]["text"]) <= 3000 for b in body["blocks"] if b["type"] == "section")


def test_slack_block_of_the_worst_name_keeps_to_its_size() -> None:
    worst = Item(title="&" * 1000, text="&" * 1000, path="/board/tasks/1")
    content = MessageText(title="Late", severity=Severity.INFO, path="/", items=(worst,))
    body = orjson.loads(slack.compose(a_letter(content), SLACK, SECRET).content)
    assert all(len(b["text"]["text"]) <= 3000 for b in body["blocks"])


def test_slack_makes_no_mention_and_no_link_of_plain_words() -> None:
    item = Item(title="t", text="@channel #general http://evil.example", path="/board/tasks/1")
    content = MessageText(title="Late", severity=Severity.INFO, path="/", items=(item,), more=3)
    body = orjson.loads(slack.compose(a_letter(content), SLACK, SECRET).content)
    texts = [t for b in body["blocks"] for t in b.get("elements", [b.get("text")])]
    assert all(text["verbatim"] for text in texts if text["type"] == "mrkdwn")


@pytest.mark.parametrize(
    "secret", ["https://[::1", "https://h:port/x", "https://h ost/x", "https://h/\u00e9"]
)
def test_address_that_is_none_says_so_and_not_what_it_is(secret: str) -> None:
    with pytest.raises(TargetUnusable) as error:
        teams.compose(a_letter(), SLACK, secret)
    assert secret not in str(error.value)


async def test_what_is_made_while_a_target_wants_peace_waits_as_well(ops: Any) -> None:
    await ops.use("pager")
    await ops.tell(an_alert_of(task_id=None))
    await ops.turn(seconds=31)
    ops.to.pager.says = [too_many(600)]
    await ops.tell(an_alert_of(2, task_id=None))
    await ops.turn(seconds=31)
    calls = ops.to.pager.calls
    async with ops.database.transaction() as tx:
        first = (await ops.messages())[0]
        await add(
            tx,
            [
                NewMessage(
                    message_id="00000000-0000-7000-8000-0000000000ff",
                    target_id="pager",
                    what=What.RESOLVE,
                    content=MessageText(title="x", severity=Severity.INFO, path="/"),
                    incident=first.incident,
                )
            ],
        )
    await ops.turn(seconds=60)
    assert ops.to.pager.calls == calls
    await ops.turn(seconds=540)
    await ops.turn()
    assert ops.to.pager.calls == calls + 2


async def test_target_that_was_taken_out_of_the_rules_alarms_nobody(ops: Any) -> None:
    await ops.use("slack", "hook")
    ops.to.slack.says = [too_many(60)]
    await ops.tell(an_alert_of())
    await ops.turn(seconds=31)
    await ops.use("hook")
    await ops.turn(seconds=61)
    await ops.turn(seconds=61)
    assert {m.target_id: m.state for m in await ops.messages()} == {
        "slack": "failed",
        "hook": "sent",
    }
    assert [a.kind for a in await ops.alerts() if a.kind == AlertKind.TARGET_FAILED] == []


async def test_answer_that_repeats_a_secret_is_kept_without_it(ops: Any) -> None:
    await ops.use("slack", "hook")
    ops.to.slack.says = [PlainTextResponse(f"Cannot POST {SLACK_PATH}", 404)]
    await ops.tell(an_alert_of())
    await ops.turn(seconds=31)
    await ops.turn(seconds=31)
    failed = next(m for m in await ops.messages() if m.state == "failed")
    assert "XXXXXX" not in failed.fault
    assert "HTTP 404" in failed.fault
    assert "XXXXXX" not in orjson.dumps(ops.to.hook.taken).decode()


async def test_title_counts_tasks_and_not_how_often_they_were_told(ops: Any) -> None:
    await ops.use("hook")
    await ops.tell(
        an_alert_of(1, alert_key="a"), an_alert_of(1, alert_key="b"), an_alert_of(2, alert_key="c")
    )
    await ops.turn(seconds=31)
    assert ops.to.hook.taken[0]["data"]["title"] == "2 late tasks"


async def test_titles_show_no_signs_that_turn_words_around(ops: Any) -> None:
    await ops.use("hook")
    await ops.tell(an_alert_of(title="Late\u202e \r\nAda"))
    await ops.turn(seconds=31)
    assert ops.to.hook.taken[0]["data"]["title"] == "Late Ada"


@pytest.mark.parametrize(
    "place", ["2026-01-01T00:00:00 x", "2026-01-01T00:00:00+00:00 a\x00b", "\ud800"]
)
async def test_cursor_of_somebody_else_is_refused(http: httpx2.AsyncClient, place: str) -> None:
    cursor = urlsafe_b64encode(place.encode("utf-8", "surrogatepass")).decode()
    answer = await http.get("/alerts/messages", params={"cursor": cursor})
    assert answer.status_code in (400, 422)


@pytest.mark.parametrize("name", ["A\x00na", "A" * 100_000, "Ana\nRuiz"])
async def test_name_that_no_history_takes_is_refused(
    ops: Any, closeloop: Any, an_alert: Any, http: httpx2.AsyncClient, name: str
) -> None:
    link = await told(ops, closeloop, an_alert)
    page = await http.post(link, data={"owner": name})
    assert page.status_code == 422
    assert not any(alert.acknowledged_by for alert in await ops.alerts())


async def test_incident_stays_open_when_only_what_opened_it_first_is_over(
    ops: Any, closeloop: Any, an_alert: Any
) -> None:
    await ops.use("pager", group_within=timedelta(0))
    (task_id,) = await opened(closeloop, an_alert, 1)
    await ops.tell(an_alert_of(task_id=task_id, alert_key="first"))
    await ops.turn()
    await closeloop.move(task_id, Acknowledge(actor="Ana"))
    ops.clock.advance(timedelta(seconds=5))
    await ops.tell(an_alert_of(task_id=task_id, alert_key="second"))
    await ops.turn()
    await ops.turn(seconds=31)
    await ops.turn()
    assert ops.to.pager.open == {f"task/{task_id}"}
    await closeloop.move(task_id, Contact(actor="Ana", channel="phone"))
    await ops.turn(seconds=31)
    await ops.turn()
    assert ops.to.pager.alerts[f"task/{task_id}"] == ["trigger", "trigger", "resolve"]


async def test_incident_is_acknowledged_when_all_that_it_is_about_was(
    ops: Any, closeloop: Any, an_alert: Any
) -> None:
    await ops.use("pager", "hook")
    (task_id,) = await opened(closeloop, an_alert, 1)
    messages = []
    for key in ("first", "second"):
        await ops.tell(an_alert_of(task_id=task_id, alert_key=key))
        await ops.turn(seconds=31)
        messages.append(ops.to.hook.taken[-1]["data"]["message_id"])
    for message_id, said in zip(messages, (["trigger"] * 2, ["acknowledge"]), strict=True):
        async with ops.database.transaction() as tx:
            await acknowledge(tx, ops.keeper, message_id, "Ana")
        await ops.turn()
        await ops.turn()
        assert ops.to.pager.alerts[f"task/{task_id}"][-len(said) :] == said
