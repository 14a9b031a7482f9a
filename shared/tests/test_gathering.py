"""Many calls, few flushes: together, in order, and no one pays for another."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from asyncpg import DeadlockDetectedError
from sqlalchemy.exc import DBAPIError

from heardback.errors import Retryable
from heardback.gathering import Gathering


class Flushes:
    """A flush that writes down what it gets, and waits while its gate is closed."""

    def __init__(self, *, bad: str = "bad", outage: bool = False) -> None:
        self.seen: list[list[str]] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.bad = bad
        self.outage = outage

    async def __call__(self, items: Sequence[str]) -> list[str]:
        self.seen.append(list(items))
        await self.gate.wait()
        if self.outage:
            raise Retryable
        if self.bad in items:
            raise ValueError(self.bad)
        return [item.upper() for item in items]


async def settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def test_call_is_served_at_once_when_it_comes_alone() -> None:
    flushes = Flushes()
    gathering = Gathering(flushes)
    assert [await gathering("a"), await gathering("b")] == ["A", "B"]
    assert flushes.seen == [["a"], ["b"]]


async def test_calls_gather_when_a_flush_is_in_flight() -> None:
    flushes = Flushes()
    flushes.gate.clear()
    gathering = Gathering(flushes)
    calls = [asyncio.create_task(gathering("first"))]
    await settle()
    calls += [asyncio.create_task(gathering(letter)) for letter in "abc"]
    await settle()
    flushes.gate.set()
    assert await asyncio.gather(*calls) == ["FIRST", "A", "B", "C"]
    assert flushes.seen == [["first"], ["a", "b", "c"]]


async def test_next_flush_is_for_all_who_call_again_when_one_came_too_late_for_the_last() -> None:
    flushes = Flushes()
    flushes.gate.clear()
    gathering = Gathering(flushes)

    async def call_twice(letter: str) -> None:
        await gathering(letter)
        await gathering(letter)

    calls = [asyncio.create_task(call_twice(letter)) for letter in "abc"]
    await settle()
    calls.append(asyncio.create_task(gathering("late")))
    await settle()
    flushes.gate.set()
    await asyncio.gather(*calls)
    assert flushes.seen == [["a", "b", "c"], ["late", "a", "b", "c"]]


async def test_flush_takes_no_more_than_it_may_when_many_call() -> None:
    flushes = Flushes()
    gathering = Gathering(flushes, most=2)
    assert await asyncio.gather(*map(gathering, "abcde")) == list("ABCDE")
    assert [len(seen) for seen in flushes.seen] == [2, 2, 1]


async def test_others_are_served_when_one_item_is_bad() -> None:
    flushes = Flushes()
    gathering = Gathering(flushes)
    outcomes = await asyncio.gather(*map(gathering, ["a", "bad", "c"]), return_exceptions=True)
    assert [outcomes[0], outcomes[2]] == ["A", "C"]
    assert isinstance(outcomes[1], ValueError)
    assert flushes.seen == [["a", "bad", "c"], ["a"], ["bad"], ["c"]]


async def test_all_hear_of_an_outage_when_there_is_one_and_the_next_call_works() -> None:
    flushes = Flushes(outage=True)
    gathering = Gathering(flushes)
    outcomes = await asyncio.gather(*map(gathering, "abc"), return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [Retryable] * 3
    assert flushes.seen == [["a", "b", "c"]]
    flushes.outage = False
    assert await gathering("d") == "D"


@pytest.mark.parametrize(("times", "results"), [(1, ["A", "B"]), (2, [DBAPIError] * 2)])
async def test_flush_is_made_once_more_when_the_database_gave_it_up(
    times: int, results: list[Any]
) -> None:
    flushes = Flushes()
    faults = [DeadlockDetectedError("deadlock detected")] * times

    async def flush(items: Sequence[str]) -> list[str]:
        if faults:
            raise DBAPIError("", {}, faults.pop())
        return await flushes(items)

    outcomes = await asyncio.gather(*map(Gathering(flush), "ab"), return_exceptions=True)
    told = [type(one) if isinstance(one, Exception) else one for one in outcomes]
    assert told == results
    assert len(flushes.seen) == 2 - times


async def test_flush_goes_on_for_the_others_when_a_caller_is_cancelled() -> None:
    flushes = Flushes()
    flushes.gate.clear()
    gathering = Gathering(flushes)
    in_flight, other = (asyncio.create_task(gathering(item)) for item in ("a", "b"))
    await settle()
    waiting = asyncio.create_task(gathering("c"))
    await settle()
    in_flight.cancel()
    waiting.cancel()
    await settle()
    flushes.gate.set()
    assert await other == "B"
    assert in_flight.cancelled() and waiting.cancelled()
    assert flushes.seen == [["a", "b"]]


async def test_nobody_waits_for_ever_when_the_loop_stops_in_the_middle() -> None:
    flushes = Flushes()
    flushes.gate.clear()
    gathering = Gathering(flushes)
    calls = [asyncio.create_task(gathering(item)) for item in "ab"]
    await settle()
    calls.append(asyncio.create_task(gathering("c")))
    await settle()
    running = gathering._running
    assert running is not None
    running.cancel()
    outcomes = await asyncio.gather(*calls, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [asyncio.CancelledError] * 3
    flushes.gate.set()
    assert await gathering("d") == "D"


async def test_flush_is_no_ones_trace_when_many_call() -> None:
    from contextvars import ContextVar

    mine: ContextVar[str] = ContextVar("mine", default="nobody's")
    seen: list[str] = []

    async def flush(items: Sequence[str]) -> list[str]:
        seen.append(mine.get())
        return list(items)

    mine.set("caller's")
    await Gathering(flush)("a")
    assert seen == ["nobody's"]


async def test_result_may_be_none_when_the_flush_says_so() -> None:
    async def flush(items: Sequence[str]) -> list[None]:
        return [None for _ in items]

    assert await Gathering(flush)("a") is None


async def test_every_item_is_served_once_when_callers_come_and_go() -> None:
    flushes = Flushes()
    gathering = Gathering(flushes, most=7)

    async def caller(number: int) -> None:
        for step in range(number % 5):
            await asyncio.sleep(0.0001 * step)
        with pytest.raises(ValueError) if number % 13 == 0 else _nothing():
            assert await gathering("bad" if number % 13 == 0 else str(number)) == str(number)

    await asyncio.gather(*map(caller, range(200)))
    alone = {seen[0] for seen in flushes.seen if len(seen) == 1}
    served = [item for seen in flushes.seen if "bad" not in seen for item in seen]
    assert sorted(served, key=int) == [str(n) for n in range(200) if n % 13]
    assert "bad" in alone


class _nothing:  # noqa: N801
    def __enter__(self) -> None: ...

    def __exit__(self, *_: object) -> None: ...


async def test_caller_is_told_when_the_flush_takes_too_long() -> None:
    flushes = Flushes()
    flushes.gate.clear()
    gathering = Gathering(flushes, seconds=0.01)
    first, second = await asyncio.gather(gathering("a"), gathering("b"), return_exceptions=True)
    assert isinstance(first, TimeoutError) and isinstance(second, TimeoutError)
    flushes.gate.set()
    assert await gathering("c") == "C"
