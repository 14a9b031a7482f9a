"""The mailbox's file: SQLite, used by one thread so that the event loop never waits for a disk."""

import asyncio
import json
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import Final, TypeVar

from heardback_local.mailbox.messages import Message, StoredMessage

_T = TypeVar("_T")
_SCHEMA: Final = """
    create table if not exists message (
        id integer primary key autoincrement,
        kind text not null,
        recipient text not null collate nocase,
        sender text not null,
        received_at text not null,
        subject text not null,
        message_id text not null,
        headers text not null,
        text text not null,
        html text not null
    );
    create index if not exists message_recipient on message (recipient, id);
"""
_COLUMNS: Final = "kind, recipient, sender, received_at, subject, message_id, headers, text, html"
_INSERT: Final = f"insert into message ({_COLUMNS}) values (?, ?, ?, ?, ?, ?, ?, ?, ?)"
_AFTER: Final = f"""
    select id, {_COLUMNS} from message
    where id > :after and (:recipient is null or recipient = :recipient) order by id limit :limit
"""
_LATEST: Final = f"""
    select id, {_COLUMNS} from message
    where id < :before and (:recipient is null or recipient = :recipient)
    order by id desc limit :limit
"""
_ONE: Final = f"select id, {_COLUMNS} from message where id = ?"
_COUNT: Final = "select kind, count(*) from message group by kind"
_END: Final = 2**63 - 1


class Store:
    """Keeps messages over a restart. Open it with `await Store.open(path)`, close it at the end."""

    def __init__(self, path: Path) -> None:
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="mailbox")
        self._path = path

    @classmethod
    async def open(cls, path: Path) -> "Store":
        """Open the file, making it and its table at first."""
        store = cls(path)
        await store._run(store._connect)
        return store

    async def close(self) -> None:
        """Close the file."""
        await self._run(lambda: self._connection.close())
        self._thread.shutdown()

    async def add(self, make: Callable[[], Sequence[Message]]) -> list[int]:
        """Keep the messages that `make` returns; return their numbers once they are written.

        `make` runs on the store's thread: parsing a mail is work that the loop is spared too.
        """
        return await self._run(lambda: self._insert(make()))

    async def after(
        self, after: int, *, recipient: str | None = None, limit: int
    ) -> list[StoredMessage]:
        """Return the messages numbered above `after`, oldest first."""
        bound = {"after": after, "recipient": recipient, "limit": limit}
        return await self._run(lambda: self._select(_AFTER, bound))

    async def latest(
        self, *, recipient: str | None = None, before: int | None = None, limit: int
    ) -> list[StoredMessage]:
        """Return the newest messages, newest first."""
        bound = {"before": before or _END, "recipient": recipient, "limit": limit}
        return await self._run(lambda: self._select(_LATEST, bound))

    async def get(self, number: int) -> StoredMessage | None:
        """Return one message."""
        found = await self._run(lambda: self._select(_ONE, (number,)))
        return found[0] if found else None

    async def count(self) -> dict[str, int]:
        """Return how many messages of each kind there are."""
        rows = await self._run(lambda: self._connection.execute(_COUNT).fetchall())
        return {"email": 0, "sms": 0, **dict(rows)}

    async def _run(self, work: Callable[[], _T]) -> _T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    def _connect(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._connection = sqlite3.connect(self._path)
        self._connection.execute("pragma journal_mode = wal")
        self._connection.execute("pragma synchronous = normal")
        self._connection.executescript(_SCHEMA)

    def _insert(self, messages: Sequence[Message]) -> list[int]:
        with self._connection:
            cursors = [self._connection.execute(_INSERT, _to_row(each)) for each in messages]
        return [cursor.lastrowid or 0 for cursor in cursors]

    def _select(self, sql: str, bound: Mapping[str, object] | tuple[int]) -> list[StoredMessage]:
        return [_from_row(row) for row in self._connection.execute(sql, bound)]


def _to_row(message: Message) -> tuple[str, ...]:
    return (
        *(message.kind, message.recipient, message.sender, message.received_at.isoformat()),
        *(message.subject, message.message_id, json.dumps(message.headers)),
        *(message.text, message.html),
    )


def _from_row(row: Sequence[str]) -> StoredMessage:
    number, kind, recipient, sender, received_at, subject, message_id, headers, text, html = row
    return StoredMessage(
        id=int(number),
        message=Message(
            kind="sms" if kind == "sms" else "email",
            recipient=recipient,
            sender=sender,
            received_at=datetime.fromisoformat(received_at),
            subject=subject,
            message_id=message_id,
            headers=json.loads(headers),
            text=text,
            html=html,
        ),
    )
