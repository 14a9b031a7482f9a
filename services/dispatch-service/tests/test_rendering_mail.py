"""The mail that a customer gets: what it says, its links, its headers. Product rows 20 and 24."""

import re
from datetime import datetime, timedelta
from email import policy
from email.headerregistry import Address
from email.message import EmailMessage

import pytest

from dispatch_service.domain.message import Kind
from heardback.security import LinkSigner
from heardback.surveys import parse, ready_made
from heardback.testing.clock import START

from . import rendering_builders as build
from .rendering_builders import (
    INVITATION_ID,
    KEYS,
    a_mail,
    a_parcel,
    composers,
    name_in,
    part,
    read,
)

SEVEN_BIT = policy.SMTP.clone(max_line_length=998, cte_type="7bit")


@pytest.mark.parametrize("locale", build.LOCALES)
@pytest.mark.parametrize("survey_id", build.SURVEYS)
def test_row_24_mail_can_be_read_answered_and_left_when_it_is_of(
    survey_id: str, locale: str
) -> None:
    raw, mail = a_mail(survey_id, locale=locale)
    assert len(raw) < 30_000
    assert max(map(len, raw.split(b"\r\n"))) <= 998
    assert raw.count(b"\n") == raw.count(b"\r\n")
    assert not mail.defects and all(not piece.defects for piece in mail.walk())
    html, text = part(mail, "html"), part(mail, "plain")
    links = re.findall(r'href="(https://survey[^"]+)"', html)
    scores = ready_made()[survey_id].scale.scores
    assert [link.rpartition("=")[2] for link in links] == [str(score) for score in scores]
    token = links[0].partition("/s/")[2].partition("?")[0]
    assert LinkSigner(KEYS, purpose="survey").read(token, now=START) == INVITATION_ID
    assert f"https://survey.example.com/s/{token}\n" in text
    check_way_out(mail, html, text)
    for said in ("Ada Lovelace", "Northwind"):
        assert said in html and said in text
    assert "@@" not in html + text and "%" not in text and "{" not in text
    assert "http" not in re.sub(r'href="[^"]*"', "", html)  # loads nothing


def check_way_out(mail: EmailMessage, html: str, text: str) -> None:
    link = mail["List-Unsubscribe"].removeprefix("<").removesuffix(">")
    assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert link.startswith("https://preferences.example.com/unsubscribe/") and " " not in link
    token = link.rpartition("/")[2]
    reader = LinkSigner(KEYS, purpose="unsubscribe")
    assert reader.read(token, now=START + timedelta(days=36_500)) == INVITATION_ID
    assert f'href="{link}"' in html and link in text


def test_headers_say_who_and_what_when_read_by_a_mail_program() -> None:
    _, mail = a_mail()
    assert mail["From"] == "Northwind <feedback@northwind.example.com>"
    assert mail["To"] == "Ada Lovelace <ada@example.com>"
    assert mail["Subject"] == "Ada Lovelace, how was your purchase?"
    assert mail["Message-ID"] == f"<{INVITATION_ID}@northwind.example.com>"
    assert mail["Heardback-Invitation"] == INVITATION_ID
    assert mail["Heardback-Message"] == INVITATION_ID
    assert mail["Feedback-ID"] == "post-purchase:purchase-nps.1:invitation:heardback"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["Date"].datetime == START
    assert mail["Reply-To"] is None and mail["In-Reply-To"] is None


def test_one_click_headers_are_intact_when_the_link_is_long() -> None:
    base = "https://preferences.example.com/" + "a-long-way/" * 40
    raw = composers(preferences_url=base).mail.compose(a_parcel()).content
    line = next(line for line in raw.split(b"\r\n") if line.startswith(b"List-Unsubscribe:"))
    link = line.removeprefix(b"List-Unsubscribe: <").removesuffix(b">").decode()
    assert link.startswith(base) and " " not in link
    assert read(raw)["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"


@pytest.mark.parametrize("locale", build.LOCALES)
def test_text_part_reads_in_order_when_read_alone(locale: str) -> None:
    _, mail = a_mail(locale=locale)
    text = part(mail, "plain")
    survey = ready_made()["purchase-nps"].texts(locale)
    values = {"company": "Northwind"}
    order = [
        "Ada Lovelace",
        survey.question.render(values),
        f"0 = {survey.lowest.render(values)}\n10 = {survey.highest.render(values)}\n",
        "https://survey.example.com/s/",
        survey.purpose.render(values),
        "\n--\n",
        "https://preferences.example.com/unsubscribe/",
    ]
    places = [text.index(said) for said in order]
    assert places == sorted(places)
    assert "\n\n\n" not in text and not text.startswith("\n")


def test_everything_runs_from_right_to_left_when_the_language_does() -> None:
    _, mail = a_mail(locale="ar")
    html = part(mail, "html")
    assert '<html lang="ar" dir="rtl"' in html
    assert html.count('dir="rtl"') >= 4
    assert 'class="in" align="right"' in html
    assert html.index(">0</a>") < html.index(">10</a>")  # the direction of the line turns them


def test_customer_gets_the_day_in_the_customers_way_when_the_country_is_known() -> None:
    late = datetime.fromisoformat("2026-03-05T23:30:00+00:00")
    for locale, zone, day in (
        ("en", "UTC", "5 March 2026"),
        ("en-US", "Europe/Berlin", "March 6, 2026"),
        ("de-AT", "Nowhere/Special", "5. März 2026"),
        ("ja", "UTC", "5 March 2026"),  # there are no Japanese texts: no Japanese day either
    ):
        _, mail = a_mail(locale=locale, occurred_at=late, hours={"timezone": zone})
        assert day in part(mail, "plain")


def test_reminder_is_below_its_invitation_and_says_so_when_sent() -> None:
    _, mail = a_mail(kind=Kind.REMINDER)
    first = f"<{INVITATION_ID}@northwind.example.com>"
    assert mail["Subject"] == "A short reminder: how was your purchase?"
    assert mail["Message-ID"] == f"<{INVITATION_ID}.r1@northwind.example.com>"
    assert mail["In-Reply-To"] == first
    # Where mail was not the first channel, its first message has the other id.
    assert mail["References"].split() == [f"<{INVITATION_ID}.email@northwind.example.com>", first]
    assert mail["Feedback-ID"].split(":")[2] == "reminder"
    assert "would still be glad of your answer" in part(mail, "html")
    assert "would still be glad of your answer" in part(mail, "plain")
    assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"


def test_follow_up_is_a_mail_from_person_to_person_when_sent() -> None:
    content = {"text": "Dear Ada,\r\n\r\nit is <b>fixed</b>.\nMax", "subject": "Your\r\nparcel"}
    parcel = a_parcel(kind=Kind.FOLLOW_UP, content=content)
    mail = read(composers(reply_to="care@example.com").mail.compose(parcel).content)
    assert mail["Subject"] == "Your parcel"
    assert mail["Reply-To"] == "care@example.com"
    assert mail["In-Reply-To"] == f"<{INVITATION_ID}@northwind.example.com>"
    assert mail["Heardback-Invitation"] == INVITATION_ID
    absent = ("Auto-Submitted", "List-Unsubscribe", "Feedback-ID", "X-Auto-Response-Suppress")
    assert [mail[name] for name in absent] == [None] * 4
    assert part(mail, "plain") == "Dear Ada,\n\nit is <b>fixed</b>.\nMax\n"
    html = part(mail, "html")
    assert '<p dir="auto">it is &lt;b&gt;fixed&lt;/b&gt;.<br>Max</p>' in html
    assert "score" not in html


def test_follow_up_has_a_subject_when_nobody_wrote_one() -> None:
    _, mail = a_mail(kind=Kind.FOLLOW_UP, content={"text": "It is fixed."}, locale="de")
    assert mail["Subject"] == "Ihre Rückmeldung an Northwind"


def test_message_id_is_one_when_a_follow_ups_own_id_is_strange() -> None:
    _, mail = a_mail(kind=Kind.FOLLOW_UP, content={"text": "x"}, message_id="fällig <1>: @2")
    assert re.fullmatch(r"<[A-Za-z0-9.%_-]+@northwind\.example\.com>", mail["Message-ID"])
    assert mail["Heardback-Message"] == "fällig <1>: @2"


def test_test_says_that_it_is_one_when_tried_out() -> None:
    _, mail = a_mail(is_test=True, locale="de")
    assert mail["Subject"].startswith("[Test] ")
    assert "Dies ist ein Test." in part(mail, "html")
    assert "Dies ist ein Test." in part(mail, "plain")
    _, mail = a_mail(locale="de")
    assert "Test" not in mail["Subject"] + part(mail, "html")


def test_mail_is_the_same_when_it_is_sent_again() -> None:
    again = composers(company="Northwind").mail.compose(a_parcel(locale="ar")).content
    assert a_mail(locale="ar")[0] == again


def test_dark_colours_are_there_for_each_kind_of_program_when_sent() -> None:
    html = part(a_mail()[1], "html")
    assert '<meta name="color-scheme" content="light dark">' in html
    assert '<meta name="supported-color-schemes" content="light dark">' in html
    assert "@media (prefers-color-scheme: dark)" in html
    assert "[data-ogsc] .score" in html and "[data-ogsb] .score" in html
    assert html.count('<!--[if mso]><td width="43"') == 11
    assert max(map(len, re.findall(r"<style>(.*?)</style>", html, re.DOTALL))) < 8_192


@pytest.mark.parametrize("locale", build.LOCALES)
@pytest.mark.parametrize("name", ["Ada", 'O"Brien, (Jr.)', "Zoë 🎈", "أ" * 60])
def test_mail_reads_like_the_library_s_own_when_put_into_the_frame(locale: str, name: str) -> None:
    raw, mail = a_mail(locale=locale, name=name)
    message = EmailMessage(SEVEN_BIT)
    message["To"] = Address(name, addr_spec="ada@example.com")
    for header in ("From", "Subject", "Date", "Message-ID", "List-Unsubscribe"):
        message[header] = mail[header]
    message["MIME-Version"] = "1.0"
    message.set_content(part(mail, "plain"))
    message.add_alternative(part(mail, "html"), subtype="html")
    own = read(message.as_bytes())
    for header in ("From", "Subject", "Date", "Message-ID", "List-Unsubscribe"):
        assert mail[header] == own[header], header
    assert name_in(raw) == name
    kinds = [piece.get_content_type() for piece in mail.walk()]
    assert kinds == [piece.get_content_type() for piece in own.walk()]
    for kind in ("plain", "html"):
        assert part(mail, kind) == part(own, kind)


def test_everything_is_encoded_when_no_line_feed_can_be_put_in() -> None:
    document = {**ready_made()["nps"].document}
    texts = {**document["texts"]["en"], "purpose": "猫" * 550, "about": "{{ touchpoint }}"}
    survey = parse({**document, "texts": {"en": texts}}, version=2)
    raw, mail = a_mail(survey, touchpoint="y" * 1_500)
    assert max(map(len, raw.split(b"\r\n"))) <= 998
    for kind in ("plain", "html"):
        assert "猫" * 550 in part(mail, kind) or "&#29483;" * 550 in part(mail, kind)
        assert "y" * 1_500 in part(mail, kind)


def test_name_is_not_decoded_when_it_looks_like_an_encoded_word() -> None:
    raw, mail = a_mail(name="=?utf-8?b?QWRh?=")
    assert name_in(raw) == "=?utf-8?b?QWRh?="
    assert mail["Subject"] == "=?utf-8?b?QWRh?=, how was your purchase?"


def test_name_is_only_text_when_it_looks_like_markup_or_headers() -> None:
    _, mail = a_mail(name="<b>Eve</b>\r\nBcc: all@example.com")
    assert mail["Bcc"] is None
    assert "<b>Eve" not in part(mail, "html")
    assert "&lt;b&gt;Eve" in part(mail, "html")


def test_lines_end_alike_when_a_text_has_other_ends() -> None:
    content = {"text": "one\rtwo\r\nthree\n.four", "subject": "Your parcel"}
    raw, _ = a_mail(kind=Kind.FOLLOW_UP, content=content)
    assert raw.count(b"\r\n") == raw.count(b"\n") == raw.count(b"\r")


@pytest.mark.parametrize("name", [None, "", "  ", "\r\n", "\u202e"])
def test_greeting_names_nobody_when_the_name_is(name: str | None) -> None:
    _, mail = a_mail(name=name)
    assert part(mail, "plain").startswith("Hello,\n")
    assert mail["To"] == "ada@example.com"
    assert mail["Subject"] == "How was your purchase?"


def test_composer_refuses_when_the_sender_is_no_address() -> None:
    with pytest.raises(ValueError, match="mail_from"):
        composers(mail_from="nobody")


@pytest.mark.parametrize("setting", ["mail_from", "reply_to"])
@pytest.mark.parametrize(
    "text",
    [
        "nobody",
        "a@example.com, b@example.com",
        "a@example.com\nBcc: b@example.com",
        "a@example.com\r\n",
        "a@example.com, ",
        "a@example.com and more",
        "Müller, Ada <a@example.com>",
        "ä@example.com",
        "a@exämple.com",
        "a@b@example.com",
        "a @example.com",
        "a@.example.com",
    ],
)
def test_composer_refuses_when_a_setting_is_not_one_address(setting: str, text: str) -> None:
    with pytest.raises(ValueError, match=f"mail_{setting.removeprefix('mail_')} must be one"):
        composers(**{setting: text})


def test_name_is_encoded_when_our_address_has_one_that_is_not_ascii() -> None:
    made = composers(reply_to="Größe & Söhne <help@example.com>")
    raw = made.mail.compose(a_parcel()).content
    mail = read(raw)
    (address,) = mail["Reply-To"].addresses
    assert (address.display_name, address.addr_spec) == ("Größe & Söhne", "help@example.com")
    assert raw.partition(b"\r\n\r\n")[0].isascii()
