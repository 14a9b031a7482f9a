"""Counts what a database is asked: a batch must not cost more for being longer."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final
from unittest.mock import patch

from asyncpg.connection import Connection, LoggedQuery
from sqlalchemy import event

from heardback.db import Database

_FRAMES: Final = ("BEGIN", "COMMIT", "ROLLBACK")


@contextmanager
def counted(database: Database) -> Iterator[list[str]]:
    """Collect the statements that `database` is sent within the `with`.

    Those of `heardback.driver` too, which go past SQLAlchemy, a COPY included; the frame of a
    transaction is none of them.
    """
    statements: list[str] = []
    copy: Any = Connection.copy_records_to_table
    drivers: set[Any] = set()

    def note(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        statements.append(statement)

    def note_raw(query: LoggedQuery) -> None:
        if not query.query.lstrip().startswith(_FRAMES):
            statements.append(query.query)

    async def copied(driver: Any, table: str, **rest: Any) -> Any:
        # The driver's loggers hear of no COPY.
        if driver in drivers:
            statements.append(f"COPY {table}")
        return await copy(driver, table, **rest)

    def listen(connection: Any, _record: Any, _proxy: Any) -> None:
        drivers.add(connection.driver_connection)
        connection.driver_connection.add_query_logger(note_raw)

    engine = database.engine.sync_engine
    event.listen(engine, "before_cursor_execute", note)
    event.listen(engine, "checkout", listen)
    try:
        with patch.object(Connection, "copy_records_to_table", copied):
            yield statements
    finally:
        event.remove(engine, "before_cursor_execute", note)
        event.remove(engine, "checkout", listen)
        for driver in drivers:
            driver.remove_query_logger(note_raw)
