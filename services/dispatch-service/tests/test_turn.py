"""What becomes of a message whose time has come."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from dispatch_service.domain.invitation import DropReason, InvitationState
from dispatch_service.domain.message import Kind
from dispatch_service.domain.suppression import Reason, Suppression
from dispatch_service.domain.turn import (
    LOOK_AGAIN,
    SEND,
    Arrived,
    Dropped,
    Due,
    PutOff,
    after_drop,
    turn,
)
from heardback.testing.clock import START
from heardback.vocabulary import Channel, Scope

from .conversation_builders import DAY, EXPIRES_AT, HOUR, a_message, a_sent_one, an_invitation

# A Monday, 09:00 in UTC.
OFFICE = {"timezone": "UTC", "channels": {"email": {"spans": [["09:00", "17:00"]]}}}
AT_NIGHT = START + 12 * HOUR
TINY = timedelta(microseconds=1)


def entry(**fields: Any) -> Suppression:
    known = {"reason": Reason.UNSUBSCRIBED, "suppressed_at": START}
    return Suppression(**{**known, **fields})


def decided(
    invitation: Any = None, *, now: datetime = START, entries: Any = (), **fields: Any
) -> Any:
    invitation = invitation or an_invitation()
    known = {"message": a_message(invitation), "has_survey": True}
    values = {**known, **fields}
    has_survey = values.pop("has_survey")
    due = Due(invitation=invitation, **values)
    return turn(due, now=now, suppressions=entries, has_survey=has_survey)


@pytest.mark.parametrize(
    ("now", "verdict"),
    [
        (START, SEND),
        (START + 8 * HOUR - TINY, SEND),
        (EXPIRES_AT, Dropped(reason=DropReason.TOO_LATE)),
    ],
)
def test_message_is_sent_within_its_hours_and_time_when(now: datetime, verdict: Any) -> None:
    assert decided(an_invitation(hours=OFFICE), now=now) == verdict


@pytest.mark.parametrize("now", [START - TINY, START + 8 * HOUR, AT_NIGHT])
def test_message_waits_for_the_opening_when_it_is_not_permitted(now: datetime) -> None:
    verdict = decided(an_invitation(hours=OFFICE), now=now)
    assert isinstance(verdict, PutOff)
    opening = START if now < START else START + DAY
    assert opening <= verdict.until < opening + HOUR


def test_messages_of_one_customer_wait_for_the_same_instant() -> None:
    at_nine = decided(an_invitation(hours=OFFICE), now=AT_NIGHT)
    later = decided(an_invitation(hours=OFFICE, touchpoint="other"), now=AT_NIGHT + HOUR)
    assert at_nine == later


@pytest.mark.parametrize(
    ("fields", "now"),
    [
        ({"expires_at": AT_NIGHT + HOUR}, AT_NIGHT),  # over before the opening
        ({"hours": {**OFFICE, "channels": {"email": {"weekdays": []}}}}, START),  # never opens
    ],
)
def test_message_is_too_late_when_its_hours_open_after_its_time(
    fields: dict[str, Any], now: datetime
) -> None:
    invitation = an_invitation(**{"hours": OFFICE, **fields})
    assert decided(invitation, now=now) == Dropped(reason=DropReason.TOO_LATE)


def test_other_hours_say_nothing_when_they_are_of_another_channel() -> None:
    hours = {"timezone": "UTC", "channels": {"sms": {"spans": [["09:00", "17:00"]]}}}
    assert decided(an_invitation(hours=hours), now=AT_NIGHT) is SEND


def test_follow_up_does_not_wait_for_hours() -> None:
    invitation = an_invitation(hours=OFFICE)
    message = a_message(invitation, kind=Kind.FOLLOW_UP)
    assert decided(invitation, now=AT_NIGHT, message=message) is SEND


@pytest.mark.parametrize("fields", [{"held_up": True}, {"has_survey": False}])
def test_message_is_looked_at_again_when_something_else_must_come_first(
    fields: dict[str, Any],
) -> None:
    assert decided(**fields) == PutOff(until=START + LOOK_AGAIN)


@pytest.mark.parametrize(
    ("found", "here_only"),
    [
        ({"customer_id": "c1", "address": "ada@example.com"}, False),
        ({"address": "ada@example.com", "reason": Reason.BOUNCE}, True),
        ({"address": "ada@example.com", "reason": Reason.COMPLAINT}, False),
        (
            {"customer_id": "c1", "scope": Scope.CHANNEL, "scoped_to": "email"},
            True,
        ),
        (
            {"customer_id": "c1", "scope": Scope.PROGRAM, "scoped_to": "post-purchase"},
            False,
        ),
        ({"customer_id": "c1", "scope": Scope.TYPE, "scoped_to": "transactional"}, False),
    ],
)
def test_message_is_suppressed_when_the_list_says_so(
    found: dict[str, Any], here_only: bool
) -> None:
    expected = Dropped(reason=DropReason.SUPPRESSED, here_only=here_only)
    assert decided(entries=[entry(**found)]) == expected


def test_another_channel_will_not_do_when_one_entry_covers_all() -> None:
    entries = [
        entry(address="ada@example.com", reason=Reason.BOUNCE),
        entry(customer_id="c1", address="old@example.com"),
    ]
    assert decided(entries=entries).here_only is False


@pytest.mark.parametrize(
    "found",
    [
        {"customer_id": "c2"},
        {"address": "eve@example.com"},
        {"customer_id": "c1", "scope": Scope.CHANNEL, "scoped_to": "sms"},
        {"customer_id": "c1", "scope": Scope.PROGRAM, "scoped_to": "other"},
    ],
)
def test_message_is_sent_when_the_list_is_about_something_else(found: dict[str, Any]) -> None:
    assert decided(entries=[entry(**found)]) is SEND


def test_conversation_after_a_drop_is_over_unless_something_was_sent() -> None:
    late = Dropped(reason=DropReason.TOO_LATE)
    assert after_drop(a_message(), an_invitation(), late).invitation.state == "dropped"
    assert after_drop(a_message(), a_sent_one(), late).invitation == a_sent_one()


def test_conversation_goes_on_elsewhere_when_only_a_channel_is_suppressed() -> None:
    here = Dropped(reason=DropReason.SUPPRESSED, here_only=True)
    step = after_drop(a_message(), an_invitation(), here)
    assert step.message is not None and step.message.channel is Channel.SMS
    last = an_invitation(channels=(Channel.EMAIL,))
    step = after_drop(a_message(last), last, here)
    assert step.invitation.state is InvitationState.DROPPED


@pytest.mark.parametrize("how", [{"doubts": 1}, {"attempts": 1}, {"attempts": 3, "tries": 2}])
@pytest.mark.parametrize(
    "shown", [{"answered_at": START}, {"way_out_seen_at": START}], ids=["answer", "way out"]
)
def test_message_has_arrived_when_the_customer_came_by_an_attempt_in(how: Any, shown: Any) -> None:
    assert decided(an_invitation(**shown), **how) == Arrived()
    assert isinstance(decided(an_invitation(**shown), attempts=2, tries=2), Dropped)
    assert decided(an_invitation(), **how) is SEND
    assert isinstance(decided(an_invitation(**shown), now=EXPIRES_AT, **how), Dropped)
    sent = an_invitation(**shown, state=InvitationState.SENT)
    assert isinstance(decided(sent, **how), Dropped)
