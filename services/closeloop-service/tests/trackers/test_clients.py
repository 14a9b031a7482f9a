"""Every kind of tracker does the same for us, over its own API as it really is."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from closeloop_service.domain.improvement import TicketStatus
from closeloop_service.domain.rules import TrackerKind
from closeloop_service.trackers.interface import (
    Fault,
    FaultKind,
    Reading,
    TicketRef,
    TrackerClient,
    Unchanged,
)

from .doubles.base import Lost
from .stages import KEY, NOW, READ_BACK, Stage, a_text

every_kind = pytest.mark.parametrize("kind", TrackerKind)
every_readable = pytest.mark.parametrize("kind", READ_BACK)
ClientOf = Callable[..., TrackerClient]
Serve = Callable[[TrackerKind], Any]


async def made(client: TrackerClient, **changes: Any) -> TicketRef:
    ref = await client.create(a_text(**changes))
    assert isinstance(ref, TicketRef), ref
    return ref


@every_kind
async def test_ticket_is_made_with_counts_and_quotes(
    kind: TrackerKind, serve_tracker: Serve, client_of: ClientOf
) -> None:
    stage: Stage = await serve_tracker(kind)
    ref = await made(client_of(stage))
    assert ref.name and ref.url
    (text,) = stage.texts()
    for part in ("42", "120", "EUR", "Maya Lind", "two"):
        assert part in text


@every_readable
async def test_ticket_is_found_by_its_key_when_the_answer_was_lost(
    kind: TrackerKind, serve_tracker: Serve, client_of: ClientOf
) -> None:
    stage: Stage = await serve_tracker(kind)
    client = client_of(stage)
    assert await client.find(KEY, NOW) is None
    stage.double.failures.append(Lost())
    lost = await client.create(a_text())
    assert isinstance(lost, Fault)
    assert (lost.kind, lost.in_doubt) == (FaultKind.AWAY, True)
    found = await client.find(KEY, NOW)
    assert isinstance(found, TicketRef)
    assert await client.find(f"{KEY}-2", NOW) is None
    assert len(stage.texts()) == 1


@every_readable
@pytest.mark.parametrize(
    ("way", "status"),
    [
        ("plan", TicketStatus.PLANNED),
        ("done", TicketStatus.DONE),
        ("declined", TicketStatus.DECLINED),
    ],
)
async def test_status_is_read_back(
    kind: TrackerKind,
    way: str,
    status: TicketStatus,
    serve_tracker: Serve,
    client_of: ClientOf,
) -> None:
    stage: Stage = await serve_tracker(kind)
    client = client_of(stage)
    ref = await made(client)
    before = await client.read(ref, None)
    assert isinstance(before, Reading)
    assert (before.status, before.ref) == (TicketStatus.OPEN, ref)
    stage.ways[way]()
    after = await client.read(ref, before.etag)
    assert isinstance(after, Reading)
    assert after.status is status


@every_readable
async def test_ticket_that_was_moved_is_read_where_it_is_now(
    kind: TrackerKind, serve_tracker: Serve, client_of: ClientOf
) -> None:
    stage: Stage = await serve_tracker(kind)
    client = client_of(stage)
    ref = await made(client)
    stage.ways["move"]()
    moved = await client.read(ref, None)
    assert isinstance(moved, Reading)
    assert moved.ref.name in ("NEW-7", "example/new#7")
    assert await client.update(moved.ref, a_text(responses=43)) is None


@every_readable
async def test_ticket_that_was_deleted_is_gone(
    kind: TrackerKind, serve_tracker: Serve, client_of: ClientOf
) -> None:
    stage: Stage = await serve_tracker(kind)
    client = client_of(stage)
    ref = await made(client)
    stage.ways["delete"]()
    gone = await client.read(ref, None)
    assert isinstance(gone, Fault)
    assert gone.kind is FaultKind.GONE


@every_kind
async def test_text_is_written_anew(
    kind: TrackerKind, serve_tracker: Serve, client_of: ClientOf
) -> None:
    stage: Stage = await serve_tracker(kind)
    client = client_of(stage)
    ref = await made(client)
    assert await client.update(ref, a_text(responses=77)) is None
    assert "77" in stage.texts()[-1]
    if kind in READ_BACK:
        assert len(stage.texts()) == 1
        assert isinstance(await client.find(KEY, NOW), TicketRef)


@every_kind
async def test_wrong_key_is_told_from_a_tracker_that_is_away(
    kind: TrackerKind, serve_tracker: Serve, client_of: ClientOf
) -> None:
    stage: Stage = await serve_tracker(kind)
    wrong = "whsec_d3Jvbmc=" if kind is TrackerKind.WEBHOOK else "wrong"
    refused = await client_of(stage, secret=wrong).create(a_text())
    assert isinstance(refused, Fault)
    assert (refused.kind, refused.in_doubt) == (FaultKind.KEY_REFUSED, False)
    assert stage.texts() == []


@every_kind
async def test_rate_limit_says_how_long_to_wait(
    kind: TrackerKind, serve_tracker: Serve, client_of: ClientOf
) -> None:
    stage: Stage = await serve_tracker(kind)
    stage.double.failures.append(stage.limited())
    busy = await client_of(stage).create(a_text())
    assert isinstance(busy, Fault)
    assert (busy.kind, busy.in_doubt) == (FaultKind.BUSY, False)
    assert busy.retry_after_seconds == 90


@every_readable
async def test_unknown_project_is_refused(
    kind: TrackerKind, serve_tracker: Serve, client_of: ClientOf
) -> None:
    stage: Stage = await serve_tracker(kind)
    elsewhere = replace(stage.tracker, project="12/3")
    refused = await client_of(stage, tracker=elsewhere).create(a_text())
    assert isinstance(refused, Fault)
    assert refused.kind in (FaultKind.REFUSED, FaultKind.GONE)
    assert not refused.in_doubt
    assert "no reason" not in refused.detail


@every_kind
async def test_nobody_there_is_no_doubt(kind: TrackerKind, client_of: ClientOf) -> None:
    from .stages import stage_of

    stage = stage_of(kind)
    nowhere = replace(stage.tracker, base_url="http://127.0.0.1:9")
    away = await client_of(stage, tracker=nowhere).create(a_text())
    assert isinstance(away, Fault)
    assert (away.kind, away.in_doubt) == (FaultKind.AWAY, False)


async def test_github_pages_are_followed_until_the_issue_is_found(
    serve_tracker: Serve, client_of: ClientOf
) -> None:
    stage: Stage = await serve_tracker(TrackerKind.GITHUB)
    client = client_of(stage)
    ref = await made(client)
    for _ in range(120):
        stage.double.add()
    stage.double.calls.clear()
    assert await client.find(KEY, NOW) == ref
    assert len(stage.double.asked("GET")) == 5
    assert await client.find(KEY, NOW + timedelta(hours=1)) is None


async def test_github_issue_that_did_not_change_costs_no_allowance(
    serve_tracker: Serve, client_of: ClientOf
) -> None:
    stage: Stage = await serve_tracker(TrackerKind.GITHUB)
    client = client_of(stage)
    ref = await made(client)
    first = await client.read(ref, None)
    assert isinstance(first, Reading)
    assert isinstance(await client.read(ref, first.etag), Unchanged)


async def test_github_secondary_limit_is_no_refusal_of_the_key(
    serve_tracker: Serve, client_of: ClientOf
) -> None:
    from .doubles.github import secondary_limited

    stage: Stage = await serve_tracker(TrackerKind.GITHUB)
    stage.double.failures.append(secondary_limited(30))
    busy = await client_of(stage).create(a_text())
    assert isinstance(busy, Fault)
    assert (busy.kind, busy.retry_after_seconds) == (FaultKind.BUSY, 30)


async def test_github_mentions_nobody_whatever_customers_say(
    serve_tracker: Serve, client_of: ClientOf
) -> None:
    stage: Stage = await serve_tracker(TrackerKind.GITHUB)
    await made(client_of(stage))
    (text,) = stage.texts()
    quote = next(line for line in text.splitlines() if line.startswith("> "))
    assert "@everyone" not in quote
    assert "#1" not in quote
    assert r"\<b\>\[x\]" in quote


async def test_asana_pages_are_followed_until_the_task_is_found(
    serve_tracker: Serve, client_of: ClientOf
) -> None:
    stage: Stage = await serve_tracker(TrackerKind.ASANA)
    for _ in range(70):
        stage.double.add()
    client = client_of(stage)
    ref = await made(client)
    assert await client.find(KEY, NOW) == ref


async def test_jira_search_goes_on_after_an_empty_page(
    serve_tracker: Serve, client_of: ClientOf
) -> None:
    stage: Stage = await serve_tracker(TrackerKind.JIRA)
    client = client_of(stage)
    ref = await made(client)
    stage.double.empty_pages = 2
    assert await client.find(KEY, NOW) == ref


async def test_jira_data_center_takes_plain_text_and_a_token(client_of: ClientOf) -> None:
    from heardback.testing.browser import serve

    from .doubles.jira import TOKEN, JiraDouble
    from .stages import stage_of

    stage = stage_of(TrackerKind.JIRA)
    double = JiraDouble(cloud=False)
    async with serve(double.app) as url:
        tracker = replace(stage.tracker, base_url=url, options={})
        client = client_of(stage, tracker=tracker, secret=TOKEN)
        ref = await made(client)
        assert await client.find(KEY, NOW) == ref
        assert isinstance(await client.read(ref, None), Reading)
    (issue,) = double.issues.values()
    assert "42" in issue.description


async def test_linear_repeat_under_the_same_id_is_the_same_issue(
    serve_tracker: Serve, client_of: ClientOf
) -> None:
    stage: Stage = await serve_tracker(TrackerKind.LINEAR)
    client = client_of(stage)
    assert await made(client) == await made(client)
    assert len(stage.double.issues) == 1


async def test_webhook_repeat_has_the_same_id(serve_tracker: Serve, client_of: ClientOf) -> None:
    stage: Stage = await serve_tracker(TrackerKind.WEBHOOK)
    client = client_of(stage)
    assert await made(client) == await made(client)
    assert list(stage.double.messages) == [KEY]
    assert stage.double.messages[KEY]["type"] == "improvement.opened"
