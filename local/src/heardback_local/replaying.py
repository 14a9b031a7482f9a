"""Publishes a purchase log line by line; never holds more of it than what is in flight."""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from heardback.contracts.payloads import Payload, Profile, PurchaseCompleted
from heardback.contracts.registry import PURCHASE_COMPLETED
from heardback.envelope import Event
from heardback_local.pace import Pace
from heardback_local.publisher import Publisher
from heardback_local.purchase_log import BadLine, Layout, Purchase, read_purchase
from heardback_local.replay_position import Position, PositionFile

_SAVE_EVERY: Final = 5_000
_BOM: Final = "\N{ZERO WIDTH NO-BREAK SPACE}"

Times = Callable[[datetime], datetime]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejected:
    """A line that is not a purchase."""

    number: int
    reason: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to publish of a log, and as what.

    `email_pattern` holds `{customer}`. `last_line` None: to the end.
    """

    path: Path
    layout: Layout
    source: str
    times: Times
    email_pattern: str
    first_line: int = 1
    last_line: int | None = None
    per_second: float = 0


def numbered_lines(path: Path, *, first: int = 1) -> Iterator[tuple[int, str]]:
    """Yield the lines from number `first` on, with their numbers, undecodable bytes escaped."""
    with path.open("rb") as file:
        for number, raw in enumerate(file, start=1):
            if number >= first:
                line = raw.decode(errors="surrogateescape").rstrip("\r\n")
                yield number, line.removeprefix(_BOM) if number == 1 else line


def file_hash(path: Path) -> str:
    """Return what identifies the content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def purchases(
    path: Path, layout: Layout, *, first: int = 1
) -> Iterator[tuple[int, Purchase | Rejected]]:
    """Yield each line that is not empty as a purchase or as rejected; a header is left out."""
    for number, line in numbered_lines(path, first=first):
        if (number == 1 and layout.has_header) or not line.strip():
            continue
        try:
            yield number, read_purchase(_readable(line), layout)
        except BadLine as error:
            yield number, Rejected(number=number, reason=error.reason, text=line)


def latest_time(path: Path, layout: Layout) -> datetime | None:
    """Return the latest time in the log; None when it has no purchase."""
    found = (entry.at for _, entry in purchases(path, layout) if isinstance(entry, Purchase))
    return max(found, default=None)


def event_of(purchase: Purchase, number: int, plan: Plan) -> Event[Payload]:
    """Return the event of line `number`. Its id is the line's, so that a repeat never doubles.

    Raises: BadLine.
    """
    try:
        at = plan.times(purchase.at)
    except OverflowError as error:
        raise BadLine(reason="the shifted time is out of range") from error
    email = plan.email_pattern.replace("{customer}", purchase.customer)
    try:
        data = PurchaseCompleted(
            customer_id=purchase.customer,
            occurred_at=at,
            customer=Profile(email=email),
            order_id=purchase.order or f"line-{number}",
            amount=purchase.amount,
        )
    except ValidationError as error:
        fault = error.errors(include_url=False, include_context=False)[0]
        reason = f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}"
        raise BadLine(reason=reason) from error
    event_id = f"line-{number}"
    return Event(id=event_id, source=plan.source, type=PURCHASE_COMPLETED, data=data, time=at)


async def publish_log(
    plan: Plan,
    publisher: Publisher,
    *,
    start: Position,
    file: PositionFile,
    on_line: Callable[[int], None],
    on_rejected: Callable[[Rejected], None],
) -> Position:
    """Publish the log from `plan.first_line` on; return how far it came, all of it acknowledged.

    Interrupted, it saves where it was. Raises: BrokerRefused (the last save stands).
    """
    pace, reached = Pace(plan.per_second), start
    try:
        for number, entry in purchases(plan.path, plan.layout, first=plan.first_line):
            if plan.last_line is not None and number > plan.last_line:
                break
            rejected = await _publish(entry, number, plan, publisher, pace)
            if rejected is not None:
                on_rejected(rejected)
            reached = reached.after(number, rejected=rejected is not None)
            on_line(number)
            if number % _SAVE_EVERY == 0:
                await publisher.flush()
                file.save(reached)
    finally:
        await publisher.flush()
        standing = file.save(reached)
    return standing


async def _publish(
    entry: Purchase | Rejected, number: int, plan: Plan, publisher: Publisher, pace: Pace
) -> Rejected | None:
    """Publish one line; return it when it is refused."""
    if isinstance(entry, Rejected):
        return entry
    try:
        event = event_of(entry, number, plan)
    except BadLine as error:
        return Rejected(number=number, reason=error.reason, text=entry.customer)
    await pace.wait()
    await publisher.publish(event)
    return None


def _readable(line: str) -> str:
    try:
        line.encode()
    except UnicodeEncodeError as error:
        raise BadLine(reason="not UTF-8") from error
    return line
