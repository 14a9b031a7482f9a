"""Reading purchase logs of every shape, and saying what is wrong with a line."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heardback_local.purchase_log import (
    WHITESPACE,
    BadLine,
    Columns,
    Layout,
    NoSuchColumn,
    Purchase,
    UnreadableLog,
    detect_layout,
    read_purchase,
)

CSV = Layout(delimiter=",", has_header=False, customer=0, date=1, amount=2, order=3)


def test_cdnow_is_read_when_it_has_its_header() -> None:
    layout = detect_layout(" customer_id  date number_of_cds  dollar_value", Columns())
    assert layout == Layout(delimiter=WHITESPACE, has_header=True, customer=0, date=1, amount=3)
    assert read_purchase(" 00002 19970112  5   77.00", layout) == Purchase(
        customer="00002", at=datetime(1997, 1, 12, tzinfo=UTC), amount=77.0, order=None
    )


def test_first_line_is_a_purchase_when_there_is_no_header() -> None:
    layout = detect_layout(" 00001 19970101  1   11.77", Columns(amount="4"))
    assert layout == Layout(delimiter=WHITESPACE, has_header=False, customer=0, date=1, amount=3)


@pytest.mark.parametrize(
    ("line", "delimiter"),
    [
        ("a,2026-01-01,3", ","),
        ("a;2026-01-01;3,5", ";"),
        ("a\t2026-01-01", "\t"),
        ("a 20260101", WHITESPACE),
    ],
)
def test_delimiter_is_found_when_it_is_not_said(line: str, delimiter: str) -> None:
    assert detect_layout(line, Columns()).delimiter == delimiter


def test_columns_are_found_when_they_are_named() -> None:
    columns = Columns(customer="Who", date="when", order="4")
    layout = detect_layout("when;sum;WHO;bill", columns)
    assert (layout.customer, layout.date, layout.amount, layout.order) == (2, 0, None, 3)


@pytest.mark.parametrize("name", ["buyer", "0", "5"])
def test_a_column_that_is_not_there_is_named_when_it_is_wanted(name: str) -> None:
    with pytest.raises(NoSuchColumn) as caught:
        detect_layout("who,date,sum,bill", Columns(customer=name))
    assert caught.value.wanted == name


def test_a_header_that_nobody_knows_is_refused_when_no_column_is_said() -> None:
    with pytest.raises(UnreadableLog):
        detect_layout("wer,wann,wieviel", Columns())


@pytest.mark.parametrize("first_line", ["", "one", "one,"])
def test_a_first_line_that_is_no_log_is_refused_when_nothing_is_said(first_line: str) -> None:
    with pytest.raises(UnreadableLog):
        detect_layout(first_line, Columns())


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("c1", "no column 2 for the date"),
        ("c1,2026-01-01", "no column 3 for the amount"),
        (",2026-01-01,1,o", "the customer is empty"),
        ("c1,yesterday,1,o", "'yesterday' is not a date"),
        ("c1,2026-02-30,1,o", "is not a date"),
        ("c1,2026-01-01,much,o", "'much' is not an amount"),
        ("c1,2026-01-01,-1,o", "is not an amount"),
        ("c1,2026-01-01,nan,o", "is not an amount"),
        ("c1,2026-01-01,inf,o", "is not an amount"),
        ('c1,"2026-01-01,1,o', "not well quoted"),
        ('c1,"2026-01-01"x,1,o', "not well quoted"),
        ("c1,0001-01-01T00:00:00+23:59,1,o", "is not a date"),
    ],
)
def test_a_line_is_refused_with_its_reason_when_it_is_bad(line: str, reason: str) -> None:
    with pytest.raises(BadLine) as caught:
        read_purchase(line, CSV)
    assert reason in caught.value.reason


def test_amount_and_order_are_absent_when_their_fields_are_empty() -> None:
    purchase = read_purchase('"Smith, J", 2026-01-01 ,,', CSV)
    assert (purchase.customer, purchase.amount, purchase.order) == ("Smith, J", None, None)


def test_a_naive_time_is_local_when_a_zone_is_given() -> None:
    layout = detect_layout(
        "c1;31.12.2025 23:30",
        Columns(),
        date_format="%d.%m.%Y %H:%M",
        timezone=ZoneInfo("Europe/Berlin"),
    )
    assert not layout.has_header
    expected = datetime(2025, 12, 31, 22, 30, tzinfo=UTC)
    assert read_purchase("c1;31.12.2025 23:30", layout).at == expected


@given(st.text(max_size=60).filter(lambda text: "\n" not in text and "\r" not in text))
def test_a_line_is_read_or_refused_whatever_it_holds(line: str) -> None:
    for delimiter in (",", WHITESPACE):
        layout = Layout(delimiter=delimiter, has_header=False, customer=0, date=1, amount=2)
        try:
            assert read_purchase(line, layout).at.tzinfo is UTC
        except BadLine as refused:
            assert refused.reason
