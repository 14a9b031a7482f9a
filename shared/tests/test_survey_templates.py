"""Texts of surveys: what they take, what they refuse, and that they never fail a customer."""

import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from heardback.surveys.template import VARIABLES, compile_template
from heardback.templating import (
    FILTERS,
    LONGEST_RENDERED,
    LONGEST_SOURCE,
    BadTemplate,
    Template,
)

WORDS = {"company": "Northwind", "customer": {"name": "Ada"}, "occurred_on": "5 March 2026"}

PIECES = [
    *("{{", "}}", "{%", "%}", "{%-", "-%}", " ", "|", ":", ",", ".", "..", "(", ")", "[", "]"),
    *('"', "'", "==", "contains", "and", "or", "if", "elsif", "else", "endif", "unless"),
    *("endunless", "case", "when", "endcase", "raw", "endraw", "for", "in", "assign", "include"),
    *("1", "0.5", "-1", "9" * 30, "true", "nil", "blank", "empty", "x", "é", "\n", "\u202e", "ش"),
    *VARIABLES,
    *FILTERS,
    *(f"{{{{ {name} }}}}" for name in VARIABLES),
    "{% if customer.name %}",
    "{% endif %}",
]
SOURCES = st.one_of(
    st.text(max_size=300), st.lists(st.sampled_from(PIECES), max_size=60).map("".join)
)
VALUES = st.one_of(
    st.text(max_size=200), st.none(), st.integers(), st.floats(), st.lists(st.text(max_size=5))
)
ANY_WORDS = st.fixed_dictionaries(
    {},
    optional={
        "company": VALUES,
        "customer": st.one_of(VALUES, st.fixed_dictionaries({"name": VALUES})),
        "touchpoint": VALUES,
        "occurred_on": VALUES,
        "minutes": VALUES,
        "link": VALUES,
    },
)


def compiled(source: str) -> Template | None:
    try:
        return compile_template(source)
    except BadTemplate as fault:
        assert str(fault)
        return None


@settings(max_examples=400)
@given(source=SOURCES, words=ANY_WORDS)
def test_text_is_refused_or_rendered_whatever_it_says(source: str, words: dict[str, Any]) -> None:
    template = compiled(source)
    if template is not None:
        rendered = template.render(words)
        assert len(rendered) <= LONGEST_RENDERED
        assert "\n" not in rendered
        assert "\r" not in rendered
        rendered.encode()


@settings(max_examples=100)
@given(name=st.text(max_size=20_000))
def test_text_stays_bounded_when_a_value_is_huge(name: str) -> None:
    for source in ("{{ customer.name }}", "{{ customer.name | append: customer.name }}" * 20):
        template = compile_template(source)
        assert len(template.render({"customer": {"name": name}})) <= LONGEST_RENDERED


@pytest.mark.parametrize(
    ("source", "rendered"),
    [
        ("Hello {{ customer.name }}!", "Hello Ada!"),
        ("{% if customer.name %}{{ customer.name }}, how{% else %}How{% endif %}?", "Ada, how?"),
        ("{% if customer.nick %}a{% endif %}", None),
        ("{{ customer.name | upcase | append: ' & co' }}", "ADA & co"),
        ("{{ touchpoint | default: 'it' }}", "it"),
        ("{% case touchpoint %}{% when 'purchase' %}a{% else %}b{% endcase %}", "b"),
        ("{% unless touchpoint == 'purchase' %}a{% endunless %}", "a"),
        ("two\n  lines\tand   blanks ", "two lines and blanks"),
        ("{{ customer['name'] }}", "Ada"),
        ("100 % }} of {", "100 % }} of {"),
        ("turned\u202e round", "turned round"),
        ("l\u2019avis\u00a0?", "l\u2019avis\u00a0?"),
    ],
)
def test_text_says_what_it_means(source: str, rendered: str | None) -> None:
    template = compiled(source)
    assert (template.render(WORDS) if template else None) == rendered


@pytest.mark.parametrize(
    ("source", "advice"),
    [
        ("{% for a in customer %}{% endfor %}", "for is not available; there are if, unless"),
        ("{% assign a = 'b' %}", "assign is not available"),
        ("{% include 'x' %}", "include is not available"),
        ("{% if company %}a", "write {% endif %} after it"),
        ("{{ company", "write }} after it"),
        ("{% endif %}", "look at the if, unless or case before"),
        ("{% if %}a{% endif %}", "write what to compare"),
        ("{{ company | replace: 'a', 'b' }}", "there is no filter replace; there are append"),
        ("{{ company | truncate: 'a' }}", "look at what the filters are given"),
        ("{{ custmer.name }}", "there is nothing called custmer.name; there are company"),
        ("{{ customer.email }}", "there is nothing called customer.email"),
        ("{{ customer[company] }}", "there is nothing called customer[company]"),
        ("{{ customer.name.size }}", "there is nothing called customer.name.size"),
        ("{{ (1..99999999) }}", "ranges such as (1..9) are not available"),
        ('{% if (1..999999999) contains "a" %}b{% endif %}', "ranges such as (1..9)"),
        ("{% if " + " and ".join(["company"] * 60) + " %}a{% endif %}", "a condition here is too"),
        ("{% if " + " and ".join(["company"] * 150) + " %}a{% endif %}", "too long"),
        ("{% if company %}" * 9 + "a" + "{% endif %}" * 9, "conditions stand too deep"),
        ("a" * (LONGEST_SOURCE + 1), "write at most 2,000 characters; these are 2,001"),
        ("{{ }}", "look at what stands in {{ }}"),
        ("nothing\0", "a character in it that can't be shown"),
    ],
)
def test_text_is_refused_with_what_to_do(source: str, advice: str) -> None:
    with pytest.raises(BadTemplate) as refused:
        compile_template(source)
    assert advice in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    "source",
    [
        "{{" * 1_000,
        "{%" * 1_000,
        "{% if " * 300,
        "{{ customer" + "[customer" * 200 + "]" * 200 + " }}",
        "{{ " + "(" * 900 + ")" * 900 + " }}",
        "{{ company " + "| append: company " * 100 + "}}",
        "{{ company " + "| upcase " * 200 + "}}",
        "{% if " + "a " * 900 + "%}{% endif %}",
        "{% case company %}" + "{% when 'a' %}b" * 120 + "{% endcase %}",
        '{{ "' + "a" * 1_900,
        "{{ company | truncate: " + "9" * 1_900 + " }}",
        "{{ company | truncatewords: " + "9" * 1_900 + ", company }}",
        "{{ 1" + "e9" * 900 + " }}",
        "{% raw %}" * 200,
        "{# " * 600,
    ],
)
def test_hostile_text_takes_no_time(source: str) -> None:
    began = time.perf_counter()
    template = compiled(source[:LONGEST_SOURCE])
    if template is not None:
        template.render({"company": "N" * 10_000, "customer": {"name": "A" * 10_000}})
    assert time.perf_counter() - began < 1


def test_text_is_shown_with_blanks_when_it_fails_for_a_customer() -> None:
    template = compile_template("Dear {{ customer.name | append: ', hello' }}, how was it?")

    class Hostile:
        def __str__(self) -> str:
            raise RuntimeError

    assert template.render({"customer": {"name": Hostile()}}) == "Dear , how was it?"


def test_text_is_constant_when_it_says_the_same_to_all() -> None:
    assert compile_template("We are {{ company }}").is_constant
    assert compile_template("plain").is_constant
    assert not compile_template("{% if customer.name %}a{% endif %}b").is_constant
    assert not compile_template("on {{ occurred_on }}").is_constant
