"""Improvements: loaded and locked, saved with what follows, and whom to tell."""

from collections.abc import Collection, Sequence
from dataclasses import fields
from datetime import datetime
from typing import Any, Final

from sqlalchemy import RowMapping, Select, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from closeloop_service.domain.errors import ImprovementNotFound
from closeloop_service.domain.hearing import Known, Spoken
from closeloop_service.domain.improvement import Decision, Improvement, ImprovementState
from closeloop_service.domain.rules import Rules
from closeloop_service.store.alerts import raise_alerts
from closeloop_service.tables import IMPROVEMENT, IMPROVEMENT_HISTORY
from heardback.bulk import insert_rows, json_text, upsert_rows
from heardback.contracts.payloads import Quote
from heardback.db import Transaction
from heardback.timers import Timer

IMPROVEMENT_DUE: Final = "improvement_due"
TELL_REPORTERS: Final = "tell_reporters"
TRACKERS_BELL: Final = "trackers"
"""Rings when there is something to do for a tracker."""

_FIELDS: Final = tuple(field.name for field in fields(Improvement))

_LOCK_THEMES: Final = text("""
    SELECT pg_advisory_xact_lock(hashtextextended('theme/' || theme_id, 0))
    FROM (SELECT DISTINCT json_array_elements_text(CAST(:themes AS json)) AS theme_id
          ORDER BY 1) AS themes
""")
_NEWEST: Final = text(f"""
    SELECT {", ".join(_FIELDS)} FROM improvement
    WHERE improvement_id IN (
        SELECT DISTINCT ON (theme_id) improvement_id FROM improvement
        WHERE theme_id IN (SELECT json_array_elements_text(CAST(:themes AS json)))
        ORDER BY theme_id, state IN ('open', 'planned') DESC, improvement_id DESC
    )
    ORDER BY improvement_id FOR UPDATE
""")
_LOCK_ALL: Final = text(f"""
    SELECT {", ".join(_FIELDS)} FROM improvement
    WHERE improvement_id = ANY(CAST(:ids AS text[])) ORDER BY improvement_id FOR UPDATE
""")
_SPOKEN: Final = text("""
    SELECT theme_id, improvement_id, customer_id, invitation_id, program_id, reporter.responses
    FROM reporter JOIN improvement USING (improvement_id)
    WHERE theme_id IN (SELECT json_array_elements_text(CAST(:themes AS json)))
      AND customer_id IN (SELECT json_array_elements_text(CAST(:customers AS json)))
    ORDER BY improvement_id, customer_id
""")
_CALLED: Final = text("""
    SELECT customer_id, string_agg(DISTINCT name, ' ') AS name FROM (
        SELECT customer_id, name FROM customer
        WHERE customer_id = ANY(CAST(:ids AS text[]))
        UNION SELECT customer_id, recipient ->> 'name' FROM invitation
        WHERE customer_id = ANY(CAST(:ids AS text[]))
    ) AS called
    WHERE name IS NOT NULL GROUP BY customer_id
""")
# The tickets of these are looked at soon, and written anew without the words.
_FORGET: Final = (
    text("""
        WITH known AS (
            SELECT improvement_id,
                   (SELECT count(*) FROM reporter
                    WHERE reporter.improvement_id = improvement.improvement_id
                      AND customer_id = ANY(CAST(:ids AS text[]))) AS gone
            FROM improvement
            WHERE EXISTS (SELECT FROM jsonb_array_elements(quotes) AS quote
                          WHERE quote ->> 'customer_id' = ANY(CAST(:ids AS text[])))
               OR improvement_id IN (SELECT improvement_id FROM reporter
                                     WHERE customer_id = ANY(CAST(:ids AS text[])))
            ORDER BY improvement_id FOR UPDATE
        ), rid AS (
            UPDATE improvement SET
                version = version + 1, reporters = reporters - known.gone,
                quotes = coalesce(
                    (SELECT jsonb_agg(quote) FROM jsonb_array_elements(quotes) AS quote
                     WHERE quote ->> 'customer_id' <> ALL(CAST(:ids AS text[]))), '[]')
            FROM known WHERE improvement.improvement_id = known.improvement_id
            RETURNING improvement.improvement_id
        )
        UPDATE ticket SET try_at = :now FROM rid
        WHERE ticket.improvement_id = rid.improvement_id
    """),
    text("DELETE FROM reporter WHERE customer_id = ANY(CAST(:ids AS text[]))"),
)


# What is opened again has a ticket already, at which nobody looks any more.
_LOOK_AGAIN: Final = text("""
    UPDATE ticket SET try_at = :now WHERE improvement_id = ANY(CAST(:ids AS text[]))
""")


async def lock_themes(connection: AsyncConnection, theme_ids: Sequence[str]) -> None:
    """Let nobody else open an improvement for these themes until this commits."""
    await connection.execute(_LOCK_THEMES, {"themes": json_text(list(theme_ids))})


async def known_of(
    connection: AsyncConnection, theme_ids: Sequence[str], customer_ids: Sequence[str]
) -> dict[str, Known]:
    """Return what is known of each theme, and of these customers in it; its improvement locked."""
    themes = json_text(list(theme_ids))
    newest = {
        row["theme_id"]: improvement_of(row)
        for row in (await connection.execute(_NEWEST, {"themes": themes})).mappings()
    }
    spoken: dict[str, list[Spoken]] = {theme_id: [] for theme_id in theme_ids}
    bound = {"themes": themes, "customers": json_text(list(customer_ids))}
    for row in (await connection.execute(_SPOKEN, bound)).mappings():
        spoken[row["theme_id"]].append(_spoken_of(row))
    return {
        theme_id: Known(improvement=newest.get(theme_id), spoken=tuple(rows))
        for theme_id, rows in spoken.items()
    }


async def lock(connection: AsyncConnection, improvement_id: str) -> Improvement:
    """Return an improvement, locked.

    Raises: ImprovementNotFound.
    """
    return await _one(connection, _select(improvement_id).with_for_update(), improvement_id)


async def lock_all(
    connection: AsyncConnection, improvement_ids: Collection[str]
) -> list[Improvement]:
    """Return these improvements, locked in the order of their ids."""
    rows = await connection.execute(_LOCK_ALL, {"ids": list(improvement_ids)})
    return [improvement_of(row) for row in rows.mappings()]


async def load(connection: AsyncConnection, improvement_id: str) -> Improvement:
    """Return an improvement as it is.

    Raises: ImprovementNotFound.
    """
    return await _one(connection, _select(improvement_id), improvement_id)


async def save(tx: Transaction, rules: Rules, decisions: Sequence[Decision]) -> None:
    """Write what was decided, and what follows from it."""
    if not decisions:
        return
    latest = {decision.improvement.improvement_id: decision.improvement for decision in decisions}
    rows = [_row(improvement) for _, improvement in sorted(latest.items())]
    await upsert_rows(tx.connection, IMPROVEMENT, rows, key=("improvement_id",))
    lines = [line for decision in decisions for line in _history(decision, tx.now)]
    await insert_rows(tx.connection, IMPROVEMENT_HISTORY, lines)
    for decision in decisions:
        _follow(tx, decision)
    alerts = [alert for decision in decisions for alert in decision.alerts]
    if alerts:
        await raise_alerts(tx, rules, alerts)
    if opened := [d.improvement.improvement_id for d in decisions if d.opens]:
        await tx.connection.execute(_LOOK_AGAIN, {"ids": opened, "now": tx.now})
        await tx.ring(TRACKERS_BELL)


async def names_of(connection: AsyncConnection, customer_ids: Collection[str]) -> dict[str, str]:
    """Return what these customers are called, all of it in one, where that is known."""
    rows = await connection.execute(_CALLED, {"ids": sorted(customer_ids)})
    return {row.customer_id: row.name for row in rows}


async def forget(tx: Transaction, customer_ids: Collection[str]) -> None:
    """Drop the words of these customers, who are erased, here and soon in tickets too."""
    for statement in _FORGET:
        await tx.connection.execute(statement, {"ids": sorted(customer_ids), "now": tx.now})
    await tx.ring(TRACKERS_BELL)


def improvement_of(row: RowMapping) -> Improvement:
    """Return the improvement in a row that names all of its fields."""
    values = {name: row[name] for name in _FIELDS}
    quotes = tuple(Quote(**quote) for quote in values["quotes"])
    return Improvement(**{**values, "state": ImprovementState(values["state"]), "quotes": quotes})


def _select(improvement_id: str) -> Select[Any]:
    columns = [IMPROVEMENT.c[name] for name in _FIELDS]
    return select(*columns).where(IMPROVEMENT.c.improvement_id == improvement_id)


async def _one(
    connection: AsyncConnection, statement: Select[Any], improvement_id: str
) -> Improvement:
    row = (await connection.execute(statement)).mappings().one_or_none()
    if row is None:
        raise ImprovementNotFound(improvement_id=improvement_id)
    return improvement_of(row)


def _row(improvement: Improvement) -> dict[str, Any]:
    row = {name: getattr(improvement, name) for name in _FIELDS}
    row["quotes"] = [quote.model_dump(mode="json") for quote in improvement.quotes]
    return row


def _history(decision: Decision, now: datetime) -> list[dict[str, Any]]:
    return [
        {
            "improvement_id": decision.improvement.improvement_id,
            "occurred_at": now,
            "what": entry.what,
            "actor": entry.actor,
            "note": entry.note,
            "details": dict(entry.details),
        }
        for entry in decision.entries
    ]


def _follow(tx: Transaction, decision: Decision) -> None:
    improvement = decision.improvement
    key, traceparent = improvement.improvement_id, improvement.traceparent
    for event_type, payload in decision.events:
        tx.emit(event_type, payload, traceparent=traceparent)
    if decision.opens:
        due = Timer(
            kind=IMPROVEMENT_DUE, key=key, due_at=improvement.due_at, traceparent=traceparent
        )
        tx.set_timer(due)
    if decision.tell:
        tx.set_timer(Timer(kind=TELL_REPORTERS, key=key, due_at=tx.now, traceparent=traceparent))


def _spoken_of(row: RowMapping) -> Spoken:
    return Spoken(
        improvement_id=row["improvement_id"],
        customer_id=row["customer_id"],
        invitation_id=row["invitation_id"],
        program_id=row["program_id"],
        responses=tuple(row["responses"]),
    )
