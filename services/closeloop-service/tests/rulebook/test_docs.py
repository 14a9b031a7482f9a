"""What the page about the rules says: its examples are valid together, its tables are complete."""

import re
from pathlib import Path
from typing import Final

import pytest

from closeloop_service.domain import reporting, writing
from closeloop_service.domain.rules import AlertKind, TrackerKind
from closeloop_service.rulebook.documents.fields import MatchDocument
from closeloop_service.rulebook.kinds import Kind
from closeloop_service.rulebook.reading import read_data, read_text
from closeloop_service.rulebook.ready_made import ready_made_books
from closeloop_service.rulebook.tracker_checks import NEEDS
from heardback.vocabulary import SlaClock

PAGE: Final = (Path(__file__).parents[4] / "docs" / "closed-loop.md").read_text()
EXAMPLES: Final = dict(re.findall(r"^```yaml (\S+)\n([\s\S]*?)^```$", PAGE, re.MULTILINE))
SECRETS: Final = frozenset(re.findall(r"secret: (\w+)", PAGE))


def section(title: str) -> str:
    return PAGE.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def test_examples_are_valid_together_when_they_are_copied_one_after_the_other() -> None:
    assert list(EXAMPLES) == [*Kind]
    books = ready_made_books()
    for kind, text in EXAMPLES.items():
        read = read_data(Kind(kind), read_text(text), books, SECRETS)
        books = read.books


@pytest.mark.parametrize("kind", Kind)
def test_each_rulebook_has_its_place_when_the_page_is_read(kind: Kind) -> None:
    assert section(kind.label)
    assert f"[{kind.label if kind is Kind.SLA_POLICIES else kind.label.lower()}](#{kind}" in PAGE


def test_every_word_is_named_when_a_rule_can_say_it() -> None:
    named = set(re.findall(r"`([\w.]+)`", PAGE))
    assert named >= {*MatchDocument.model_fields}
    assert named >= {*SlaClock}
    assert named >= {*AlertKind}
    assert set(re.findall(r"`([\w.]+)`", section("Playbooks"))) >= writing.VARIABLES.keys()
    assert set(re.findall(r"`([\w.]+)`", section("Improvements"))) >= reporting.VARIABLES.keys()


@pytest.mark.parametrize("kind", TrackerKind)
def test_options_of_a_tracker_are_listed_when_it_has_some(kind: TrackerKind) -> None:
    (row,) = re.findall(rf"^\| `{kind}` \|.*$", PAGE, re.MULTILINE)
    listed = re.findall(r"`(\w+)`", row.split("|")[4])
    assert tuple(listed) == NEEDS[kind].options
