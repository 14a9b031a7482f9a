"""Texts that customers send, and what became of ours, as Twilio tells it over HTTP."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import httpx2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from dispatch_service.callbacks.twilio import signature
from dispatch_service.tables import SUPPRESSION
from heardback.bulk import insert_rows
from heardback.db import Database
from heardback.envelope import Event
from heardback.testing.clock import START, ManualClock
from heardback.words import LOCALES, words_of

Ask = Callable[..., Awaitable[str]]
Published = Callable[[], Awaitable[list[Event[Any]]]]
Listed = Callable[[], Awaitable[list[tuple[str, ...]]]]
Post = Callable[..., Awaitable[httpx2.Response]]

TOKEN = "auth-token-of-tests"
TWILIO = {"kind": "twilio", "name": "main", "auth_tokens": ["an-older-auth-token", TOKEN]}
MESSAGES, STATUSES = "/callbacks/twilio/main/messages", "/callbacks/twilio/main/statuses"
BASE_URL = "https://preferences.example.com"
PHONE = "+493012345601"
SMS = {"channel": "sms", "channels": ["sms", "email"]}
STOPPED = [("c1", PHONE, "channel", "sms", "stop")]


def a_text(body: str, *, sid: str = "SM1", **fields: str) -> dict[str, str]:
    return {
        "ToCountry": "DE",
        "SmsMessageSid": sid,
        "NumMedia": "0",
        "SmsSid": sid,
        "SmsStatus": "received",
        "Body": body,
        "FromCountry": "DE",
        "To": "+4915735982000",
        "NumSegments": "1",
        "MessageSid": sid,
        "AccountSid": "AC00000000000000000000000000000000",
        "From": PHONE,
        "ApiVersion": "2010-04-01",
        **fields,
    }


def a_status(status: str, error: str = "", **fields: str) -> dict[str, str]:
    told = {"ErrorCode": error} if error else {}
    return {
        "MessageSid": "SM9",
        "MessageStatus": status,
        "SmsSid": "SM9",
        "SmsStatus": status,
        "To": PHONE,
        "From": "+4915735982000",
        "AccountSid": "AC00000000000000000000000000000000",
        "ApiVersion": "2010-04-01",
        **told,
        **fields,
    }


@pytest.fixture
async def post(open_client: Any) -> Any:
    async with open_client(TWILIO) as client:

        async def call(
            path: str, fields: dict[str, str], *, base_url: str = BASE_URL, token: str = TOKEN
        ) -> httpx2.Response:
            proof = signature(token, f"{base_url}{path}", list(fields.items()))
            response: httpx2.Response = await client.post(
                path,
                content=urlencode(fields),
                headers={
                    "content-type": "application/x-www-form-urlencoded",
                    "X-Twilio-Signature": proof,
                },
            )
            return response

        yield call


def test_signature_is_twilios_own_when_it_is_their_example() -> None:
    """Source: the example of Twilio's request validators."""
    fields = {
        "CallSid": "CA1234567890ABCDE",
        "Caller": "+14158675309",
        "Digits": "1234",
        "From": "+14158675309",
        "To": "+18005551212",
    }
    url = "https://mycompany.com/myapp.php?foo=1&bar=2"
    assert signature("12345", url, list(fields.items())) == "RSOYDt4T1cUTdK1PDd93/VVr8B8="


@pytest.mark.parametrize("word", ["STOP", "stop.", "Stopp", "ARRÊT", "إلغاء الاشتراك"])
async def test_phone_gets_no_more_texts_when_it_says_stop(
    post: Post, asked: Ask, published: Published, listed: Listed, word: str
) -> None:
    await asked(**SMS)
    for answered in (True, False):
        response = await post(MESSAGES, a_text(word))
        assert response.status_code == 200
        assert response.headers["content-type"].startswith("application/xml")
        assert ("<Message>" in response.text) is answered
    assert await listed() == STOPPED
    (left,) = await published()
    assert left.type.name == "recipient.unsubscribed.v1"
    assert (left.data.scope, left.data.scoped_to, left.data.reason) == ("channel", "sms", "stop")


async def test_nothing_more_is_said_about_a_survey_when_the_answer_is_stop(
    post: Post, asked: Ask, database: Database
) -> None:
    await asked(**SMS)
    await post(MESSAGES, a_text("STOP"))
    async with database.read() as connection:
        seen = await connection.scalar(text("SELECT way_out_seen_at FROM invitation"))
    assert seen is not None


async def test_phone_gets_no_more_texts_when_nobody_knows_whose_it_is(
    post: Post, listed: Listed, published: Published
) -> None:
    await post(MESSAGES, a_text("STOP"))
    assert await listed() == [("", PHONE, "channel", "sms", "stop")]
    assert await published() == []


@pytest.mark.parametrize("known", [True, False])
async def test_phone_gets_texts_again_when_it_says_start(
    post: Post, asked: Ask, published: Published, listed: Listed, known: bool
) -> None:
    if known:
        await asked(**SMS)
    await post(MESSAGES, a_text("STOP", sid="SM1"))
    response = await post(MESSAGES, a_text("Start!", sid="SM2"))
    assert "STOP" in response.text
    assert await listed() == []
    families = [event.type.family for event in await published()]
    assert families == (["recipient.unsubscribed", "recipient.resubscribed"] if known else [])


@pytest.mark.parametrize("locale", LOCALES)
async def test_answer_is_in_the_customers_language_when_they_ask_for_help(
    post: Post, asked: Ask, listed: Listed, locale: str
) -> None:
    await asked(**SMS, locale=locale)
    response = await post(MESSAGES, a_text("HELP"))
    assert words_of(locale).say("preferences.text_help", company="Northwind") in response.text
    assert await listed() == []


@pytest.mark.parametrize("word", ["stop", "start", "help"])
async def test_nothing_is_said_when_twilio_answers_itself(
    post: Post, asked: Ask, word: str
) -> None:
    await asked(**SMS)
    response = await post(MESSAGES, a_text(word, OptOutType=word.upper()))
    assert "<Message>" not in response.text


async def test_reply_is_passed_on_once_when_it_says_anything_else(
    post: Post, asked: Ask, published: Published, listed: Listed
) -> None:
    await asked(1, **SMS)
    newest = await asked(2, **SMS, phone=PHONE)
    for _ in range(2):
        response = await post(MESSAGES, a_text("  9 great service, please don't stop \x00"))
        assert response.text == '<?xml version="1.0" encoding="UTF-8"?><Response></Response>'
    (reply,) = await published()
    assert reply.type.name == "reply.received.v1"
    assert (reply.data.invitation_id, reply.data.reply_id) == (newest, "SM1")
    assert reply.data.text == "9 great service, please don't stop"
    assert reply.data.channel == "sms"
    assert await listed() == []


async def test_reply_is_left_alone_when_nothing_can_be_answered_any_more(
    post: Post, asked: Ask, published: Published, clock: ManualClock
) -> None:
    await asked(**SMS)
    clock.advance(timedelta(days=15))
    assert (await post(MESSAGES, a_text("9"))).status_code == 200
    assert await published() == []


@pytest.mark.parametrize("error", ["30005", "30006", "21211"])
async def test_phone_is_suppressed_and_next_channel_tried_when_there_is_no_such_phone(
    post: Post, asked: Ask, published: Published, listed: Listed, error: str
) -> None:
    await asked(**SMS, reference="SM9")
    for _ in range(2):
        assert (await post(STATUSES, a_status("undelivered", error))).status_code == 200
    assert await listed() == [("", PHONE, "all", "", "bounce")]
    (bounced,) = await published()
    assert (bounced.data.channel, bounced.data.next_channel) == ("sms", "email")


async def test_next_channel_is_tried_and_phone_kept_when_it_was_only_off(
    post: Post, asked: Ask, published: Published, listed: Listed
) -> None:
    key = await asked(**SMS)  # not by its reference, which may not be stored yet
    await post(f"{STATUSES}?message={key}", a_status("undelivered", "30003"))
    assert await listed() == []
    assert [event.data.next_channel for event in await published()] == ["email"]


async def test_phone_gets_no_more_texts_when_twilio_knows_that_it_said_stop(
    post: Post, asked: Ask, published: Published, listed: Listed
) -> None:
    await asked(**SMS, reference="SM9")
    await post(STATUSES, a_status("failed", "21610"))
    assert await listed() == STOPPED
    assert {event.type.family for event in await published()} == {
        "recipient.unsubscribed",
        "invitation.bounced",
    }


@pytest.mark.parametrize("status", ["queued", "sent", "delivered", "read", "", "new-one"])
async def test_nothing_follows_when_a_text_is_under_way_or_there(
    post: Post, asked: Ask, published: Published, listed: Listed, status: str
) -> None:
    await asked(**SMS, reference="SM9")
    assert (await post(STATUSES, a_status(status))).status_code == 200
    assert await listed() == []
    assert await published() == []


@pytest.mark.parametrize("path", [MESSAGES, STATUSES])
async def test_call_is_refused_when_it_is_not_signed_for_us(
    post: Post, listed: Listed, path: str
) -> None:
    for wrong in ({"token": "someone-elses-token"}, {"base_url": "https://example.com"}):
        response = await post(path, a_text("STOP"), **wrong)
        assert response.status_code == 403
    assert await listed() == []


async def test_call_is_refused_when_a_field_or_the_query_changed(
    open_client: Any, listed: Listed
) -> None:
    fields = a_text("hello")
    proof = {"X-Twilio-Signature": signature(TOKEN, BASE_URL + MESSAGES, list(fields.items()))}
    async with open_client(TWILIO) as client:
        for path, body in (
            (MESSAGES, {**fields, "Body": "STOP"}),
            (MESSAGES, {**fields, "Extra": "1"}),
            (f"{MESSAGES}?a=1", fields),
        ):
            response = await client.post(path, content=urlencode(body), headers=proof)
            assert response.status_code == 403
        assert (await client.post(MESSAGES, content=urlencode(fields))).status_code == 403
    assert await listed() == []


@pytest.mark.parametrize(
    "told", ["https://hooks.example.com/hb", "https://hooks.example.com:443/hb"]
)
async def test_call_is_believed_when_a_proxy_stands_before_us(build: Any, told: str) -> None:
    fields = a_text("HELP")
    proof = {"X-Twilio-Signature": signature(TOKEN, told + MESSAGES, list(fields.items()))}
    transport = httpx2.ASGITransport(
        app=build(TWILIO, callbacks_url="https://hooks.example.com/hb/")
    )
    async with httpx2.AsyncClient(transport=transport, base_url="http://10.0.0.7:8102") as client:
        response = await client.post(MESSAGES, content=urlencode(fields), headers=proof)
    assert response.status_code == 200


async def test_provider_of_texts_is_believed_when_only_its_own_setting_names_it(
    open_client: Any,
) -> None:
    account = {"account_sid": "AC1", "sender": "+4915735982000"}
    providers = [
        {"name": "by-token", "password": TOKEN, **account},
        {"name": "by-key", "username": "SK1", "password": TOKEN, **account},
    ]
    fields = a_text("HELP")
    async with open_client(sms_providers=providers) as client:
        for name, status in (("by-token", 200), ("by-key", 404)):
            path = MESSAGES.replace("main", name)
            proof = signature(TOKEN, BASE_URL + path, list(fields.items()))
            response = await client.post(
                path, content=urlencode(fields), headers={"X-Twilio-Signature": proof}
            )
            assert response.status_code == status


@pytest.mark.parametrize("missing", ["MessageSid", "From"])
async def test_call_is_answered_with_a_problem_when_it_says_nothing(
    post: Post, missing: str
) -> None:
    assert (await post(MESSAGES, a_text("STOP", **{missing: ""}))).status_code == 422


async def test_old_events_are_forgotten_when_new_ones_come(
    post: Post, clock: ManualClock, database: Database
) -> None:
    await post(MESSAGES, a_text("hello", sid="SM1"))
    clock.advance(timedelta(days=31))
    await post(MESSAGES, a_text("hello", sid="SM2"))
    async with database.read() as connection:
        kept = (await connection.execute(text("SELECT event_id FROM provider_event"))).scalars()
        assert list(kept) == ["text|SM2"]


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    fields=st.dictionaries(
        st.sampled_from(["Body", "From", "MessageSid", "MessageStatus", "To", "ErrorCode", "X"]),
        st.text(max_size=60) | st.sampled_from(["STOP", "failed", "30005", "\x00", "+4930"]),
    )
)
async def test_call_never_breaks_us_when_it_is_signed_and_says_anything(
    post: Post, fields: dict[str, str]
) -> None:
    for path in (MESSAGES, STATUSES, f"{STATUSES}?message=%00&message=x"):
        assert (await post(path, fields)).status_code in (200, 422)


@pytest.mark.parametrize(
    ("columns", "has_texted"),
    [
        ({"channels": ["sms", "email"], "channel": "email"}, True),  # after a fallback
        ({"channels": ["email"], "channel": "email"}, False),
        ({"channels": ["in_app"], "channel": "in_app"}, False),
    ],
)
async def test_texts_stop_when_the_latest_conversation_is_elsewhere(
    post: Post,
    asked: Ask,
    database: Database,
    published: Published,
    listed: Listed,
    columns: dict[str, Any],
    has_texted: bool,
) -> None:
    await asked(**columns)
    if has_texted:
        async with database.transaction() as tx:
            await tx.connection.execute(text("UPDATE message SET channel = 'sms'"))
    await post(MESSAGES, a_text("STOP"))
    assert await listed() == STOPPED
    (left,) = await published()
    assert (left.data.scope, left.data.scoped_to) == ("channel", "sms")
    async with database.read() as connection:
        seen = await connection.scalar(text("SELECT way_out_seen_at FROM invitation"))
    assert (seen is not None) is has_texted, "what goes on elsewhere is not what they answered"


async def test_start_takes_back_only_what_customers_said_about_texts(
    post: Post, asked: Ask, database: Database, listed: Listed
) -> None:
    await asked(**SMS)
    stays = [
        ("", PHONE, "all", "", "bounce"),
        ("", PHONE, "channel", "sms", "complaint"),
        ("c1", PHONE, "all", "", "unsubscribed"),
        ("c1", PHONE, "program", "post-purchase", "unsubscribed"),
        ("c2", PHONE, "channel", "sms", "manual"),
    ]
    goes = [
        ("c1", PHONE, "channel", "sms", "unsubscribed"),
        ("c3", PHONE, "channel", "sms", "stop"),
    ]
    names = ("customer_id", "address", "scope", "scoped_to", "reason")
    rows = [{**dict(zip(names, row, strict=True)), "suppressed_at": START} for row in stays + goes]
    async with database.transaction() as tx:
        await insert_rows(tx.connection, SUPPRESSION, rows)
    await post(MESSAGES, a_text("START"))
    assert await listed() == stays


async def test_stop_at_the_provider_can_be_taken_back_when_nobody_knows_whose_phone_it_is(
    post: Post, listed: Listed
) -> None:
    await post(STATUSES, a_status("failed", "21610"))
    assert await listed() == [("", PHONE, "channel", "sms", "stop")]
    await post(MESSAGES, a_text("START"))
    assert await listed() == []
