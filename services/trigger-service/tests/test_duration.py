from datetime import timedelta
from typing import Any

import pytest

from heardback.durations import parse_duration
from trigger_service.domain.duration import Window, parse_window


@pytest.mark.parametrize(
    ("text", "duration"),
    [
        ("0s", timedelta(0)),
        ("90s", timedelta(seconds=90)),
        ("15m", timedelta(minutes=15)),
        ("24h", timedelta(days=1)),
        ("7d", timedelta(days=7)),
        ("2w", timedelta(weeks=2)),
        ("3650d", timedelta(days=3650)),
    ],
)
def test_duration_is_read_when_it_is_a_number_and_a_unit(text: str, duration: timedelta) -> None:
    assert parse_duration(text) == duration


@pytest.mark.parametrize(
    "text", ["", "7", 7, None, "d", "-1d", "1.5h", "7 d", "7D", "7y", "٣d", "3651d", "999999999w"]
)
def test_duration_is_refused_when_it_is_none(text: Any) -> None:
    with pytest.raises(ValueError, match=r"write one such as|at most 3650d"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("text", "shortest", "longest"),
    [
        ("7d..14d", timedelta(days=7), timedelta(days=14)),
        ("0s", timedelta(0), timedelta(0)),
        ("24h..1d", timedelta(days=1), timedelta(days=1)),
        ("2s..5m", timedelta(seconds=2), timedelta(minutes=5)),
    ],
)
def test_window_is_read_when_it_is_one_or_two_durations(
    text: str, shortest: timedelta, longest: timedelta
) -> None:
    assert parse_window(text) == Window(shortest=shortest, longest=longest)


@pytest.mark.parametrize("text", ["14d..7d", "..7d", "7d..", "7d..14", "1d..2d..3d", 7, None])
def test_window_is_refused_when_it_is_none(text: Any) -> None:
    with pytest.raises(ValueError, match=r"write one such as|write 7d\.\.14d"):
        parse_window(text)
