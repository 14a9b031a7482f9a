"""The whole loop once over each channel, from what happened to the owner's task, from outside."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any, Final

import httpx2
import pytest
import pytest_asyncio
from fastapi import FastAPI, Request
from standardwebhooks import Webhook

from heardback.contracts import registry
from heardback.contracts.payloads import FollowUpRequested, Recipient, SurveyRequested
from heardback.embedded.processes import HOST, free_port
from heardback.ids import TimeOrderedIds
from heardback.testing.browser import serve
from heardback.testing.waiting import until
from heardback.vocabulary import Channel
from heardback_local.config import StackConfig
from heardback_local.ports import Ports
from heardback_local.publisher import Publisher
from heardback_local.reset import reset
from heardback_local.stack import Stack
from heardback_local.state import State

from .mail_providers import MailProvider, Moods
from .world import World, listen

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(120)]

GOVERNANCE: Final = "legal_hours: {}\n"
"""At whichever hour the tests run, a text may be sent."""
PROGRAM: Final = """\
id: {id}
name: Asks over {channels}
touchpoint: purchase
when: event.shop == "{id}"
type: transactional
survey: nps
channels: {channels}
delay: 0s
expires_after: 14d
"""
FIELDS: Final = "fields: {event: {shop: string}}\n"
PROGRAMS: Final = {
    "texts": "[sms]",
    "cards": "[in_app]",
    "hooks": "[webhook]",
    "mails-then-texts": "[email, sms]",
}
GONE: Final = "gone@example.com"
TWO_SEGMENTS: Final = 306
"""Characters of the GSM alphabet."""
SHORT_LINK: Final = re.compile(r"http://\S+/c/[1-9A-HJ-NP-Za-km-z]{10}(?=\s|$)")


def write_programs(folder: Path) -> Path:
    folder.mkdir()
    (folder / "governance.yaml").write_text(GOVERNANCE + FIELDS)
    for name, channels in PROGRAMS.items():
        (folder / f"{name}.yaml").write_text(PROGRAM.format(id=name, channels=channels))
    return folder


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(tmp_path_factory: pytest.TempPathFactory, kafka: Any) -> AsyncIterator[World]:
    folder = tmp_path_factory.mktemp("channels")
    moods, unknown = Moods(), frozenset({GONE})
    post = MailProvider("post", free_port(), moods, unknown, [], Random(1))
    told = {"name": post.name, "host": HOST, "port": post.port, "tls": "none"}
    config = StackConfig(
        state=folder / "state",
        ports=Ports.free(),
        kafka=kafka,
        programs=write_programs(folder / "programs"),
        extra_env={"HEARDBACK_SMTP_PROVIDERS": json.dumps([told])},
    )
    async with AsyncExitStack() as held:
        held.callback(reset, State(config.state))
        await held.enter_async_context(post.listening())
        stack = await held.enter_async_context(Stack(config))
        http = await held.enter_async_context(httpx2.AsyncClient(timeout=10))
        publisher = await held.enter_async_context(Publisher(stack.kafka_bootstrap))
        made = World(stack=stack, http=http, publisher=publisher)
        listening = asyncio.create_task(listen(made))
        try:
            yield made
        finally:
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)


async def test_loop_is_closed_over_sms_when_the_short_link_is_opened(world: World) -> None:
    customer, phone = "texted", "+4915112345601"
    await world.buy(customer, "texts", phone=phone)
    (message,) = await world.texts_to(phone)
    assert message["text"].isascii()
    assert len(message["text"]) <= TWO_SEGMENTS
    (link,) = SHORT_LINK.findall(message["text"])
    await world.answer_on_the_page(link, 3, "Nobody answered the phone.")
    recorded = await world.told(registry.RESPONSE_RECORDED, customer)
    assert (recorded.score, recorded.channel) == (3, "sms")
    task = await world.task_of(customer)
    assert (task["score"], task["comment"]) == (3, "Nobody answered the phone.")

    sent = await world.told(registry.INVITATION_SENT, customer)
    follow_up = FollowUpRequested(
        customer_id=customer,
        follow_up_id=TimeOrderedIds().new(),
        invitation_id=sent.invitation_id,
        program_id="texts",
        text="Ada, we called you back. Is all well now?",
        requested_at=datetime.now(UTC),
    )
    await world.publish(registry.FOLLOW_UP_REQUESTED, follow_up)
    _, written = await world.texts_to(phone, 2)
    assert written["text"] == follow_up.text
    told = await world.told(registry.FOLLOW_UP_SENT, customer)
    assert (told.follow_up_id, told.channel) == (follow_up.follow_up_id, "sms")


async def test_reply_is_an_answer_and_stop_the_end_when_they_come_by_sms(world: World) -> None:
    customer, phone = "replies", "+4915112345602"
    await world.buy(customer, "texts", phone=phone)
    (message,) = await world.texts_to(phone)
    await world.reply(message, "9 great service")
    recorded = await world.told(registry.RESPONSE_RECORDED, customer)
    assert (recorded.score, recorded.comment) == (9, "great service")
    assert (recorded.channel, recorded.category) == ("sms", "promoter")

    await world.reply(message, "STOP")
    left = await world.told(registry.RECIPIENT_UNSUBSCRIBED, customer)
    assert (left.scope, left.scoped_to, left.reason) == ("channel", "sms", "stop")
    now = datetime.now(UTC)
    again = SurveyRequested(
        customer_id=customer,
        invitation_id=TimeOrderedIds().new(),
        program_id="texts",
        touchpoint="purchase",
        survey_id="nps",
        channel=Channel.SMS,
        recipient=Recipient(phone=phone),
        occurred_at=now,
        requested_at=now,
        expires_at=now + timedelta(days=1),
    )
    await world.publish(registry.SURVEY_REQUESTED, again)
    dropped = await world.told(registry.INVITATION_DROPPED, customer)
    assert (dropped.invitation_id, dropped.reason) == (again.invitation_id, "suppressed")
    await world.texts_to(phone, 1)


async def test_loop_is_closed_in_the_app_when_the_card_is_pulled_and_answered(
    world: World,
) -> None:
    customer, dispatch = "clicks", world.stack.url("dispatch")
    await world.buy(customer, "cards")
    await world.told(registry.INVITATION_SENT, customer)
    asked = {"customer_id": customer}
    assert (await world.http.post(f"{dispatch}/in-app/tokens", json=asked)).status_code == 401
    made = await world.http.post(f"{dispatch}/in-app/tokens", json=asked, headers=world.key)
    shelf = f"{dispatch}/in-app/{made.json()['token']}"
    (card,) = (await world.http.get(shelf)).json()["cards"]
    said = {"score": 2, "comment": "It crashed.", "t": 4_000}
    saved = await world.answer_from_the_widget(card["answer_url"], said)
    assert saved == {"saved": True, "score": 2, "category": "detractor"}
    recorded = await world.told(registry.RESPONSE_RECORDED, customer)
    assert (recorded.score, recorded.comment, recorded.channel) == (2, "It crashed.", "in_app")
    assert (await world.task_of(customer))["score"] == 2

    async def is_put_away() -> bool:
        return (await world.http.get(shelf)).json() == {"cards": []}

    await until(is_put_away)


async def test_loop_is_closed_over_a_webhook_when_a_system_of_the_customers_own_asks(
    world: World,
) -> None:
    customer, endpoints = "hooked", f"{world.stack.url('dispatch')}/webhook-endpoints"
    calls: list[tuple[bytes, dict[str, str]]] = []
    system = FastAPI()

    @system.post("/surveys")
    async def take(request: Request) -> None:
        calls.append((await request.body(), dict(request.headers)))

    async with serve(system) as url:
        fields = {"url": f"{url}/surveys", "programs": ["hooks"]}
        made = await world.http.post(endpoints, json=fields, headers=world.key)
        await world.buy(customer, "hooks")
        await world.told(registry.INVITATION_SENT, customer)
    ((body, headers),) = calls
    told = Webhook(made.json()["secret"]).verify(body, headers)
    assert (told["type"], told["data"]["customer_id"]) == ("invitation.due", customer)
    assert headers["webhook-id"] == told["data"]["message_id"]
    await world.answer_on_the_page(told["data"]["survey_url"], 4, "Slow.")
    recorded = await world.told(registry.RESPONSE_RECORDED, customer)
    assert (recorded.score, recorded.channel) == (4, "webhook")
    assert (await world.task_of(customer))["comment"] == "Slow."


async def test_invitation_goes_on_by_sms_when_its_mail_bounces(world: World) -> None:
    customer, phone = "bounced", "+4915112345605"
    await world.buy(customer, "mails-then-texts", email=GONE, phone=phone)
    (message,) = await world.texts_to(phone)
    bounced = await world.told(registry.INVITATION_BOUNCED, customer)
    sent = await world.told(registry.INVITATION_SENT, customer)
    assert (bounced.channel, bounced.next_channel, sent.channel) == ("email", "sms", "sms")
    assert sent.invitation_id == bounced.invitation_id
    await world.told(registry.SURVEY_SCHEDULED, customer, 1)
    (link,) = SHORT_LINK.findall(message["text"])
    await world.answer_on_the_page(link, 8, "Fine.")
    recorded = await world.told(registry.RESPONSE_RECORDED, customer)
    assert (recorded.invitation_id, recorded.channel) == (sent.invitation_id, "sms")


async def test_loop_is_closed_when_a_trusted_system_sends_the_answer(world: World) -> None:
    customer, url = "kiosk", f"{world.stack.url('response')}/responses"
    body = {
        "customer_id": customer,
        "program_id": "kiosk",
        "touchpoint": "store-visit",
        "score": 1,
        "comment": "The queue.",
        "recipient": {"phone": "+4915112345606"},
    }
    headers = {**world.key, "Idempotency-Key": "visit-1"}
    answers = [await world.http.post(url, json=body, headers=headers) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [201, 201]
    assert answers[0].json() == answers[1].json()
    recorded = await world.told(registry.RESPONSE_RECORDED, customer)
    assert (recorded.score, recorded.channel) == (1, "direct")
    assert (await world.task_of(customer))["comment"] == "The queue."
