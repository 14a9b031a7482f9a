from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heardback.zones import zone_of

BERLIN = ZoneInfo("Europe/Berlin")


@pytest.mark.parametrize("name", ["Europe/Berlin", "America/Argentina/Ushuaia", "UTC"])
def test_a_zone_is_found_when_it_exists(name: str) -> None:
    assert zone_of(name, ZoneInfo("UTC")) is ZoneInfo(name)


@pytest.mark.parametrize(
    "name",
    [
        None,
        "",
        " ",
        ".",
        "Mars/Olympus",
        "europe/berlin",
        "Europe",
        "Europe/",
        "Europe/Berlin/",
        "../../etc/passwd",
        "/etc/passwd",
        "Europe/../Europe/Berlin",
        "tzdata.zi",
        "Europe/Berlin\0",
        "\0",
        "\ud800",
        "x" * 1_000_000,
        "a/" * 10_000,
    ],
)
def test_the_default_zone_is_taken_when_a_name_is_absent_unknown_or_hostile(
    name: str | None,
) -> None:
    assert zone_of(name, BERLIN) is BERLIN


@given(st.none() | st.text(max_size=20))
def test_a_zone_always_comes_back_when_a_name_is_anything(name: str | None) -> None:
    assert isinstance(zone_of(name, BERLIN), ZoneInfo)
