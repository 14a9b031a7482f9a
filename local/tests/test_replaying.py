"""From a file to events: numbers, times, ids, what is refused, and where a replay goes on."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from heardback.contracts.payloads import PurchaseCompleted
from heardback_local.purchase_log import BadLine, Columns, Purchase, detect_layout
from heardback_local.replay_position import Position, PositionFile
from heardback_local.replaying import (
    Plan,
    Rejected,
    event_of,
    latest_time,
    numbered_lines,
    purchases,
)
from heardback_local.time_map import TimeMap

LAYOUT = detect_layout("customer,date,amount", Columns())
JANUARY = datetime(2026, 1, 1, tzinfo=UTC)
PLAN = Plan(
    path=Path("log.csv"),
    layout=LAYOUT,
    source="/replay/test",
    times=lambda time: time,
    email_pattern="{customer}@example.com",
)


def _log(folder: Path, content: bytes) -> Path:
    path = folder / "log.csv"
    path.write_bytes(content)
    return path


def test_every_line_is_a_purchase_or_rejected_when_a_file_is_mixed(tmp_path: Path) -> None:
    path = _log(
        tmp_path,
        b"\xef\xbb\xbfcustomer,date,amount\r\na,2026-01-01,1\r\n\r\nb,never,2\r\n\xff,2026-01-03,3\n"
        b"a,2026-01-01,1\nc,2026-01-02,2",
    )
    found = dict(purchases(path, LAYOUT))
    assert sorted(found) == [2, 4, 5, 6, 7]
    reasons = {n: entry.reason for n, entry in found.items() if isinstance(entry, Rejected)}
    assert reasons == {4: "'never' is not a date", 5: "not UTF-8"}
    assert latest_time(path, LAYOUT) == datetime(2026, 1, 2, tzinfo=UTC)


def test_numbers_stay_when_reading_begins_later(tmp_path: Path) -> None:
    path = _log(tmp_path, b"one\ntwo\nthree\n")
    assert list(numbered_lines(path, first=2)) == [(2, "two"), (3, "three")]


def test_equal_lines_are_separate_purchases_when_no_order_is_named() -> None:
    purchase = Purchase(customer="a", at=JANUARY, amount=1.0, order=None)
    first, second = (event_of(purchase, number, PLAN) for number in (2, 3))
    assert (first.id, second.id) == ("line-2", "line-3")
    assert isinstance(first.data, PurchaseCompleted)
    assert first.data.order_id == "line-2"
    assert first.data.customer is not None
    assert first.data.customer.email == "a@example.com"


def test_a_customer_is_refused_when_the_contract_does_not_take_the_id() -> None:
    purchase = Purchase(customer="a\x01b", at=JANUARY, amount=None, order=None)
    with pytest.raises(BadLine) as caught:
        event_of(purchase, 2, PLAN)
    assert caught.value.reason.startswith("customer_id:")


def test_times_keep_their_order_and_scale_when_shifted_and_compressed() -> None:
    times = TimeMap(anchor=JANUARY, becomes=datetime(2027, 1, 1, tzinfo=UTC), factor=24)
    assert times(JANUARY) == datetime(2027, 1, 1, tzinfo=UTC)
    assert times(JANUARY - timedelta(days=1)) == datetime(2026, 12, 31, 23, tzinfo=UTC)


def test_a_line_is_refused_when_its_shifted_time_is_out_of_range() -> None:
    earliest = datetime.min.replace(tzinfo=UTC)
    plan = replace(PLAN, times=TimeMap(anchor=JANUARY, becomes=earliest))
    purchase = Purchase(customer="a", at=earliest, amount=None, order=None)
    with pytest.raises(BadLine):
        event_of(purchase, 2, plan)


def test_the_furthest_position_stands_when_a_later_replay_stops_earlier(tmp_path: Path) -> None:
    file = PositionFile(tmp_path, file_hash="f", source="/s")
    far = Position(last_line=10, accepted=8, rejected=1)
    assert file.load() == Position()
    assert file.save(far) == far
    assert file.save(Position(last_line=5, accepted=4)) == far
    assert file.load() == far
    assert PositionFile(tmp_path, file_hash="f", source="/other").load() == Position()
