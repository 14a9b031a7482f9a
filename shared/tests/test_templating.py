"""Texts with lines, and with a vocabulary of their own."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heardback.templating import LONGEST_RENDERED, BadTemplate, Vocabulary, compile_template

LETTER = Vocabulary(
    variables={"customer.name": "their name", "owner": "yours"},
    constant=frozenset({"owner"}),
    has_lines=True,
)
NOTE = Vocabulary(variables={"owner": "yours"})


def test_text_keeps_its_paragraphs_when_its_kind_has_lines() -> None:
    letter = compile_template(
        "Hello {{ customer.name }},\r\n\n\n\n we are  sorry.\n{{ owner }}\n", LETTER
    )
    words = {"customer": {"name": "Ada\u202e"}, "owner": "Maya"}
    assert letter.render(words) == "Hello Ada,\n\nwe are sorry.\nMaya"
    assert letter.is_constant is False


def test_empty_word_is_not_there_when_a_condition_asks_for_it() -> None:
    greeting = "Hello{% if customer.name %} {{ customer.name }}{% endif %},"
    for name in ("", None):
        assert compile_template(greeting, LETTER).render({"customer": {"name": name}}) == "Hello,"


def test_text_is_checked_against_the_vocabulary_of_its_kind() -> None:
    assert (
        compile_template("{{ owner }}\n{{ owner }}", NOTE).render({"owner": "Maya"}) == "Maya Maya"
    )
    with pytest.raises(BadTemplate, match=r"nothing called customer\.name; there are owner"):
        compile_template("{{ customer.name }}", NOTE)


@given(name=st.text(max_size=9_000))
def test_text_with_lines_stays_bounded_and_seemly(name: str) -> None:
    rendered = compile_template("{{ customer.name }}\n{{ customer.name }}", LETTER).render(
        {"customer": {"name": name}}
    )
    assert len(rendered) <= LONGEST_RENDERED
    assert "\n\n\n" not in rendered
    rendered.encode()
