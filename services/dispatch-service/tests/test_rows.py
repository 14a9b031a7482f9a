"""Every promise about channels and delivery, by its number in the product's list.

Events in, real SMTP and HTTP, events out, on a real Postgres, with a clock that the test moves.
"""

import asyncio
import hmac
import os
import re
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

import orjson
import pytest
from sqlalchemy import text
from standardwebhooks import Webhook

from dispatch_service.adapters.interface import Parcel, Reply
from dispatch_service.callbacks.twilio import signature
from dispatch_service.domain.message import Outcome
from dispatch_service.sending.failover import Outlet
from dispatch_service.settings import Settings
from heardback.clock import SystemClock
from heardback.contracts import registry
from heardback.db import Database
from heardback.embedded.processes import free_port
from heardback.envelope import Event
from heardback.gsm import measure
from heardback.security import LinkSigner, short_code
from heardback.testing.clock import START, ManualClock
from heardback.testing.waiting import until
from heardback.vocabulary import Channel

from .channels.servers import Server, answer, serving
from .conftest import KEYS, Provider
from .replica import API_KEY, BASE_URL, Replica
from .test_conversations import answered, follow_up, opened
from .test_sender import a_sender, running

Make = Callable[..., Event[Any]]
DAY: Final = timedelta(days=1)
SECOND: Final = timedelta(seconds=1)
PHONE: Final = "+12025550123"
TOKEN: Final = "token-of-the-account"
PROGRAM: Final = "post-purchase"
SIGNING_KEY: Final = "a-signing-key-of-mailgun"
MAILGUN: Final = {"kind": "mailgun", "name": "eu", "signing_keys": [SIGNING_KEY]}
SENT: Final = (registry.INVITATION_SENT, registry.INVITATION_REMINDED, registry.FOLLOW_UP_SENT)
TAKEN: Final = answer(201, '{"sid": "SM00000000000000000000000000000001", "status": "queued"}')


@dataclass
class World:
    """Where messages go: one provider of mail, one of texts, one endpoint of the customer's own."""

    mail: Provider
    texts: Server
    hooks: Server
    clock: ManualClock
    open_database: Callable[..., Database]

    def replica(self, *, clock: Any = None, **more: Any) -> Replica:
        database = self.open_database(clock or self.clock)
        return Replica(database, Settings.model_validate(self.settings(database.url, **more)))

    def settings(self, database_url: str, **more: Any) -> dict[str, Any]:
        phone = {
            "name": "main",
            "base_url": self.texts.url,
            "account_sid": "AC1",
            "password": TOKEN,
            "sender": "+12025550100",
        }
        return {
            "database_url": database_url,
            "smtp_port": self.mail.port,
            "smtp_tls": "none",
            "sms_providers": [phone | more.pop("phone", {})],
            "mail_from": "Northwind <feedback@northwind.example.com>",
            "survey_url": "https://survey.example.com",
            "preferences_url": BASE_URL,
            "link_keys": ",".join(KEYS),
            "callbacks": [MAILGUN],
            "webhook_allowed_networks": "127.0.0.0/8",
            **more,
        }


@pytest.fixture
async def world(open_database: Any, clock: ManualClock, provider: Provider) -> AsyncIterator[World]:
    async with serving() as texts, serving() as hooks:
        texts.says = TAKEN
        yield World(provider, texts, hooks, clock, open_database)


@pytest.fixture
async def dispatch(world: World) -> AsyncIterator[Replica]:
    async with world.replica().running() as replica:
        yield replica


@pytest.fixture
def ask(requested: Make) -> Make:
    """Make the request for a conversation with somebody who is reached by mail and by text."""

    def make(number: int = 1, *channels: str, **data: Any) -> Event[Any]:
        named = channels or ("email",)
        phone = f"+1202555{number:04d}"
        recipient = {"email": f"c{number}@example.com", "phone": phone, "name": "Ada"}
        fields = {"channel": named[0], "channels": named, "recipient": recipient}
        return requested(number, program_type="transactional", **{**fields, **data})

    return make


def links_in(html: str) -> list[str]:
    return re.findall(r'href="([^"]+)"', html)


def part(mail: Any, kind: str) -> str:
    body = mail.get_body((kind,))
    assert body is not None, f"there is no {kind} part"
    return str(body.get_content())


async def text_in(replica: Replica, body: str, *, sid: str, number: int = 1) -> Any:
    """Have a customer text back; return what Twilio is told."""
    path = "/callbacks/twilio/main/messages"
    fields = {
        "From": f"+1202555{number:04d}",
        "To": "+12025550100",
        "MessageSid": sid,
        "Body": body,
    }
    proof = signature(TOKEN, f"{BASE_URL}{path}", list(fields.items()))
    async with replica.http(**{"X-Twilio-Signature": proof}) as client:
        response = await client.post(path, data=fields)
    assert response.status_code == 200, response.text
    return response.text


async def mailgun_says(replica: Replica, event: dict[str, Any], *, key: str = SIGNING_KEY) -> int:
    """Have a provider of mail call back; return the status."""
    stamp, token = str(int(replica.database.clock.now().timestamp())), str(event["id"])
    digest = hmac.digest(key.encode(), f"{stamp}{token}".encode(), "sha256").hex()
    signed = {"timestamp": stamp, "token": token, "signature": digest}
    async with replica.http() as client:
        body = orjson.dumps({"signature": signed, "event-data": event})
        return (await client.post("/callbacks/mailgun/eu", content=body)).status_code


def a_failure(mail: Any, **fields: Any) -> dict[str, Any]:
    message_id = mail["Message-ID"].strip("<>")
    known = {"id": "e1", "event": "failed", "severity": "permanent", "reason": "bounce"}
    about = {"message": {"headers": {"message-id": message_id}}}
    return {**known, **about, "recipient": mail["To"].addresses[0].addr_spec, **fields}


async def an_endpoint(replica: Replica, url: str) -> str:
    """Name the endpoint of all programs; return its secret."""
    async with replica.http(Authorization=f"Bearer {API_KEY}") as client:
        response = await client.post("/webhook-endpoints", json={"url": f"{url}/surveys"})
    assert response.status_code == 201, response.text
    return str(response.json()["secret"])


async def cards_of(replica: Replica, customer_id: str) -> list[dict[str, Any]]:
    async with replica.http(Authorization=f"Bearer {API_KEY}") as client:
        made = await client.post("/in-app/tokens", json={"customer_id": customer_id})
        pulled = await client.get(f"/in-app/{made.json()['token']}")
    cards: list[dict[str, Any]] = pulled.json()["cards"]
    return cards


def channels_of(events: Sequence[Any]) -> list[str]:
    return [event.channel.value for event in events]


async def test_row_23_each_channel_carries_an_invitation_when_it_is_asked_for(
    world: World, dispatch: Replica, ask: Make
) -> None:
    secret = await an_endpoint(dispatch, world.hooks.url)
    channels = ["email", "sms", "in_app", "webhook"]
    events = [ask(number, channel) for number, channel in enumerate(channels, start=1)]
    await dispatch.hear(*events)
    sent = await dispatch.wait_for(4, registry.INVITATION_SENT)
    assert sorted(channels_of(sent)) == sorted(channels)

    assert world.mail.recipients == ["c1@example.com"]
    (texted,) = world.texts.calls
    assert texted.path == "/2010-04-01/Accounts/AC1/Messages.json"
    assert texted.form["To"] == "+12025550002"
    (card,) = await cards_of(dispatch, "c3")
    signer = LinkSigner(KEYS, purpose="survey")
    assert signer.read(card["token"], now=START) == events[2].data.invitation_id
    assert card["answer_url"] == f"https://survey.example.com/w/{card['token']}"
    (hooked,) = world.hooks.calls
    assert hooked.path == "/surveys"
    proof = Webhook(secret).sign(hooked.headers["webhook-id"], START, hooked.body.decode())
    assert proof in hooked.headers["webhook-signature"].split()
    told = orjson.loads(hooked.body)
    assert told["type"] == "invitation.due"
    assert told["data"]["customer_id"] == "c4"


class Pigeon:
    """A channel in its smallest form: what an adapter has to be, and no more."""

    name, channel, is_idempotent = "pigeon", Channel.SMS, True
    at_once, at_most_seconds = 1, 1.0

    def __init__(self) -> None:
        self.carried: list[str] = []

    def compose(self, parcel: Parcel) -> str:
        return f"{parcel.invitation.name}: {parcel.message.message_id}"

    def open_line(self) -> "Pigeon":
        return self

    async def send(self, load: str) -> Reply:
        self.carried.append(load)
        return Reply(outcome=Outcome.SENT)

    async def close(self) -> None:
        pass


async def test_row_23_a_channel_is_one_adapter_when_somebody_adds_one(
    world: World, ask: Make
) -> None:
    replica = world.replica(clock=SystemClock())
    pigeon = Pigeon()
    await replica.hear(ask(1, "sms", now=SystemClock().now()))
    async with running(a_sender(replica.database, Outlet(adapter=pigeon))):
        (sent,) = await replica.wait_for(1, registry.INVITATION_SENT)
    assert sent.provider == "pigeon"
    assert pigeon.carried == [f"Ada: {sent.invitation_id}"]


async def test_row_24_the_mail_has_two_parts_signed_buttons_and_a_way_out(
    world: World, dispatch: Replica, ask: Make
) -> None:
    asked = ask(1)
    await dispatch.hear(asked)
    await dispatch.wait_for(1, registry.INVITATION_SENT)
    (mail,) = world.mail.mails
    assert mail.get_content_type() == "multipart/alternative"
    assert [one.get_content_type() for one in mail.iter_parts()] == ["text/plain", "text/html"]
    assert mail["Subject"] == "Ada, how was your experience with Northwind?"

    plain, html = part(mail, "plain"), part(mail, "html")
    buttons = [link for link in links_in(html) if "?score=" in link]
    assert [dict(parse_qsl(urlsplit(b).query))["score"] for b in buttons] == [
        str(score) for score in range(11)
    ]
    signer = LinkSigner(KEYS, purpose="survey")
    for button in buttons:
        assert button.startswith("https://survey.example.com/s/")
        token = urlsplit(button).path.removeprefix("/s/")
        assert signer.read(token, now=START) == asked.data.invitation_id
    assert buttons[0].partition("?")[0] in plain

    assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    way_out = mail["List-Unsubscribe"].strip("<>")
    assert way_out.startswith(f"{BASE_URL}/unsubscribe/")
    assert way_out in plain
    assert way_out in links_in(html)
    async with dispatch.http() as client:
        left = await client.post(way_out, data={"List-Unsubscribe": "One-Click"})
    assert left.status_code == 200, "RFC 8058: no redirect, no question"
    assert "set-cookie" not in left.headers
    (gone,) = await dispatch.published(registry.RECIPIENT_UNSUBSCRIBED)
    assert (gone.customer_id, gone.scope, gone.reason) == ("c1", "all", "unsubscribed")


async def test_row_24_the_message_id_stays_and_reminders_are_threaded_when_mail_follows_mail(
    world: World, dispatch: Replica, ask: Make
) -> None:
    world.mail.hang_up_at_data = 1
    asked = ask(1, reminders=2, reminder_after_seconds=86_400)
    await dispatch.hear(asked)
    await until(lambda: len(world.mail.mails) == 1)
    await moving(world.clock, lambda: len(world.mail.mails) == 2)
    first, again = world.mail.mails
    assert first["Message-ID"] == again["Message-ID"], "so that a mail program shows it once"
    await dispatch.wait_for(1, registry.INVITATION_SENT)
    for number in (1, 2):
        world.clock.advance(DAY)
        assert await dispatch.fire() == 1
        await dispatch.wait_for(number, registry.INVITATION_REMINDED)
    *_, one, two = world.mail.mails
    for reminder in (one, two):
        assert reminder["In-Reply-To"] == first["Message-ID"]
        assert first["Message-ID"] in reminder["References"].split()
        assert "reminder" in reminder["Subject"].lower()
        assert reminder["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert len({mail["Message-ID"] for mail in world.mail.mails}) == 3


async def moving(clock: ManualClock, condition: Callable[[], bool]) -> None:
    """Let time pass, a few seconds at a time, until something has happened."""

    def passes() -> bool:
        clock.advance(5 * SECOND)
        return condition()

    await until(passes)


async def test_row_25_a_text_asks_with_a_short_link_and_its_length_is_known_before(
    world: World, dispatch: Replica, ask: Make
) -> None:
    asked = ask(1, "sms")
    async with dispatch.http() as client:
        page = await client.get("/console/messages", params={"channel": "sms", "name": "Ada"})
    await dispatch.hear(asked)
    await dispatch.wait_for(1, registry.INVITATION_SENT)
    (call,) = world.texts.calls
    said = call.form["Body"]
    code = short_code(KEYS[0], asked.data.invitation_id)
    assert f"https://survey.example.com/c/{code}" in said
    assert "Northwind" in said
    assert "0" in said
    assert "10" in said
    length = measure(said)
    assert length.encoding == "gsm-7"
    assert f"<dt>Parts</dt><dd>{length.segments}" in page.text


async def test_row_25_a_reply_is_passed_on_when_it_is_an_answer(
    world: World, dispatch: Replica, ask: Make
) -> None:
    asked = ask(1, "sms")
    await dispatch.hear(asked)
    await dispatch.wait_for(1, registry.INVITATION_SENT)
    for _ in range(2):  # Twilio calls again when it did not hear us
        await text_in(dispatch, "9 great service", sid="SM1")
    (reply,) = await dispatch.published(registry.REPLY_RECEIVED)
    assert (reply.invitation_id, reply.text) == (asked.data.invitation_id, "9 great service")


async def test_row_25_stop_start_and_help_are_obeyed_when_they_are_texted(
    world: World, dispatch: Replica, ask: Make
) -> None:
    await dispatch.hear(ask(1, "sms"))
    await dispatch.wait_for(1, registry.INVITATION_SENT)
    assert "Northwind" in await text_in(dispatch, "HELP", sid="SM1")
    assert "<Message>" in await text_in(dispatch, "Stop", sid="SM2")
    (left,) = await dispatch.published(registry.RECIPIENT_UNSUBSCRIBED)
    assert (left.customer_id, left.scope, left.scoped_to, left.reason) == (
        "c1",
        "channel",
        "sms",
        "stop",
    )
    same = {"customer_id": "c1", "recipient": {"phone": "+12025550001"}}
    await dispatch.hear(ask(2, "sms", **same))
    (dropped,) = await dispatch.wait_for(1, registry.INVITATION_DROPPED)
    assert dropped.reason == "suppressed"
    await text_in(dispatch, "START", sid="SM3")
    (back,) = await dispatch.published(registry.RECIPIENT_RESUBSCRIBED)
    assert back.customer_id == "c1"
    await dispatch.hear(ask(3, "sms", **same))
    await dispatch.wait_for(2, registry.INVITATION_SENT)
    assert len(world.texts.calls) == 2
    assert await dispatch.published(registry.REPLY_RECEIVED) == [], "a keyword is no answer"


async def test_row_26_the_next_channel_is_tried_when_the_mail_bounces(
    world: World, dispatch: Replica, ask: Make
) -> None:
    world.mail.recipient_replies["c1@example.com"] = "550 5.1.1 no such user"
    asked = ask(1, "email", "sms")
    await dispatch.hear(asked)
    (sent,) = await dispatch.wait_for(1, registry.INVITATION_SENT)
    (bounced,) = await dispatch.published(registry.INVITATION_BOUNCED)
    assert (bounced.channel, bounced.next_channel) == ("email", "sms"), "the slot is still taken"
    assert sent.channel is Channel.SMS
    assert sent.invitation_id == bounced.invitation_id == asked.data.invitation_id
    assert short_code(KEYS[0], sent.invitation_id) in world.texts.calls[0].form["Body"]


@pytest.mark.parametrize("was_opened", [False, True])
async def test_row_26_the_next_channel_is_tried_once_when_nothing_was_opened_for_long_enough(
    world: World, dispatch: Replica, ask: Make, was_opened: bool
) -> None:
    asked = ask(1, "email", "sms", fallback_after_seconds=2 * 86_400)
    await dispatch.hear(asked)
    await dispatch.wait_for(1, registry.INVITATION_SENT)
    if was_opened:
        await dispatch.hear(opened(asked.data.invitation_id))
    world.clock.advance(2 * DAY - SECOND)
    assert await dispatch.fire() == 0
    world.clock.advance(SECOND)
    assert await dispatch.fire() == (0 if was_opened else 1)
    if not was_opened:
        sent = await dispatch.wait_for(2, registry.INVITATION_SENT)
        assert channels_of(sent) == ["email", "sms"]
        assert {one.invitation_id for one in sent} == {asked.data.invitation_id}
    world.clock.advance(5 * DAY)
    assert await dispatch.fire() == 0
    assert len(world.texts.calls) == (0 if was_opened else 1)


async def test_row_26_the_order_is_learnt_per_segment_when_one_channel_is_answered_more(
    world: World, dispatch: Replica, ask: Make
) -> None:
    learning = {"learn_channels": True, "segment": "gold"}
    mails = [ask(n, "email", **learning) for n in range(1, 31)]
    texts = [ask(n, "sms", **learning) for n in range(31, 61)]
    await dispatch.hear(*mails, *texts)
    await dispatch.wait_for(60, registry.INVITATION_SENT)
    heard = [(e, "sms") for e in texts[:15]] + [(e, "email") for e in mails[:5]]
    await dispatch.hear(
        *(
            answered(e.data.invitation_id, customer_id=e.data.customer_id, channel=channel)
            for e, channel in heard
        )
    )
    for segment, first in (("gold", 61), ("new", 161)):
        known = {"learn_channels": True, "segment": segment}
        await dispatch.hear(*(ask(n, "email", "sms", **known) for n in range(first, first + 100)))
    sent = (await dispatch.wait_for(260, registry.INVITATION_SENT))[60:]
    gold = Counter(one.channel for one in sent if one.segment == "gold")
    new = Counter(one.channel for one in sent if one.segment == "new")
    assert gold[Channel.SMS] > 85, "half of them answer texts, a sixth answer mail"
    assert 25 < new[Channel.SMS] < 75, "nothing is known here: both are explored"


async def test_row_27_reminders_are_capped_and_spaced_when_nobody_answers(
    world: World, dispatch: Replica, ask: Make
) -> None:
    await dispatch.hear(ask(1, reminders=2, reminder_after_seconds=3 * 86_400))
    await dispatch.wait_for(1, registry.INVITATION_SENT)
    for number in (1, 2):
        world.clock.advance(3 * DAY - SECOND)
        assert await dispatch.fire() == 0
        world.clock.advance(SECOND)
        assert await dispatch.fire() == 1
        *_, reminded = await dispatch.wait_for(number, registry.INVITATION_REMINDED)
        assert reminded.number == number
    world.clock.advance(30 * DAY)
    assert await dispatch.fire() == 0
    assert len(world.mail.mails) == 3


@pytest.mark.parametrize("before", ["timer", "sending"])
async def test_row_27_a_score_stops_reminders_when_it_comes_before_them(
    world: World, ask: Make, before: str
) -> None:
    replica, asked = world.replica(), ask(1, reminders=2, reminder_after_seconds=86_400)
    async with replica.running():
        await replica.hear(asked)
        await replica.wait_for(1, registry.INVITATION_SENT)
    if before == "sending":
        world.clock.advance(DAY)
        assert await replica.fire() == 1
    await replica.hear(answered(asked.data.invitation_id))
    world.clock.advance(2 * DAY)
    assert await replica.fire() == 0
    async with replica.running():
        await replica.hear(ask(2, now=world.clock.now()))
        await replica.wait_for(2, registry.INVITATION_SENT)
    assert world.mail.recipients == ["c1@example.com", "c2@example.com"]


async def test_row_27_who_looked_for_the_way_out_is_never_reminded(
    world: World, dispatch: Replica, ask: Make
) -> None:
    await dispatch.hear(ask(1, reminders=2, reminder_after_seconds=86_400))
    await dispatch.wait_for(1, registry.INVITATION_SENT)
    async with dispatch.http() as client:
        page = await client.get(world.mail.mails[0]["List-Unsubscribe"].strip("<>"))
    assert page.status_code == 200
    assert await dispatch.published(registry.RECIPIENT_UNSUBSCRIBED) == [], "looking is not leaving"
    world.clock.advance(2 * DAY)
    assert await dispatch.fire() == 0
    assert len(world.mail.mails) == 1


OFFERS: Final = {
    "here": {},
    "other program": {"program_id": "quarterly"},
    "other type": {"program_id": "quarterly", "program_type": "relational"},
    "other channel": {"channel": "sms", "channels": ("sms",), "program_id": "quarterly"}
    | {"program_type": "relational"},
}


@pytest.mark.parametrize(
    ("scope", "still"),
    [
        ("program", {"other program", "other type", "other channel"}),
        ("type", {"other type", "other channel"}),
        ("channel", {"other channel"}),
        ("all", set()),
    ],
)
async def test_row_28_only_what_is_in_the_scope_stops_when_somebody_leaves(
    world: World, dispatch: Replica, requested: Make, scope: str, still: set[str]
) -> None:
    reach = {
        "customer_id": "c1",
        "recipient": {"email": "c1@example.com", "phone": PHONE},
        "program_type": "transactional",
    }
    await dispatch.hear(requested(1, **reach))
    await dispatch.wait_for(1, registry.INVITATION_SENT)
    async with dispatch.http() as client:
        way_out = world.mail.mails[0]["List-Unsubscribe"].strip("<>")
        shown = await client.get(way_out)
        assert f'value="{scope}"' in shown.text
        assert (await client.post(way_out, data={"scope": scope})).status_code == 200
    (left,) = await dispatch.published(registry.RECIPIENT_UNSUBSCRIBED)
    assert left.scope == scope
    later = {
        name: requested(number, **{**reach, **fields})
        for number, (name, fields) in enumerate(OFFERS.items(), start=2)
    }
    await dispatch.hear(*later.values())
    sent = await dispatch.wait_for(1 + len(still), registry.INVITATION_SENT)
    dropped = await dispatch.wait_for(4 - len(still), registry.INVITATION_DROPPED)
    names = {event.data.invitation_id: name for name, event in later.items()}
    assert {names[one.invitation_id] for one in sent[1:]} == still
    assert {names[one.invitation_id] for one in dropped} == set(OFFERS) - still
    assert {one.reason for one in dropped} == {"suppressed"}


async def test_row_28_bounces_and_complaints_join_the_list_when_the_provider_proves_itself(
    world: World, dispatch: Replica, ask: Make
) -> None:
    await dispatch.hear(ask(1), ask(2))
    await dispatch.wait_for(2, registry.INVITATION_SENT)
    one, two = sorted(world.mail.mails, key=lambda mail: str(mail["To"]))
    forged = {"key": "of-somebody-else"}
    assert await mailgun_says(dispatch, a_failure(one), **forged) == 403
    assert await mailgun_says(dispatch, a_failure(two, event="complained"), **forged) == 403
    assert await dispatch.published(registry.INVITATION_BOUNCED) == []
    assert await mailgun_says(dispatch, a_failure(one)) == 200
    assert await mailgun_says(dispatch, a_failure(two, id="e2", event="complained")) == 200
    (bounced,) = await dispatch.published(registry.INVITATION_BOUNCED)
    (left,) = await dispatch.published(registry.RECIPIENT_UNSUBSCRIBED)
    assert (bounced.customer_id, bounced.next_channel) == ("c1", None)
    assert (left.customer_id, left.reason) == ("c2", "complaint")
    again = [
        ask(number + 10, customer_id=f"c{number}", recipient={"email": f"c{number}@example.com"})
        for number in (1, 2)
    ]
    await dispatch.hear(*again)
    dropped = await dispatch.wait_for(2, registry.INVITATION_DROPPED)
    assert [drop.reason for drop in dropped] == ["suppressed", "suppressed"]
    assert len(world.mail.mails) == 2


def a_provider(name: str, port: int, **fields: Any) -> dict[str, Any]:
    return {"name": name, "host": "127.0.0.1", "port": port, "tls": "none", **fields}


async def test_row_29_replicas_keep_to_one_budget_when_they_send_together(
    world: World, ask: Make
) -> None:
    limited = [a_provider("smtp", world.mail.port, rate_per_second=5, burst=10)]
    replicas = [world.replica(smtp_providers=limited) for _ in range(2)]
    await replicas[0].hear(*(ask(number) for number in range(1, 41)))
    async with replicas[0].running(), replicas[1].running():
        for seconds, mails in ((0, 10), (1, 15), (60, 25)):
            world.clock.advance(seconds * SECOND)
            await until(lambda: len(world.mail.mails) >= mails)  # noqa: B023
            await asyncio.sleep(0.3)
            assert len(world.mail.mails) == mails, "a burst at once, then five a second"
    assert len(set(world.mail.recipients)) == 25


async def test_row_29_the_next_provider_takes_over_when_the_first_trips_its_breaker(
    world: World, ask: Make
) -> None:
    tries = []

    async def hang_up(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tries.append(writer)
        writer.close()

    async with await asyncio.start_server(hang_up, "127.0.0.1", 0) as failing:
        port = failing.sockets[0].getsockname()[1]
        providers = [
            a_provider("first", port, connections=1),
            a_provider("second", world.mail.port),
        ]
        async with world.replica(smtp_providers=providers).running() as replica:
            await replica.hear(*(ask(number) for number in range(1, 31)))
            sent = await replica.wait_for(30, registry.INVITATION_SENT)
            assert {one.provider for one in sent} == {"second"}
            assert len(tries) == 1, "one attempt told enough"
            world.clock.advance(2 * SECOND)
            await replica.hear(*(ask(number) for number in range(31, 41)))
            await replica.wait_for(40, registry.INVITATION_SENT)
            assert len(tries) == 2, "half-open: one message goes first"
    assert len(world.mail.recipients) == len(set(world.mail.recipients)) == 40


async def test_row_29_mail_is_deferred_in_order_and_dropped_when_too_late_while_all_are_away(
    world: World, silent_provider: Provider, ask: Make
) -> None:
    one_customer = {"customer_id": "c1", "recipient": {"email": "c1@example.com"}}
    events = [ask(number, **one_customer) for number in (1, 2, 3)]
    late = ask(4, expires_at=START + timedelta(minutes=5))
    async with world.replica(smtp_port=silent_provider.port).running() as replica:
        await replica.hear(*events, late)
        await asyncio.sleep(0.3)
        assert await replica.published() == []
        world.clock.advance(timedelta(minutes=10))
        async with silent_provider.listening():
            await moving(world.clock, lambda: len(silent_provider.mails) == 3)
            await replica.wait_for(3, registry.INVITATION_SENT)
        (dropped,) = await replica.wait_for(1, registry.INVITATION_DROPPED)
    assert [mail["Heardback-Invitation"] for mail in silent_provider.mails] == [
        event.data.invitation_id for event in events
    ]
    assert (dropped.invitation_id, dropped.reason) == (late.data.invitation_id, "too_late")


def environment(settings: dict[str, Any]) -> dict[str, str]:
    """Return settings as a process is told them."""
    plain = {k: v if isinstance(v, str) else orjson.dumps(v).decode() for k, v in settings.items()}
    return {**os.environ, **{f"HEARDBACK_{name.upper()}": text for name, text in plain.items()}}


async def test_row_30_a_crash_repeats_one_mail_at_most_and_nothing_where_keys_are_taken(
    world: World, ask: Make
) -> None:
    now = SystemClock().now()
    replica = world.replica(clock=SystemClock())
    mails = [ask(number, now=now) for number in range(1, 21)]
    texts = [ask(number, "sms", now=now) for number in range(21, 41)]
    await replica.hear(*mails, *texts)
    settings = world.settings(
        replica.database.url,
        phone={"idempotency_header": "Idempotency-Key"},
        kafka_bootstrap_servers=f"127.0.0.1:{free_port()}",
        http_port=str(free_port()),
        uncertain_sends=1,
        smtp_timeout_seconds=1,
        send_lease_seconds=2,
    )

    async def start() -> asyncio.subprocess.Process:
        command = (sys.executable, "-m", "dispatch_service")
        return await asyncio.create_subprocess_exec(*command, env=environment(settings))

    async with AsyncExitStack() as stack:
        blocker = await stack.enter_async_context(replica.database.engine.begin())
        await blocker.execute(text("LOCK TABLE outbox IN SHARE ROW EXCLUSIVE MODE"))
        process = await start()
        await until(lambda: bool(world.mail.mails) and bool(world.texts.calls), seconds=60)
        await asyncio.sleep(0.2)
        process.send_signal(signal.SIGKILL)
        await process.wait()
    process = await start()
    try:
        await until(lambda: all_sent(replica, 40), seconds=60)
    finally:
        process.terminate()
        await asyncio.wait_for(process.wait(), 30)
    assert len(set(world.mail.recipients)) == 20
    assert len(world.mail.recipients) <= 21
    keys = {call.headers["idempotency-key"]: call.form["To"] for call in world.texts.calls}
    assert len(keys) == len(set(keys.values())) == 20, "one key for one message, whatever happens"
    assert set(keys) == {event.data.invitation_id for event in texts}


async def all_sent(replica: Replica, count: int) -> bool:
    async with replica.database.read() as connection:
        query = text("SELECT count(*) FROM message WHERE state = 'sent'")
        return await connection.scalar(query) == count


async def test_row_30_the_invitation_id_travels_in_every_send(
    world: World, dispatch: Replica, ask: Make
) -> None:
    await an_endpoint(dispatch, world.hooks.url)
    reminded = {"reminders": 1, "reminder_after_seconds": 86_400}
    channels = ("email", "sms", "in_app", "webhook")
    events = [ask(number, channel, **reminded) for number, channel in enumerate(channels, start=1)]
    mail_id, text_id, card_id, hook_id = (event.data.invitation_id for event in events)
    await dispatch.hear(*events)
    await dispatch.wait_for(4, registry.INVITATION_SENT)
    world.clock.advance(DAY)
    assert await dispatch.fire() == 4
    await dispatch.wait_for(4, registry.INVITATION_REMINDED)
    assert [mail["Heardback-Invitation"] for mail in world.mail.mails] == [mail_id, mail_id]
    travelled = [
        dict(parse_qsl(urlsplit(call.form["StatusCallback"]).query))["message"]
        for call in world.texts.calls
    ]
    assert travelled == [text_id, f"{text_id}:r1"]
    told = [orjson.loads(call.body)["data"]["invitation_id"] for call in world.hooks.calls]
    assert told == [hook_id, hook_id]
    assert [call.headers["webhook-id"] for call in world.hooks.calls] == [hook_id, f"{hook_id}:r1"]
    (card,) = await cards_of(dispatch, "c3")
    assert card["invitation_id"] == card_id


FOLLOW_UPS: Final = ("We are sorry.", "It is fixed.")


async def write_to(replica: Replica, invitation_id: str, customer_id: str) -> None:
    """Have an owner write twice."""
    await replica.hear(
        *(
            follow_up(invitation_id, customer_id=customer_id, follow_up_id=f"f{number}", text=said)
            for number, said in enumerate(FOLLOW_UPS)
        )
    )
    await replica.wait_for(2, registry.FOLLOW_UP_SENT)


@pytest.mark.parametrize("channel", ["email", "sms", "in_app", "webhook"])
async def test_row_31_owners_write_in_the_channel_in_which_the_conversation_began(
    world: World, dispatch: Replica, ask: Make, channel: str
) -> None:
    await an_endpoint(dispatch, world.hooks.url)
    others = [other for other in ("email", "sms", "in_app", "webhook") if other != channel]
    asked = ask(1, channel, *others)
    await dispatch.hear(asked)
    await dispatch.wait_for(1, registry.INVITATION_SENT)
    await write_to(dispatch, asked.data.invitation_id, "c1")
    sent = await dispatch.published(registry.FOLLOW_UP_SENT)
    assert channels_of(sent) == [channel, channel]
    said = {
        "email": [part(mail, "plain").strip() for mail in world.mail.mails[1:]],
        "sms": [call.form["Body"] for call in world.texts.calls[1:]],
        "in_app": [card["text"] for card in (await cards_of(dispatch, "c1"))[1:]],
        "webhook": [orjson.loads(call.body)["data"]["text"] for call in world.hooks.calls[1:]],
    }
    assert said[channel] == list(FOLLOW_UPS)
    assert not any(said[other] for other in others)


async def test_row_31_owners_write_where_the_customer_was_reached_when_mail_bounced(
    world: World, dispatch: Replica, ask: Make
) -> None:
    world.mail.recipient_replies["c1@example.com"] = "550 5.1.1 no such user"
    asked = ask(1, "email", "sms")
    await dispatch.hear(asked)
    await dispatch.wait_for(1, registry.INVITATION_SENT)
    await write_to(dispatch, asked.data.invitation_id, "c1")
    assert [call.form["Body"] for call in world.texts.calls[1:]] == list(FOLLOW_UPS)


async def test_row_31_a_mail_of_an_owner_joins_the_thread_and_is_no_mailing(
    world: World, dispatch: Replica, ask: Make
) -> None:
    asked = ask(1)
    await dispatch.hear(asked)
    await dispatch.wait_for(1, registry.INVITATION_SENT)
    await write_to(dispatch, asked.data.invitation_id, "c1")
    first, *written = world.mail.mails
    for mail in written:
        assert mail["Subject"] == "About your order"
        assert mail["In-Reply-To"] == first["Message-ID"]
        assert mail["Heardback-Invitation"] == asked.data.invitation_id
        assert mail["List-Unsubscribe"] is mail["Auto-Submitted"] is None
