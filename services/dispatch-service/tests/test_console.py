"""The page of messages: what each looks like, and trying one out over a real provider."""

import re
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import insert, select

from dispatch_service.console.samples import SAMPLE_INVITATION
from dispatch_service.domain.message import Outcome
from dispatch_service.tables import ATTEMPT, INVITATION, MESSAGE, SURVEY_VERSION
from heardback.db import Database
from heardback.surveys import ready_made
from heardback.testing.clock import START, ManualClock

from .console_builders import PAGE, Inbox, Phone, a_client, an_smtp_adapter
from .rendering_builders import part

SENT_BY_A_BROWSER = {"sec-fetch-site": "same-origin"}


async def publish(database: Database, version: int, **changes: Any) -> None:
    document = {**ready_made()["nps"].document, **changes}
    async with database.transaction() as tx:
        await tx.connection.execute(
            insert(SURVEY_VERSION).values(
                survey_id="nps", version=version, document=document, published_at=START
            )
        )


@pytest.mark.parametrize("channel", ["email", "sms", "in_app", "webhook"])
@pytest.mark.parametrize("kind", ["invitation", "reminder", "follow_up"])
async def test_page_shows_a_message_when_it_is(database: Database, channel: str, kind: str) -> None:
    async with a_client(database) as client:
        for survey_id in ready_made():
            for locale in ("en", "ar"):
                query = {"survey": survey_id, "locale": locale, "channel": channel, "kind": kind}
                page = await client.get(PAGE, params=query)
                assert page.status_code == 200
                assert "Northwind" in page.text or kind == "follow_up"
    assert "frame-src 'self'" in page.headers["content-security-policy"]


async def test_page_says_what_it_costs_when_it_is_a_text_message(database: Database) -> None:
    async with a_client(database) as client:
        page = await client.get(PAGE, params={"channel": "sms", "locale": "ar"})
    assert re.search(r"<dt>Parts</dt><dd>2", page.text)
    assert "UCS-2" in page.text


async def test_page_offers_each_version_when_several_were_published(database: Database) -> None:
    texts = ready_made()["nps"].document["texts"]
    changed = {"en": {**texts["en"], "question": "Would you name {{ company }} to a friend?"}}
    await publish(database, 1)
    await publish(database, 2, texts=changed, variants={"warm": {"en": {"question": "Would you?"}}})
    async with a_client(database) as client:
        newest = await client.get(f"{PAGE}/mail")
        assert "Would you name Northwind to a friend?" in newest.text
        first = await client.get(f"{PAGE}/mail?version=1")
        assert "How likely are you" in first.text
        variant = await client.get(f"{PAGE}/mail?variant=warm")
        assert ">Would you?</h1>" in variant.text
        page = await client.get(PAGE)
        assert "2, the newest" in page.text and "<option>warm" in page.text
        # What a form still says of the survey that was shown before does no harm.
        other = await client.get(PAGE, params={"survey": "support-csat", "version": 2})
        assert other.status_code == 200


async def test_answer_is_a_problem_when_there_is_no_such_survey(database: Database) -> None:
    async with a_client(database) as client:
        assert (await client.get(f"{PAGE}?survey=nonsense")).status_code == 404
        for wrong in ("version=x", "channel=pigeon", "name=%00", f"name={'x' * 201}"):
            assert (await client.get(f"{PAGE}?{wrong}")).status_code == 422


async def test_mail_in_its_frame_can_do_nothing_when_shown(database: Database) -> None:
    async with a_client(database) as client:
        light = await client.get(f"{PAGE}/mail?name=<script>alert(1)</script>")
        dark = await client.get(f"{PAGE}/mail?scheme=dark")
    policy_of_frame = light.headers["content-security-policy"]
    assert "default-src 'none'" in policy_of_frame and "sandbox" in policy_of_frame
    assert "<script" not in light.text
    assert "@media not all" in light.text and "@media all" in dark.text


async def test_test_arrives_marked_and_counts_nowhere_when_sent(database: Database) -> None:
    inbox = Inbox()
    async with an_smtp_adapter(inbox) as adapter, a_client(database, adapter) as client:
        answer = await client.post(
            f"{PAGE}/test?survey=support-csat&locale=de&kind=reminder",
            data={"address": " ada@example.com "},
            headers={**SENT_BY_A_BROWSER, "x-patch": "1"},
        )
    assert "post-office took it for ada@example.com" in answer.text
    (mail,) = inbox.mails
    assert mail["To"].addresses[0].addr_spec == "ada@example.com"
    assert mail["Subject"].startswith("[Test] Kurze Erinnerung: ")
    assert mail["Message-ID"].startswith("<test.")
    assert mail["Heardback-Invitation"] == SAMPLE_INVITATION
    assert "Dies ist ein Test." in part(mail, "plain")
    async with database.read() as connection:
        for table in (INVITATION, MESSAGE, ATTEMPT):
            assert (await connection.execute(select(table))).first() is None


async def test_next_provider_is_tried_when_the_first_is_away(database: Database) -> None:
    first, second = Phone("first", Outcome.AWAY), Phone("second")
    async with a_client(database, first, second) as client:
        answer = await client.post(
            f"{PAGE}/test?channel=sms",
            data={"address": "+1 202 555 0123"},
            headers=SENT_BY_A_BROWSER,
        )
    assert "second took it for +12025550123" in answer.text
    assert second.texts[0].startswith("[Test] Northwind: ")


@pytest.mark.parametrize(
    ("query", "address", "said"),
    [
        ("channel=email", "nobody", "write it as name@example.com"),
        ("channel=sms", "12345", "write it as +49 30 1234567"),
        ("channel=in_app", "c1", "Nothing can be sent here"),
        ("channel=email", "ada@example.com", "No provider is set up"),
    ],
)
async def test_page_says_why_when_no_test_is_sent(
    database: Database, query: str, address: str, said: str
) -> None:
    async with a_client(database, Phone()) as client:
        answer = await client.post(
            f"{PAGE}/test?{query}",
            data={"address": address},
            headers={**SENT_BY_A_BROWSER, "x-patch": "1"},
        )
    assert said in answer.text


async def test_provider_s_words_are_shown_when_it_refuses(database: Database) -> None:
    async with a_client(database, Phone(outcome=Outcome.BOUNCED)) as client:
        answer = await client.post(
            f"{PAGE}/test?channel=sms",
            data={"address": "+12025550123"},
            headers={**SENT_BY_A_BROWSER, "x-patch": "1"},
        )
    assert "sms refuses +12025550123 for good: as told" in answer.text


async def test_nobody_is_flooded_when_many_tests_are_sent(database: Database) -> None:
    phone, clock = Phone(), database.clock
    assert isinstance(clock, ManualClock)
    async with a_client(database, phone) as client:

        async def send() -> str:
            answer = await client.post(
                f"{PAGE}/test?channel=sms",
                data={"address": "+12025550123"},
                headers={**SENT_BY_A_BROWSER, "x-patch": "1"},
            )
            return answer.text

        answers = [await send() for _ in range(11)]
        assert "tests a minute are enough" in answers[-1]
        assert len(phone.texts) == 10
        clock.advance(timedelta(minutes=1))
        assert "took it" in await send()


async def test_form_of_another_site_sends_nothing_when_posted(database: Database) -> None:
    phone = Phone()
    async with a_client(database, phone) as client:
        answer = await client.post(
            f"{PAGE}/test?channel=sms",
            data={"address": "+12025550123"},
            headers={"sec-fetch-site": "cross-site"},
        )
    assert answer.status_code == 400
    assert phone.texts == []
