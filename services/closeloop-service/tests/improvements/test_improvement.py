"""The improvement's states and moves."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from closeloop_service.domain.errors import ImprovementMoveNotAllowed
from closeloop_service.domain.hearing import Known, after, hear
from closeloop_service.domain.improvement import (
    BY_TICKET,
    TRANSITIONS,
    Assign,
    Change,
    Improvement,
    ImprovementMove,
    ImprovementState,
    TicketStatus,
    allowed_moves,
)
from closeloop_service.domain.improving import (
    MOST_QUOTES,
    Opening,
    decide,
    merged_quotes,
    open_improvement,
)
from closeloop_service.domain.rules import Improvements
from heardback.contracts.payloads import Quote
from heardback.testing.clock import START

from .stage import a_quote, a_reporter, a_theme

RULES = Improvements(
    trackers={}, tracker_id=None, owner="Maya Lind", owners={"app": "Sam Okoye"}, told={}
)
DAY = timedelta(days=1)


def an_improvement(**changes: Any) -> Improvement:
    opening = Opening(
        improvement_id="improvement-1",
        owner="Maya Lind",
        due_after=timedelta(days=30),
        reporters=3,
    )
    opened = open_improvement(a_theme().data, opening, START)
    return replace(opened.improvement, **changes)


@pytest.mark.parametrize("state", ImprovementState)
@pytest.mark.parametrize("move", ImprovementMove)
def test_move_is_refused_with_what_is_allowed_when_the_table_has_it_not(
    state: ImprovementState, move: ImprovementMove
) -> None:
    if move in (ImprovementMove.HEAR, ImprovementMove.ASSIGN):
        return
    improvement = an_improvement(state=state)
    if (state, move) in TRANSITIONS:
        moved = decide(improvement, Change(move=move), START).improvement
        assert (moved.state, moved.version) == (TRANSITIONS[state, move], 2)
        return
    with pytest.raises(ImprovementMoveNotAllowed) as refused:
        decide(improvement, Change(move=move), START)
    assert refused.value.allowed == [str(one) for one in allowed_moves(state)]


def test_every_move_by_a_ticket_is_one_that_the_table_has() -> None:
    assert all((state, move) in TRANSITIONS for (state, _), move in BY_TICKET.items())
    assert {status for _, status in BY_TICKET} == set(TicketStatus)


def test_what_has_shipped_is_never_undone() -> None:
    moves = allowed_moves(ImprovementState.SHIPPED)
    assert moves == [ImprovementMove.NOTE]


def test_owner_is_the_themes_own_or_the_one_of_all() -> None:
    for theme_id, owner in (("app", "Sam Okoye"), ("other", "Maya Lind")):
        heard = hear(Known(), a_theme(theme_id).data, RULES, START, new_id=lambda: "x")
        assert heard.decision is not None
        assert heard.decision.improvement.owner == owner


def test_owner_can_be_changed_and_taken_away() -> None:
    improvement = an_improvement()
    given_to = decide(improvement, Assign(actor="Ana", owner="Ben"), START)
    assert given_to.improvement.owner == "Ben"
    assert given_to.entries[0].details == {"owner": "Ben"}
    assert decide(improvement, Assign(actor="Ana", owner=None), START).improvement.owner is None


def test_older_counts_do_not_lower_newer_ones_but_their_reporters_are_kept() -> None:
    known = Known(improvement=an_improvement(heard_at=START + DAY))
    late = a_theme(responses=1, reporters=[a_reporter(9)]).data
    heard = hear(known, late, RULES, START + DAY, new_id=lambda: "x")
    assert heard.decision is not None
    assert heard.decision.improvement.responses == 3
    assert [one.customer_id for one in heard.spoken] == ["c0009"]


@pytest.mark.parametrize(
    ("after_closing", "improvement_id"),
    [(timedelta(0), "improvement-1"), (timedelta(microseconds=1), "x")],
)
def test_what_was_counted_until_it_was_closed_belongs_to_it(
    after_closing: timedelta, improvement_id: str
) -> None:
    known = Known(improvement=an_improvement(state=ImprovementState.SHIPPED, closed_at=START + DAY))
    theme = a_theme(reached_at=START + DAY + after_closing).data
    heard = hear(known, theme, RULES, START + 2 * DAY, new_id=lambda: "x")
    assert heard.decision is not None
    assert heard.decision.improvement.improvement_id == improvement_id


def test_same_theme_again_changes_nothing() -> None:
    first = hear(Known(), a_theme().data, RULES, START, new_id=lambda: "x")
    known = after(Known(), first)
    again = hear(known, a_theme().data, RULES, START + DAY, new_id=lambda: "y")
    assert (again.decision, again.spoken) == (None, ())


def test_withdrawn_consent_counts() -> None:
    merged = merged_quotes([Quote(**a_quote(1))], [Quote(**a_quote(1, consent=False))])
    assert [quote.consent for quote in merged] == [False]


def test_quotes_that_may_be_shown_are_the_last_to_go() -> None:
    hidden = [Quote(**a_quote(number, consent=False)) for number in range(2 * MOST_QUOTES)]
    merged = merged_quotes([Quote(**a_quote(999))], hidden)
    assert len(merged) == MOST_QUOTES
    assert merged[-1].response_id == "r999"


reports = st.lists(
    st.tuples(st.integers(0, 6), st.integers(0, 20)).map(
        lambda pair: a_reporter(pair[0], response=f"r{pair[0]}-{pair[1]}")
    ),
    max_size=8,
)


@given(st.lists(st.tuples(reports, st.booleans()), max_size=8))
def test_whatever_is_heard_nobody_is_counted_twice_nor_in_two_improvements(
    heard: list[tuple[list[dict[str, str]], bool]],
) -> None:
    """What somebody said belongs to one improvement, however often a theme names it."""
    known, now, ids = Known(), START, iter(f"improvement-{n}" for n in range(100))
    for reporters, ship in heard:
        now += DAY
        theme = a_theme(reporters=reporters, reached_at=now).data
        known = after(known, hear(known, theme, RULES, now, new_id=lambda: next(ids)))
        if ship and known.improvement is not None and known.improvement.active:
            shipped = decide(known.improvement, Change(move=ImprovementMove.SHIP), now)
            known = replace(known, improvement=shipped.improvement)
    said = [response for one in known.spoken for response in one.responses]
    assert len(said) == len(set(said))
    keys = [(one.improvement_id, one.customer_id) for one in known.spoken]
    assert len(keys) == len(set(keys))
    if known.improvement is not None:
        here = [key for key in keys if key[0] == known.improvement.improvement_id]
        assert known.improvement.reporters == len(here)
