import re
from collections.abc import Iterator
from typing import Any

from heardback.asyncapi import document
from heardback.contracts import registry, topics
from heardback.contracts.registry import EVENT_TYPES


def the_document() -> dict[str, Any]:
    return document(
        "toy",
        receives=[topics.PURCHASE, topics.CUSTOMER],
        sends=[registry.SURVEY_REQUESTED, registry.TASK_OPENED],
        summary="A toy.",
    )


def references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if "$ref" in node:
            yield node["$ref"]
        for value in node.values():
            yield from references(value)
    elif isinstance(node, list):
        for value in node:
            yield from references(value)


def test_every_reference_leads_somewhere_when_a_document_is_made() -> None:
    whole = the_document()
    found = list(references(whole))
    assert found
    for reference in found:
        node = whole
        for part in reference.removeprefix("#/").split("/"):
            node = node[part]


def test_operations_refer_to_messages_of_their_channel_when_a_document_is_made() -> None:
    whole = the_document()
    receive = whole["operations"]["receive-customer"]
    assert receive["action"] == "receive"
    assert receive["channel"] == {"$ref": "#/channels/customer"}
    assert {m["$ref"] for m in receive["messages"]} == {
        "#/channels/customer/messages/customer.updated.v1",
        "#/channels/customer/messages/customer.churned.v1",
        "#/channels/customer/messages/customer.returned.v1",
        "#/channels/customer/messages/customer.erased.v1",
    }
    assert whole["operations"]["send-survey"]["action"] == "send"
    assert "receive-survey" not in whole["operations"]


def test_every_type_names_a_known_topic_and_a_version_when_listed() -> None:
    for name, event_type in EVENT_TYPES.items():
        assert re.fullmatch(rf"{event_type.family}\.v[12]", name)
        assert event_type.topic in topics.ALL
