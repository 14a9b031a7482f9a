"""The page of all events for people, made from the contracts."""

from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum
from typing import Annotated, Final, Literal, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from heardback.contracts import topics
from heardback.contracts.registry import EVENT_TYPES, EventType

_HEAD = """# Events

<!-- Made by `make contracts` from heardback.contracts; do not edit. -->

CloudEvents 1.0 on Kafka, JSON payloads, keyed by the customer id. Binary mode is written;
structured mode (`application/cloudevents+json`) is read too. `ce_source` with `ce_id` makes an
event unique: a repeat has no effect. Times are RFC 3339 with an offset. Unknown fields are ignored.
A payload is at most 256 KB. Machine-readable: `contracts/asyncapi.json` of each service.
"""

_WORDS: Final[Mapping[object, str]] = {
    str: "text",
    float: "number",
    int: "whole number",
    bool: "true or false",
}


def events_page() -> str:
    """Return the page, in Markdown."""
    inbound = "## What product systems publish"
    outbound = "## What Heardback publishes"
    parts = [_HEAD, inbound, *_section(topics.INBOUND), outbound, *_section(topics.OUTBOUND)]
    return "\n\n".join(part.strip() for part in parts) + "\n"


def _section(wanted: Sequence[topics.Topic]) -> Iterator[str]:
    for topic in wanted:
        for event_type in EVENT_TYPES.values():
            if event_type.topic == topic:
                yield _event(event_type)


def _event(event_type: EventType) -> str:
    model = event_type.payload
    rows = "\n".join(_row(name, field) for name, field in model.model_fields.items())
    doc = " ".join((model.__doc__ or "").split())
    head = f"### `{event_type.name}`\n\nTopic `{event_type.topic}`. {doc}"
    return f"{head}\n\n| Field | Type | |\n|---|---|---|\n{rows}"


def _row(name: str, field: FieldInfo) -> str:
    need = "required" if field.is_required() else ""
    return f"| `{name}` | {_type(field.annotation)} | {need} |"


def _type(annotation: object) -> str:
    """Return a type as a reader of JSON knows it."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _type(arguments[0])
    if type(None) in arguments:
        return _type(next(a for a in arguments if a is not type(None)))
    if origin is tuple:
        return f"list of {_type(arguments[0])}"
    if origin is dict:
        return "object: text to text, number, true, false or null"
    if origin is Literal:
        return " \\| ".join(f"`{word}`" for word in arguments)
    return _plain_type(annotation)


def _plain_type(annotation: object) -> str:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        fields = ", ".join(f"`{name}`" for name in annotation.model_fields)
        return f"object: {fields}"
    if isinstance(annotation, type) and issubclass(annotation, StrEnum):
        return " \\| ".join(f"`{member}`" for member in annotation)
    return _WORDS.get(annotation, "time")
