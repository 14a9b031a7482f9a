"""What is written for each provider, and what the real one would refuse."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import orjson
import pytest
from pydantic import SecretStr

from closeloop_service.domain.grouping import Item, MessageText, Severity
from closeloop_service.domain.rules import AlertTarget, TargetKind
from closeloop_service.ops_alerts import pagerduty, slack, teams, webhook
from closeloop_service.ops_alerts.interface import (
    Adapter,
    Letter,
    Outcome,
    TargetUnusable,
    Verdict,
    verdict_of,
)
from closeloop_service.store.alert_messages import What
from heardback.calls.guard import GuardedBackend, networks_in
from heardback.calls.http import Answer, Caller, Silence
from heardback.testing.clock import START

from .doubles import Providers

EVIL = "<!channel> *Ada* [x](http://evil.example) & <http://evil.example|click> " * 40
LONG = MessageText(
    title="T" * 500,
    severity=Severity.CRITICAL,
    path="/?view=breached",
    facts=tuple((f"Fact {n}", EVIL) for n in range(10)),
    items=tuple(Item(title=EVIL, text=EVIL, path=f"/board/tasks/{n}") for n in range(10)),
    more=4990,
    team="care",
)
SHORT = MessageText(
    title="First response is late",
    severity=Severity.ERROR,
    path="/board/tasks/t1",
    items=(Item(title="First response is late", text="Ada gave 2.", path="/board/tasks/t1"),),
)
ADAPTERS = {
    TargetKind.SLACK: (slack.ADAPTER, "slack_url"),
    TargetKind.TEAMS: (teams.ADAPTER, "teams_url"),
    TargetKind.PAGERDUTY: (pagerduty.ADAPTER, "pager_key"),
    TargetKind.WEBHOOK: (webhook.ADAPTER, "hook_secret"),
}


def a_letter(content: MessageText = SHORT, **fields: Any) -> Letter:
    known: dict[str, Any] = {
        "message_id": "00000000-0000-7000-8000-000000000001",
        "what": What.ALERTS,
        "content": content,
        "made_at": START,
        "now": START,
        "board_url": "https://board.example.com",
        "acknowledge_url": "https://board.example.com/alerts/token",
    }
    return Letter(**{**known, **fields})


async def send(to: Providers, kind: TargetKind, letter: Letter, secret: str = "") -> Verdict:
    adapter, name = ADAPTERS[kind]
    url = {TargetKind.PAGERDUTY: to.url, TargetKind.WEBHOOK: f"{to.url}/hook"}.get(kind)
    target = AlertTarget(target_id="t", kind=kind, secret=name, url=url)
    call = adapter.compose(letter, target, secret or to.secrets[name])
    caller = Caller(timeout_seconds=5, backend=GuardedBackend(networks_in("127.0.0.0/8")))
    try:
        heard = await caller.post(call.url, headers=call.headers, content=call.content)
    finally:
        await caller.close()
    return verdict_of(heard, letter.now)


@pytest.mark.parametrize("kind", TargetKind)
@pytest.mark.parametrize("content", [SHORT, LONG])
async def test_provider_takes_what_is_written_for_it(
    providers: Providers, kind: TargetKind, content: MessageText
) -> None:
    verdict = await send(providers, kind, a_letter(content))
    double = getattr(providers, {"pagerduty": "pager", "webhook": "hook"}.get(kind, kind))
    assert (verdict.outcome, double.refused) == (Outcome.TAKEN, [])
    assert len(double.taken) == 1


async def test_slack_message_mentions_nobody_when_a_customer_wants_it(
    providers: Providers,
) -> None:
    await send(providers, TargetKind.SLACK, a_letter(LONG))
    sent = orjson.dumps(providers.slack.taken[0]).decode()
    assert "<!channel>" not in sent
    assert "evil.example|click" in sent.replace("&lt;", "")  # as text
    assert "<http://evil" not in sent
    assert "*<https://board.example.com/alerts/token|Acknowledge>*" in sent
    assert "and 4,990 more" in sent


async def test_teams_card_keeps_to_its_size_by_naming_fewer(providers: Providers) -> None:
    wide = tuple(replace(item, title="\u4e00" * 2000, text="\u4e00" * 2000) for item in LONG.items)
    long = replace(
        LONG, items=wide * 3, facts=tuple(("\u4e00" * 400, "\u4e00" * 400) for _ in range(4))
    )
    verdict = await send(providers, TargetKind.TEAMS, a_letter(long))
    assert verdict.outcome is Outcome.TAKEN
    texts = [run["text"] for e in providers.teams.taken[0]["body"] for run in e["inlines"]]
    named = sum(text.startswith("\u4e00") for text in texts[9:]) // 2
    assert texts[-1] == f"and {4990 + 30 - named:,} more"


async def test_pagerduty_event_says_who_what_and_how_urgent(providers: Providers) -> None:
    await send(providers, TargetKind.PAGERDUTY, a_letter(incident="task/t1"))
    (event,) = providers.pager.taken
    assert (event["event_action"], event["dedup_key"]) == ("trigger", "task/t1")
    assert event["payload"]["summary"] == "First response is late: Ada gave 2."
    assert event["payload"]["severity"] == "error"
    assert event["payload"]["source"] == "board.example.com"
    assert event["links"][0]["href"] == "https://board.example.com/alerts/token"


async def test_pagerduty_is_told_only_the_key_when_an_incident_ends(providers: Providers) -> None:
    for what in (What.ALERTS, What.ACKNOWLEDGE, What.RESOLVE):
        await send(providers, TargetKind.PAGERDUTY, a_letter(what=what, incident="task/t1"))
    assert providers.pager.alerts == {"task/t1": ["trigger", "acknowledge", "resolve"]}
    assert set(providers.pager.taken[-1]) == {"routing_key", "event_action", "dedup_key"}


async def test_webhook_receiver_knows_a_repeat_by_its_id(providers: Providers) -> None:
    await send(providers, TargetKind.WEBHOOK, a_letter())
    await send(providers, TargetKind.WEBHOOK, a_letter(now=START + timedelta(minutes=5)))
    assert (len(providers.hook.ids), len(providers.hook.taken)) == (2, 1)
    assert providers.hook.taken[0]["type"] == "ops.alerts"


async def test_webhook_receiver_refuses_another_secret(providers: Providers) -> None:
    other = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
    verdict = await send(providers, TargetKind.WEBHOOK, a_letter(), secret=other)
    assert (verdict.outcome, verdict.detail) == (Outcome.REFUSED, "HTTP 401")


async def test_slack_refuses_an_address_that_was_revoked(providers: Providers) -> None:
    revoked = f"{providers.url}/services/T0/B0/gone"
    verdict = await send(providers, TargetKind.SLACK, a_letter(), secret=revoked)
    assert (verdict.outcome, verdict.detail) == (Outcome.REFUSED, "HTTP 404: no_service")


@pytest.mark.parametrize(
    ("adapter", "url", "secret"),
    [
        (slack.ADAPTER, None, "not an address"),
        (teams.ADAPTER, None, "ftp://example.com/x"),
        (pagerduty.ADAPTER, None, "short"),
        (webhook.ADAPTER, "https://example.com", "whsec_???"),
        (webhook.ADAPTER, None, "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"),
    ],
)
def test_target_that_is_set_up_wrongly_says_so(
    adapter: Adapter, url: str | None, secret: str
) -> None:
    target = AlertTarget(target_id="t", kind=TargetKind.WEBHOOK, secret="s", url=url)
    with pytest.raises(TargetUnusable) as error:
        adapter.compose(a_letter(), target, secret)
    assert secret not in str(error.value)


def an_answer(status: int, body: bytes = b"", **headers: str) -> Answer:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(status=status, headers=named, body=body)


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        *((status, Outcome.TAKEN) for status in (200, 202, 204)),
        *((status, Outcome.LATER) for status in (408, 425, 429, 500, 502, 503)),
        *((status, Outcome.REFUSED) for status in (301, 400, 401, 403, 404, 410, 413)),
    ],
)
def test_status_tells_whether_it_is_worth_trying_again(status: int, outcome: Outcome) -> None:
    assert verdict_of(an_answer(status), START).outcome is outcome


def test_wait_that_is_asked_for_is_kept() -> None:
    assert verdict_of(an_answer(429, retry_after="90"), START).retry_after_seconds == 90


def test_silence_is_tried_again_but_not_an_address_that_may_not_be_called() -> None:
    away = Silence(detail="ConnectError: refused", in_doubt=False)
    inside = Silence(detail="AddressForbidden: The name leads to…", in_doubt=False)
    assert verdict_of(away, START).outcome is Outcome.LATER
    assert verdict_of(inside, START).outcome is Outcome.REFUSED


def test_secrets_are_not_shown_by_a_call() -> None:
    secret = SecretStr("https://hooks.slack.com/services/secret")
    target = AlertTarget(target_id="t", kind=TargetKind.SLACK, secret="s")
    call = slack.compose(a_letter(), target, secret.get_secret_value())
    assert "hooks.slack.com" not in repr(call)
