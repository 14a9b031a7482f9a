"""The pages without a service: small, in each language, right for each score, and never torn."""

import re
from dataclasses import replace
from datetime import UTC, datetime
from html import unescape
from typing import Any

import pytest
from starlette.requests import Request

from heardback.customer_pages import CustomerPages, Skeleton, preferred_locale, slot
from heardback.surveys import Survey, parse, ready_made
from heardback.vocabulary import Category, Channel, Scale, category_of
from heardback.words import LOCALES, words_of
from response_service.domain.answer import Answer, Response
from response_service.domain.invitation import Invitation
from response_service.pages import Draft, Fault, SurveyPages
from response_service.queries import Asked

AT = datetime(2026, 2, 23, 23, 30, tzinfo=UTC)
SURVEYS = ready_made()
PAGES = SurveyPages(company="Northwind & Söhne")


def asked(*, answer: Answer | None = None, variant: str | None = None, **recipient: Any) -> Asked:
    invitation = Invitation(
        invitation_id="i1",
        customer_id="c1",
        program_id="p1",
        touchpoint="purchase",
        survey_id="nps",
        variant=variant,
        segment=None,
        channel=Channel.EMAIL,
        recipient=recipient,
        occurred_at=AT,
        expires_at=AT,
        traceparent=None,
    )
    held = answer and Response(
        response_id="r1", revision=1, answer=answer, alert_id=None, answered_at=AT
    )
    return Asked(invitation=invitation, held=held)


def survey_page(survey: Survey, draft: Draft | None = None, **recipient: Any) -> str:
    page = PAGES.survey(asked(**recipient), draft or Draft(), survey)
    return bytes(page.body).decode()


def thanks_page(survey: Survey, score: int, comment: str | None = None, **fields: Any) -> str:
    answer = Answer(scale=survey.scale, score=score, comment=comment, **fields)
    return bytes(PAGES.thanks(answer, survey, asked(locale="en"), made="made-at").body).decode()


def checked(page: str) -> list[tuple[str, str]]:
    return re.findall(r'name="(\w+)" value="(\d*)"[^>]* checked', page)


def scored(scale: Scale, group: Category) -> int:
    return next(score for score in scale.scores if category_of(score, scale) is group)


@pytest.mark.parametrize("locale", [*LOCALES, "de-AT", "xx"])
@pytest.mark.parametrize("survey_id", SURVEYS)
def test_every_page_is_under_15_kb_and_needs_nothing_else(survey_id: str, locale: str) -> None:
    survey = SURVEYS[survey_id]
    long = Draft(comment="c" * 1000, made="t" * 40, fault=Fault("page.not_saved"))
    pages = [survey_page(survey, locale=locale), survey_page(survey, long, locale=locale)]
    pages += [thanks_page(survey, score) for score in survey.scale.scores]
    for page in pages:
        assert len(page.encode()) < 15_000
        assert "<script" not in page and "\0" not in page
        fetched = re.findall(r'(?:src|href)="(?!data:,|\?|https://)', page)
        assert fetched == []


@pytest.mark.parametrize("survey_id", SURVEYS)
def test_scale_and_its_ends_are_those_of_the_survey_when_shown(survey_id: str) -> None:
    survey = SURVEYS[survey_id]
    page = survey_page(survey, locale="en")
    shown = re.findall(r'name="score" value="(\d+)" class="(.)-"', page)
    kinds = {Category.DETRACTOR: "d", Category.PASSIVE: "p", Category.PROMOTER: "x"}
    assert shown == [(str(s), kinds[category_of(s, survey.scale)]) for s in survey.scale.scores]
    texts = survey.texts("en")
    low, high = survey.scale.scores[0], survey.scale.scores[-1]
    assert f"<span>{low} · {texts.lowest.source}</span>" in page
    assert f"<span>{high} · {texts.highest.source}</span>" in page


@pytest.mark.parametrize(
    ("locale", "direction", "button", "day"),
    [
        ("en", "ltr", "Send my answer", "24 February 2026"),
        ("de-AT", "ltr", "Antwort senden", "24. Februar 2026"),
        ("fr", "ltr", "Envoyer ma réponse", "24 février 2026"),
        ("ar-EG", "rtl", "إرسال الإجابة", "24 فبراير 2026"),
        ("zz", "ltr", "Send my answer", "24 February 2026"),
    ],
)
def test_page_speaks_the_customers_language_and_time_zone_when_they_are_known(
    locale: str, direction: str, button: str, day: str
) -> None:
    page = survey_page(SURVEYS["purchase-nps"], locale=locale, timezone="Europe/Berlin")
    assert f'dir="{direction}"' in page.splitlines()[1]
    assert f"<button>{button}</button>" in page
    assert day.replace(" ", "\u00a0") in page


def test_our_words_are_marked_when_the_survey_speaks_what_we_do_not() -> None:
    document = dict(SURVEYS["nps"].document)
    document |= {"default_locale": "it", "texts": {"it": document["texts"]["en"]}}
    page = survey_page(parse(document, version=1), locale="it")
    assert '<html lang="it" dir="ltr">' in page
    assert '<p class="send" lang="en" dir="ltr"><button>Send my answer</button>' in page


def test_time_zone_is_utc_when_it_is_none() -> None:
    for zone in ("Mars/Olympus", "../etc", "", None):
        assert "23\u00a0February" in survey_page(SURVEYS["purchase-nps"], timezone=zone)


def test_form_holds_what_was_said_when_it_comes_back() -> None:
    survey = SURVEYS["relationship-nps"]
    first, second, _ = survey.drivers
    said = "</textarea><script>\0score\0"
    draft = Draft(
        score=7,
        comment=said,
        drivers={first: 2, second: 5},
        fault=Fault("page.comment_too_long", {"excess": 12}),
        made='"><b>',
    )
    page = survey_page(survey, draft, locale="en")
    assert checked(page) == [("score", "7"), (f"driver_{first}", "2"), (f"driver_{second}", "5")]
    assert "&lt;/textarea&gt;&lt;script&gt;\0score\0</textarea>" in page
    assert 'name="t" value="&#34;&gt;&lt;b&gt;"' in page
    assert "<details open>" in page and "12 characters too long" in page
    assert "<details>" in survey_page(survey, locale="en")


def test_pages_of_two_customers_are_never_mixed_when_they_follow_each_other() -> None:
    survey = SURVEYS["nps"]
    first = survey_page(survey, Draft(score=3, comment="mine"), locale="en")
    second = survey_page(survey, locale="en")
    assert "mine" in first and "mine" not in second and checked(second) == []
    held = asked(answer=Answer(score=4, comment="hm"), locale="en")
    again = bytes(PAGES.survey(held, Draft(score=4), survey).body).decode()
    assert "You answered 4 on 23\u00a0February\u00a02026" in again
    assert "Change my answer" in again and "You answered" not in survey_page(survey, locale="en")


def test_texts_are_those_of_the_version_when_two_have_the_same_number() -> None:
    document = dict(SURVEYS["nps"].document)
    texts = document["texts"] | {"en": document["texts"]["en"] | {"question": "Another one?"}}
    other = parse({**document, "texts": texts}, version=1)
    before = survey_page(SURVEYS["nps"], locale="en")
    assert "<h1>Another one?</h1>" in survey_page(other, locale="en")
    assert survey_page(SURVEYS["nps"], locale="en") == before


def test_names_stay_text_when_they_look_like_markup() -> None:
    document = dict(SURVEYS["nps"].document)
    texts = {"en": document["texts"]["en"] | {"question": "Well, {{ customer.name }} <i>?"}}
    survey = parse({**document, "texts": texts}, version=1)
    page = survey_page(survey, locale="en", name="<b>Ada</b>")
    assert "<h1>Well, &lt;b&gt;Ada&lt;/b&gt; &lt;i&gt;?</h1>" in page
    assert "Northwind &amp; Söhne" in page


def test_page_is_whole_when_what_it_is_about_cannot_be_looked_up() -> None:
    draft = Draft(score=9, comment="kept", fault=Fault("page.not_saved"))
    page = PAGES.survey(None, draft, SURVEYS["nps"], status=503, locale="fr-CA")
    html = bytes(page.body).decode()
    assert (page.status_code, page.headers["retry-after"]) == (503, "5")
    assert words_of("fr")["page.not_saved"] in html and "kept</textarea>" in html
    assert 'class="about"' not in html and checked(html) == [("score", "9")]


def test_honeypot_and_time_are_in_every_form() -> None:
    for page in (survey_page(SURVEYS["nps"]), thanks_page(SURVEYS["nps"], 7)):
        assert re.search(r'<p class="trap" aria-hidden="true"><label>.*name="website"', page)
        assert 'type="hidden" name="t"' in page


@pytest.mark.parametrize("scale", Scale)
def test_thank_you_fits_the_group_of_the_score(scale: Scale) -> None:
    survey = next(survey for survey in SURVEYS.values() if survey.scale is scale)
    offered = replace(survey, review_url="https://example.com/review?a=1&b=2")
    label = offered.texts("en").review_label.source
    for group in Category:
        page = thanks_page(offered, scored(scale, group))
        assert survey.texts("en").thanks[group].title.source in page
        assert ("<textarea" in page) is (group is Category.PASSIVE)
        assert ('href="https://example.com/review?a=1&amp;b=2"' in page) is (
            group is Category.PROMOTER and bool(label)
        )


def test_passive_is_asked_the_one_thing_and_keeps_the_rest_when_no_comment_was_given() -> None:
    survey = SURVEYS["relationship-nps"]
    first = survey.drivers[0]
    page = thanks_page(survey, 7, drivers={first: 4})
    assert survey.texts("en").follow_ups[Category.PASSIVE].source in page
    assert 'type="hidden" name="score" value="7"' in page
    assert f'type="hidden" name="driver_{first}" value="4"' in page
    assert 'name="t" value="made-at"' in page
    with_comment = thanks_page(survey, 7, comment="<b>Speed</b>")
    assert "<form" not in with_comment and "&lt;b&gt;Speed&lt;/b&gt;" in with_comment


@pytest.mark.parametrize(
    ("header", "locale"),
    [
        ("de-AT,de;q=0.9,en;q=0.8", "de-AT"),
        ("it,nl;q=0.9,fr;q=0.5,en;q=0.1", "fr"),
        ("en;q=0.2,ar;q=0.9", "ar"),
        ("fr;q=0, en", "en"),
        ("de;q=high,en", "en"),
        ("*", None),
        ("", None),
        ("\x00;;q=,,,=", None),
        ("xx," * 5000 + "de", None),
    ],
)
def test_language_is_the_browsers_when_the_invitation_is_not_known(
    header: str, locale: str | None
) -> None:
    scope = {"type": "http", "headers": [(b"accept-language", header.encode())]}
    assert preferred_locale(Request(scope)) == locale


@pytest.mark.parametrize("locale", LOCALES)
def test_friendly_pages_speak_each_language(locale: str) -> None:
    pages: CustomerPages = PAGES.customer_pages
    words = words_of(locale)
    made = {
        "not_found": pages.not_found(locale),
        "expired": pages.expired(locale),
        "too_many": pages.too_many(60, locale),
        "too_large": pages.too_large(locale),
        "unavailable": pages.unavailable(retry=False, locale=locale),
    }
    for name, page in made.items():
        html = unescape(bytes(page.body).decode())
        assert f"<h1>{words[f'page.{name}_title']}</h1>" in html
        assert words[f"page.{name}"] in html
        assert f'lang="{locale}" dir="{words.direction}"' in html
        assert page.headers["cache-control"] == "no-store"
    statuses = [page.status_code for page in made.values()]
    assert statuses == [404, 410, 429, 413, 503]
    assert made["too_many"].headers["retry-after"] == "60"


def test_skeleton_escapes_what_it_is_filled_with() -> None:
    skeleton = Skeleton(f"<p>{slot('a')}{slot('b')}{slot('a')}</p>")
    assert skeleton.fill({"a": "<é>", "c": "not there"}) == "<p>&lt;é&gt;&lt;é&gt;</p>".encode()
    assert skeleton.fill({}) == b"<p></p>"
