"""Counts what a database is asked: a batch must not cost more for being longer."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from asyncpg.connection import LoggedQuery
from sqlalchemy import event

from heardback.db import Database

_FRAMES: Final = ("BEGIN", "COMMIT", "ROLLBACK")


@contextmanager
def counted(database: Database) -> Iterator[list[str]]:
    """Collect the statements that `database` is sent within the `with`.

    Those of `heardback.driver.fetch` too, which go past SQLAlchemy; the frame of a transaction is
    none of them.
    """
    statements: list[str] = []
    drivers: set[Any] = set()

    def note(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        statements.append(statement)

    def note_raw(query: LoggedQuery) -> None:
        if not query.query.lstrip().startswith(_FRAMES):
            statements.append(query.query)

    def listen(connection: Any, _record: Any, _proxy: Any) -> None:
        drivers.add(connection.driver_connection)
        connection.driver_connection.add_query_logger(note_raw)

    engine = database.engine.sync_engine
    event.listen(engine, "before_cursor_execute", note)
    event.listen(engine, "checkout", listen)
    try:
        yield statements
    finally:
        event.remove(engine, "before_cursor_execute", note)
        event.remove(engine, "checkout", listen)
        for driver in drivers:
            driver.remove_query_logger(note_raw)
