"""Is an answer a person's? Signals that are weak alone and strong together; pure.

Mail gateways follow the links of a mail to look for malware, some press buttons, and most say that
they are browsers. What gives them away is that they follow every link: people follow one.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from msgspec import Struct

from heardback.vocabulary import Scale
from response_service.domain.client import Kind

LOOK_BACK: Final = timedelta(minutes=10)
"""How far back visits are looked at: a patient scanner takes its time between two links."""
_SWARM: Final = timedelta(seconds=30)
"""Many clients that share the links of one mail among them do so within this time."""
_SWARMS: Final = ((3, 2), (2, 3), (1, 5))
"""What makes a swarm: so many links each, by so many clients at least, and many links in all."""
_BURST: Final = timedelta(seconds=3)
"""Nobody follows most links within this time, however few there are."""
_MANY_LINKS: Final = 6
"""More than half of those of the longest scale. People try two or three, and on a scale of five
that is most of them; so where there are fewer than these, it takes every link."""
FEWEST_LINKS: Final = min(len(scale.scores) for scale in Scale) // 2 + 1
"""Where fewer were followed there was no scanner, whatever the scale."""

SHORTEST_REPEATED_TEXT: Final = 20
"""Shorter comments are the same by chance ("all good, thank you")."""
_REPEATS: Final = 3
_MANY_INVITATIONS: Final = 5
_SUSPECT: Final = 1.0


class Reason(StrEnum):
    """Why an answer is suspect."""

    EVERY_LINK = "every_link"
    AUTOMATED_CLIENT = "automated_client"
    HONEYPOT = "honeypot"
    TOO_FAST = "too_fast"
    DUPLICATE_TEXT = "duplicate_text"
    MANY_ANSWERS = "many_answers"


class Visit(Struct, frozen=True, kw_only=True):
    """A look at a survey page. `score`: of the link that led there; some links have none."""

    score: int | None
    client: bytes
    kind: Kind
    visited_at: datetime


class Signals(Struct, frozen=True, kw_only=True):
    """What is known of an answer beside what it says.

    `seconds`: from when the page was made until it was sent back; None: not by a page of ours.
    `follows_every_link`: its client did, or was one of a swarm that did.
    `repeats`: other invitations with the same comment lately; `answered`: other invitations that
    its client answered within a minute. `in_app`: it was sent by an app, which may be no browser.
    """

    kind: Kind
    in_app: bool = False
    has_fetch_metadata: bool = True
    seconds: float | None = None
    trap_filled: bool = False
    follows_every_link: bool = False
    repeats: int = 0
    answered: int = 0


def judge(signals: Signals) -> tuple[Reason, ...]:
    """Return why an answer is suspect, the strongest reason first; nothing: it counts.

    One strong signal is enough (weight 1), weak ones have to come together: people are fast, have
    old browsers and share a network, but hardly ever all of that at once.
    """
    weights = [(reason, weight) for reason, weight in _weigh(signals) if weight > 0]
    if sum(weight for _, weight in weights) < _SUSPECT:
        return ()
    by_strength = sorted(weights, key=lambda pair: -pair[1])
    return tuple(reason for reason, _ in by_strength)


def _weigh(signals: Signals) -> list[tuple[Reason, float]]:
    return [
        (Reason.EVERY_LINK, 1.0 if signals.follows_every_link else 0),
        (Reason.HONEYPOT, 1.0 if signals.trap_filled else 0),
        (Reason.AUTOMATED_CLIENT, _automation(signals)),
        (Reason.TOO_FAST, _haste(signals.seconds)),
        (Reason.DUPLICATE_TEXT, 0.6 if signals.repeats >= _REPEATS else 0),
        (Reason.MANY_ANSWERS, 0.6 if signals.answered >= _MANY_INVITATIONS else 0),
    ]


def _automation(signals: Signals) -> float:
    if signals.in_app:
        return 0.0
    if signals.kind is Kind.PROGRAM:
        return 1.0
    # Browsers of before 2023, and all of them where there is no HTTPS, send no fetch metadata.
    missing = 0.0 if signals.has_fetch_metadata else 0.2
    return missing + (0.5 if signals.kind is Kind.BARE else 0)


def _haste(seconds: float | None) -> float:
    if seconds is None:
        return 0.3
    if seconds < 1:
        return 0.6
    return 0.3 if seconds < 2 else 0


def scanners(visits: Sequence[Visit], *, links: int) -> frozenset[bytes]:
    """Return the clients that followed many of the `links` of a mail, or most of them in a moment.

    Or that did so together: a scanner may come as several browsers, or send each link through
    another address. `visits` are those within `LOOK_BACK`.
    """
    scored = sorted((v for v in visits if v.score is not None), key=lambda v: v.visited_at)
    most, many = links // 2 + 1, min(_MANY_LINKS, links)
    if len({visit.score for visit in scored}) < most:
        return frozenset()
    alone = {client for client, seen in _scores(scored).items() if len(seen) >= many}
    together = _groups(scored, _SWARMS, within=_SWARM, links=many)
    at_once = _groups(scored, ((most, 1), *_SWARMS), within=_BURST, links=most)
    return frozenset(alone | together | at_once)


def _groups(
    visits: Sequence[Visit], shapes: Iterable[tuple[int, int]], *, within: timedelta, links: int
) -> set[bytes]:
    """Return the clients that followed so many links `within` a time, in a group of these shapes.

    A person who looks while a scanner is at work is next to it, with a link or two, and no part.
    """
    groups: set[bytes] = set()
    first = 0
    for last, visit in enumerate(visits):
        while visit.visited_at - visits[first].visited_at > within:
            first += 1
        near = _scores(visits[first : last + 1])
        for links_each, clients in shapes:
            members = {client: seen for client, seen in near.items() if len(seen) >= links_each}
            if len(members) >= clients and len(set().union(*members.values())) >= links:
                groups.update(members)
    return groups


def _scores(visits: Iterable[Visit]) -> dict[bytes, set[int | None]]:
    scores: defaultdict[bytes, set[int | None]] = defaultdict(set)
    for visit in visits:
        scores[visit.client].add(visit.score)
    return scores


def first_look(visits: Sequence[Visit], *, links: int) -> datetime | None:
    """Return when a person, as far as can be told, looked first; None: nobody did."""
    followers = scanners(visits, links=links)
    people = [v for v in visits if v.kind is Kind.BROWSER and v.client not in followers]
    return min((visit.visited_at for visit in people), default=None)
