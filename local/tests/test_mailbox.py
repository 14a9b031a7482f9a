"""The mailbox as its clients meet it: SMTP, the SMS gateway, the JSON API and the page."""

import asyncio
import base64
import hmac
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import aiosmtplib
import httpx2
import pytest
from pytest_httpserver import HTTPServer

from heardback.embedded.processes import (
    HOST,
    Child,
    Command,
    accepts_connections,
    free_port,
    wait_until,
)

SMS = "/2010-04-01/Accounts/AC1/Messages.json"
AUTHORIZATION = {"Authorization": "Basic " + base64.b64encode(b"AC1:secret").decode()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Mailbox:
    smtp_port: int
    web: httpx2.AsyncClient
    child: Child

    async def send(self, *recipients: str, subject: str = "Hello", **headers: str) -> None:
        mail = EmailMessage()
        mail["From"] = "Heardback <feedback@example.com>"
        mail["To"] = ", ".join(recipients)
        mail["Subject"] = subject
        mail["Message-ID"] = "<1@example.com>"
        for name, value in headers.items():
            mail[name.replace("_", "-")] = value
        mail.set_content("How likely?\n")
        mail.add_alternative("<p>How <b>likely</b>?</p>", subtype="html")
        await aiosmtplib.send(mail, hostname=HOST, port=self.smtp_port)

    async def messages(self, **query: Any) -> dict[str, Any]:
        answer: dict[str, Any] = (await self.web.get("/api/messages", params=query)).json()
        return answer


@asynccontextmanager
async def running(folder: Path, **env: str) -> AsyncIterator[Mailbox]:
    web, smtp = free_port(), free_port()
    own = {
        "HEARDBACK_MAILBOX_FILE": str(folder / "mailbox.sqlite3"),
        "HEARDBACK_HTTP_PORT": str(web),
        "HEARDBACK_SMTP_PORT": str(smtp),
        **env,
    }
    child = Child(
        Command(
            name="mailbox",
            arguments=[sys.executable, "-m", "heardback_local.mailbox"],
            log=folder / "log",
            env={**os.environ, **own},
        )
    )
    try:
        assert await wait_until(lambda: accepts_connections(web), 20), child.last_words()
        async with httpx2.AsyncClient(base_url=f"http://{HOST}:{web}") as client:
            yield Mailbox(smtp_port=smtp, web=client, child=child)
    finally:
        await child.stop()


@pytest.fixture
async def mailbox(tmp_path: Path) -> AsyncIterator[Mailbox]:
    async with running(tmp_path) as mailbox:
        yield mailbox


async def test_mail_is_kept_in_all_its_parts_when_sent(mailbox: Mailbox) -> None:
    await mailbox.send("ada@example.com", subject="Wie geht’s?", List_Unsubscribe="<https://x>")
    found = await mailbox.messages()
    mail = found["messages"][0]
    assert found["next"] == mail["id"]
    assert {name: mail[name] for name in ("kind", "to", "from", "subject", "message_id")} == {
        "kind": "email",
        "to": "ada@example.com",
        "from": "Heardback <feedback@example.com>",
        "subject": "Wie geht’s?",
        "message_id": "<1@example.com>",
    }
    assert mail["text"].strip() == "How likely?"
    assert mail["html"].strip() == "<p>How <b>likely</b>?</p>"
    assert mail["headers"]["List-Unsubscribe"] == "<https://x>"


async def test_each_recipient_has_a_copy_when_a_mail_has_several(mailbox: Mailbox) -> None:
    await mailbox.send("ada@example.com", "bob@example.com")
    found = await mailbox.messages(to="BOB@example.com")
    assert [mail["to"] for mail in found["messages"]] == ["bob@example.com"]
    assert (await mailbox.web.get("/api/count")).json() == {"count": 2, "email": 2, "sms": 0}


async def test_next_page_begins_after_the_last_message_when_asked(mailbox: Mailbox) -> None:
    for number in range(3):
        await mailbox.send("ada@example.com", subject=f"mail {number}")
    first = await mailbox.messages(limit=2)
    second = await mailbox.messages(after=first["next"], limit=2)
    third = await mailbox.messages(after=second["next"], limit=2)
    assert [mail["subject"] for mail in second["messages"]] == ["mail 2"]
    assert third == {"messages": [], "next": second["next"]}


async def test_mail_is_still_there_when_the_mailbox_was_killed(tmp_path: Path) -> None:
    async with running(tmp_path) as mailbox:
        await mailbox.send("ada@example.com")
        mailbox.child.kill()
    async with running(tmp_path) as mailbox:
        assert len((await mailbox.messages())["messages"]) == 1


async def test_file_is_closed_when_the_mailbox_is_stopped(tmp_path: Path) -> None:
    async with running(tmp_path) as mailbox:
        await mailbox.send("ada@example.com")
        await mailbox.child.stop()
        assert mailbox.child.exit_code == 0
    assert [path.name for path in tmp_path.glob("mailbox*")] == ["mailbox.sqlite3"]


async def test_mail_is_taken_when_the_sender_logs_in(mailbox: Mailbox) -> None:
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = "a@example.com", "b@example.com", "x"
    await aiosmtplib.send(
        mail, hostname=HOST, port=mailbox.smtp_port, username="any", password="thing"
    )
    assert (await mailbox.web.get("/api/count")).json()["email"] == 1


async def test_many_mails_are_kept_when_they_come_at_once(mailbox: Mailbox) -> None:
    async def send_some() -> None:
        async with aiosmtplib.SMTP(hostname=HOST, port=mailbox.smtp_port) as client:
            for _ in range(50):
                await client.sendmail("a@example.com", ["b@example.com"], b"Subject: x\n\nhi\n")

    await asyncio.gather(*(send_some() for _ in range(8)))
    assert (await mailbox.web.get("/api/count")).json()["email"] == 400


async def test_mail_is_shown_without_its_scripts_when_opened(mailbox: Mailbox) -> None:
    await mailbox.send("ada@example.com", subject="<script>alert(1)</script>")
    assert "&lt;script&gt;alert(1)" in (await mailbox.web.get("/")).text
    page = await mailbox.web.get("/messages/1")
    assert "<script" not in page.text
    assert 'sandbox="allow-popups allow-popups-to-escape-sandbox"' in page.text
    assert "&lt;p&gt;How &lt;b&gt;likely" in page.text
    assert "default-src 'none'" in page.headers["content-security-policy"]


async def test_page_says_what_it_waits_for_when_empty(mailbox: Mailbox) -> None:
    assert "No messages yet" in (await mailbox.web.get("/")).text
    assert "Nothing for x@example.com" in (await mailbox.web.get("/?to=x@example.com")).text
    assert (await mailbox.web.get("/messages/5")).status_code == 404


async def test_sms_is_kept_and_answered_as_twilio_does_when_complete(mailbox: Mailbox) -> None:
    form = {"To": "+14155550100", "From": "+14155550199", "Body": "0-10? Reply STOP to end"}
    answer = await mailbox.web.post(SMS, data=form, headers=AUTHORIZATION)
    body = answer.json()
    assert answer.status_code == 201
    assert (body["status"], body["to"], body["num_segments"]) == ("queued", "+14155550100", "1")
    assert len(body["sid"]) == 34
    kept = (await mailbox.messages(to="+14155550100"))["messages"][0]
    assert (kept["kind"], kept["text"], kept["message_id"]) == ("sms", form["Body"], body["sid"])


@pytest.mark.parametrize(("missing", "code"), [("To", 21604), ("From", 21603), ("Body", 21602)])
async def test_sms_is_refused_in_twilios_words_when_a_field_is_missing(
    mailbox: Mailbox, missing: str, code: int
) -> None:
    form = {"To": "+14155550100", "From": "+14155550199", "Body": "hi"}
    del form[missing]
    answer = await mailbox.web.post(SMS, data=form, headers=AUTHORIZATION)
    assert (answer.status_code, answer.json()["code"], answer.json()["status"]) == (400, code, 400)


async def test_sms_is_refused_when_nobody_says_who_sends(mailbox: Mailbox) -> None:
    assert (await mailbox.web.post(SMS, data={})).json()["code"] == 20003


async def test_a_text_is_answered_as_the_customer_when_there_is_a_place_for_answers(
    tmp_path: Path, httpserver: HTTPServer
) -> None:
    httpserver.expect_request("/callbacks", method="POST").respond_with_data("<Response/>")
    async with running(
        tmp_path,
        HEARDBACK_SMS_REPLY_URL=httpserver.url_for("/callbacks"),
        HEARDBACK_SMS_AUTH_TOKEN="token",
    ) as mailbox:
        sms = {"To": "+4915112345678", "From": "+4915200000000", "Body": "How likely?"}
        await mailbox.web.post(SMS, data=sms, headers=AUTHORIZATION)
        page = await mailbox.web.post("/messages/1/reply", data={"text": "9 great"})
    assert page.status_code == 200
    assert "Heardback has “9 great”" in page.text
    request, _ = httpserver.log[0]
    assert (request.form["From"], request.form["Body"]) == ("+4915112345678", "9 great")
    signed = httpserver.url_for("/callbacks") + "".join(
        name + request.form[name] for name in sorted(request.form)
    )
    expected = base64.b64encode(hmac.digest(b"token", signed.encode(), "sha1")).decode()
    assert request.headers["X-Twilio-Signature"] == expected


async def test_a_reply_that_fails_says_why_and_keeps_the_words(tmp_path: Path) -> None:
    nowhere = f"http://{HOST}:{free_port()}/callbacks"
    async with running(tmp_path, HEARDBACK_SMS_REPLY_URL=nowhere) as mailbox:
        sms = {"To": "+4915112345678", "From": "+4915200000000", "Body": "How likely?"}
        await mailbox.web.post(SMS, data=sms, headers=AUTHORIZATION)
        page = await mailbox.web.post("/messages/1/reply", data={"text": "9 great"})
    assert "could not be reached" in page.text
    assert 'value="9 great"' in page.text


async def test_a_mail_has_no_reply_form_and_takes_no_reply(mailbox: Mailbox) -> None:
    await mailbox.send("ada@example.com")
    assert "Answer as the customer" not in (await mailbox.web.get("/messages/1")).text
    answer = await mailbox.web.post("/messages/1/reply", data={"text": "9"})
    assert answer.status_code == 409
