"""What becomes of input that is wrong: each row of the table in the service's README."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import orjson
import pytest

from heardback.contracts import registry, topics
from heardback.envelope import InvalidEvent, decode
from heardback.testing.builders import a_purchase, an_event
from heardback.testing.clock import START
from trigger_service.app import install_programs

DAY: Final = timedelta(days=1)
HEADERS: Final = [
    ("content-type", b"application/json"),
    ("ce_specversion", b"1.0"),
    ("ce_type", b"purchase.completed.v1"),
    ("ce_source", b"/shop"),
    ("ce_id", b"1"),
]
PURCHASE: Final = {"customer_id": "c1", "order_id": "1", "occurred_at": "2026-03-02T09:00:00Z"}
PROGRAM: Final = """\
id: asks
name: A program
touchpoint: purchase
type: transactional
survey: nps
delay: 1h..12h
expires_after: 14d
"""


async def with_program(trigger: Any, folder: Path, *more: str, governance: str = "") -> None:
    (folder / "asks.yaml").write_text(PROGRAM + "\n".join(more))
    (folder / "governance.yaml").write_text(governance or "timezone: UTC\n")
    await install_programs(trigger.database, folder=folder)


async def reasons(trigger: Any) -> list[tuple[str, ...]]:
    return [s.reasons for s in await trigger.suppressions()]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("occurred_at", "2026-03-02T09:00:00"),
        ("occurred_at", "yesterday"),
        ("customer_id", ""),
        ("amount", -1),
        ("currency", "euro"),
        ("attributes", {"lines": [1, 2]}),
        ("attributes", {"note": "\0"}),
        ("attributes", {"\0": "note"}),
        ("items", 2**63),
        ("occurred_at", "0001-01-01T00:00:00+05:30"),
        ("occurred_at", "9999-12-31T23:59:59-05:30"),
    ],
)
def test_event_is_set_aside_when_a_field_is_not_as_agreed(field: str, value: object) -> None:
    with pytest.raises(InvalidEvent) as refused:
        decode(topics.PURCHASE, orjson.dumps({**PURCHASE, field: value}), HEADERS)
    assert refused.value.attributes["reason"] == "invalid_payload"
    assert field in refused.value.attributes["detail"]


@pytest.mark.parametrize(
    ("occurred_at", "outcome"),
    [
        (START + timedelta(minutes=5), None),
        (START + timedelta(minutes=6), "in_future"),
        (datetime(9999, 12, 30, tzinfo=UTC), "in_future"),
        (datetime(1, 1, 2, tzinfo=UTC), "stale"),
    ],
)
async def test_decision_is_made_when_the_time_cannot_be(
    trigger: Any, tmp_path: Path, occurred_at: datetime, outcome: str | None
) -> None:
    await with_program(trigger, tmp_path)
    await trigger.deliver(a_purchase(occurred_at=occurred_at))
    assert await reasons(trigger) == ([] if outcome is None else [(outcome,)])


@pytest.mark.parametrize("zone", ["Mars/Olympus", "", "../etc/passwd", None])
async def test_hours_are_the_companys_when_the_zone_is_not_known(
    trigger: Any, tmp_path: Path, zone: str | None
) -> None:
    hours = 'send_hours: {from: "09:00", to: "10:00"}'
    await with_program(trigger, tmp_path, hours, governance="timezone: Asia/Tokyo\n")
    await trigger.deliver(a_purchase(customer={"email": "c1@example.com", "timezone": zone}))
    (scheduled,) = await trigger.published(registry.SURVEY_SCHEDULED)
    # The first 09:00 in Tokyo after 09:00 in London; ten in the morning there is the end.
    opens = datetime(2026, 3, 3, 0, tzinfo=UTC)
    assert opens <= scheduled.send_at < opens + timedelta(hours=1)


@pytest.mark.parametrize(
    ("channel", "customer", "reason"),
    [
        ("email", {"name": "Ada"}, "no_email"),
        ("email", {"email": ""}, "no_email"),
        ("email", {"email": "ada at example.com"}, "invalid_email"),
        ("sms", {"email": "ada@example.com"}, "no_phone"),
        ("sms", {"phone": "0170 1234567"}, "invalid_phone"),
    ],
)
async def test_reason_is_kept_when_there_is_no_address(
    trigger: Any, tmp_path: Path, channel: str, customer: dict[str, str], reason: str
) -> None:
    await with_program(trigger, tmp_path, f"channels: [{channel}]")
    await trigger.deliver(a_purchase(customer=customer))
    assert await reasons(trigger) == [(reason,)]


@pytest.mark.parametrize(
    ("attributes", "detail"),
    [
        ({}, "customer.mrr is not known"),
        ({"mrr": "1000"}, "customer.mrr is not known"),
        ({"mrr": float(10**300) * 10**10}, "customer.mrr is not known"),
    ],
)
async def test_customer_is_not_asked_when_the_expression_has_no_answer(
    trigger: Any, tmp_path: Path, attributes: dict[str, Any], detail: str
) -> None:
    await with_program(trigger, tmp_path, "when: customer.mrr >= 100")
    known = {"email": "c2@example.com", "attributes": {"mrr": 100}}
    await trigger.deliver(
        a_purchase(1, customer={"email": "c1@example.com", "attributes": attributes}),
        a_purchase(2, customer_id="c2", customer=known),
    )
    assert await reasons(trigger) == [("expression_failed",)]
    (scheduled,) = await trigger.published(registry.SURVEY_SCHEDULED)
    assert scheduled.customer_id == "c2"
    async with trigger.database.read() as connection:
        row = await connection.exec_driver_sql(
            "SELECT outcomes -> 0 -> 'against' -> 0 ->> 1 FROM touchpoint WHERE customer_id = 'c1'"
        )
        assert row.scalar_one() == detail


async def test_first_one_counts_when_an_id_is_used_for_two_events(trigger: Any) -> None:
    first = a_purchase(1)
    other = an_event(first.type, id=first.id, **{**dict(first.data), "order_id": "another"})
    await trigger.deliver(first, other)
    await trigger.deliver(other)
    assert len(await trigger.published()) == 1


async def test_nothing_is_undone_when_what_was_undone_is_not_known(trigger: Any) -> None:
    refund = an_event(
        registry.PURCHASE_REFUNDED, customer_id="c1", order_id="unknown", occurred_at=START + DAY
    )
    await trigger.deliver(a_purchase(), refund, refund)
    assert len(await trigger.published()) == 1
