"""Cases from the W3C trace-context test harness, level 1."""

import pytest

from heardback.trace import link_to, new_traceparent, trace_id_of, valid_traceparent

TRACE, SPAN = "12345678901234567890123456789012", "1234567890123456"


@pytest.mark.parametrize(
    "text",
    [
        f"00-{TRACE}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}-00",
        f"cc-{TRACE}-{SPAN}-01",
        f"cc-{TRACE}-{SPAN}-01-what-the-future-will-be-like",
        f" 00-{TRACE}-{SPAN}-01\t",
    ],
)
def test_traceparent_is_kept_when_it_is_valid(text: str) -> None:
    assert valid_traceparent(text) == text.strip()


@pytest.mark.parametrize(
    "text",
    [
        "",
        f"00-{TRACE}-{SPAN}-01.",
        f"00-{TRACE}-{SPAN}-01-what-the-future-will-be-like",
        f"cc-{TRACE}-{SPAN}-01.what-the-future-will-be-like",
        f"ff-{TRACE}-{SPAN}-01",
        f".0-{TRACE}-{SPAN}-01",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE[:-1]}.-{SPAN}-01",
        f"00-{TRACE[:-1]}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}-0",
        f"00-{TRACE.replace('1', 'A')}-{SPAN}-01",
    ],
)
def test_traceparent_is_ignored_when_it_is_invalid(text: str) -> None:
    assert valid_traceparent(text) is None


def test_new_traceparent_is_valid_when_there_is_no_span() -> None:
    assert valid_traceparent(new_traceparent()) is not None
    assert new_traceparent() != new_traceparent()


def test_link_points_to_the_creation_when_it_is_made() -> None:
    context = link_to(f"00-{TRACE}-{SPAN}-01").context
    assert f"{context.trace_id:032x}" == TRACE == trace_id_of(f"00-{TRACE}-{SPAN}-01")
    assert f"{context.span_id:016x}" == SPAN
