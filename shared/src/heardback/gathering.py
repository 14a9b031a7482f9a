"""Group commit: what is asked for while the database is busy goes into one transaction, next.

Nobody waits for a timer. A call that comes alone is served at once; under load, calls gather while
the flush before them is in flight, and one commit serves all of them. Whoever was answered by the
one flush and asks again at once is still in time for the next.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextvars import Context
from dataclasses import dataclass
from functools import partial
from typing import Final, Generic, TypeVar

from heardback.clock import breathe
from heardback.db import is_transient, was_rolled_back

Item = TypeVar("Item")
Result = TypeVar("Result")
_TURNS: Final = 3
"""Of the event loop: answers are written, requests are read, and their handlers call. Without them
one latecomer, flushed alone, has all others wait for it, again and again."""


@dataclass(slots=True)
class _Call(Generic[Item, Result]):
    item: Item
    answer: "asyncio.Future[Result]"


class Gathering(Generic[Item, Result]):
    """Makes one flush of many calls: `result = await gathering(item)`.

    When a flush fails over something in it, its items are flushed one by one, so that only the
    callers of the bad ones hear of it. An outage is everybody's, and is raised to all at once.
    """

    def __init__(
        self,
        flush: Callable[[Sequence[Item]], Awaitable[Sequence[Result]]],
        *,
        most: int = 500,
        seconds: float = 10.0,
    ) -> None:
        """`flush` returns a result for each item, in order; it gets at most `most` of them.

        Nobody waits longer than `seconds`; a flush that has begun goes on without them.
        """
        self._flush = flush
        self._most: Final = most
        self._seconds: Final = seconds
        self._waiting: deque[_Call[Item, Result]] = deque()
        self._running: asyncio.Task[None] | None = None

    async def __call__(self, item: Item) -> Result:
        """Return the result for `item`.

        A caller that is cancelled before its flush begins takes its item along; after that, the
        flush goes on for all. Raises: what the flush raised for this item; TimeoutError.
        """
        loop = asyncio.get_running_loop()
        call: _Call[Item, Result] = _Call(item, loop.create_future())
        self._waiting.append(call)
        if self._running is None:
            # In a context of its own: it works for many callers, and belongs to no one's trace.
            self._running = loop.create_task(self._run(), context=Context())
        # Not `asyncio.timeout`, which takes five times as long.
        timer = loop.call_later(self._seconds, partial(_answer, call, error=TimeoutError()))
        try:
            return await call.answer
        finally:
            timer.cancel()

    async def _run(self) -> None:
        calls: list[_Call[Item, Result]] = []
        try:
            while self._waiting:
                for _ in range(_TURNS):
                    await breathe()
                if calls := self._take():
                    await self._serve(calls)
        finally:
            self._running = None
            # Cancelled, as the process stops: nobody may be left waiting for ever.
            for call in [*calls, *self._waiting]:
                call.answer.cancel()
            self._waiting.clear()

    def _take(self) -> list[_Call[Item, Result]]:
        calls: list[_Call[Item, Result]] = []
        while self._waiting and len(calls) < self._most:
            call = self._waiting.popleft()
            if not call.answer.done():
                calls.append(call)
        return calls

    async def _flush_or_again(self, items: Sequence[Item]) -> Sequence[Result]:
        """Flush, and once more when the database gave that up for somebody else's sake."""
        try:
            return await self._flush(items)
        except Exception as error:
            if not was_rolled_back(error):
                raise
        return await self._flush(items)

    async def _serve(self, calls: Sequence[_Call[Item, Result]]) -> None:
        """Flush the items of `calls` and answer them, whatever happens."""
        try:
            results = await self._flush_or_again([call.item for call in calls])
        except Exception as error:
            if len(calls) == 1 or is_transient(error):
                for call in calls:
                    _answer(call, error=error)
                return
            for call in calls:
                await self._serve([call])
            return
        for call, result in zip(calls, results, strict=True):
            _answer(call, result)


def _answer(
    call: _Call[Item, Result], result: Result | None = None, *, error: Exception | None = None
) -> None:
    if call.answer.done():
        return
    if error is not None:
        call.answer.set_exception(error)
    else:
        call.answer.set_result(result)  # type: ignore[arg-type]  # a result may itself be None
