"""From a template to words, and what becomes of a message."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from closeloop_service.domain.errors import MessageInvalid, NoConversation
from closeloop_service.domain.rules import MessageTemplate
from closeloop_service.domain.writing import (
    LONGEST_SUBJECT,
    LONGEST_TEXT,
    VARIABLES,
    Message,
    MessageState,
    Written,
    check_message,
    failed,
    render,
    say_failure,
    sent,
    subject_template,
    text_template,
)
from heardback.contracts.payloads import FollowUpRequested, Recipient
from heardback.templating import BadTemplate
from heardback.testing.clock import START
from heardback.vocabulary import Channel

from .tasks import a_task

TEXT = """Hello{% if customer.name %} {{ customer.name }}{% endif %},

You gave {{ score }}{% if comment %}: “{{ comment }}”{% endif %}
We are sorry.

{{ owner }}, {{ company }}"""
SORRY = MessageTemplate(
    template_id="sorry",
    title="Say sorry",
    texts={
        "en": ("About your {{ touchpoint }}", TEXT),
        "de": ("Ihr Kauf", "Guten Tag {{ customer.name }}"),
        "pt-BR": ("Sua compra", "Oi"),
    },
)
MESSAGE = Message(
    follow_up_id="f1",
    task_id="t1",
    customer_id="c1",
    actor="Ana",
    template_id=None,
    subject=None,
    text="Sorry!",
    requested_at=START,
)
LATER = START + timedelta(minutes=1)


def test_template_says_what_its_owner_would_write() -> None:
    written = render(SORRY, a_task(), owner="Ana", company="Northwind")
    assert written.subject == "About your purchase"
    assert written.text == (
        "Hello Ada,\n\nYou gave 2: “It came late.”\nWe are sorry.\n\nAna, Northwind"
    )


def test_template_makes_sense_when_little_is_known() -> None:
    task = a_task(comment=None, recipient=Recipient())
    assert render(SORRY, task, owner="Ana").text.startswith("Hello,\n\nYou gave 2\nWe")


@pytest.mark.parametrize(
    ("locale", "asked", "subject"),
    [
        ("de-AT", None, "Ihr Kauf"),
        ("pt-BR", None, "Sua compra"),
        ("pt", None, "About your purchase"),
        (None, None, "About your purchase"),
        ("de", "en-GB", "About your purchase"),
    ],
)
def test_template_is_in_the_customers_language_where_it_has_it(
    locale: str | None, asked: str | None, subject: str
) -> None:
    assert render(SORRY, a_task(locale=locale), owner="Ana", locale=asked).subject == subject


def test_template_without_english_is_in_its_first_language() -> None:
    german = replace(SORRY, texts={"de": SORRY.texts["de"]})
    assert render(german, a_task(locale="fr"), owner="Ana").subject == "Ihr Kauf"


def test_template_names_only_what_is_known_of_a_task() -> None:
    for name in VARIABLES:
        assert text_template(f"{{{{ {name} }}}}").variables == {name}
        assert subject_template(f"{{{{ {name} }}}}").variables == {name}
    with pytest.raises(BadTemplate, match="there is nothing called link"):
        text_template("{{ link }}")


@given(name=st.text(max_size=5_000), comment=st.text(max_size=10_000))
def test_what_a_template_says_can_be_sent_whatever_the_customer_said(
    name: str, comment: str
) -> None:
    recipient = Recipient.model_construct(name=name)
    task = a_task(comment=comment, recipient=recipient)
    written = render(SORRY, task, owner="Ana")
    check_message(task, written)
    FollowUpRequested(
        customer_id="c1",
        follow_up_id="f1",
        invitation_id="i1",
        program_id="p1",
        subject=written.subject,
        text=written.text,
        requested_at=START,
    )


@pytest.mark.parametrize(
    "without",
    [
        {"invitation_id": None},
        {"channel": None},
        {"channel": Channel.DIRECT},
        {"channel": Channel.WEBHOOK},
    ],
)
def test_message_is_refused_where_there_is_no_conversation(without: dict[str, object]) -> None:
    with pytest.raises(NoConversation) as refused:
        check_message(a_task(**without), Written(subject=None, text="Hello"))
    assert "then log the contact" in refused.value.message


@pytest.mark.parametrize(
    ("subject", "text", "field"),
    [
        ("", " \n", "text"),
        ("", "a" * (LONGEST_TEXT + 1), "text"),
        ("a" * (LONGEST_SUBJECT + 1), "Hello", "subject"),
        ("a\0", "Hello", "subject"),
    ],
)
def test_message_that_cannot_be_sent_is_refused_with_what_to_do(
    subject: str, text: str, field: str
) -> None:
    with pytest.raises(MessageInvalid) as refused:
        check_message(a_task(), Written(subject=subject, text=text))
    assert [error["field"] for error in refused.value.errors] == [field]


def test_message_is_settled_once_whatever_comes_late_or_twice() -> None:
    went_out = sent(MESSAGE, LATER)
    assert (went_out.state, went_out.settled_at) == (MessageState.SENT, LATER)
    assert sent(went_out, START) is went_out
    bounced = failed(went_out, LATER, "550 no such user")
    assert bounced.state is MessageState.FAILED
    assert failed(bounced, LATER, "again") is bounced
    assert sent(bounced, LATER) is bounced


def test_message_of_which_nothing_is_heard_for_a_day_is_one_to_ask_about() -> None:
    day = START + timedelta(days=1)
    assert MESSAGE.is_unheard_of(day)
    assert not MESSAGE.is_unheard_of(day - timedelta(seconds=1))
    assert not sent(MESSAGE, LATER).is_unheard_of(day)
    assert "Nothing was heard of it" in (MESSAGE.trouble(day) or "")
    assert MESSAGE.trouble(START) is None
    assert failed(MESSAGE, LATER, "too_late").trouble(day) == say_failure("too_late")


def test_every_reason_of_dispatch_says_what_to_do() -> None:
    for reason in ("unknown_invitation", "no_channel", "no_address", "too_late", "suppressed"):
        said = say_failure(reason)
        assert reason not in said
        assert "then log the contact" in said


def test_providers_own_words_are_passed_on() -> None:
    assert say_failure("550 5.1.1 no such user").endswith(
        "The provider said: 550 5.1.1 no such user"
    )
    named = "550 5.1.1 <ada@example.com>: no such user, call +49 30 1234567"
    assert say_failure(named).endswith("550 5.1.1 <[address]>: no such user, call [number]")
    assert say_failure(None) == (
        "The customer's address refused it. Phone them, then log the contact."
    )
    assert MESSAGE.why is None
