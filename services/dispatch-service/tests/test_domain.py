"""When an invitation is sent, when it is not, and when nothing is."""

from datetime import UTC, datetime, timedelta

import pytest

from dispatch_service.addresses import is_canonical_uuid, usable_address
from dispatch_service.breaker import Breaker
from dispatch_service.domain.invitation import DropReason, Invitation, reason_to_drop
from dispatch_service.domain.wording import interaction, occasion
from heardback.testing.clock import START
from heardback.vocabulary import Channel


def an_invitation(**fields: object) -> Invitation:
    known: dict[str, object] = {
        "invitation_id": "00000000-0000-7000-8000-000000000001",
        "customer_id": "c1",
        "program_id": "post-purchase",
        "touchpoint": "purchase",
        "survey_id": "nps",
        "segment": None,
        "channel": Channel.EMAIL,
        "email": "ada@example.com",
        "name": "Ada",
        "occurred_at": START,
        "expires_at": START + timedelta(days=14),
        "traceparent": None,
    }
    return Invitation(**{**known, **fields})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("fields", "late_by", "suppressed", "reason"),
    [
        ({}, timedelta(0), False, None),
        ({}, timedelta(days=14, microseconds=-1), False, None),
        ({}, timedelta(days=14), False, DropReason.TOO_LATE),
        ({"email": None}, timedelta(0), False, DropReason.NO_ADDRESS),
        ({}, timedelta(0), True, DropReason.SUPPRESSED),
        ({"email": None}, timedelta(days=20), True, DropReason.SUPPRESSED),
    ],
)
def test_reason_to_drop_when(
    fields: dict[str, object], late_by: timedelta, suppressed: bool, reason: DropReason | None
) -> None:
    invitation = an_invitation(**fields)
    assert reason_to_drop(invitation, now=START + late_by, suppressed=suppressed) == reason


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


def test_touchpoint_is_worded_when_it_is_our_own_or_a_custom_one() -> None:
    assert interaction("ticket-closed") == "your support request"
    assert interaction("delivery-confirmed\n") == "your delivery confirmed"
    assert occasion("purchase", datetime(2026, 3, 2, tzinfo=UTC)) == (
        "your recent purchase (2 March)"
    )


def test_breaker_pauses_longer_when_the_provider_stays_away() -> None:
    breaker, now = Breaker(), START
    pauses = []
    for _ in range(10):
        again = breaker.failed(now)
        breaker.failed(now)  # what was under way at the same time
        pauses.append((again - now).total_seconds())
        now = again
    assert 0.5 <= pauses[0] <= 1
    assert 30 <= pauses[-1] <= 60
    assert breaker.tripped and breaker.pause_seconds(now) == 0


def test_breaker_is_reset_when_the_provider_answers() -> None:
    breaker = Breaker()
    breaker.failed(START)
    breaker.worked()
    assert not breaker.tripped
    assert breaker.pause_seconds(START) == 0
