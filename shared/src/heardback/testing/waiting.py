"""Waiting for a condition, with a deadline: what a test does instead of sleeping."""

from collections.abc import Awaitable, Callable

from heardback.embedded.processes import wait_until


async def until(condition: Callable[[], bool | Awaitable[bool]], *, seconds: float = 20) -> None:
    """Return as soon as `condition` holds.

    Raises: TimeoutError after `seconds`, with the condition's name.
    """
    if not await wait_until(condition, seconds):
        msg = f"{getattr(condition, '__qualname__', condition)} did not hold in {seconds} s"
        raise TimeoutError(msg)
