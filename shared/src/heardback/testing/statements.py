"""Counts what a database is asked: a batch must not cost more for being longer."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import event

from heardback.db import Database


@contextmanager
def counted(database: Database) -> Iterator[list[str]]:
    """Collect the statements that `database` is sent within the `with`."""
    statements: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        statements.append(statement)

    engine = database.engine.sync_engine
    event.listen(engine, "before_cursor_execute", note)
    try:
        yield statements
    finally:
        event.remove(engine, "before_cursor_execute", note)
