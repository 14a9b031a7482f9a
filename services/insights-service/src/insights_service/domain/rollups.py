"""How facts change the rollups."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from insights_service.domain.facts import Cell, Fact, Response


def changes(*, added: Iterable[Fact] = (), taken_back: Iterable[Fact] = ()) -> Mapping[Cell, int]:
    """Return by how much each rollup changes; those that stay are left out."""
    counts: Counter[Cell] = Counter(cell for fact in added for cell in fact.cells)
    counts.subtract(cell for fact in taken_back for cell in fact.cells)
    return {cell: count for cell, count in counts.items() if count}


def latest_revisions(responses: Iterable[Response]) -> Sequence[Response]:
    """Return each response once, as it stands in the end, sorted by its id."""
    latest: dict[str, Response] = {}
    for response in responses:
        known = latest.get(response.response_id)
        if known is None or known.standing < response.standing:
            latest[response.response_id] = response
    return [latest[key] for key in sorted(latest)]


def by_kind(facts: Iterable[Fact]) -> Sequence[Sequence[Fact]]:
    """Return `facts` grouped by kind, each in order; the kinds always in the same order."""
    kinds: dict[type[Fact], list[Fact]] = {}
    for fact in facts:
        kinds.setdefault(type(fact), []).append(fact)
    return [kinds[kind] for kind in sorted(kinds, key=lambda kind: kind.__name__)]
