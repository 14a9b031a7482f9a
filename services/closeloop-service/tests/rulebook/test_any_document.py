"""Whatever somebody writes is either refused with its faults, or makes rules that work."""

from copy import deepcopy
from datetime import UTC, date, datetime
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from closeloop_service.domain.matching import Facts
from closeloop_service.rulebook.compiling import compile_rules
from closeloop_service.rulebook.faults import RulebookFaults
from closeloop_service.rulebook.kinds import Kind
from closeloop_service.rulebook.reading import as_json, read_data, read_text
from closeloop_service.rulebook.ready_made import ready_made_books
from closeloop_service.rulebook.trying import Question, try_policy, try_route
from heardback.vocabulary import Category

from . import books
from .test_faults import START

DOCUMENTS = {kind: read_text(text) for kind, text in START.items()}
DOCUMENTS[Kind.SLA_POLICIES] = read_text(books.POLICIES)
DOCUMENTS[Kind.TEAMS] = read_text(books.TEAMS)
SECRETS = ("care_slack", "pager_key", "jira_token")
QUESTION = Question(
    at=datetime(2026, 12, 4, 16, 45, tzinfo=UTC),
    facts=Facts(category=Category.DETRACTOR, touchpoint="purchase", program_id="p", score=2),
)
WORDS = st.sampled_from(
    [
        "",
        "office",
        "care",
        "0h",
        "1m",
        "3650d",
        "owner",
        "team:",
        "{{ x }}",
        "{%",
        "24:00",
        "\u202e",
    ]
)
SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), WORDS, st.text(), st.dates()
)
JUNK = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.one_of(WORDS, st.booleans(), st.integers(), st.dates()), inner),
    ),
    max_leaves=6,
)


def paths(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return where something stands in a document."""
    if not isinstance(value, dict | list):
        return [path]
    inner = value.items() if isinstance(value, dict) else enumerate(value)
    return [path, *(found for key, part in inner for found in paths(part, (*path, key)))]


def changed(document: Any, path: tuple[Any, ...], junk: Any) -> Any:
    if not path:
        return junk
    document = deepcopy(document)
    parent = document
    for part in path[:-1]:
        parent = parent[part]
    parent[path[-1]] = junk
    return document


@pytest.mark.parametrize("kind", Kind)
@settings(max_examples=150)
@given(data=st.data())
def test_rules_work_or_faults_are_named_when_a_part_is_anything(
    kind: Kind, data: st.DataObject
) -> None:
    document = DOCUMENTS[kind]
    path = data.draw(st.sampled_from(paths(document)))
    written = changed(document, path, data.draw(JUNK))
    try:
        read = read_data(kind, written, ready_made_books(), SECRETS)
    except RulebookFaults as refused:
        assert all(fault.message for fault in refused.faults)
        return
    rules = compile_rules(read.books, version=1)
    try_policy(rules, QUESTION)
    try_route(rules, QUESTION, {})
    as_json(written)


@settings(max_examples=200)
@given(text=st.text())
def test_text_is_read_or_refused_when_it_is_anything(text: str) -> None:
    try:
        read_text(text)
    except RulebookFaults as refused:
        assert refused.faults


def test_dates_are_kept_when_they_are_written_without_quotes() -> None:
    written = yaml.safe_load("{first: 2026-12-24, 2026-12-31: x}")
    assert written["first"] == date(2026, 12, 24)
    assert as_json(written) == {"first": "2026-12-24", "2026-12-31": "x"}
