"""Text messages, cards and webhook bodies. Product rows 23 and 25."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatch_service.domain.message import Kind
from dispatch_service.rendering.sms import simpler
from heardback.gsm import Encoding, measure
from heardback.security import LinkSigner, short_code
from heardback.surveys import parse, ready_made
from heardback.testing.clock import START
from heardback.vocabulary import Channel, category_of

from . import rendering_builders as build
from .rendering_builders import INVITATION_ID, KEYS, a_parcel, composers

COMPOSERS = composers()
SHORT_LINK = f"https://survey.example.com/c/{short_code(KEYS[0], INVITATION_ID)}"


def a_text(*args: Any, **fields: Any) -> str:
    return COMPOSERS.sms.compose(a_parcel(*args, channel=Channel.SMS, **fields))


def a_card(*args: Any, **fields: Any) -> dict[str, Any]:
    return COMPOSERS.cards.compose(a_parcel(*args, channel=Channel.IN_APP, **fields))


@pytest.mark.parametrize("locale", build.LOCALES)
@pytest.mark.parametrize("survey_id", build.SURVEYS)
def test_row_25_text_takes_two_parts_at_most_when_it_is_of(survey_id: str, locale: str) -> None:
    first = a_text(survey_id, locale=locale)
    reminder = a_text(survey_id, Kind.REMINDER, locale=locale)
    for text in (first, reminder):
        length = measure(text)
        assert length.segments <= 2, text
        assert length.encoding is (Encoding.UCS_2 if locale == "ar" else Encoding.GSM_7)
        assert SHORT_LINK in text and "Northwind" in text
    assert "STOP" in first.rpartition("\n")[2]
    assert "STOP" not in reminder


def test_reminder_says_that_it_is_one_when_there_is_room() -> None:
    assert a_text(kind=Kind.REMINDER).startswith("A short reminder: ")
    assert a_text(kind=Kind.REMINDER, locale="ar").startswith("Northwind")


def test_text_is_what_a_person_wrote_when_it_is_a_follow_up() -> None:
    content = {"text": "It’s fixed –\r\nMax"}
    assert a_text(kind=Kind.FOLLOW_UP, content=content) == "It's fixed -\nMax"


def test_text_says_that_it_is_a_test_when_tried_out() -> None:
    assert a_text(is_test=True).startswith("[Test] Northwind: ")
    assert measure(a_text(is_test=True)).encoding is Encoding.GSM_7


@pytest.mark.parametrize(
    ("text", "sent"),
    [
        ("“Zürich” – it’s…", '"Zürich" - it\'s...'),
        ("“Zoë” – it’s", "“Zoë” – it’s"),  # nothing is gained by it
        ("حسنًا – “نعم”", "حسنًا – “نعم”"),
    ],
)
def test_marks_are_simpler_when_that_saves_parts(text: str, sent: str) -> None:
    assert simpler(text) == sent


@given(st.text(max_size=400))
def test_text_never_costs_more_when_made_simpler(text: str) -> None:
    assert measure(simpler(text)).segments <= measure(text).segments


@pytest.mark.parametrize("locale", build.LOCALES)
@pytest.mark.parametrize("survey_id", build.SURVEYS)
def test_card_says_all_that_a_widget_needs_when_it_is_of(survey_id: str, locale: str) -> None:
    survey = ready_made()[survey_id]
    card = a_card(survey_id, locale=locale)
    assert json.loads(json.dumps(card)) == card
    assert card["scores"] == list(survey.scale.scores)
    assert card["groups"] == [category_of(score, survey.scale) for score in survey.scale.scores]
    assert card["direction"] == ("rtl" if locale == "ar" else "ltr")
    for said in ("about", "question", "lowest", "highest", "purpose", "follow_up"):
        assert card[said], said
    assert all(card["follow_ups"].values()) and all(card["texts"].values())
    assert all(thanks["title"] and thanks["text"] for thanks in card["thanks"].values())
    reader = LinkSigner(KEYS, purpose="survey")
    assert reader.read(card["token"], now=START) == INVITATION_ID
    assert card["survey_url"] == f"https://survey.example.com/s/{card['token']}"
    assert card["answer_url"] == f"https://survey.example.com/w/{card['token']}"


def test_card_is_a_letter_when_it_is_a_follow_up() -> None:
    card = a_card(kind=Kind.FOLLOW_UP, content={"text": "It is fixed."}, locale="de-AT")
    assert card["subject"] == "Ihre Rückmeldung an Northwind"
    assert card["text"] == "It is fixed."
    assert card["locale"] == "de-AT"
    assert "question" not in card and "token" not in card


def test_card_offers_a_review_when_the_survey_has_one() -> None:
    document = {**ready_made()["nps"].document, "review_url": "https://reviews.example.com/us"}
    texts = {"en": {**document["texts"]["en"], "review_label": "Review {{ company }}"}}
    card = a_card(parse({**document, "texts": texts}, version=2))
    assert card["review"] == {"url": "https://reviews.example.com/us", "label": "Review Northwind"}
    assert a_card()["review"] is None


def test_webhook_says_whom_it_is_for_when_sent_again() -> None:
    parcel = a_parcel(kind=Kind.REMINDER, channel=Channel.WEBHOOK, segment="gold", variant="b")
    body = COMPOSERS.webhook.compose(parcel)
    assert body == composers(company="Northwind").webhook.compose(parcel)
    assert body["type"] == "reminder.due"
    assert body["timestamp"] == START.isoformat()
    data = body["data"]
    assert (data["customer_id"], data["segment"], data["variant"]) == ("c1", "gold", "b")
    assert data["reminder"] and data["message_id"] == f"{INVITATION_ID}:r1"
    assert data["way_out_url"].startswith("https://preferences.example.com/unsubscribe/")
