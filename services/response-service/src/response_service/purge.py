"""Forget what is kept for a while only: visits, short links, and what trusted systems sent."""

import asyncio
from datetime import timedelta
from typing import Final

from sqlalchemy import TextClause, text

from heardback.clock import wait_any
from heardback.db import is_transient
from heardback.retrying import until_it_works
from heardback.service import Runtime

_EVERY_SECONDS: Final = 300.0
_BATCH: Final = 5_000
_VISITS_KEPT: Final = timedelta(days=1)
_REQUESTS_KEPT: Final = timedelta(days=2)
_CODES_KEPT: Final = timedelta(days=90)
"""From when they expire: until then a short link says that its survey is closed."""


def _old(table: str, column: str) -> TextClause:
    return text(f"""
        DELETE FROM {table} WHERE ctid = ANY(ARRAY(
            SELECT ctid FROM {table} WHERE {column} < :before ORDER BY {column} LIMIT :limit
        ))
    """)


_RULES: Final = (
    (_old("visit", "visited_at"), _VISITS_KEPT),
    (_old("submission", "created_at"), _REQUESTS_KEPT),
    (_old("short_code", "expires_at"), _CODES_KEPT),
)


class Purge:
    """The loop that forgets, a little at a time."""

    def __init__(self, runtime: Runtime) -> None:
        self._database = runtime.database
        self._clock = runtime.clock
        self._check = runtime.health.check("purge")

    async def run(self, stop: asyncio.Event) -> None:
        """Forget what is old until `stop` is set."""
        while not stop.is_set():
            deleted = await until_it_works(
                self.purge,
                worth_retrying=is_transient,
                stop=stop,
                clock=self._clock,
                check=self._check,
            )
            if not deleted:
                await wait_any(stop, clock=self._clock, seconds=_EVERY_SECONDS)

    async def purge(self) -> int:
        """Forget one batch of each; return how many rows that were."""
        deleted = 0
        for statement, kept in _RULES:
            async with self._database.transaction() as tx:
                bound = {"before": tx.now - kept, "limit": _BATCH}
                deleted += (await tx.connection.execute(statement, bound)).rowcount
        return deleted
