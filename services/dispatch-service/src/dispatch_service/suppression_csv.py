"""The suppression list as CSV: read line by line, with the fault of each line, and written."""

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from dispatch_service.addresses import usable_address, usable_phone
from dispatch_service.domain.suppression import Reason, Suppression, canonical
from heardback.errors import Invalid
from heardback.vocabulary import Channel, ProgramType, Scope

COLUMNS: Final = (
    "customer_id",
    "address",
    "scope",
    "scoped_to",
    "reason",
    "note",
    "suppressed_at",
)
_LONGEST: Final = 200
_SPREADSHEET: Final = ("=", "+", "-", "@", "\t")
_FIXED: Final[dict[Scope, set[str]]] = {
    Scope.ALL: {""},
    Scope.TYPE: {kind.value for kind in ProgramType},
    Scope.CHANNEL: {channel.value for channel in Channel},
}


class UnusableEntry(Invalid):
    """The entry does not say who is not to be asked."""

    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Fields:
    """An entry as people write it, unchecked."""

    customer_id: str = ""
    address: str = ""
    scope: str = ""
    scoped_to: str = ""
    reason: str = ""
    note: str = ""


class Header:
    """Which column stands where in a file."""

    def __init__(self, line: str) -> None:
        """Raises: UnusableEntry when it names no column that says who."""
        names = [name.strip().lower() for name in _cells(line)]
        known = [name for name in names if name in COLUMNS]
        if len(set(known)) < len(known) or not {"customer_id", "address"} & set(known):
            raise UnusableEntry(
                detail="The first line must name the columns, customer_id or address among them."
            )
        self._places = {
            name: names.index(name) for name in known if name in Fields.__dataclass_fields__
        }

    def fields(self, line: str) -> Fields:
        """Return what a line says.

        Raises: UnusableEntry.
        """
        cells = _cells(line)
        found = {
            name: cells[place].strip() for name, place in self._places.items() if place < len(cells)
        }
        note = found.get("note", "")
        if note[:1] == "'" and note[1:].startswith(_SPREADSHEET):
            found["note"] = note[1:]
        return Fields(**found)


def entry_of(fields: Fields, *, now: datetime) -> Suppression:
    """Return the entry that somebody wrote.

    Raises: UnusableEntry.
    """
    if not fields.customer_id and not fields.address:
        raise UnusableEntry(detail="It names neither a customer_id nor an address.")
    _check_texts(fields)
    scope, scoped_to = _scope(fields.scope.lower() or Scope.ALL.value, fields.scoped_to)
    return Suppression(
        customer_id=fields.customer_id,
        address=address_of(fields.address) if fields.address else "",
        scope=scope,
        scoped_to=scoped_to,
        reason=_reason(fields.reason.lower() or Reason.MANUAL.value),
        note=fields.note or None,
        suppressed_at=now,
    )


def address_of(text: str) -> str:
    """Return an address as the list keeps it.

    Raises: UnusableEntry when it is neither an email address nor an international phone number.
    """
    usable = usable_address(text) if "@" in text else usable_phone(text)
    if usable is None:
        raise UnusableEntry(
            detail="The address is neither an email address nor a phone number such as +4930123456."
        )
    return canonical(usable)


def lines_of(entries: Iterable[Suppression]) -> str:
    """Return entries as lines of CSV."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerows(_cells_of(entry) for entry in entries)
    return text.getvalue()


def header_line() -> str:
    """Return the first line."""
    return ",".join(COLUMNS) + "\r\n"


def _cells_of(entry: Suppression) -> Sequence[str]:
    note = " ".join((entry.note or "").split())
    return (
        entry.customer_id,
        entry.address,
        entry.scope.value,
        entry.scoped_to,
        entry.reason.value,
        # What a spreadsheet would take for a formula; a mail server may have written it.
        f"'{note}" if note.startswith(_SPREADSHEET) else note,
        entry.suppressed_at.isoformat(),
    )


def _cells(line: str) -> list[str]:
    try:
        rows = list(csv.reader([line], strict=True))
    except csv.Error:
        raise UnusableEntry(detail="The line is not CSV: a quote is open or misplaced.") from None
    return rows[0] if rows else []


def _check_texts(fields: Fields) -> None:
    for name in Fields.__dataclass_fields__:
        value: str = getattr(fields, name)
        if len(value) > _LONGEST:
            raise UnusableEntry(detail=f"{name} is longer than {_LONGEST} characters.")
        if any(ord(char) < 32 or ord(char) == 127 for char in value):
            raise UnusableEntry(detail=f"{name} has a character that can't be seen.")


def _scope(text: str, to: str) -> tuple[Scope, str]:
    try:
        scope = Scope(text)
    except ValueError:
        raise UnusableEntry(detail=f"The scope is one of {', '.join(Scope)}.") from None
    allowed = _FIXED.get(scope)
    if allowed is None and not to:
        raise UnusableEntry(detail="scoped_to must name the program.")
    if allowed is not None and to not in allowed:
        named = ", ".join(sorted(allowed)) or "empty"
        raise UnusableEntry(detail=f"For the scope {scope}, scoped_to is {named}.")
    return scope, to


def _reason(text: str) -> Reason:
    try:
        return Reason(text)
    except ValueError:
        raise UnusableEntry(detail=f"The reason is one of {', '.join(Reason)}.") from None
