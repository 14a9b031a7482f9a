"""YAML as people write it: what is written is read again, and everything knows its line."""

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from heardback.yaml_text import line_of, read_yaml, to_yaml

TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), max_size=150)
DATA = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), TEXTS),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=20,
)


@settings(max_examples=300)
@given(data=DATA)
def test_data_is_read_as_it_was_written(data: object) -> None:
    assert read_yaml(to_yaml(data))[0] == data


@settings(max_examples=300)
@given(text=st.text(alphabet="ab:-{}[]\"'&*!|>#%@`,? \n\t\0é\u2028", max_size=60))
def test_text_is_read_or_refused_whatever_it_says(text: str) -> None:
    try:
        read_yaml(text)
    except yaml.YAMLError as error:
        assert str(error)


def test_long_text_is_folded_and_a_time_is_quoted() -> None:
    written = to_yaml({"at": "09:00", "said": "word " * 20 + "end", "days": ["mon", "tue"]})
    assert written.splitlines()[0] == 'at: "09:00"'
    assert written.splitlines()[1] == "said: >-"
    assert max(map(len, written.splitlines())) <= 80
    assert "days: [mon, tue]" in written


def test_line_is_that_of_the_field_or_of_what_is_left_of_its_path() -> None:
    _, node = read_yaml("id: a\ntexts:\n  en:\n    question: b\ndrivers:\n  - c\n  - d\n")
    assert line_of(node, ("texts", "en", "question")) == 4
    assert line_of(node, ("texts", "en", "subject")) == 3
    assert line_of(node, ("drivers", 1)) == 7
    assert line_of(node, ("nothing",)) == 1
    assert line_of(None, ("id",)) == 1


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("a: 1\na: 2", "'a' stands here a second time"),
        ("a: &x 1\nb: *x", "write it out here, without *"),
        ("? [a]\n: 1", "the name of a field is a word"),
        ("a: 2026-02-30", "a value that cannot be read"),
        ("[" * 5_000, "nested too deeply"),
    ],
)
def test_what_is_ambiguous_or_explodes_is_refused(text: str, why: str) -> None:
    with pytest.raises(yaml.YAMLError) as refused:
        read_yaml(text)
    assert why in str(refused.value)
