"""Which addresses can be used."""

import pytest

from dispatch_service.addresses import is_canonical_uuid, usable_address, usable_phone


@pytest.mark.parametrize(
    ("address", "usable"),
    [
        ("ada@example.com", "ada@example.com"),
        ("  Ada@EXAMPLE.com ", "Ada@example.com"),
        ("ada@bücher.example.com", "ada@xn--bcher-kva.example.com"),
        (None, None),
        ("", None),
        ("ada", None),
        ("ada@", None),
        ("ada@example.com\r\nBcc: all@example.com", None),
        ("ada@example.com, eve@example.com", None),
        ("ädä@example.com", None),
    ],
)
def test_usable_address_when(address: str | None, usable: str | None) -> None:
    assert usable_address(address) == usable


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("00000000-0000-7000-8000-00000000000a", True),
        ("00000000-0000-7000-8000-00000000000A", False),
        ("0000000000007000800000000000000a", False),
        ("inv-1", False),
    ],
)
def test_invitation_id_is_what_links_carry_when(text: str, canonical: bool) -> None:
    assert is_canonical_uuid(text) is canonical


@pytest.mark.parametrize(
    ("phone", "usable"),
    [
        ("+12025550123", "+12025550123"),
        (" +1 (202) 555-0123 ", "+12025550123"),
        ("+44 20 7946 0000", "+442079460000"),
        ("202 555 0123", None),
        ("+1", None),
        ("call me", None),
        ("", None),
        (None, None),
        ("+12025550123\r\nBcc: x", None),
    ],
)
def test_usable_phone_when(phone: str | None, usable: str | None) -> None:
    assert usable_phone(phone) == usable
