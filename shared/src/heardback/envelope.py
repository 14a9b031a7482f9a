"""CloudEvents 1.0 over Kafka: both content modes are read, binary mode is written.

Source: CloudEvents 1.0.2, Kafka protocol binding 1.0.2.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final, Generic, TypeVar

import orjson
from msgspec import Struct
from pydantic import ValidationError

from heardback.contracts.payloads import Payload
from heardback.contracts.registry import EVENT_TYPES, FAMILIES, EventType
from heardback.contracts.topics import Topic
from heardback.errors import Permanent
from heardback.trace import valid_traceparent

MAX_EVENT_BYTES: Final = 262_144
"""An event is a fact, not a file: larger values are refused."""

Headers = Sequence[tuple[str, bytes]]
_REQUIRED: Final = ("specversion", "id", "source", "type")
_READ: Final = tuple((name, f"ce_{name}") for name in (*_REQUIRED, "time"))
P_co = TypeVar("P_co", bound=Payload, covariant=True)


class InvalidEvent(Permanent):
    """The message is not an event that this topic takes."""

    reason: str
    detail: str


class Event(Struct, Generic[P_co], frozen=True, kw_only=True):
    """One thing that happened. `source` and `id` together are unique."""

    id: str
    source: str
    type: EventType
    data: P_co
    time: datetime | None = None
    traceparent: str | None = None

    @property
    def key(self) -> str:
        """What this is about, mostly a customer: the message's key."""
        return self.data.key


class OutgoingMessage(Struct, frozen=True, kw_only=True):
    """What goes to the broker, as bytes."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]


def encode(event: Event[Payload]) -> OutgoingMessage:
    """Return `event` in binary content mode, keyed by its customer."""
    attributes = attributes_of(
        event.type,
        id=event.id,
        source=event.source,
        subject=event.key,
        time=event.time.isoformat() if event.time is not None else None,
        traceparent=event.traceparent,
    )
    return OutgoingMessage(
        topic=event.type.topic.name,
        key=event.key.encode(),
        value=json_of(event.data),
        headers=tuple((name, text.encode()) for name, text in attributes),
    )


def attributes_of(
    event_type: EventType,
    *,
    id: str,  # noqa: A002  # the attribute's own name
    source: str,
    subject: str,
    time: str | None,
    traceparent: str | None,
) -> list[tuple[str, str]]:
    """Return the headers of an event in binary content mode, as texts."""
    attributes = [
        ("content-type", "application/json"),
        ("ce_specversion", "1.0"),
        ("ce_id", id),
        ("ce_source", source),
        ("ce_type", event_type.name),
        ("ce_subject", subject),
    ]
    if time is not None:
        attributes.append(("ce_time", time))
    if traceparent is not None:
        attributes.append(("traceparent", traceparent))
    return attributes


def json_of(payload: Payload) -> bytes:
    """Return what `model_dump_json` says, without the detour of a text."""
    return payload.__pydantic_serializer__.to_json(payload)


def decode(topic: Topic, value: bytes | None, headers: Headers) -> Event[Payload]:
    """Return the event in a message of `topic`.

    Raises: InvalidEvent, whose `reason` is one of `null_value`, `too_large`, `not_cloudevents`,
    `invalid_envelope`, `unknown_type`, `unsupported_version`, `wrong_topic`, `invalid_payload`;
    set the message aside.
    """
    if value is None:
        raise InvalidEvent(reason="null_value", detail="the message has no value")
    if len(value) > MAX_EVENT_BYTES:
        detail = f"{len(value)} bytes; at most {MAX_EVENT_BYTES} are taken"
        raise InvalidEvent(reason="too_large", detail=detail)
    named = dict(headers)
    if "ce_specversion" not in named:
        named = {name.lower(): text for name, text in headers}
    content_type = (named.get("content-type") or b"").lower()
    if content_type.startswith(b"application/cloudevents"):
        return _decode_structured(topic, value, named, content_type)
    if "ce_specversion" not in named:
        detail = "neither a ce_specversion header nor content-type application/cloudevents+json"
        raise InvalidEvent(reason="not_cloudevents", detail=detail)
    try:
        attributes = {name: text.decode() for name, header in _READ if (text := named.get(header))}
    except UnicodeDecodeError as error:
        detail = "the headers are not UTF-8"
        raise InvalidEvent(reason="invalid_envelope", detail=detail) from error
    return _build(topic, attributes, value, trace=_trace(named))


def _decode_structured(
    topic: Topic, value: bytes, named: Mapping[str, bytes], content_type: bytes
) -> Event[Payload]:
    if not content_type.startswith(b"application/cloudevents+json"):
        given = content_type.decode(errors="replace")
        detail = f"{given} is not read; application/cloudevents+json is"
        raise InvalidEvent(reason="not_cloudevents", detail=detail)
    try:
        attributes = orjson.loads(value)
    except orjson.JSONDecodeError as error:
        raise InvalidEvent(reason="invalid_envelope", detail=f"not JSON: {error}") from error
    if not isinstance(attributes, dict):
        raise InvalidEvent(reason="invalid_envelope", detail="not a JSON object")
    data = orjson.dumps(attributes.pop("data", None))
    trace = _trace(named) or valid_traceparent(str(attributes.get("traceparent", "")))
    return _build(topic, attributes, data, trace=trace)


def _build(
    topic: Topic, attributes: Mapping[str, Any], data: bytes, *, trace: str | None
) -> Event[Payload]:
    for name in _REQUIRED:
        text = attributes.get(name)
        if type(text) is not str or not 0 < len(text) <= 500 or "\0" in text:
            detail = f"{name} must be a text of 1 to 500 characters"
            raise InvalidEvent(reason="invalid_envelope", detail=detail)
    if attributes["specversion"] != "1.0":
        raise InvalidEvent(reason="invalid_envelope", detail="specversion must be 1.0")
    event_type = _event_type(topic, attributes["type"])
    return Event(
        id=attributes["id"],
        source=attributes["source"],
        type=event_type,
        data=_payload(event_type, data),
        time=_time(attributes.get("time")),
        traceparent=trace,
    )


def _event_type(topic: Topic, name: str) -> EventType:
    event_type = EVENT_TYPES.get(name)
    if event_type is None:
        known = name.rpartition(".v")[0] in FAMILIES
        reason = "unsupported_version" if known else "unknown_type"
        raise InvalidEvent(reason=reason, detail=f"{name[:100]!r} is not a type that is read here")
    if event_type.topic is not topic and event_type.topic != topic:
        detail = f"{name} belongs on topic {event_type.topic}, not on {topic}"
        raise InvalidEvent(reason="wrong_topic", detail=detail)
    return event_type


def _payload(event_type: EventType, data: bytes) -> Payload:
    try:
        # What `model_validate_json` does, without its layers.
        payload: Payload = event_type.payload.__pydantic_validator__.validate_json(data)
    except ValidationError as error:
        # The input stays out of the reason: it may be personal data.
        faults = error.errors(include_input=False, include_url=False, include_context=False)
        detail = "; ".join(f"{'.'.join(map(str, f['loc']))}: {f['msg']}" for f in faults[:10])
        raise InvalidEvent(reason="invalid_payload", detail=detail) from None
    return payload


def _time(text: object) -> datetime | None:
    if text is None:
        return None
    try:
        time = datetime.fromisoformat(str(text))
    except ValueError:
        time = None
    if time is None or time.tzinfo is None:
        detail = "time must be RFC 3339 with an offset"
        raise InvalidEvent(reason="invalid_envelope", detail=detail)
    return time


def _trace(named: Mapping[str, bytes]) -> str | None:
    written = named.get("traceparent")
    return valid_traceparent(written.decode("ascii", "replace")) if written else None
