"""The dead-letter topic: what can't be processed, with the reason, its bytes and its headers.

Written through the outbox, in the transaction that moves past the message. A limit per time
keeps a broken producer from emptying a topic into it: past the limit the consumer waits.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from heardback import metrics
from heardback.contracts import topics
from heardback.contracts.payloads import Payload
from heardback.contracts.topics import Topic
from heardback.db import Transaction
from heardback.envelope import Event, Headers, InvalidEvent, OutgoingMessage, decode
from heardback.errors import DeadLetterFlood
from heardback.positions import Record
from heardback.retrying import describe

MAX_KEPT_BYTES: Final = 4 * 1_048_576
"""A longer value is cut, and the header `dlq_truncated` says so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """A message to set aside. `reason` is a stable word; `error` one line for a person."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: Headers
    reason: str
    error: str


@dataclass(slots=True, kw_only=True)
class DeadLetterLimit:
    """At most `limit` dead letters in each span of `window`, per process."""

    limit: int
    window: timedelta
    _taken_at: deque[datetime] = field(default_factory=deque)

    def check(self, count: int, *, now: datetime) -> None:
        """See that there is room for `count` more. A batch that alone exceeds it goes through once.

        Raises: DeadLetterFlood when the limit is reached; wait and try again.
        """
        while self._taken_at and self._taken_at[0] <= now - self.window:
            self._taken_at.popleft()
        if count and self._taken_at and len(self._taken_at) + count > self.limit:
            raise DeadLetterFlood(limit=self.limit, window_seconds=self.window.total_seconds())

    def take(self, count: int, *, now: datetime) -> None:
        """Count `count` dead letters that are committed."""
        self._taken_at.extend([now] * count)


def sort_out(
    topic: Topic, records: Sequence[Record], failure: Exception | None
) -> tuple[list[Event[Payload]], list[DeadLetter]]:
    """Parse `records`: the events, and what is none. `failure` condemns all of them."""
    events: list[Event[Payload]] = []
    letters: list[DeadLetter] = []
    for record in records:
        try:
            if failure is not None:
                raise InvalidEvent(reason="handler_failed", detail=describe(failure))
            events.append(decode(topic, record.value, record.headers))
        except InvalidEvent as error:
            letters.append(_letter(record, error))
    return events, letters


def _letter(record: Record, error: InvalidEvent) -> DeadLetter:
    return DeadLetter(
        topic=record.topic,
        partition=record.partition,
        offset=record.offset,
        key=record.key,
        value=record.value,
        headers=record.headers,
        reason=error.reason,
        error=error.detail,
    )


def set_aside(tx: Transaction, letters: Sequence[DeadLetter], *, service: str) -> None:
    """Publish `letters` to the dead-letter topic when `tx` commits."""
    for letter in letters:
        tx.publish_raw(_message(letter, service, tx.now))


def count(letters: Sequence[DeadLetter]) -> None:
    """Count `letters` in the metrics, once they are committed."""
    for letter in letters:
        metrics.DEAD_LETTERS.add(1, {"topic": letter.topic, "reason": letter.reason})


def _message(letter: DeadLetter, service: str, now: datetime) -> OutgoingMessage:
    notes = {
        "dlq_service": service,
        "dlq_reason": letter.reason,
        "dlq_error": letter.error[:1_000],
        "dlq_topic": letter.topic,
        "dlq_partition": str(letter.partition),
        "dlq_offset": str(letter.offset),
        "dlq_at": now.isoformat(),
    }
    value = letter.value
    if value is not None and len(value) > MAX_KEPT_BYTES:
        notes["dlq_truncated"] = str(len(value))
        value = value[:MAX_KEPT_BYTES]
    own = tuple((name, text.encode()) for name, text in notes.items())
    return OutgoingMessage(
        topic=topics.DEAD_LETTER.name,
        key=letter.key,
        value=value,
        headers=(*letter.headers, *own),
    )
