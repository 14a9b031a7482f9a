"""The contract of an adapter. Each of ours passes it, and so does the one of docs/channels.md."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from time import monotonic
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dispatch_service.adapters.interface import Adapter, Line, Reply
from dispatch_service.domain.message import Outcome
from heardback.vocabulary import Channel

from .parcels import INVITATION_ID, a_parcel
from .stages import CASES, LEADING_OUT, Case, babbling, nobody
from .staging import TIMEOUT_SECONDS, Behaviour

every_adapter = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
every_way_out = pytest.mark.parametrize("case", LEADING_OUT, ids=lambda case: case.name)
PATIENCE_SECONDS = TIMEOUT_SECONDS + 2


@asynccontextmanager
async def a_line(adapter: Adapter[Any]) -> AsyncIterator[Line[Any]]:
    line = adapter.open_line()
    try:
        yield line
    finally:
        await line.close()


async def attempt(line: Line[Any], adapter: Adapter[Any], *, number: int = 1) -> Reply:
    load = adapter.compose(a_parcel(adapter.channel, number=number))
    reply = await asyncio.wait_for(line.send(load), PATIENCE_SECONDS)
    assert isinstance(reply, Reply)
    assert reply.detail == reply.detail.encode().decode(), "it can be stored"
    assert "\0" not in reply.detail
    assert len(reply.detail) <= 400
    assert "ada@example.com" not in reply.detail and "2025550123" not in reply.detail
    return reply


@every_adapter
async def test_adapter_says_what_it_is(case: Case) -> None:
    async with case.open() as stage:
        adapter = stage.adapter
        assert adapter.name
        assert isinstance(adapter.channel, Channel)
        assert isinstance(adapter.is_idempotent, bool)
        assert adapter.at_once >= 1


@every_adapter
async def test_message_is_sent_and_carries_its_id(case: Case) -> None:
    async with case.open() as stage, a_line(stage.adapter) as line:
        reply = await attempt(line, stage.adapter)
        assert (reply.outcome, reply.in_doubt) == (Outcome.SENT, False)
        assert stage.received() == [INVITATION_ID]


@every_adapter
async def test_same_parcel_is_composed_the_same(case: Case) -> None:
    async with case.open() as stage:
        parcel = a_parcel(stage.adapter.channel)
        assert stage.adapter.compose(parcel) == stage.adapter.compose(replace(parcel))


@every_adapter
async def test_id_stays_the_same_when_it_is_tried_again(case: Case) -> None:
    async with case.open() as stage, a_line(stage.adapter) as line:
        parcel = a_parcel(stage.adapter.channel)
        later = replace(parcel, now=parcel.now + timedelta(hours=1), number=2)
        for load in map(stage.adapter.compose, (parcel, later)):
            assert (await line.send(load)).outcome is Outcome.SENT
        assert stage.received() == [INVITATION_ID] * 2


@every_adapter
async def test_lines_do_not_get_in_each_others_way(case: Case) -> None:
    async with case.open() as stage:
        async with a_line(stage.adapter) as one, a_line(stage.adapter) as two:
            replies = await asyncio.gather(*(attempt(line, stage.adapter) for line in (one, two)))
        assert [reply.outcome for reply in replies] == [Outcome.SENT] * 2


@every_way_out
async def test_message_bounces_when_the_recipient_is_refused_for_good(case: Case) -> None:
    async with case.open() as stage, a_line(stage.adapter) as line:
        stage.tell(Behaviour.REFUSES)
        reply = await attempt(line, stage.adapter, number=case.last)
        assert (reply.outcome, reply.in_doubt) == (Outcome.BOUNCED, False)
        assert reply.detail
        await works_again(stage.tell, line, stage.adapter)


@every_way_out
async def test_message_is_deferred_when_the_provider_says_not_now(case: Case) -> None:
    async with case.open() as stage, a_line(stage.adapter) as line:
        stage.tell(Behaviour.NOT_NOW)
        reply = await attempt(line, stage.adapter)
        assert (reply.outcome, reply.in_doubt) == (Outcome.DEFERRED, False)
        assert reply.retry_after_seconds is None or reply.retry_after_seconds > 0
        await works_again(stage.tell, line, stage.adapter)


@every_way_out
@pytest.mark.parametrize("does", [Behaviour.SILENT, Behaviour.HANGS_UP])
async def test_reply_is_in_doubt_when_the_provider_may_have_taken_it(
    case: Case, does: Behaviour
) -> None:
    async with case.open() as stage, a_line(stage.adapter) as line:
        stage.tell(does)
        reply = await attempt(line, stage.adapter)
        assert (reply.outcome, reply.in_doubt) == (case.away, True)
        assert stage.received() == [INVITATION_ID]
        await works_again(stage.tell, line, stage.adapter)


@every_way_out
async def test_nothing_is_in_doubt_when_nobody_is_there(case: Case) -> None:
    adapter = nobody(case)
    async with a_line(adapter) as line:
        for _ in range(2):
            reply = await attempt(line, adapter)
            assert (reply.outcome, reply.in_doubt) == (case.away, False)
            assert reply.detail


@every_way_out
async def test_line_is_opened_again_when_the_provider_has_closed_it(case: Case) -> None:
    async with case.open() as stage, a_line(stage.adapter) as line:
        for does in (Behaviour.HANGS_UP, Behaviour.TAKES, Behaviour.HANGS_UP, Behaviour.TAKES):
            stage.tell(does)
            reply = await attempt(line, stage.adapter)
            assert (reply.outcome is Outcome.SENT) == (does is Behaviour.TAKES)


@every_adapter
async def test_line_closes_within_a_second_whatever_it_has_been_through(case: Case) -> None:
    async with case.open() as stage:
        unused = stage.adapter.open_line()
        used = stage.adapter.open_line()
        await attempt(used, stage.adapter)
        stage.tell(Behaviour.SILENT)
        hung = stage.adapter.open_line()
        await attempt(hung, stage.adapter)
        for line in (unused, used, hung):
            began = monotonic()
            await line.close()
            await line.close()
            assert monotonic() - began < 1.1


@every_way_out
async def test_sending_can_be_broken_off(case: Case) -> None:
    """A process that stops does not wait for a provider."""
    async with case.open() as stage, a_line(stage.adapter) as line:
        stage.tell(Behaviour.SILENT)
        sending = asyncio.create_task(attempt(line, stage.adapter))
        await asyncio.sleep(TIMEOUT_SECONDS / 3)
        sending.cancel()
        done, _ = await asyncio.wait([sending], timeout=1)
        assert done
        assert sending.cancelled()


def _heads() -> st.SearchStrategy[bytes]:
    """Answers that begin like one: of HTTP, or of SMTP."""
    code = st.one_of(st.integers(0, 1_200), st.sampled_from([100, 101, 200, 204, 250, 304, 421]))
    rest = st.binary(max_size=60)
    http = st.builds(lambda n, tail: b"HTTP/1.1 %d X\r\n" % n + tail, code, rest)
    smtp = st.builds(lambda n, tail: b"%d" % n + tail + b"\r\n", code, rest)
    length = st.sampled_from([b"0", b"5", b"-1", b"99999999999999999999", b"x", b"5, 6"])
    sized = st.builds(
        lambda n, size, tail: b"HTTP/1.1 %d X\r\nContent-Length: %s\r\n\r\n" % (n, size) + tail,
        code,
        length,
        rest,
    )
    chunked = st.builds(
        lambda n, tail: b"HTTP/1.1 %d X\r\nTransfer-Encoding: chunked\r\n\r\n" % n + tail,
        code,
        rest,
    )
    return st.one_of(http, smtp, sized, chunked)


@every_way_out
@settings(max_examples=60)
@given(babble=st.one_of(st.binary(max_size=120), _heads()))
async def test_sending_never_raises_whatever_comes_back(case: Case, babble: bytes) -> None:
    async with babbling(case, babble) as adapter, a_line(adapter) as line:
        for _ in range(2):
            await attempt(line, adapter)


async def works_again(tell: Any, line: Line[Any], adapter: Adapter[Any]) -> None:
    tell(Behaviour.TAKES)
    assert (await attempt(line, adapter)).outcome is Outcome.SENT
