import asyncio

import pytest

from heardback.kafka import within


async def test_answer_is_returned_when_it_comes_in_time() -> None:
    async def answer() -> int:
        return 7

    assert await within(5, answer()) == 7


async def test_call_is_left_behind_when_it_does_not_end() -> None:
    released = asyncio.Event()

    async def stubborn() -> None:
        while not released.is_set():
            try:
                await released.wait()
            except asyncio.CancelledError:
                continue

    with pytest.raises(TimeoutError):
        await within(0.01, stubborn())
    released.set()


async def test_caller_lives_on_when_a_call_was_cancelled_inside() -> None:
    async def ends_cancelled() -> None:
        raise asyncio.CancelledError

    with pytest.raises(TimeoutError):
        await within(5, ends_cancelled())
