"""The clock of thirty days that runs on an improvement."""

from datetime import timedelta
from typing import Any

from closeloop_service.domain.improvement import ImprovementMove, ImprovementState
from heardback.contracts import registry, topics
from heardback.testing.clock import START
from heardback.testing.statements import counted

from .stage import a_theme, lines_of, said_in
from .test_themes import DAY, follow_ups, move


async def test_row_47_clock_of_thirty_days_is_told_once(closeloop: Any) -> None:
    await closeloop.hear(a_theme())
    await closeloop.pass_time(days=29)
    said = await said_in(closeloop.database, topics.IMPROVEMENT)
    assert registry.IMPROVEMENT_OVERDUE not in [event.type for event in said]
    await closeloop.pass_time(days=1)
    await closeloop.pass_time(days=30)
    said = await said_in(closeloop.database, topics.IMPROVEMENT)
    assert [e.type for e in said].count(registry.IMPROVEMENT_OVERDUE) == 1
    (line,) = await lines_of(closeloop.database)
    assert line.improvement.overdue_at == START + timedelta(days=30)
    assert line.improvement.state is ImprovementState.OPEN


async def test_many_that_are_late_cost_as_many_statements_as_one(closeloop: Any) -> None:
    cost = []
    for theme_ids in (["a"], ["b", "c", "d"]):
        await closeloop.hear(*map(a_theme, theme_ids))
        closeloop.clock.advance(30 * DAY)
        with counted(closeloop.database) as statements:
            assert await closeloop.timers.fire() == len(theme_ids)
        cost.append(len(statements))
    assert cost[0] == cost[1]
    assert all(line.improvement.overdue_at for line in await lines_of(closeloop.database))


async def test_what_was_closed_in_time_is_never_late(closeloop: Any) -> None:
    await closeloop.hear(a_theme())
    await move(closeloop, ImprovementMove.DECLINE, "It is as it should be.")
    await closeloop.pass_time(days=31)
    said = await said_in(closeloop.database, topics.IMPROVEMENT)
    assert [event.type for event in said] == [
        registry.IMPROVEMENT_OPENED,
        registry.IMPROVEMENT_DECLINED,
    ]
    assert await follow_ups(closeloop) == []


async def test_what_was_late_already_is_not_late_anew_when_it_is_opened_again(
    closeloop: Any,
) -> None:
    await closeloop.hear(a_theme())
    await closeloop.pass_time(days=30)
    await move(closeloop, ImprovementMove.DECLINE, "By design.")
    await move(closeloop, ImprovementMove.REOPEN)
    await closeloop.pass_time(days=1)
    said = await said_in(closeloop.database, topics.IMPROVEMENT)
    assert [e.type for e in said].count(registry.IMPROVEMENT_OVERDUE) == 1
