"""The mail that a customer gets: what it says, its links, and its headers."""

import email
import re
from datetime import timedelta
from email import policy
from email.message import EmailMessage
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatch_service.domain.invitation import Invitation
from dispatch_service.mail import Composer, seemly_name
from heardback.security import LinkSigner
from heardback.testing.clock import START
from heardback.vocabulary import Channel

INVITATION_ID = "00000000-0000-7000-8000-000000000001"
KEYS = ["a-key-that-is-long-enough", "an-older-key-long-enough"]


def a_composer(**fields: Any) -> Composer:
    known = {
        "company": "Northwind",
        "mail_from": "feedback@northwind.example.com",
        "survey_url": "https://survey.example.com/",
        "preferences_url": "https://preferences.example.com",
        "link_keys": KEYS,
    }
    return Composer(**{**known, **fields})


def a_mail(composer: Composer | None = None, **fields: Any) -> tuple[bytes, EmailMessage]:
    known: dict[str, Any] = {
        "invitation_id": INVITATION_ID,
        "customer_id": "c1",
        "program_id": "post-purchase",
        "touchpoint": "purchase",
        "survey_id": "nps",
        "segment": None,
        "channel": Channel.EMAIL,
        "email": "ada@example.com",
        "name": "Ada Lovelace",
        "occurred_at": START,
        "expires_at": START + timedelta(days=14),
        "traceparent": None,
    }
    invitation = Invitation(**{**known, **fields})
    raw = (composer or a_composer()).compose(invitation, now=START).content
    return raw, email.message_from_bytes(raw, policy=policy.default)


def part(mail: EmailMessage, kind: str) -> str:
    body = mail.get_body((kind,))
    assert body is not None
    return str(body.get_content()).replace("\r\n", "\n")


def test_headers_say_who_and_what_when_read_by_a_mail_program() -> None:
    _, mail = a_mail()
    assert mail["From"] == "Northwind <feedback@northwind.example.com>"
    assert mail["To"] == "Ada Lovelace <ada@example.com>"
    assert mail["Subject"] == "Ada Lovelace, how was your recent purchase?"
    assert mail["Message-ID"] == f"<{INVITATION_ID}@northwind.example.com>"
    assert mail["Heardback-Invitation"] == INVITATION_ID
    assert mail["Date"].datetime == START


def test_one_click_headers_are_intact_when_the_link_is_long() -> None:
    base = "https://preferences.example.com/" + "a-long-way/" * 20
    raw, mail = a_mail(a_composer(preferences_url=base))
    line = next(line for line in raw.split(b"\r\n") if line.startswith(b"List-Unsubscribe:"))
    link = line.removeprefix(b"List-Unsubscribe: <").removesuffix(b">").decode()
    assert link.startswith(base) and " " not in link
    assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    token = link.rpartition("/")[2]
    reader = LinkSigner(KEYS, purpose="unsubscribe")
    assert reader.read(token, now=START + timedelta(days=36_500)) == INVITATION_ID
    assert f'<a class="out" href="{link}"' in part(mail, "html")
    assert link in part(mail, "plain")


def test_eleven_buttons_lead_to_the_survey_when_the_mail_is_html() -> None:
    _, mail = a_mail()
    links = re.findall(r'href="(https://survey[^"]+)"', part(mail, "html"))
    assert [link.rpartition("=")[2] for link in links] == [str(n) for n in range(11)]
    token = links[0].partition("/s/")[2].partition("?")[0]
    assert LinkSigner(KEYS, purpose="survey").read(token, now=START) == INVITATION_ID
    assert f"https://survey.example.com/s/{token}\n" in part(mail, "plain")


def test_mail_is_small_and_its_lines_short_when_sent() -> None:
    raw, mail = a_mail()
    assert len(raw) < 30_000
    assert max(len(line) for line in raw.split(b"\r\n")) <= 998
    assert "http" not in re.sub(r'href="[^"]*"', "", part(mail, "html"))  # loads nothing
    assert "prefers-color-scheme" in part(mail, "html")


def test_mail_is_the_same_when_it_is_sent_again() -> None:
    strip = re.compile(rb"={10,}\d+==")  # the boundary of the parts is random
    assert strip.sub(b"", a_mail()[0]) == strip.sub(b"", a_mail()[0])


@pytest.mark.parametrize("name", ["Ada", 'O"Brien, (Jr.)', None])
def test_mail_put_into_the_frame_reads_like_the_library_s_own_when_ascii(name: str | None) -> None:
    composer = a_composer()
    raw, framed = a_mail(composer, name=name)
    assert b"Content-Transfer-Encoding: quoted-printable" not in raw
    headers = {key: str(framed[key]) for key in ("To", "Subject", "Message-ID")}
    message = composer._message(headers, part(framed, "plain"), part(framed, "html"))
    own = email.message_from_bytes(message.as_bytes(), policy=policy.default)
    assert headers == {key: str(own[key]) for key in headers}
    kinds = [part.get_content_type() for part in framed.walk()]
    assert kinds == [part.get_content_type() for part in own.walk()]
    assert framed["From"] == own["From"]
    assert not framed.defects and all(not part.defects for part in framed.walk())


@pytest.mark.parametrize(
    ("name", "greeting"),
    [(None, "Hello,"), ("  ", "Hello,"), ("Zoë 🎈", "Hello Zoë 🎈,")],
)
def test_greeting_when_the_name_is(name: str | None, greeting: str) -> None:
    _, mail = a_mail(name=name)
    assert part(mail, "plain").startswith(greeting)


def test_name_is_only_text_when_it_looks_like_markup_or_headers() -> None:
    _, mail = a_mail(name="<b>Eve</b>\r\nBcc: all@example.com")
    assert mail["Bcc"] is None
    assert "<b>Eve" not in part(mail, "html")
    assert "&lt;b&gt;Eve" in part(mail, "html")


@given(st.text(max_size=80), st.text(max_size=40))
def test_mail_can_be_read_whatever_a_name_holds(name: str, touchpoint: str) -> None:
    name = name.encode(errors="replace").decode()
    touchpoint = touchpoint.encode(errors="replace").decode()
    _, mail = a_mail(name=name, touchpoint=touchpoint)
    assert mail["To"].addresses[0].addr_spec == "ada@example.com"
    assert mail["Heardback-Invitation"] == INVITATION_ID
    assert len(mail["To"].addresses) == 1
    assert len(seemly_name(name)) <= 60


def test_composer_refuses_when_the_sender_is_no_address() -> None:
    with pytest.raises(ValueError, match="mail_from"):
        a_composer(mail_from="nobody")
