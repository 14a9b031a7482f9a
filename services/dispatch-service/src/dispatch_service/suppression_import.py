"""Take a suppression list from a file, a few hundred lines at a time."""

import codecs
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Final

from dispatch_service import suppression, suppression_store
from dispatch_service.domain.suppression import Suppression
from dispatch_service.suppression_csv import Header, UnusableEntry, entry_of
from heardback.db import Database
from heardback.errors import Invalid, TooLarge

MOST_BYTES: Final = 64 * 1_048_576
MOST_FAULTS: Final = 200
_LONGEST_LINE: Final = 10_000
_BATCH: Final = 500


class NotText(Invalid):
    """The file is not text in UTF-8."""


@dataclass(slots=True, kw_only=True)
class Report:
    """What became of the lines of a file. `faults`: the first of those that were not taken."""

    lines: int = 0
    added: int = 0
    already: int = 0
    faulty: int = 0
    faults: list[tuple[int, str]] = field(default_factory=list)

    def note(self, line: int, fault: str) -> None:
        """Note that a line was not taken, and why."""
        self.faulty += 1
        if len(self.faults) < MOST_FAULTS:
            self.faults.append((line, fault))


class Import:
    """One run over a file. What was taken before a fault, or a broken connection, stays taken."""

    def __init__(self, database: Database, *, is_dry: bool) -> None:
        """`is_dry`: nothing is kept, the report is the same."""
        self.report: Final = Report()
        self._database = database
        self._is_dry = is_dry
        self._header: Header | None = None
        self._number = 0
        self._waiting: list[Suppression] = []
        self._seen: set[object] = set()

    async def run(self, chunks: AsyncIterator[bytes]) -> Report:
        """Take what comes.

        Raises: UnusableEntry (there is no header), NotText, TooLarge.
        """
        async for line in _lines(chunks):
            self._number += 1
            if line.strip():
                self._read(line)
            if len(self._waiting) >= _BATCH:
                await self._save()
        if self._header is None:
            raise UnusableEntry(detail="The file is empty.")
        await self._save()
        return self.report

    def _read(self, line: str) -> None:
        if self._header is None:
            self._header = Header(line)
            return
        self.report.lines += 1
        if len(line) > _LONGEST_LINE:
            self.report.note(self._number, "The line is too long.")
            return
        try:
            fields = self._header.fields(line)
            self._waiting.append(entry_of(fields, now=self._database.clock.now()))
        except UnusableEntry as fault:
            self.report.note(self._number, fault.detail)

    async def _save(self) -> None:
        waiting, self._waiting = self._waiting, []
        if not waiting:
            return
        keys = {entry.key for entry in waiting}
        async with self._database.transaction() as tx:
            known = await suppression_store.known(tx.connection, keys)
            if not self._is_dry:
                await suppression.suppress(tx, waiting)
        new = {key for key in keys - known.keys() if key not in self._seen}
        if self._is_dry:
            self._seen |= new
        self.report.added += len(new)
        self.report.already += len(waiting) - len(new)


async def _lines(chunks: AsyncIterator[bytes]) -> AsyncIterator[str]:
    """Yield lines without keeping more than one of them; an endless one is cut."""
    decoder = codecs.getincrementaldecoder("utf-8-sig")()
    rest, size = "", 0
    async for chunk in chunks:
        size += len(chunk)
        if size > MOST_BYTES:
            raise TooLarge(most_bytes=MOST_BYTES)
        *whole, rest = (rest + _decode(decoder, chunk)).split("\n")
        for line in whole:
            yield line.rstrip("\r")
        if len(rest) > 2 * _LONGEST_LINE:
            rest = rest[: 2 * _LONGEST_LINE]
    rest += _decode(decoder, b"", is_last=True)
    if rest:
        yield rest.rstrip("\r")


def _decode(decoder: codecs.IncrementalDecoder, chunk: bytes, *, is_last: bool = False) -> str:
    try:
        return decoder.decode(chunk, is_last)
    except UnicodeDecodeError:
        raise NotText from None
