"""Webhooks against real servers: signatures, the schedule, and endpoints that are given up."""

from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import orjson
import pytest
from sqlalchemy.exc import OperationalError
from standardwebhooks import Webhook, WebhookVerificationError

from dispatch_service.adapters.interface import Reply
from dispatch_service.adapters.webhook import Notice, WebhookAdapter, WebhookLine, deliver
from dispatch_service.adapters.webhook import open_caller as open_guarded
from dispatch_service.domain.message import Outcome
from dispatch_service.domain.webhook import (
    SCHEDULE_SECONDS,
    Endpoint,
    Secret,
    rotated,
    seconds_to_wait,
)
from heardback.calls.guard import networks_in
from heardback.testing.clock import START
from heardback.vocabulary import Channel

from .parcels import INVITATION_ID, a_parcel, composers
from .servers import Call, answer, serving

LOOPBACK = networks_in("127.0.0.0/8")
OLD, NEW = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
SENT, BOUNCED, DEFERRED, AWAY = (
    Outcome.SENT,
    Outcome.BOUNCED,
    Outcome.DEFERRED,
    Outcome.AWAY,
)


def an_endpoint(url: str = "https://shop.example.com/", **fields: Any) -> Endpoint:
    known: dict[str, Any] = {
        "endpoint_id": "e1",
        "url": url,
        "secrets": (Secret(value=OLD),),
        "created_at": START,
    }
    return Endpoint(**{**known, **fields})


class Known:
    """Endpoints in memory, which write down what they are told."""

    def __init__(self, *endpoints: Endpoint) -> None:
        self.endpoints = list(endpoints)
        self.told: list[str] = []
        self.error: Exception | None = None

    async def of_program(self, program_id: str) -> Endpoint | None:
        if self.error:
            raise self.error
        return next(iter(self.endpoints), None)

    async def worked(self, endpoint: Endpoint) -> None:
        await self._tell("worked")

    async def failed(self, endpoint: Endpoint) -> None:
        await self._tell("failed")

    async def gone(self, endpoint: Endpoint) -> None:
        await self._tell("gone")

    async def _tell(self, what: str) -> None:
        self.told.append(what)
        if self.error:
            raise self.error


def a_notice(**fields: Any) -> Notice:
    known: dict[str, Any] = {
        "message_id": INVITATION_ID,
        "program_id": "post-purchase",
        "body": b'{"type":"invitation.due"}',
        "sent_at": START,
    }
    return Notice(**{**known, **fields})


async def send(known: Known, notice: Notice | None = None) -> Reply:
    line = WebhookLine(known, open_guarded(LOOPBACK, timeout_seconds=0.5))
    try:
        return await line.send(notice or a_notice())
    finally:
        await line.close()


async def test_endpoint_that_fails_takes_up_few_lines() -> None:
    failing = an_endpoint(failing_since=START)
    busy = Counter({"e1": 2})
    line = WebhookLine(Known(failing), open_guarded(LOOPBACK), busy=busy)
    reply = await line.send(a_notice())
    assert (reply.outcome, reply.retry_after_seconds) == (Outcome.RELEASED, 300)
    assert busy == {"e1": 2}
    await line.close()


# Signatures. The vectors are those of the Standard Webhooks reference libraries (Apache-2.0, MIT).


@pytest.mark.parametrize(
    ("secret", "signature"),
    [
        (OLD, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="),
        (OLD.removeprefix("whsec_"), "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="),
        ("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS", "v1,LVOXivKoo4FWasi/IaHvzhE/u+7/cu2AME+zS/nXqzk="),
        ("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwBr", "v1,yK2tMbA6BHPrMEJ1lLv7UlJJbgFoqGenJkiajZ29evg="),
    ],
)
@pytest.mark.parametrize("zone", [UTC, timezone(timedelta(hours=5, minutes=30))])
async def test_signature_is_that_of_the_standard(
    secret: str, signature: str, zone: timezone
) -> None:
    notice = a_notice(
        message_id="msg_p5jXN8AQM9LWM0D4loKWxJek",
        body=b'{"test": 2432232314}',
        sent_at=datetime.fromtimestamp(1614265330, zone),
    )
    async with serving() as server:
        endpoint = an_endpoint(f"{server.url}/hook?a=b", secrets=(Secret(value=secret),))
        caller = open_guarded(LOOPBACK)
        await deliver(caller, endpoint, notice)
        await caller.close()
        (call,) = server.calls
    assert call.path == "/hook?a=b"
    assert call.body == b'{"test": 2432232314}'
    assert call.headers["content-type"] == "application/json"
    assert call.headers["webhook-id"] == "msg_p5jXN8AQM9LWM0D4loKWxJek"
    assert call.headers["webhook-timestamp"] == "1614265330"
    assert call.headers["webhook-signature"] == signature


async def deliver_now(secrets: tuple[Secret, ...]) -> Call:
    async with serving() as server:
        caller = open_guarded(LOOPBACK)
        now = datetime.now(UTC)  # the library that verifies reads the real clock
        await deliver(caller, an_endpoint(server.url, secrets=secrets), a_notice(sent_at=now))
        await caller.close()
        return server.calls[0]


async def test_each_secret_signs_while_one_is_replaced() -> None:
    now = datetime.now(UTC)
    secrets = rotated((Secret(value=OLD),), NEW, now=now)
    call = await deliver_now(secrets)
    for secret in (OLD, NEW):
        assert Webhook(secret).verify(call.body, dict(call.headers)) is not None
    with pytest.raises(WebhookVerificationError):
        Webhook("whsec_" + "A" * 32).verify(call.body, dict(call.headers))


async def test_old_secret_signs_no_more_when_its_day_is_over() -> None:
    a_day_ago = datetime.now(UTC) - timedelta(hours=24, seconds=1)
    call = await deliver_now(rotated((Secret(value=OLD),), NEW, now=a_day_ago))
    assert Webhook(NEW).verify(call.body, dict(call.headers)) is not None
    with pytest.raises(WebhookVerificationError):
        Webhook(OLD).verify(call.body, dict(call.headers))


def test_secrets_that_are_over_are_forgotten_when_another_comes() -> None:
    first = (Secret(value="a"),)
    second = rotated(first, "b", now=START)
    third = rotated(second, "c", now=START + timedelta(hours=1))
    assert [s.value for s in third] == ["c", "b", "a"]
    assert third[2].until == START + timedelta(hours=24), "the first end stands"
    fourth = rotated(third, "d", now=START + timedelta(hours=24))
    assert [s.value for s in fourth] == ["d", "c", "b"]
    assert "'b'" not in repr(fourth)


# The schedule.


def test_schedule_is_that_of_the_standard() -> None:
    assert SCHEDULE_SECONDS == (0, 5, 300, 1800, 7200, 18000, 36000, 50400, 72000, 86400)
    waits = [seconds_to_wait(number, None) for number in range(1, 12)]
    assert waits == [5, 300, 1800, 7200, 18000, 36000, 50400, 72000, 86400, None, None]
    assert seconds_to_wait(1, 120) == 120, "what is asked for counts when it is longer"
    assert seconds_to_wait(2, 120) == 300


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
async def test_notice_is_taken_when_the_status_says_so(status: int) -> None:
    async with serving() as server:
        server.says = answer(status)
        known = Known(an_endpoint(server.url))
        assert await send(known) == Reply(outcome=SENT, detail=f"HTTP {status}")
    assert known.told == ["worked"]


@pytest.mark.parametrize("status", [301, 302, 307, 308, 400, 401, 404, 409, 422, 500, 503])
async def test_notice_is_tried_again_by_the_schedule_when_it_is_not_taken(status: int) -> None:
    async with serving() as server:
        server.says = answer(status, b"our secrets", location=f"http://127.0.0.1:{server.port}/x")
        known = Known(an_endpoint(server.url))
        reply = await send(known, a_notice(number=2))
        assert len(server.calls) == 1, "no redirect is followed"
    assert reply == Reply(
        outcome=DEFERRED, detail=f"HTTP {status}", retry_after_seconds=300, in_doubt=False
    )
    assert known.told == ["failed"]


async def test_waiting_is_longer_when_the_endpoint_asks() -> None:
    async with serving() as server:
        server.says = answer(429, retry_after="1200")
        assert (await send(Known(an_endpoint(server.url)))).retry_after_seconds == 1200


async def test_notice_is_given_up_after_the_last_attempt() -> None:
    async with serving() as server:
        server.says = answer(500)
        reply = await send(Known(an_endpoint(server.url)), a_notice(number=10))
    assert reply == Reply(outcome=BOUNCED, detail="given up after 10 attempts: HTTP 500")


async def test_endpoint_is_told_nothing_more_when_it_is_gone() -> None:
    async with serving() as server:
        server.says = answer(410)
        known = Known(an_endpoint(server.url))
        reply = await send(known)
        assert (reply.outcome, reply.retry_after_seconds) == (DEFERRED, 1)
        assert known.told == ["gone"]
        known.endpoints.clear()
        assert (await send(known)).outcome is BOUNCED


async def test_timeout_is_in_doubt_and_holds_up_no_other() -> None:
    async with serving() as server:
        server.says = None
        reply = await send(Known(an_endpoint(server.url)))
    assert (reply.outcome, reply.in_doubt, reply.retry_after_seconds) == (DEFERRED, True, 5)


@pytest.mark.parametrize(
    "make_url",
    [
        lambda port: "http://10.0.0.1/",
        lambda port: "http://169.254.169.254/latest/meta-data/",
        lambda port: f"http://[::1]:{port}/",
        lambda port: f"http://[::ffff:10.0.0.1]:{port}/",
        lambda port: "http://no-such-name.invalid/",
        lambda port: "gopher://127.0.0.1/",
        lambda port: f"http://{'a' * 70}.example.com/",
        lambda port: "http://127.0.0.1:1/",
    ],
)
async def test_failure_is_a_reply_when_there_is_nobody_to_tell(
    make_url: Callable[[int], str],
) -> None:
    async with serving() as server:
        known = Known(an_endpoint(make_url(server.port)))
        reply = await send(known)
        assert server.connections == 0
    assert (reply.outcome, reply.in_doubt) == (DEFERRED, False)
    assert "10.0.0.1" not in reply.detail
    assert known.told == ["failed"]


async def test_one_line_serves_endpoints_in_turn() -> None:
    async with serving() as one, serving() as two:
        known = Known(an_endpoint(one.url))
        line = WebhookLine(known, open_guarded(LOOPBACK))
        for server in (one, two, one, two):
            known.endpoints = [an_endpoint(server.url)]
            assert (await line.send(a_notice())).outcome is SENT
        await line.close()
        assert len(one.calls) == len(two.calls) == 2


async def test_provider_counts_as_away_when_our_own_database_is() -> None:
    known = Known(an_endpoint())
    known.error = OperationalError("SELECT", {}, Exception("away"))
    assert (await send(known)).outcome is AWAY


async def test_word_of_the_endpoint_stands_when_it_can_not_be_noted() -> None:
    async with serving() as server:

        class Forgetful(Known):
            async def worked(self, endpoint: Endpoint) -> None:
                raise ConnectionResetError

        assert (await send(Forgetful(an_endpoint(server.url)))).outcome is SENT


def test_notice_is_of_the_parcel() -> None:
    adapter = WebhookAdapter(Known(), compose=composers().webhook.compose)
    parcel = a_parcel(Channel.WEBHOOK, program_id="p7")
    notice = adapter.compose(parcel)
    assert notice == adapter.compose(parcel)
    assert (notice.message_id, notice.program_id, notice.number) == (INVITATION_ID, "p7", 1)
    body = orjson.loads(notice.body)
    assert body["type"] == "invitation.due"
    assert body["data"]["invitation_id"] == INVITATION_ID
