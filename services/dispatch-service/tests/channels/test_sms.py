"""Text messages against a real server that answers as Twilio does."""

import asyncio
import base64
from datetime import timedelta
from typing import Any

import orjson
import pytest

from dispatch_service.adapters.interface import Reply
from dispatch_service.adapters.sms import SmsAdapter, SmsRoute
from dispatch_service.domain.message import Outcome
from heardback.gsm import Encoding
from heardback.testing.clock import START
from heardback.vocabulary import Channel

from .parcels import INVITATION_ID, a_parcel, composers
from .servers import Server, answer, serving

PARCEL = a_parcel(Channel.SMS)
TAKEN = orjson.dumps({"sid": "SM0123", "status": "queued", "error_code": None})


def a_route(server: Server, **fields: Any) -> SmsRoute:
    known: dict[str, Any] = {
        "name": "twilio",
        "base_url": server.url,
        "account_sid": "AC42",
        "username": "SK7",
        "password": "secret:with colon",
        "sender": "+15005550006",
        "callback_url": "https://preferences.example.com/callbacks/twilio/twilio/statuses",
        "timeout_seconds": 5,
    }
    return SmsRoute(**{**known, **fields})


async def send(server: Server, **fields: Any) -> Reply:
    adapter = SmsAdapter(a_route(server, **fields), compose=composers().sms.compose)
    line = adapter.open_line()
    try:
        return await line.send(adapter.compose(PARCEL))
    finally:
        await line.close()


async def test_request_is_as_twilio_documents_it() -> None:
    async with serving() as server:
        server.says = answer(201, TAKEN)
        reply = await send(server)
        (call,) = server.calls
    assert reply == Reply(outcome=Outcome.SENT, detail="queued", reference="SM0123")
    assert call.path == "/2010-04-01/Accounts/AC42/Messages.json"
    scheme, _, credentials = call.headers["authorization"].partition(" ")
    assert scheme == "Basic"
    assert base64.b64decode(credentials) == b"SK7:secret:with colon"
    assert call.headers["content-type"] == "application/x-www-form-urlencoded"
    text = call.form.pop("Body")
    assert "https://survey.example.com/c/" in text
    assert {name: value for name, value in call.form.items() if name != "Body"} == {
        "To": "+12025550123",
        "From": "+15005550006",
        "StatusCallback": "https://preferences.example.com/callbacks/twilio/twilio/statuses"
        f"?message={INVITATION_ID}",
    }


async def test_messaging_service_sends_when_there_is_one() -> None:
    async with serving() as server:
        server.says = answer(201, TAKEN)
        await send(server, sender="MG99", is_service=True)
        form = server.calls[0].form
    assert form["MessagingServiceSid"] == "MG99"
    assert "From" not in form


async def test_id_travels_as_a_key_when_the_provider_takes_one() -> None:
    async with serving() as server:
        server.says = answer(201, TAKEN)
        await send(server, idempotency_header="Idempotency-Key")
        assert server.calls[0].headers["idempotency-key"] == INVITATION_ID
    assert SmsAdapter(
        a_route(server, idempotency_header="X-Key"), compose=composers().sms.compose
    ).is_idempotent
    assert not SmsAdapter(a_route(server), compose=composers().sms.compose).is_idempotent


def test_length_is_known_before_it_is_sent() -> None:
    adapter = SmsAdapter(a_route(Server()), compose=lambda _: "ä" * 161)
    load = adapter.compose(PARCEL)
    assert (load.length.encoding, load.length.segments) == (Encoding.GSM_7, 2)


def refusal(code: int | str | None, message: str = "no") -> bytes:
    return orjson.dumps({"code": code, "message": message, "status": 400})


SENT, BOUNCED, DEFERRED, AWAY = (
    Outcome.SENT,
    Outcome.BOUNCED,
    Outcome.DEFERRED,
    Outcome.AWAY,
)


@pytest.mark.parametrize(
    ("status", "body", "outcome", "in_doubt"),
    [
        (200, TAKEN, SENT, False),
        (201, b"", SENT, False),
        (202, b"not json", SENT, False),
        (201, b"[1]", SENT, False),
        (201, b'{"sid": 7, "status": null}', SENT, False),
        (201, b'{"sid": "SM1", "status": "failed", "error_code": 21610}', BOUNCED, False),
        (201, b'{"sid": "SM1", "status": "undelivered", "error_code": 30008}', DEFERRED, False),
        (400, refusal(21211), BOUNCED, False),
        (400, refusal(21214), BOUNCED, False),
        (400, refusal(21217), BOUNCED, False),
        (400, refusal(21265), BOUNCED, False),
        (400, refusal(21610), BOUNCED, False),
        (400, refusal(21614), BOUNCED, False),
        (400, refusal(21635), BOUNCED, False),
        (422, refusal(21614), BOUNCED, False),
        # About us, not about the recipient: the address stays good.
        (400, refusal(21606), DEFERRED, False),  # the sender is not ours
        (400, refusal(21611), DEFERRED, False),  # the sender's queue is full
        (400, refusal(30001), DEFERRED, False),  # the queue is full
        (400, refusal("21211"), DEFERRED, False),
        (400, b"<html>", DEFERRED, False),
        (429, refusal(20429), DEFERRED, False),
        (401, refusal(20003), AWAY, False),
        (403, refusal(20403), AWAY, False),
        (404, refusal(20404), AWAY, False),
        (301, b"", AWAY, False),
        (308, b"", AWAY, False),
        (408, b"", AWAY, False),
        (500, b"", AWAY, True),
        (502, b"<html>", AWAY, True),
        (503, b"", AWAY, False),
        (504, b"", AWAY, True),
    ],
)
async def test_answer_is_read(status: int, body: bytes, outcome: Outcome, in_doubt: bool) -> None:
    async with serving() as server:
        server.says = answer(status, body, location="http://127.0.0.1:1/")
        reply = await send(server)
        assert len(server.calls) == 1, "no redirect is followed"
    assert (reply.outcome, reply.in_doubt) == (outcome, in_doubt)


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        ("7", 7),
        ("0", 0),
        ("999999999999", 86_400),
        ("Mon, 02 Mar 2026 09:02:00 GMT", 120),
        ("Mon, 02 Mar 2026 08:00:00 GMT", 0),
        ("soon", None),
        ("-3", None),
        ("1.5", None),
        ("²", None),
        ("Mon, 02 Mar 2026 09:02:00", None),  # of which zone?
    ],
)
async def test_waiting_is_as_long_as_the_provider_asks(said: str, seconds: float | None) -> None:
    async with serving() as server:
        server.says = answer(429, refusal(20429)).replace(
            b"\r\n\r\n", f"\r\nRetry-After: {said}\r\n\r\n".encode("latin-1"), 1
        )
        reply = await send(server)
    assert START + timedelta(seconds=120) == START.replace(minute=2)
    assert reply.retry_after_seconds == seconds


async def test_pause_is_as_long_as_a_provider_asks_that_is_away() -> None:
    async with serving() as server:
        for asked, seconds in (("30", 30), ("86400", 3_600)):
            server.says = answer(503, retry_after=asked)
            reply = await send(server)
            assert (reply.outcome, reply.retry_after_seconds) == (AWAY, seconds)


async def test_detail_does_not_say_whose_number_it_is() -> None:
    async with serving() as server:
        server.says = answer(400, refusal(21211, "'To' +12025550123 is not a number\0"))
        reply = await send(server)
        server.says = answer(400, refusal(21211, "'To' 12025550123 is not a number"))
        assert (await send(server)).detail == reply.detail
    assert reply.detail == "400 21211 'To' … is not a number"


async def test_doubt_ends_with_the_status_when_the_body_breaks_off() -> None:
    async with serving() as server:
        server.says = b"HTTP/1.1 201 Created\r\nContent-Length: 99\r\n\r\n{"
        server.hangs_up = True
        assert (await send(server)).outcome is SENT
        server.says = b"HTTP/1.1 201 Created\r\nContent-Length: 99\r\n\r\n{"
        server.hangs_up = False
        assert (await send(server, timeout_seconds=0.2)).outcome is SENT


async def test_answer_that_never_ends_is_read_up_to_a_limit() -> None:
    async with serving() as server:
        server.says = b"HTTP/1.1 201 Created\r\n\r\n" + b"x" * 1_000_000
        assert (await asyncio.wait_for(send(server), 4)).outcome is SENT


async def test_connection_is_kept_from_one_message_to_the_next() -> None:
    async with serving() as server:
        server.says = answer(201, TAKEN)
        adapter = SmsAdapter(a_route(server), compose=composers().sms.compose)
        line = adapter.open_line()
        for _ in range(3):
            assert (await line.send(adapter.compose(PARCEL))).outcome is SENT
        await line.close()
        assert server.connections == 1


def test_secret_does_not_show_when_a_route_is_printed() -> None:
    assert "secret" not in repr(a_route(Server()))


@pytest.mark.parametrize(
    ("code", "is_good"),
    [
        (21408, True),  # the region is switched off
        (21610, True),  # its owner has said STOP, and may say START
        (21612, True),  # no way from our sender to it
        (21617, True),  # too long
        (21211, False),
        (21614, False),
    ],
)
async def test_address_stays_good_when_what_is_final_is_not_about_it(
    code: int, is_good: bool
) -> None:
    async with serving() as server:
        server.says = answer(400, refusal(code))
        reply = await send(server)
    assert (reply.outcome, reply.address_is_good) == (BOUNCED, is_good)


@pytest.mark.parametrize(("length", "calls"), [(1_600, 1), (1_601, 0)])
async def test_text_is_not_even_handed_in_when_no_provider_would_take_it(
    length: int, calls: int
) -> None:
    async with serving() as server:
        server.says = answer(201, TAKEN)
        adapter = SmsAdapter(a_route(server), compose=lambda _: "a" * length)
        line = adapter.open_line()
        reply = await line.send(adapter.compose(PARCEL))
        await line.close()
        assert len(server.calls) == calls
    if not calls:
        assert (reply.outcome, reply.address_is_good) == (BOUNCED, True)
        assert reply.detail == "the text is longer than 1600 characters"


@pytest.mark.parametrize(
    ("said", "detail", "reference"),
    [
        ({"sid": "S\0M1", "status": "que\0ued"}, "queued", "SM1"),
        ({"sid": "x" * 1_000, "status": "y" * 1_000}, "y" * 40, "x" * 200),
        ({"sid": ["SM1"], "status": {"is": "queued"}}, "201", None),
        ({"sid": "\0", "status": 7}, "201", None),
    ],
)
async def test_what_was_taken_can_be_recorded_whatever_the_provider_calls_it(
    said: dict[str, Any], detail: str, reference: str | None
) -> None:
    async with serving() as server:
        server.says = answer(201, orjson.dumps(said))
        reply = await send(server)
    assert reply == Reply(outcome=SENT, detail=detail, reference=reference)
