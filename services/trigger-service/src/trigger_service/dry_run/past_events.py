"""Events in a file or a request, read as the topics' own are, for a rehearsal."""

from collections.abc import AsyncGenerator, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import islice
from typing import Any, Final

import orjson
from msgspec.structs import replace

from heardback.contracts import topics
from heardback.contracts.payloads import Payload
from heardback.contracts.registry import EVENT_TYPES
from heardback.contracts.topics import Topic
from heardback.envelope import Event, InvalidEvent, decode
from trigger_service import messages
from trigger_service.domain.decision import State
from trigger_service.domain.rehearsal import Happening

LISTED: Final = 20
"""How many faults are told one by one; the others are counted."""

_CHUNK: Final = 500
_STRUCTURED: Final = (("content-type", b"application/cloudevents+json"),)
_LONG_AGO: Final = timedelta(days=30 * 365)

Stories = dict[str, list[Happening]]
"""What has happened to each customer, by their id."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EventFault:
    """Why an event was left out. `number`: which one it is in what was sent, from 1."""

    number: int
    reason: str
    detail: str


@dataclass(slots=True, kw_only=True)
class PastEvents:
    """What was read. `repeated`: how many had come before, as told by their source and id."""

    stories: Stories = field(default_factory=dict)
    invalid: int = 0
    repeated: int = 0
    faults: list[EventFault] = field(default_factory=list)


def read_events(
    events: Iterable[bytes], *, now: datetime, at: datetime | None = None
) -> PastEvents:
    """Read events, each in CloudEvents' structured mode; those that are none don't stop the others.

    They happen when they say that they have happened, or all of them at `at`.
    """
    read, seen = PastEvents(), set[tuple[str, str]]()
    for number, text in enumerate(events, start=1):
        if not text.strip():
            continue
        try:
            event = decode(_topic_of(text), text, _STRUCTURED)
        except InvalidEvent as error:
            read.invalid += 1
            if read.invalid <= LISTED:
                fault = EventFault(number=number, reason=error.reason, detail=error.detail)
                read.faults.append(fault)
            continue
        if (event.source, event.id) in seen:
            read.repeated += 1
            continue
        seen.add((event.source, event.id))
        happening = _happening_of(event, at=at, now=now)
        read.stories.setdefault(event.key, []).append(happening)
    return read


async def in_chunks(stories: Stories) -> AsyncGenerator[Stories]:
    """Yield the stories of some customers at a time."""
    left = iter(stories.items())
    while chunk := dict(islice(left, _CHUNK)):
        yield chunk


def believable(occurred_at: datetime, now: datetime) -> datetime:
    """Return when to decide on what happened at `occurred_at`: then, but not in the future."""
    return min(max(occurred_at, now - _LONG_AGO), now).astimezone(UTC)


def _told(state: State, *, data: Payload, now: datetime) -> State:
    return replace(state, customer=messages.customer_after(state.customer, data, now=now))


def _topic_of(text: bytes) -> Topic:
    """Return the topic on which the event would come in; any such topic when it would on none."""
    try:
        name = orjson.loads(text)["type"]
    except (ValueError, LookupError, TypeError):
        return topics.TOUCHPOINT
    event_type = EVENT_TYPES.get(name) if isinstance(name, str) else None
    if event_type is None or event_type.topic not in topics.INBOUND:
        return topics.TOUCHPOINT
    return event_type.topic


def _happening_of(event: Event[Any], *, at: datetime | None, now: datetime) -> Happening:
    at = at or believable(event.data.occurred_at, now)
    touchpoint = messages.touchpoint_of(event)
    if touchpoint is not None:
        return Happening(at=at, what=touchpoint)
    revocation = messages.revocation_of(event)
    if revocation is not None:
        return Happening(at=at, what=partial(State.revoked, revocation=revocation, now=now))
    return Happening(at=at, what=partial(_told, data=event.data, now=at))
