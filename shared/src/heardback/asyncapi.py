"""AsyncAPI documents, generated from the event types: what a service hears and says.

Source: AsyncAPI 3.0.0. `action` is from the service's own view; an operation's messages refer to
its channel's messages.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pydantic.json_schema import models_json_schema

from heardback.contracts.registry import EVENT_TYPES, EventType
from heardback.contracts.topics import Topic

Document = dict[str, Any]
_SCHEMAS = "#/components/schemas/{model}"


def document(
    name: str, *, receives: Iterable[Topic], sends: Sequence[EventType], summary: str
) -> Document:
    """Return the AsyncAPI document of the service `name`."""
    received = {topic: [t for t in EVENT_TYPES.values() if t.topic == topic] for topic in receives}
    sent: dict[Topic, list[EventType]] = defaultdict(list)
    for event_type in sends:
        sent[event_type.topic].append(event_type)
    types = {t.name: t for group in (*received.values(), *sent.values()) for t in group}
    channels = sorted({*received, *sent}, key=str)
    return {
        "asyncapi": "3.0.0",
        "info": {"title": f"Heardback {name}", "version": "1", "description": summary},
        "defaultContentType": "application/json",
        "channels": {topic.name: _channel(topic, types.values()) for topic in channels},
        "operations": {
            **{f"receive-{t}": _operation("receive", t, types) for t, types in received.items()},
            **{f"send-{t}": _operation("send", t, types) for t, types in sent.items()},
        },
        "components": _components(sorted(types.values(), key=str)),
    }


def _channel(topic: Topic, types: Iterable[EventType]) -> Document:
    carried = sorted(t.name for t in types if t.topic == topic)
    return {
        "address": topic.name,
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in carried},
        "bindings": {"kafka": {"partitions": topic.partitions, "bindingVersion": "0.5.0"}},
    }


def _operation(action: str, topic: Topic, types: Sequence[EventType]) -> Document:
    channel = f"#/channels/{topic}"
    return {
        "action": action,
        "channel": {"$ref": channel},
        "messages": [{"$ref": f"{channel}/messages/{t.name}"} for t in types],
    }


def _components(types: Sequence[EventType]) -> Document:
    models = {t.payload for t in types}
    ordered = sorted(models, key=lambda model: model.__name__)
    _, schemas = models_json_schema(
        [(model, "validation") for model in ordered], ref_template=_SCHEMAS
    )
    return {
        "messages": {t.name: _message(t) for t in types},
        "messageTraits": {"cloudEvent": {"headers": _HEADERS}},
        "schemas": schemas["$defs"],
    }


def _message(event_type: EventType) -> Document:
    doc = (event_type.payload.__doc__ or "").splitlines()[0]
    return {
        "name": event_type.name,
        "summary": doc,
        "contentType": "application/json",
        "traits": [{"$ref": "#/components/messageTraits/cloudEvent"}],
        "payload": {"$ref": _SCHEMAS.format(model=event_type.payload.__name__)},
        "bindings": {
            "kafka": {
                "key": {"type": "string", "description": "The customer id."},
                "bindingVersion": "0.5.0",
            }
        },
    }


_HEADERS: Mapping[str, Any] = {
    "type": "object",
    "required": ["ce_specversion", "ce_id", "ce_source", "ce_type"],
    "properties": {
        "ce_specversion": {"const": "1.0"},
        "ce_id": {"type": "string", "description": "With ce_source, unique."},
        "ce_source": {"type": "string", "format": "uri-reference"},
        "ce_type": {"type": "string"},
        "ce_subject": {"type": "string", "description": "The customer id."},
        "ce_time": {"type": "string", "format": "date-time"},
        "traceparent": {"type": "string", "description": "W3C Trace Context."},
    },
}
