"""Reasons and programs in plain words."""

from typing import Any

import pytest

from trigger_service.console import reading, words
from trigger_service.documents import GovernanceDocument, ProgramDocument
from trigger_service.domain.reason import Reason
from trigger_service.faults import parse

PROGRAM = {
    "id": "p",
    "name": "P",
    "touchpoint": "purchase",
    "type": "transactional",
    "survey": "s",
    "delay": "7d..10d",
    "expires_after": "14d",
}


def said(**fields: Any) -> dict[str, str]:
    given = {**PROGRAM, **fields}
    document = parse(ProgramDocument, {k: v for k, v in given.items() if v is not None})
    return {line.label: line.text for line in reading.read_aloud(document, GovernanceDocument())}


def test_every_reason_has_words_in_the_order_of_the_rules() -> None:
    assert list(words.REASONS) == list(Reason)
    assert len({spoken.word for spoken in words.REASONS.values()}) == len(Reason)


def test_unknown_reason_is_shown_as_it_is_called_when_a_newer_release_wrote_it() -> None:
    assert words.reason("moon_is_full").word == "Moon is full"


@pytest.mark.parametrize(
    ("name", "text", "spoken"),
    [
        ("cooldown_any", "purchase 2026-03-02T09:00Z", "by purchase, 2 Mar 2026 09:00 UTC"),
        ("refunded", "2026-03-02T09:00Z", "2 Mar 2026 09:00 UTC"),
        ("not_enough_uses", "2 of 3", "2 of 3"),
        ("expression_failed", "customer.plan is not known", "customer.plan is not known"),
    ],
)
def test_detail_is_told_with_its_time_when_it_has_one(name: str, text: str, spoken: str) -> None:
    assert words.detail(name, text) == spoken


@pytest.mark.parametrize(
    ("fields", "label", "spoken"),
    [
        ({}, "Afterwards", None),
        (
            {"learn_channels": True},
            "How",
            "by email, else text message, the most answered one first; survey s",
        ),
        ({"fallback_after": "2d"}, "Afterwards", "not opened in 2 days: by the next channel"),
        ({"reminders": {"after": "3d"}}, "Afterwards", "not answered: reminded once, 3 days later"),
        (
            {"fallback_after": "1d", "reminders": {"count": 2, "after": "3d"}},
            "Afterwards",
            (
                "not opened in 1 day: by the next channel; "
                "not answered: reminded twice, each 3 days later"
            ),
        ),
    ],
)
def test_what_follows_is_told_when_a_program_says_more_than_once(
    fields: dict[str, Any], label: str, spoken: str | None
) -> None:
    assert said(channels=["email", "sms"], **fields).get(label) == spoken


@pytest.mark.parametrize(
    ("delay", "spoken"),
    [
        ("7d..10d", "7 to 10 days later"),
        ("1h..2d", "1 hour to 2 days later"),
        ("0h..3d", "0 to 3 days later"),
        ("1d", "1 day later"),
        ("2w..2w", "2 weeks later"),
        ("0d", "at once"),
    ],
)
def test_delay_is_told_as_people_say_it(delay: str, spoken: str) -> None:
    assert said(delay=delay)["When"] == spoken


def test_everything_is_told_when_everything_is_written() -> None:
    told = said(
        touchpoint=None,
        cadence="quarterly",
        type="relational",
        channels=["email", "sms"],
        when="customer.mrr > 1",
        sample={"share": "25%"},
        delay="0d..90d",
        send_hours={"from": "09:00", "to": "17:00", "days": ["mon", "tue", "wed", "thu", "fri"]},
        cooldown="1d",
        quotas={"vip": 5},
        on_throttle="defer",
        locale="en",
        variants={"a": 1, "b": 1},
    )
    assert told == {
        "Asks": "quarterly, whatever has happened",
        "When": "over the first 90 days; between 09:00 and 17:00, their time; Monday to Friday",
        "Whom": "25% of the customers, the next ones each quarter; where customer.mrr > 1",
        "How": "by email, else text message; survey s; in en; wordings a, b",
        "At most": (
            "once in 1 day; 90 days from any other relational survey; "
            "30 days from any survey at all; 5 a day to vip"
        ),
        "If throttled": "it waits for the next free time",
        "Too late": "14 days after the planned time",
    }


@pytest.mark.parametrize(
    ("uses", "spoken"), [(1, "1st"), (2, "2nd"), (3, "3rd"), (11, "11th"), (112, "112th")]
)
def test_uses_are_counted_as_people_count(uses: int, spoken: str) -> None:
    assert said(after_uses=uses)["Whom"] == f"who did it for the {spoken} time or more"


def test_days_and_panel_are_told_when_chosen() -> None:
    told = said(send_hours={"days": ["sat", "sun"]}, sample={"share": "10%", "rotate": "never"})
    assert told["When"].endswith("; on Sat, Sun")
    assert told["Whom"] == "10% of the customers, always the same"
