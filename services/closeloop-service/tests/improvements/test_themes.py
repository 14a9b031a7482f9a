"""From a theme to those who are told that it is mended."""

import asyncio
from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text

from closeloop_service.domain.improvement import Change, ImprovementMove, ImprovementState
from closeloop_service.handlers import improvements, themes
from closeloop_service.queries import improvements as queries
from closeloop_service.store.improvements import IMPROVEMENT_DUE, TELL_REPORTERS
from heardback.contracts import registry, topics
from heardback.contracts.payloads import FollowUpRequested
from heardback.testing.builders import an_event
from heardback.testing.clock import START

from .stage import a_quote, a_reporter, a_theme, history_of, lines_of, said_in

DAY = timedelta(days=1)


async def move(closeloop: Any, move: ImprovementMove, note: str = "") -> None:
    """Move the newest improvement."""
    line = (await lines_of(closeloop.database))[-1]
    async with closeloop.database.transaction() as tx:
        command = Change(move=move, actor="Maya Lind", note=note)
        key = line.improvement.improvement_id
        await improvements.move(tx, closeloop.keeper, key, command)


async def follow_ups(closeloop: Any) -> list[FollowUpRequested]:
    said = await said_in(closeloop.database, topics.FOLLOW_UP)
    return [event.data for event in said if isinstance(event.data, FollowUpRequested)]


async def test_row_47_theme_over_its_threshold_opens_one_improvement(closeloop: Any) -> None:
    await closeloop.hear(a_theme(), a_theme())
    await closeloop.hear(a_theme())
    (line,) = await lines_of(closeloop.database)
    improvement = line.improvement
    assert improvement.state is ImprovementState.OPEN
    assert (improvement.responses, improvement.reporters) == (3, 3)
    assert (improvement.revenue_at_risk, improvement.currency) == (1200.5, "EUR")
    assert improvement.due_at == START + timedelta(days=30)
    assert [quote.consent for quote in improvement.quotes] == [True, False]
    said = await said_in(closeloop.database, topics.IMPROVEMENT)
    assert [event.type for event in said] == [registry.IMPROVEMENT_OPENED]
    key = (IMPROVEMENT_DUE, improvement.improvement_id)
    assert key in await closeloop.timer_keys(IMPROVEMENT_DUE)


async def test_newer_counts_and_reporters_join_the_open_improvement(closeloop: Any) -> None:
    await closeloop.hear(a_theme())
    newer = a_theme(
        responses=9,
        customers=8,
        quotes=[a_quote(9)],
        reporters=[a_reporter(3), a_reporter(4), a_reporter(4, response="again")],
        reached_at=START + DAY,
    )
    await closeloop.hear(newer)
    (line,) = await lines_of(closeloop.database)
    assert (line.improvement.responses, line.improvement.reporters) == (9, 4)
    assert [quote.response_id for quote in line.improvement.quotes] == ["r9", "r1", "r2"]
    assert [entry.what for entry in await history_of(closeloop.database, line)] == [
        "opened",
        "heard",
    ]


async def test_themes_of_one_batch_have_an_improvement_each(closeloop: Any) -> None:
    await closeloop.hear(a_theme("b"), a_theme("a"), a_theme("b", reached_at=START + DAY))
    found = await lines_of(closeloop.database)
    assert sorted(line.improvement.theme_id for line in found) == ["a", "b"]


async def test_row_48_each_reporter_is_told_once_when_it_ships(closeloop: Any) -> None:
    async with closeloop.database.transaction() as tx:
        await tx.connection.execute(
            text("""
                INSERT INTO customer (customer_id, name, locale, attributes)
                VALUES ('c0001', 'Ada', 'de-AT', '{}')
            """)
        )
    reporters = [a_reporter(1), a_reporter(1, response="other"), a_reporter(2)]
    await closeloop.hear(a_theme(reporters=reporters))
    await move(closeloop, ImprovementMove.SHIP)
    await closeloop.pass_time(seconds=1)
    await closeloop.pass_time(days=1)
    ada, other = await follow_ups(closeloop)
    assert (ada.customer_id, ada.invitation_id, ada.program_id) == ("c0001", "i1", "after-purchase")
    assert ada.expires_at == ada.requested_at + 7 * DAY
    assert "Guten Tag Ada" in ada.text
    assert "Late delivery" in ada.text
    assert ada.subject
    assert other.customer_id == "c0002"
    assert "Hello," in other.text
    said = await said_in(closeloop.database, topics.IMPROVEMENT)
    shipped = [event.data for event in said if event.type is registry.IMPROVEMENT_SHIPPED]
    assert [event.reporters for event in shipped] == [2]  # type: ignore[attr-defined]


async def test_row_48_thousand_reporters_are_told_once_each_though_we_die_in_the_middle(
    closeloop: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    reporters = [a_reporter(number) for number in range(1_000)]
    await closeloop.hear(a_theme(customers=1_000, reporters=reporters))
    await move(closeloop, ImprovementMove.SHIP)
    await closeloop.timers.fire()
    await closeloop.timers.fire()
    assert len(await follow_ups(closeloop)) == 400

    async def die(*_: Any, **__: Any) -> None:
        raise ConnectionResetError

    with monkeypatch.context() as patched:
        patched.setattr(themes.reporters, "mark_told", die)
        with pytest.raises(ConnectionResetError):
            await closeloop.timers.fire()
    assert len(await follow_ups(closeloop)) == 400
    while await closeloop.timers.fire():
        pass
    told = Counter(one.customer_id for one in await follow_ups(closeloop))
    assert told == Counter(f"c{number:04}" for number in range(1_000))
    assert len({one.follow_up_id for one in await follow_ups(closeloop)}) == 1_000
    assert await closeloop.timer_keys(TELL_REPORTERS) == set()
    (line,) = await lines_of(closeloop.database)
    assert line.telling.told == 1_000


async def test_what_comes_of_the_messages_is_kept(closeloop: Any) -> None:
    await closeloop.hear(a_theme())
    await move(closeloop, ImprovementMove.SHIP)
    await closeloop.pass_time(seconds=1)
    one, two, _ = await follow_ups(closeloop)
    sent = [
        an_event(
            registry.FOLLOW_UP_SENT,
            customer_id=each.customer_id,
            follow_up_id=each.follow_up_id,
            invitation_id=each.invitation_id,
            channel="email",
            provider="smtp",
            message_id="m",
            sent_at=START,
        )
        for each in (one, two)
    ]
    failed = an_event(
        registry.FOLLOW_UP_FAILED,
        customer_id=two.customer_id,
        follow_up_id=two.follow_up_id,
        invitation_id=two.invitation_id,
        reason="no_address",
        failed_at=START,
    )
    async with closeloop.database.transaction() as tx:
        await themes.on_follow_ups(tx, [failed, *sent])
    async with closeloop.database.transaction() as tx:
        await themes.on_follow_ups(tx, sent)
    (line,) = await lines_of(closeloop.database)
    assert (line.telling.told, line.telling.sent, line.telling.failed) == (3, 1, 1)


async def test_theme_that_comes_up_again_opens_a_new_improvement(closeloop: Any) -> None:
    await closeloop.hear(a_theme())
    await move(closeloop, ImprovementMove.SHIP)
    await closeloop.pass_time(days=2)
    again = a_theme(
        reporters=[a_reporter(1), a_reporter(2, response="new"), a_reporter(7)],
        reached_at=START + 2 * DAY,
    )
    await closeloop.hear(again)
    first, second = await lines_of(closeloop.database)
    assert first.improvement.state is ImprovementState.SHIPPED
    assert second.improvement.state is ImprovementState.OPEN
    # Who said nothing new was told already, and does not wait for it again.
    assert second.improvement.reporters == 2
    await move(closeloop, ImprovementMove.SHIP)
    await closeloop.pass_time(seconds=1)
    told = Counter(one.customer_id for one in await follow_ups(closeloop))
    assert told == {"c0001": 1, "c0002": 2, "c0003": 1, "c0007": 1}


async def test_same_words_open_nothing_after_it_was_closed(closeloop: Any) -> None:
    await closeloop.hear(a_theme())
    await move(closeloop, ImprovementMove.DECLINE, "By design.")
    await closeloop.hear(a_theme(responses=99, reached_at=START + DAY))
    assert len(await lines_of(closeloop.database)) == 1


async def test_reporter_who_was_heard_before_it_shipped_is_told_however_late_that_arrives(
    closeloop: Any,
) -> None:
    await closeloop.hear(a_theme())
    closeloop.clock.advance(DAY)
    await move(closeloop, ImprovementMove.SHIP)
    await closeloop.pass_time(seconds=1)
    assert len(await follow_ups(closeloop)) == 3
    await closeloop.hear(a_theme(reporters=[a_reporter(8)], reached_at=START + DAY / 2))
    await closeloop.pass_time(seconds=1)
    assert [one.customer_id for one in await follow_ups(closeloop)][3:] == ["c0008"]
    assert len(await lines_of(closeloop.database)) == 1


async def test_erased_reporter_is_neither_kept_nor_told(closeloop: Any) -> None:
    await closeloop.hear(a_theme())
    erased = an_event(registry.CUSTOMER_ERASED, customer_id="c0001", occurred_at=START)
    await closeloop.hear(erased)
    await closeloop.hear(a_theme(reached_at=START + DAY))
    (line,) = await lines_of(closeloop.database)
    assert [quote.customer_id for quote in line.improvement.quotes] == ["c0002"]
    assert line.improvement.reporters == 2
    await move(closeloop, ImprovementMove.SHIP)
    await closeloop.pass_time(seconds=1)
    assert [one.customer_id for one in await follow_ups(closeloop)] == ["c0002", "c0003"]


async def test_reporters_are_listed_with_what_became_of_them(closeloop: Any) -> None:
    await closeloop.hear(a_theme())
    (line,) = await lines_of(closeloop.database)
    async with closeloop.database.read() as connection:
        found = await queries.reporters_of(
            connection, line.improvement.improvement_id, after="c0001", limit=1
        )
        figures = await queries.figures(connection)
    assert [(one.customer_id, one.responses, one.told_at) for one in found] == [
        ("c0002", ["r2"], None)
    ]
    assert figures.by_state[ImprovementState.OPEN] == 1
    assert figures.overdue == 0


async def test_one_improvement_when_two_replicas_hear_of_it_at_once(closeloop: Any) -> None:
    for number in range(5):
        event = a_theme(f"theme-{number}")
        await asyncio.gather(*(closeloop.hear(event) for _ in range(4)))
    assert len(await lines_of(closeloop.database)) == 5


async def test_theme_that_is_heard_while_it_ships_does_not_undo_that(closeloop: Any) -> None:
    await closeloop.hear(a_theme())
    (line,) = await lines_of(closeloop.database)
    late = a_theme(reporters=[a_reporter(8)], reached_at=START - DAY)
    waiting = text("SELECT count(*) FROM pg_locks WHERE NOT granted")
    async with closeloop.database.transaction() as tx:
        ship = Change(move=ImprovementMove.SHIP, actor="Maya Lind")
        await improvements.move(tx, closeloop.keeper, line.improvement.improvement_id, ship)
        hearing = asyncio.create_task(closeloop.hear(late))
        while not await tx.connection.scalar(waiting):
            await asyncio.sleep(0.01)
    await hearing
    (line,) = await lines_of(closeloop.database)
    assert (line.improvement.state, line.improvement.reporters) == (ImprovementState.SHIPPED, 4)


async def test_nobody_is_forgotten_or_told_twice_when_it_ships_while_more_is_heard(
    closeloop: Any,
) -> None:
    await closeloop.hear(a_theme())
    later = [
        a_theme(reporters=[a_reporter(number)], reached_at=START - timedelta(seconds=number))
        for number in range(10, 20)
    ]
    await asyncio.gather(
        *(closeloop.hear(event) for event in later),
        move(closeloop, ImprovementMove.SHIP),
        closeloop.pass_time(seconds=1),
    )
    await closeloop.pass_time(seconds=1)
    told = Counter(one.customer_id for one in await follow_ups(closeloop))
    assert set(told.values()) == {1}
    assert len(told) == 13
