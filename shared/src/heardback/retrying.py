"""How a loop lives through an outage: say it, wait a little longer each time, go on."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

import structlog

from heardback.clock import Clock, wait_any
from heardback.health import Check

T = TypeVar("T")
_DATA_EXCEPTION = ("22", "23")
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Backoff:
    """Delays that double from `first_seconds` up to `longest_seconds`, with jitter."""

    first_seconds: float = 0.1
    longest_seconds: float = 5.0

    def seconds(self, attempt: int) -> float:
        """Return the delay after the failed attempt number `attempt`, counted from 0."""
        full = min(self.longest_seconds, self.first_seconds * 2.0 ** min(attempt, 20))
        return full * random.uniform(0.5, 1.0)  # noqa: S311  # jitter, not a secret


async def until_it_works(
    action: Callable[[], Awaitable[T]],
    *,
    worth_retrying: Callable[[BaseException], bool],
    stop: asyncio.Event,
    clock: Clock,
    check: Check,
) -> T | None:
    """Run `action` until it succeeds; None when `stop` is set first.

    `check` tells readiness what it waits for. Raises what is not worth retrying.
    """
    backoff, attempt = Backoff(), 0
    while not stop.is_set():
        try:
            result = await action()
        except Exception as error:
            if not worth_retrying(error):
                raise
            check.fail(describe(error))
            _log.warning("waiting", what=check.name, error=describe(error), attempt=attempt + 1)
            await wait_any(stop, clock=clock, seconds=backoff.seconds(attempt))
            attempt += 1
        else:
            if attempt:
                _log.info("recovered", what=check.name, attempts=attempt)
            check.ok()
            return result
    return None


def describe(error: BaseException) -> str:
    """Return one line that names `error`, without SQL, parameters or a stack."""
    original = getattr(error, "orig", None)
    source = original if isinstance(original, BaseException) else error
    state = str(getattr(source, "sqlstate", None) or "")
    if state.startswith(_DATA_EXCEPTION):
        return f"{type(source).__name__}: SQLSTATE {state}"  # its text quotes the data
    first_line = (str(source).splitlines() or ["no answer in time"])[0]
    return f"{type(source).__name__}: {first_line}"[:300]
