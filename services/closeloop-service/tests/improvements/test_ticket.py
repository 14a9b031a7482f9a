"""What a ticket says, and what it must not."""

import re
from dataclasses import replace

import pytest

from closeloop_service.domain.ticket import (
    LONGEST_QUOTE,
    MOST_QUOTES_SHOWN,
    cleaned,
    ticket_key,
    ticket_text,
)
from closeloop_service.trackers.wording import document, escaped, markdown, plain, wiki
from heardback.contracts.payloads import Quote

from .stage import a_quote
from .test_improvement import an_improvement


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("Write to ada.byron@example.co.uk now", "Write to [address] now"),
        ("Call +49 (0)30 / 123-4567.", "Call [number]."),
        ("See https://example.com/o?id=1 please", "See [link] please"),
        ("See ftp://example.com/x or WWW.example.com", "See [link] or [link]"),
        ("I am ADA  Byron\nand Byronic", "I am [name] [name] and Byronic"),
        ("It took 3 weeks and 100 euros", "It took 3 weeks and 100 euros"),
        ("", ""),
    ],
)
def test_words_are_cleaned_of_who_said_them(said: str, shown: str) -> None:
    assert cleaned(said, "Ada Byron") == shown


def test_long_words_are_cut_between_words() -> None:
    shown = cleaned("word " * 200, None)
    assert len(shown) <= LONGEST_QUOTE
    assert shown.endswith("word…")


def test_a_handful_of_quotes_with_consent_is_shown() -> None:
    quotes = [Quote(**a_quote(n, text=f"Words {n}.", consent=n % 2 == 0)) for n in range(20)]
    text = ticket_text(an_improvement(quotes=tuple(quotes)), {}, key="k", link=None)
    assert text.quotes == ("Words 0.", "Words 2.", "Words 4.", "Words 6.", "Words 8.")
    assert len(text.quotes) == MOST_QUOTES_SHOWN


@pytest.mark.parametrize("write", [markdown, plain, wiki, lambda text: str(document(text))])
def test_every_way_to_write_says_what_closing_does(write: object) -> None:
    assert callable(write)
    text = ticket_text(an_improvement(), {}, key="k", link="https://heardback.example/1")
    shown = write(text)
    for part in ("the 3 customers who reported it", "won't do", "Revenue at risk", "example/1"):
        assert part in shown.replace("\\", "")


def test_digest_changes_with_the_counts_and_with_nothing_else() -> None:
    improvement = an_improvement()
    first = ticket_text(improvement, {}, key="k", link=None).digest
    assert ticket_text(replace(improvement, version=9), {}, key="k", link=None).digest == first
    assert ticket_text(replace(improvement, customers=9), {}, key="k", link=None).digest != first


def test_another_ticket_has_another_key() -> None:
    assert ticket_key("a", 1) == "a"
    assert ticket_key("a", 2) != "a"


def test_markdown_makes_nothing_of_what_customers_say() -> None:
    shown = escaped("&commat;ada &#64;ada @ada #12 ![x](y) <b> `c` *d* _e_ 1. f")
    read = re.sub(r"\\(.)", r"\1", shown)
    assert not re.search(r"(?<!\\)[&<>\[\]`*_!()]", shown)
    # What looks for calls after the marks were read finds none.
    assert not re.search(r"[@#]\w", read)
