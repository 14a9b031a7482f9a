"""Counts: how often each program decided what, and how many invitations went out today."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from heardback.driver import fetch
from trigger_service.domain.due import EVERYTHING, Limits, quota_scope
from trigger_service.domain.invitation import Invitation
from trigger_service.domain.program import Catalogue

# Each connection adds to a shard of its own, as good as always, so that none waits for another.
_ADD_TALLY: Final = """
    INSERT INTO tally (day, program_id, verdict, shard, count)
    SELECT $1::date, program_id, verdict, pg_backend_pid() % 16, count
    FROM unnest($2::text[], $3::text[], $4::bigint[]) AS n (program_id, verdict, count)
    ON CONFLICT (day, program_id, verdict, shard)
    DO UPDATE SET count = tally.count + excluded.count
"""
_OPEN_DAY: Final = text("""
    INSERT INTO daily_count (day, scope, requested)
    SELECT :day, scope, 0 FROM unnest(CAST(:scopes AS text[])) AS s (scope)
    ON CONFLICT DO NOTHING
""")
_LOCK_DAY: Final = text("""
    SELECT scope, requested FROM daily_count
    WHERE day = :day AND scope = ANY(CAST(:scopes AS text[])) ORDER BY scope FOR UPDATE
""")
_ADD_TO_DAY: Final = text("""
    UPDATE daily_count d SET requested = d.requested + n.count
    FROM unnest(CAST(:scopes AS text[]), CAST(:counts AS integer[])) AS n (scope, count)
    WHERE d.day = :day AND d.scope = n.scope
""")


async def add_verdicts(
    connection: AsyncConnection, counted: Mapping[tuple[str, str], int], *, now: datetime
) -> None:
    """Add how often each program decided what to the day of `now` in UTC."""
    keys = sorted(counted)
    programs, verdicts = ([key[part] for key in keys] for part in (0, 1))
    numbers = [counted[key] for key in keys]
    await fetch(connection, _ADD_TALLY, now.date(), programs, verdicts, numbers)


async def lock_limits(
    connection: AsyncConnection,
    invitations: Sequence[Invitation],
    catalogue: Catalogue,
    *,
    day: datetime,
) -> Limits:
    """Return what is left today of the limits that these invitations have, if they have any.

    Nobody else uses them up meanwhile. A limit counts from the moment at which it is first met.
    """
    allowed = _allowed(invitations, catalogue)
    if not allowed:
        return Limits(left={})
    bound = {"day": day, "scopes": sorted(allowed)}
    await connection.execute(_OPEN_DAY, bound)
    used = {row.scope: row.requested for row in await connection.execute(_LOCK_DAY, bound)}
    return Limits(left={scope: most - used[scope] for scope, most in allowed.items()})


async def use_up(
    connection: AsyncConnection,
    requested: Collection[Invitation],
    limits: Limits,
    *,
    day: datetime,
) -> None:
    """Count what goes out now against the limits that were locked."""
    used = Counter(
        scope for i in requested for scope in (EVERYTHING, quota_scope(i)) if scope in limits.left
    )
    if used:
        bound = {"day": day, "scopes": list(used), "counts": list(used.values())}
        await connection.execute(_ADD_TO_DAY, bound)


def _allowed(invitations: Iterable[Invitation], catalogue: Catalogue) -> Mapping[str, int]:
    """Return the most that each limited scope of these invitations allows in a day."""
    allowed: dict[str, int] = {}
    if catalogue.governance.daily_budget is not None:
        allowed[EVERYTHING] = catalogue.governance.daily_budget
    for invitation in invitations:
        program = catalogue.programs.get(invitation.program_id)
        most = program.quotas.get(invitation.segment or "") if program else None
        if most is not None:
            allowed[quota_scope(invitation)] = most
    return allowed
