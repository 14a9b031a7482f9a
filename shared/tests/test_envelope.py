import json
from datetime import UTC, datetime

import pytest
from cloudevents.v1.kafka import KafkaMessage, from_binary, to_structured

from heardback.contracts import registry, topics
from heardback.envelope import MAX_EVENT_BYTES, InvalidEvent, decode, encode
from heardback.testing.builders import TRACEPARENT, a_purchase

PURCHASE = {
    "customer_id": "c1",
    "order_id": "o1",
    "occurred_at": "2026-03-02T09:00:00+00:00",
}


def headers(**changes: str | None) -> list[tuple[str, bytes]]:
    named = {
        "content-type": "application/json",
        "ce_specversion": "1.0",
        "ce_id": "1",
        "ce_source": "/shop",
        "ce_type": "purchase.completed.v1",
        **changes,
    }
    return [(name, text.encode()) for name, text in named.items() if text is not None]


def reason(value: bytes | None, given: list[tuple[str, bytes]]) -> str:
    with pytest.raises(InvalidEvent) as refused:
        decode(topics.PURCHASE, value, given)
    return refused.value.reason


def test_event_survives_when_written_and_read_back() -> None:
    event = a_purchase()
    message = encode(event)
    assert decode(topics.PURCHASE, message.value, message.headers) == event
    assert message.key == b"c1"


def test_sdk_reads_the_same_event_when_written_in_binary_mode() -> None:
    message = encode(a_purchase())
    oracle = from_binary(
        KafkaMessage(headers=dict(message.headers), key=message.key, value=message.value),
        data_unmarshaller=json.loads,
    )
    assert oracle["id"] == "purchase-1"
    assert oracle["type"] == "purchase.completed.v1"
    assert oracle["source"] == "/shop"
    assert oracle.data["order_id"] == "order-1"


def test_structured_mode_is_read_when_the_sdk_writes_it() -> None:
    message = encode(a_purchase())
    oracle = from_binary(
        KafkaMessage(headers=dict(message.headers), key=None, value=message.value),
        data_unmarshaller=json.loads,
    )
    structured = to_structured(oracle, data_marshaller=lambda data: data)
    # The SDK names the data's content type here; the binding asks for the envelope's.
    given = [
        ("content-type", b"application/cloudevents+json"),
        ("traceparent", TRACEPARENT.encode()),
    ]
    assert decode(topics.PURCHASE, structured.value, given) == a_purchase()


def test_structured_mode_is_chosen_when_the_content_type_differs_in_case() -> None:
    body = {"specversion": "1.0", "id": "1", "source": "/s", "type": "purchase.completed.v1"}
    value = json.dumps({**body, "data": PURCHASE}).encode()
    event = decode(topics.PURCHASE, value, [("Content-Type", b"Application/CloudEvents+JSON")])
    assert event.data.customer_id == "c1"


def test_time_is_kept_when_it_has_an_offset() -> None:
    event = decode(
        topics.PURCHASE, json.dumps(PURCHASE).encode(), headers(ce_time="2026-03-02T10:00:00+01:00")
    )
    assert event.time == datetime(2026, 3, 2, 9, tzinfo=UTC)


def test_instant_is_in_utc_when_its_offset_is_one_that_postgres_does_not_know() -> None:
    value = json.dumps({**PURCHASE, "occurred_at": "2026-03-02T09:00:00-18:35"}).encode()
    occurred_at = decode(topics.PURCHASE, value, headers()).data.occurred_at
    assert occurred_at.isoformat() == "2026-03-03T03:35:00+00:00"


def test_unknown_field_is_ignored_when_the_producer_is_newer() -> None:
    value = json.dumps({**PURCHASE, "loyalty_tier": "gold"}).encode()
    assert decode(topics.PURCHASE, value, headers()).type is registry.PURCHASE_COMPLETED


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"ce_type": "purchase.refused.v1"}, "unknown_type"),
        ({"ce_type": "purchase.completed.v9"}, "unsupported_version"),
        ({"ce_type": "ticket.closed.v1"}, "wrong_topic"),
        ({"ce_specversion": None}, "not_cloudevents"),
        ({"ce_specversion": "0.3"}, "invalid_envelope"),
        ({"ce_id": None}, "invalid_envelope"),
        ({"ce_id": ""}, "invalid_envelope"),
        ({"ce_id": "a\0b"}, "invalid_envelope"),
        ({"ce_source": "x" * 501}, "invalid_envelope"),
        ({"ce_time": "yesterday"}, "invalid_envelope"),
        ({"ce_time": "2026-03-02T09:00:00"}, "invalid_envelope"),
        ({"content-type": "application/cloudevents-batch+json"}, "not_cloudevents"),
        ({"content-type": "application/cloudevents+avro"}, "not_cloudevents"),
        ({"content-type": "application/cloudevents+json"}, "invalid_envelope"),
    ],
)
def test_message_is_refused_with_its_reason_when_the_envelope_is_wrong(
    changes: dict[str, str | None], expected: str
) -> None:
    assert reason(json.dumps(PURCHASE).encode(), headers(**changes)) == expected


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"null",
        b"[]",
        b"not json",
        b"\xff\xfe",
        json.dumps({**PURCHASE, "occurred_at": "2026-03-02T09:00:00"}).encode(),
        json.dumps({**PURCHASE, "customer_id": ""}).encode(),
        json.dumps({**PURCHASE, "customer_id": "a\u0000b"}).encode(),
        json.dumps({**PURCHASE, "amount": -1}).encode(),
        json.dumps({**PURCHASE, "currency": "euro"}).encode(),
    ],
)
def test_message_is_refused_when_the_payload_is_wrong(value: bytes) -> None:
    assert reason(value, headers()) == "invalid_payload"


def test_message_is_refused_when_it_has_no_value() -> None:
    assert reason(None, headers()) == "null_value"


def test_message_is_refused_when_it_is_too_large() -> None:
    assert reason(b" " * (MAX_EVENT_BYTES + 1), headers()) == "too_large"


def test_header_that_is_not_utf8_is_refused_when_it_is_an_attribute() -> None:
    given = [*headers(ce_id=None), ("ce_id", b"\xff")]
    assert reason(json.dumps(PURCHASE).encode(), given) == "invalid_envelope"


def test_input_stays_out_of_the_error_when_the_payload_is_wrong() -> None:
    value = json.dumps({**PURCHASE, "amount": "ada@example.com"}).encode()
    with pytest.raises(InvalidEvent) as refused:
        decode(topics.PURCHASE, value, headers())
    assert "amount" in refused.value.detail
    assert "ada" not in str(refused.value)
