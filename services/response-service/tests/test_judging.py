"""What gives a program away, and what does not."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heardback.testing.clock import START
from heardback.testing.people import BROWSER_HEADERS
from response_service.domain.client import Kind, client_of, forwarded_address
from response_service.domain.judging import (
    Reason,
    Signals,
    Visit,
    first_look,
    judge,
    scanners,
)

PERSON = {name.lower(): value for name, value in BROWSER_HEADERS.items()}
SECRET = b"a-secret-that-is-long"


@pytest.mark.parametrize(
    ("signals", "reasons"),
    [
        ({"seconds": 8.0}, ()),
        ({"seconds": 0.2}, ()),
        ({}, ()),
        ({"seconds": 0.2, "has_fetch_metadata": False}, ()),
        ({"seconds": 30.0, "kind": Kind.BARE, "has_fetch_metadata": False}, ()),
        ({"seconds": 5.0, "answered": 40}, ()),
        ({"seconds": 5.0, "repeats": 40}, ()),
        ({"seconds": 5.0, "follows_every_link": True}, (Reason.EVERY_LINK,)),
        ({"seconds": 5.0, "trap_filled": True}, (Reason.HONEYPOT,)),
        ({"seconds": 5.0, "kind": Kind.PROGRAM}, (Reason.AUTOMATED_CLIENT,)),
        ({"kind": Kind.PROGRAM, "has_fetch_metadata": False, "in_app": True}, ()),
        ({"seconds": 0.5, "kind": Kind.BARE, "in_app": True}, ()),
        (
            {"kind": Kind.PROGRAM, "in_app": True, "trap_filled": True},
            (Reason.HONEYPOT, Reason.TOO_FAST),
        ),
        ({"seconds": 0.9, "repeats": 3}, (Reason.TOO_FAST, Reason.DUPLICATE_TEXT)),
        ({"seconds": 1.9, "repeats": 3}, ()),
        (
            {"seconds": 1.9, "repeats": 3, "has_fetch_metadata": False},
            (Reason.DUPLICATE_TEXT, Reason.TOO_FAST, Reason.AUTOMATED_CLIENT),
        ),
        ({"seconds": 0.5, "kind": Kind.BARE}, (Reason.TOO_FAST, Reason.AUTOMATED_CLIENT)),
        (
            {"kind": Kind.BARE, "has_fetch_metadata": False},
            (Reason.AUTOMATED_CLIENT, Reason.TOO_FAST),
        ),
        (
            {"seconds": 4.0, "repeats": 3, "answered": 5},
            (Reason.DUPLICATE_TEXT, Reason.MANY_ANSWERS),
        ),
        ({"seconds": 4.0, "repeats": 2, "answered": 5}, ()),
        ({"seconds": 4.0, "repeats": 3, "answered": 4}, ()),
    ],
)
def test_answer_is_suspect_when_its_signals_are(
    signals: dict[str, Any], reasons: tuple[Reason, ...]
) -> None:
    assert judge(Signals(**{"kind": Kind.BROWSER, **signals})) == reasons


SIGNALS = st.builds(
    Signals,
    kind=st.sampled_from(Kind),
    has_fetch_metadata=st.booleans(),
    seconds=st.none() | st.floats(0, 100),
    trap_filled=st.booleans(),
    follows_every_link=st.booleans(),
    repeats=st.integers(0, 10),
    answered=st.integers(0, 10),
)


@given(SIGNALS)
def test_one_signal_more_never_clears_an_answer_whatever_the_others_are(signals: Signals) -> None:
    from msgspec.structs import replace

    if judge(signals):
        worse = replace(signals, seconds=0.0, repeats=signals.repeats + 3)
        assert set(judge(signals)) <= set(judge(worse))


@given(st.floats(2, 1e6), st.booleans())
def test_person_with_a_browser_is_never_suspect_when_alone(seconds: float, metadata: bool) -> None:
    assert judge(Signals(kind=Kind.BROWSER, has_fetch_metadata=metadata, seconds=seconds)) == ()


def visit(score: int | None, client: bytes, at: float, kind: Kind = Kind.BROWSER) -> Visit:
    return Visit(score=score, client=client, kind=kind, visited_at=START + timedelta(seconds=at))


def burst(client: bytes = b"bot", *, scores: Any = range(11), every: float = 0.1) -> list[Visit]:
    return [visit(score, client, number * every) for number, score in enumerate(scores)]


@pytest.mark.parametrize(
    ("visits", "found"),
    [
        ([], set()),
        ([visit(9, b"me", 0)], set()),
        ([visit(None, b"me", n) for n in range(20)], set()),
        ([visit(9, b"me", n) for n in range(20)], set()),
        (burst(b"me", scores=[9, 8, 9, 10, 7]), set()),
        (burst(), {b"bot"}),
        (burst(scores=reversed(range(11))), {b"bot"}),
        (burst(scores=[3, 7, 1, 9, 10, 0]), {b"bot"}),
        (burst(scores=[3, 7, 1, 9, 10]), set()),
        (burst(every=50), {b"bot"}),
        ([*burst(), visit(9, b"me", 0.5)], {b"bot"}),
        ([*burst(), *burst(b"pot", every=20)], {b"bot", b"pot"}),
        ([visit(n, b"bot%d" % n, n) for n in range(11)], {b"bot%d" % n for n in range(11)}),
        (
            [*[visit(n, b"bot%d" % n, n) for n in range(11)], visit(9, b"me", 60)],
            {b"bot%d" % n for n in range(11)},
        ),
        ([visit(n, b"bot%d" % n, n * 60) for n in range(11)], set()),
        ([visit(7, b"me", 0), *[visit(n, b"bot", 7 + n) for n in range(5)]], set()),
        (
            [visit(10, b"me", 0), *[visit(n, b"bot%d" % (n % 3), n) for n in range(11)]],
            {b"bot0", b"bot1", b"bot2"},
        ),
    ],
)
def test_scanners_are_found_when_the_links_are_followed(
    visits: list[Visit], found: set[bytes]
) -> None:
    assert scanners(visits, links=11) == found


@pytest.mark.parametrize(
    ("links", "every", "enough"),
    [
        (11, 0.1, 6), (11, 50, 6),
        (7, 0.1, 4), (7, 1.0, 4), (7, 1.01, 6), (7, 50, 6),
        (5, 0.1, 3), (5, 1.5, 3), (5, 1.51, 5), (5, 50, 5),
    ],
)  # fmt: skip
def test_many_links_or_most_in_a_moment_are_no_persons_when_a_scale_has(
    links: int, every: float, enough: int
) -> None:
    assert scanners(burst(scores=range(enough - 1), every=every), links=links) == frozenset()
    assert scanners(burst(scores=range(enough), every=every), links=links) == {b"bot"}


@pytest.mark.parametrize(
    ("links", "every", "clients", "found"),
    [
        (11, 0.5, 5, 0), (11, 0.5, 6, 6), (11, 5.0, 6, 6), (11, 6.1, 6, 0),
        (7, 0.5, 5, 5), (7, 0.8, 5, 0), (7, 5.0, 5, 0), (7, 5.0, 6, 6), (7, 5.0, 7, 7),
        (5, 0.5, 4, 0), (5, 0.5, 5, 5), (5, 5.0, 5, 5), (5, 8.0, 5, 0),
    ],
)  # fmt: skip
def test_swarm_is_found_when_its_clients_follow_a_link_each(
    links: int, every: float, clients: int, found: int
) -> None:
    visits = [visit(n, b"bot%d" % n, n * every) for n in range(clients)]
    assert len(scanners(visits, links=links)) == found


@pytest.mark.parametrize("links", [5, 7])
def test_family_is_no_swarm_when_each_tries_a_few_links_of_a_short_scale(links: int) -> None:
    family = [visit(n, b"me", n * 4) for n in (1, 2, 3)] + [visit(3, b"you", 20)]
    assert scanners(family, links=links) == frozenset()


@given(st.permutations(burst()), st.floats(0, 300))
def test_scanner_is_found_and_a_person_is_not_in_whatever_order_they_come(
    visits: list[Visit], at: float
) -> None:
    assert scanners([visit(9, b"me", at), *visits], links=11) == {b"bot"}


def test_look_is_a_persons_when_no_scanner_made_it() -> None:
    program = visit(None, b"curl", 0, Kind.PROGRAM)
    assert first_look([*burst(), program], links=11) is None
    people = [visit(9, b"me", 7), visit(None, b"me", 5)]
    assert first_look([*burst(), program, *people], links=11) == START + timedelta(seconds=5)


@pytest.mark.parametrize(
    ("headers", "kind"),
    [
        (PERSON, Kind.BROWSER),
        ({}, Kind.PROGRAM),
        ({"user-agent": "curl/8.5"}, Kind.PROGRAM),
        ({**PERSON, "user-agent": "python-httpx/0.28"}, Kind.PROGRAM),
        ({**PERSON, "user-agent": "Mozilla/5.0 (compatible; Googlebot/2.1)"}, Kind.PROGRAM),
        ({**PERSON, "user-agent": PERSON["user-agent"] + " HeadlessChrome/1"}, Kind.PROGRAM),
        (
            {**PERSON, "user-agent": "Mozilla/4.0 (compatible; ms-office; MSOffice 16)"},
            Kind.PROGRAM,
        ),
        ({**PERSON, "user-agent": "Mozilla/5.0 (Linux; Android 11; CUBOT NOTE 20)"}, Kind.BROWSER),
        ({**PERSON, "user-agent": "Opera/9.80 (J2ME/MIDP; Opera Mini) Presto/2.12"}, Kind.BROWSER),
        ({"user-agent": PERSON["user-agent"]}, Kind.BARE),
    ],
)
def test_client_is_known_when_its_headers_are(headers: dict[str, str], kind: Kind) -> None:
    assert client_of(headers, "192.0.2.1", secret=SECRET).kind is kind


@pytest.mark.parametrize(
    ("headers", "ahead"),
    [
        ({}, False),
        ({"sec-purpose": "prefetch"}, True),
        ({"sec-purpose": "prefetch;prerender"}, True),
        ({"purpose": "prefetch"}, True),
        ({"x-moz": "prefetch"}, True),
        ({"x-purpose": "preview"}, True),
    ],
)
def test_browser_fetches_ahead_when_it_says_so(headers: dict[str, str], ahead: bool) -> None:
    assert client_of({**PERSON, **headers}, "192.0.2.1", secret=SECRET).fetches_ahead is ahead


def key(address: str, agent: str = "Mozilla/5.0", secret: bytes = SECRET) -> bytes:
    return client_of({"user-agent": agent}, address, secret=secret).key


def test_client_is_the_same_when_address_and_agent_are() -> None:
    assert key("192.0.2.1") == key("192.0.2.1") == key("::ffff:192.0.2.1")
    assert key("2001:db8::1") == key("2001:db8::ffff:2") != key("2001:db8:0:1::1")
    others = {key("192.0.2.2"), key("192.0.2.1", "other"), key("192.0.2.1", secret=b"x" * 20)}
    assert len(others | {key("192.0.2.1")}) == 4
    assert b"192" not in key("192.0.2.1") and len(key("x")) == 12
    client_of({"user-agent": "\ud800" * 9_000}, "no address: at all", secret=SECRET)


@pytest.mark.parametrize(
    ("hops", "told", "address"),
    [
        (0, "1.1.1.1", "9.9.9.9"),
        (1, "1.1.1.1", "1.1.1.1"),
        (1, "6.6.6.6, 1.1.1.1", "1.1.1.1"),
        (2, "6.6.6.6, 1.1.1.1, 10.0.0.1", "1.1.1.1"),
        (2, "1.1.1.1", "9.9.9.9"),
        (1, "", "9.9.9.9"),
    ],
)
def test_address_is_what_our_proxies_saw_when_there_are(hops: int, told: str, address: str) -> None:
    assert forwarded_address("9.9.9.9", told, hops=hops) == address
