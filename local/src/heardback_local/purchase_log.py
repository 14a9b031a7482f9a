"""Reading a purchase log: one line, one purchase, whatever separates its columns.

Pure: takes lines, returns purchases, or says what is wrong with a line.
"""

import csv
import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from typing import Final

from heardback.errors import Invalid

WHITESPACE: Final = "whitespace"
_DELIMITERS: Final = (",", ";", "\t")
_NAMES: Final = {
    "customer": ("customer_id", "customer", "client_id", "client", "user_id", "user"),
    "date": ("date", "datetime", "timestamp", "ordered_at", "order_date", "purchase_date", "time"),
    "amount": ("amount", "dollar_value", "total", "price", "value", "revenue"),
    "order": ("order_id", "order", "invoice", "invoice_no", "transaction_id"),
}


class BadLine(Invalid):
    """A line is not a purchase."""

    reason: str


class NoSuchColumn(Invalid):
    """The file has no such column; name one of its header, or give a number from 1 on."""

    wanted: str
    columns: str


class UnreadableLog(Invalid):
    """The first lines do not say where customer and date stand; give --customer and --date."""

    columns: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """What the user says of the columns: names, numbers from 1 on, or nothing."""

    customer: str | None = None
    date: str | None = None
    amount: str | None = None
    order: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """How the lines of a log are read. Columns are numbered from 0; None: not there.

    `date_format` None is ISO 8601, which includes yyyymmdd. `timezone` is that of naive times.
    """

    delimiter: str
    has_header: bool
    customer: int
    date: int
    amount: int | None = None
    order: int | None = None
    date_format: str | None = None
    timezone: tzinfo = UTC


@dataclass(frozen=True, slots=True, kw_only=True)
class Purchase:
    """One purchase of the log; `order` is None where the log has no such column."""

    customer: str
    at: datetime
    amount: float | None
    order: str | None


def split(line: str, delimiter: str) -> list[str]:
    """Return the fields of a line.

    Raises: BadLine.
    """
    if delimiter == WHITESPACE:
        return line.split()
    try:
        (fields,) = csv.reader([line], delimiter=delimiter, strict=True)
    except (csv.Error, ValueError) as error:
        raise BadLine(reason=f"not well quoted: {error}") from error
    return [field.strip() for field in fields]


def read_purchase(line: str, layout: Layout) -> Purchase:
    """Return the purchase on a line.

    Raises: BadLine.
    """
    fields = split(line, layout.delimiter)
    customer = _field(fields, layout.customer, "customer")
    if not customer:
        raise BadLine(reason="the customer is empty")
    at = _time(_field(fields, layout.date, "date"), layout)
    amount = None if layout.amount is None else _amount(_field(fields, layout.amount, "amount"))
    order = None if layout.order is None else _field(fields, layout.order, "order")
    return Purchase(customer=customer, at=at, amount=amount, order=order or None)


def detect_delimiter(line: str) -> str:
    """Return the delimiter that the first line is split by: the one that occurs most."""
    best = max(_DELIMITERS, key=line.count)
    return best if best in line else WHITESPACE


def detect_layout(
    first_line: str,
    columns: Columns,
    *,
    delimiter: str | None = None,
    has_header: bool | None = None,
    date_format: str | None = None,
    timezone: tzinfo = UTC,
) -> Layout:
    """Return how to read a log that begins with `first_line`; what is not said is found out.

    A first line that is not itself a purchase is a header. In a header, usual names are known;
    without one, the first column is the customer and the second the date.

    Raises: NoSuchColumn, UnreadableLog.
    """
    delimiter = delimiter or detect_delimiter(first_line)
    fields = split(first_line, delimiter)
    if has_header is None:
        has_header = not _looks_like_purchase(fields, columns, date_format)
    names = [field.lower() for field in fields] if has_header else []
    found = {
        "customer": _column(columns.customer, "customer", names, len(fields)),
        "date": _column(columns.date, "date", names, len(fields)),
    }
    customer, date = found["customer"], found["date"]
    if not has_header:
        customer, date = customer or 0, 1 if date is None else date
    if customer is None or date is None or max(customer, date) >= len(fields):
        raise UnreadableLog(columns=", ".join(fields))
    return Layout(
        delimiter=delimiter,
        has_header=has_header,
        customer=customer,
        date=date,
        amount=_column(columns.amount, "amount", names, len(fields)),
        order=_column(columns.order, "order", names, len(fields)),
        date_format=date_format,
        timezone=timezone,
    )


def _looks_like_purchase(fields: Sequence[str], columns: Columns, date_format: str | None) -> bool:
    """Whether a date stands where it would stand if there were no header."""
    wanted = columns.date or "2"
    if not wanted.isdigit() or not 0 < int(wanted) <= len(fields):
        return False
    layout = Layout(delimiter="", has_header=False, customer=0, date=0, date_format=date_format)
    try:
        _time(fields[int(wanted) - 1], layout)
    except BadLine:
        return False
    return True


def _column(wanted: str | None, role: str, names: Sequence[str], width: int) -> int | None:
    """Return the number, from 0 on, of the column that plays `role`."""
    if wanted is None:
        return next((names.index(name) for name in _NAMES[role] if name in names), None)
    if wanted.isdigit() and 0 < int(wanted) <= width:
        return int(wanted) - 1
    if wanted.lower() in names:
        return names.index(wanted.lower())
    raise NoSuchColumn(wanted=wanted, columns=", ".join(names) or f"numbers 1 to {width}")


def _field(fields: Sequence[str], number: int, role: str) -> str:
    if number >= len(fields):
        raise BadLine(reason=f"no column {number + 1} for the {role}; there are {len(fields)}")
    return fields[number]


def _time(text: str, layout: Layout) -> datetime:
    try:
        if layout.date_format is None:
            time = datetime.fromisoformat(text)
        else:
            time = datetime.strptime(text, layout.date_format)  # noqa: DTZ007  # made aware below
    except ValueError as error:
        raise BadLine(reason=f"{text[:40]!r} is not a date") from error
    aware = time if time.tzinfo is not None else time.replace(tzinfo=layout.timezone)
    try:
        return aware.astimezone(UTC)
    except OverflowError as error:
        raise BadLine(reason=f"{text[:40]!r} is not a date") from error


def _amount(text: str) -> float | None:
    if not text:
        return None
    try:
        amount = float(text)
    except ValueError:
        amount = math.nan
    if not math.isfinite(amount) or amount < 0:
        raise BadLine(reason=f"{text[:40]!r} is not an amount of 0 or more")
    return amount
