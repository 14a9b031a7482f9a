"""Surveys: the texts for a customer, what is refused and why, and the ready-made ones."""

import copy
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from heardback.surveys import (
    FILTERS,
    SAMPLE,
    VARIABLES,
    Survey,
    SurveyFaults,
    advice,
    newest_ready_made,
    parse,
    ready_made,
)
from heardback.vocabulary import Category, Scale

READY_MADE = [
    "delivery-nps",
    "feature-nps",
    "nps",
    "onboarding-ces",
    "onboarding-nps",
    "purchase-nps",
    "recovery-nps",
    "relationship-nps",
    "service-nps",
    "support-ces",
    "support-csat",
    "support-nps",
]


def a_document(**fields: Any) -> dict[str, Any]:
    """The simplest document: English alone."""
    document = copy.deepcopy(dict(ready_made()["nps"].document))
    document["texts"] = {"en": document["texts"]["en"]}
    return {**document, "id": "mine", **fields}


def with_text(path: str, source: Any) -> dict[str, Any]:
    document = a_document()
    place: Any = document
    *parents, last = path.split(".")
    for name in parents:
        place = place.setdefault(name, {})
    place[last] = source
    return document


def faults_of(document: Any) -> dict[str, str]:
    with pytest.raises(SurveyFaults) as refused:
        parse(document, version=1)
    return {fault.field: fault.message for fault in refused.value.faults}


def every_text(survey: Survey, locale: str) -> list[str]:
    texts = survey.texts(locale)
    single = [
        *(texts.subject, texts.reminder_subject, texts.about, texts.question, texts.lowest),
        *(texts.highest, texts.follow_up, texts.purpose, texts.reminder, texts.sms),
        *texts.follow_ups.values(),
        *texts.drivers.values(),
        *(part for said in texts.thanks.values() for part in (said.title, said.text)),
    ]
    return [template.render(SAMPLE) for template in single]


def test_ready_made_surveys_are_those_of_every_touchpoint() -> None:
    assert sorted(ready_made()) == READY_MADE
    assert all(survey.version == 1 for survey in ready_made().values())
    assert all(name == survey.survey_id for name, survey in ready_made().items())


@pytest.mark.parametrize("survey_id", READY_MADE)
@pytest.mark.parametrize("locale", ["en", "de", "fr", "ar"])
def test_ready_made_survey_speaks_every_language(survey_id: str, locale: str) -> None:
    survey = ready_made()[survey_id]
    texts = survey.texts(locale)
    assert texts.locale == locale
    assert texts.direction == ("rtl" if locale == "ar" else "ltr")
    rendered = every_text(survey, locale)
    assert all(rendered)
    if locale != "en":
        assert not set(rendered) & {t for t in every_text(survey, "en") if " " in t}
    assert advice(survey) == []


def test_page_about_surveys_says_what_is_so() -> None:
    page = (Path(__file__).parents[2] / "docs" / "surveys.md").read_text("utf-8")
    example = re.search(r"```yaml\n(.*?)```", page, re.DOTALL)
    assert example
    survey = parse(yaml.safe_load(example[1]), version=1)
    assert all(every_text(survey, "en"))
    assert survey.variants == ("short",)
    assert set(ready_made()) <= set(re.findall(r"`([a-z-]+)`", page))
    assert all(f"`{{{{ {name} }}}}`" in page for name in VARIABLES)
    assert all(f"`{name}`" in page for name in FILTERS)


def test_unknown_survey_asks_what_all_do() -> None:
    assert newest_ready_made("nonsense").survey_id == "nps"
    assert newest_ready_made("support-ces").scale is Scale.CES


def test_text_comes_from_the_nearest_locale() -> None:
    document = a_document()
    document["texts"]["de"] = {"question": "Würden Sie uns empfehlen?", "lowest": "Nein"}
    document["texts"]["de-AT"] = {"lowest": "Geh bitte"}
    survey = parse(document, version=3)
    austrian, german, french = (survey.texts(name) for name in ("de_AT", "de-CH", "fr"))
    assert (austrian.locale, german.locale, french.locale) == ("de-AT", "de", "en")
    assert austrian.lowest.source == "Geh bitte"
    assert austrian.question.source == german.question.source == "Würden Sie uns empfehlen?"
    assert austrian.highest.source == "Extremely likely"
    assert survey.texts("fr") is survey.texts(None) is survey.texts("en-GB")
    assert survey.locales == ("en", "de", "de-AT")


def test_variant_changes_its_texts_and_no_others() -> None:
    document = a_document(variants={"friendly": {"en": {"question": "Do you like us?"}}})
    document["texts"]["de"] = {"question": "Mögen Sie uns?"}
    survey = parse(document, version=1)
    assert survey.texts("en", "friendly").question.source == "Do you like us?"
    assert survey.texts("en", "friendly").lowest.source == "Not at all likely"
    assert survey.texts("de", "friendly").question.source == "Mögen Sie uns?"
    assert survey.texts("en", "unknown") is survey.texts("en")
    assert survey.variants == ("friendly",)


def test_drivers_keep_their_order_and_follow_the_language() -> None:
    survey = ready_made()["relationship-nps"]
    assert survey.drivers == ("support", "features", "purchasing")
    assert list(survey.texts("de").drivers) == list(survey.drivers)
    assert survey.texts("de").drivers["support"].source == "Kundenservice"


@pytest.mark.parametrize("tag", ["he", "ar-EG", "fa", "ur", "az-Arab"])
def test_text_runs_from_right_to_left_when_its_script_does(tag: str) -> None:
    document = a_document()
    document["texts"][tag] = {"question": "؟"}
    assert parse(document, version=1).texts(tag).direction == "rtl"


@pytest.mark.parametrize(
    ("path", "source", "message"),
    [
        ("texts.en.question", None, "is missing; en is the default and has them all"),
        ("texts.en.question", "", "write something here"),
        ("texts.en.question", 5, "this reads as 5; write it in quotes"),
        ("texts.en.question", "{{ custmer }}", "there is nothing called custmer"),
        ("texts.en.question", "{{ link }}", "{{ link }} is for the text message"),
        ("texts.en.question", "a" * 301, "make it 300 at most"),
        (
            "texts.en.subject",
            "Hi" + "{{ customer.name }}" * 3,
            "with long names this has 182 characters",
        ),
        ("texts.en.subject", "{{ customer.name }}", "nothing to a customer without a name"),
        ("texts.en.sms", "Answer, please", "write {{ link }} where the customer is to tap"),
        ("texts.en.thanks.detractor.title", None, "is missing"),
        ("texts.en.thanks.detractor", "Sorry", "write fields below it"),
        ("texts.en.follow_ups.fan", "Why?", "write 'detractor', 'passive' or 'promoter'"),
        ("texts.en.drivers.price", "Price", "there is no such driver"),
        ("texts.en.headline", "Hi", "there is no such field"),
        ("texts.de_AT", {}, "write a language such as en, de or pt-BR, not 'de_AT'"),
        ("variants.friendly.fr", {}, "there are no texts in 'fr' to vary"),
        ("variants.friendly.en.question", "{% if %}", "a condition is missing"),
        ("variants.Friendly", {}, "write a-z, 0-9 and dashes"),
        ("default_locale", "fr", "there are no texts in 'fr'"),
        ("scale", "stars", "write 'nps', 'csat' or 'ces'"),
        ("id", "My survey", "write a-z, 0-9 and dashes"),
        ("drivers", ["a", "b", "c", "d"], "name at most 3"),
        ("drivers", ["a", "a"], "name each driver once"),
        ("review_url", "javascript:alert(1)", "write an address that begins with https://"),
        ("colour", "red", "there is no such field"),
    ],
)
def test_document_is_refused_with_the_place_and_what_to_do(
    path: str, source: Any, message: str
) -> None:
    faults = faults_of(with_text(path, source))
    found = {field: said for field, said in faults.items() if field.startswith(path)}
    assert any(message in said for said in found.values()), faults


def test_every_fault_is_named_at_once() -> None:
    document = a_document(review_url="https://example.com/review", drivers=["price"])
    document["texts"]["en"] |= {"subject": "{{ x }}", "about": "{% if %}"}
    assert set(faults_of(document)) == {
        "texts.en.subject",
        "texts.en.about",
        "texts.en.review_label",
        "texts.en.drivers.price",
    }


@pytest.mark.parametrize("document", [[], "text", None, 5, {}, {"texts": []}, {"texts": {1: {}}}])
def test_what_is_no_survey_is_refused(document: Any) -> None:
    assert faults_of(document)


def test_document_is_refused_when_it_is_huge() -> None:
    document = a_document(variants={f"v{n}": {"en": {"purpose": "a" * 1_990}} for n in range(19)})
    document["texts"] |= {f"x{a}{b}": {"purpose": "a" * 1_990} for a in "abcde" for b in "abcd"}
    assert "write at most 65,536" in faults_of(document)[""]


def test_norway_is_named_in_quotes() -> None:
    document = a_document()
    document["texts"] |= yaml.safe_load("no: {question: Hva}")
    assert "reads as False; write it in quotes" in faults_of(document)["texts"]


def test_long_text_message_is_pointed_out() -> None:
    document = with_text("texts.en.sms", "a" * 300 + " {{ link }}")
    assert [fault.field for fault in advice(parse(document, version=1))] == ["texts.en.sms"]


JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=20)),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=12), inner),
    max_leaves=15,
)


@settings(max_examples=150)
@given(
    field=st.sampled_from([*ready_made()["nps"].document, "variants", "drivers", "review_url"]),
    value=JSON,
)
def test_document_is_taken_or_refused_whatever_it_says(field: str, value: Any) -> None:
    try:
        survey = parse({**a_document(), field: value}, version=1)
    except SurveyFaults as refused:
        assert all(fault.message for fault in refused.faults)
    else:
        assert all(every_text(survey, "en"))


@settings(max_examples=200)
@given(locale=st.one_of(st.none(), st.text(max_size=60)), variant=st.none() | st.text(max_size=9))
def test_there_are_texts_for_everybody(locale: str | None, variant: str | None) -> None:
    texts = ready_made()["nps"].texts(locale, variant)
    assert texts.question.render({"company": "Northwind"})
    assert set(texts.thanks) == set(Category)
