"""What comes next in a conversation, and what must not be said any more."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from dispatch_service.domain.conversation import (
    ImpossibleMove,
    Move,
    WaitingFor,
    channel_for_follow_up,
    fall_back,
    lose,
    moved_to,
    reason_to_drop,
    remind,
    taken,
    timers_after,
    within,
)
from dispatch_service.domain.invitation import DropReason, Invitation, InvitationState
from dispatch_service.domain.message import Kind, Message
from heardback.testing.clock import START
from heardback.vocabulary import Channel

from .conversation_builders import (
    DAY,
    EXPIRES_AT,
    INVITATION_ID,
    a_message,
    a_reminder,
    a_sent_one,
    an_invitation,
)

EMAIL, SMS, IN_APP = Channel.EMAIL, Channel.SMS, Channel.IN_APP
WAITING, SENT = InvitationState.WAITING, InvitationState.SENT
BOUNCED, DROPPED = InvitationState.BOUNCED, InvitationState.DROPPED
TINY = timedelta(microseconds=1)


@pytest.mark.parametrize("state", [BOUNCED, DROPPED])
@pytest.mark.parametrize("move", Move)
def test_move_is_refused_when_the_conversation_is_over(state: InvitationState, move: Move) -> None:
    with pytest.raises(ImpossibleMove):
        moved_to(an_invitation(state=state), move)


def test_conversation_is_sent_when_its_first_message_is_taken() -> None:
    assert taken(an_invitation(), a_message()).state is SENT
    assert taken(a_sent_one(), a_message()).state is SENT


def test_conversation_stays_when_a_reminder_or_a_follow_up_is_taken() -> None:
    over = an_invitation(state=BOUNCED)
    assert taken(over, a_reminder()) == over
    assert taken(over, a_message(kind=Kind.FOLLOW_UP)) == over


@pytest.mark.parametrize(
    ("invitation", "message", "waits"),
    [
        (
            a_sent_one(),
            a_message(),
            {WaitingFor.REMINDER: START + 3 * DAY, WaitingFor.FALLBACK: START + 5 * DAY},
        ),
        (a_sent_one(), a_reminder(), {WaitingFor.REMINDER: START + 3 * DAY}),
        (
            a_sent_one(reminders_sent=2),
            a_message(),
            {WaitingFor.FALLBACK: START + 5 * DAY},
        ),
        (a_sent_one(reminders=0, channels=(EMAIL,)), a_message(), {}),
        (a_sent_one(reminder_after_seconds=None, fallback_after_seconds=None), a_message(), {}),
        (a_sent_one(opened_at=START), a_message(), {WaitingFor.REMINDER: START + 3 * DAY}),
        (a_sent_one(answered_at=START), a_message(), {}),
        (a_sent_one(way_out_seen_at=START), a_message(), {}),
        (a_sent_one(drop_reason=DropReason.CANCELLED), a_message(), {}),
        (a_sent_one(expires_at=START + 3 * DAY), a_message(), {}),
        (
            a_sent_one(expires_at=START + 3 * DAY + TINY),
            a_message(),
            {WaitingFor.REMINDER: START + 3 * DAY},
        ),
        (a_sent_one(channel=SMS), a_message(), {}),
        (a_sent_one(), a_message(kind=Kind.FOLLOW_UP), {}),
    ],
)
def test_timers_after_a_message_when(
    invitation: Invitation, message: Message, waits: dict[WaitingFor, datetime]
) -> None:
    assert timers_after(invitation, message, START) == waits


def test_reminder_is_numbered_and_counted_when_it_is_due() -> None:
    step = remind(a_sent_one(reminders_sent=1), START)
    assert step.invitation.reminders_sent == 2
    assert step.message is not None
    assert (step.message.message_id, step.message.kind, step.message.number) == (
        f"{INVITATION_ID}:r2",
        Kind.REMINDER,
        2,
    )
    assert (step.message.channel, step.message.address) == (EMAIL, "ada@example.com")


@pytest.mark.parametrize(
    ("invitation", "now"),
    [
        (an_invitation(), START),
        (a_sent_one(answered_at=START), START),
        (a_sent_one(way_out_seen_at=START), START),
        (a_sent_one(reminders_sent=2), START),
        (a_sent_one(), EXPIRES_AT),
        (a_sent_one(state=BOUNCED), START),
        (a_sent_one(drop_reason=DropReason.CANCELLED), START),
    ],
)
def test_nobody_is_reminded_when(invitation: Invitation, now: datetime) -> None:
    assert remind(invitation, now).message is None


def test_reminder_goes_out_when_the_last_instant_has_not_come() -> None:
    assert remind(a_sent_one(opened_at=START), EXPIRES_AT - TINY).message is not None


def test_next_channel_is_tried_when_nothing_was_opened() -> None:
    step = fall_back(a_sent_one(), START)
    assert (step.invitation.channel, step.invitation.state) == (SMS, SENT)
    assert step.message is not None
    assert (step.message.message_id, step.message.address) == (
        f"{INVITATION_ID}:sms",
        "+12025550123",
    )


@pytest.mark.parametrize(
    "invitation",
    [
        a_sent_one(opened_at=START),
        a_sent_one(answered_at=START),
        a_sent_one(way_out_seen_at=START),
        a_sent_one(channels=(EMAIL,)),
        a_sent_one(channel=SMS),
        an_invitation(),
    ],
)
def test_no_other_channel_is_tried_when(invitation: Invitation) -> None:
    assert fall_back(invitation, START).message is None


@pytest.mark.parametrize(
    ("invitation", "lost", "channel", "state", "says"),
    [
        # The next channel, whatever the state.
        (an_invitation(), EMAIL, SMS, WAITING, True),
        (a_sent_one(), EMAIL, SMS, SENT, True),
        # None is left.
        (an_invitation(channels=(EMAIL,)), EMAIL, EMAIL, BOUNCED, False),
        (a_sent_one(channels=(SMS,), channel=SMS), SMS, SMS, BOUNCED, False),
        # Back to where something was sent.
        (a_sent_one(channel=SMS), SMS, EMAIL, SENT, False),
        # A bounce from where the conversation no longer is.
        (a_sent_one(channel=SMS), EMAIL, SMS, SENT, False),
        # Lost before, by another message in it.
        (an_invitation(state=BOUNCED, channels=()), EMAIL, EMAIL, BOUNCED, False),
        (a_sent_one(channel=SMS, channels=(SMS,)), EMAIL, SMS, SENT, False),
        # Nobody who answered, or looked for the way out, is asked elsewhere.
        (a_sent_one(answered_at=START), EMAIL, EMAIL, SENT, False),
        (a_sent_one(way_out_seen_at=START), EMAIL, EMAIL, SENT, False),
        # Back to the channel before it, not to one that was never used.
        (
            a_sent_one(channel=SMS, channels=(EMAIL, SMS, IN_APP), answered_at=START),
            SMS,
            EMAIL,
            SENT,
            False,
        ),
        (an_invitation(drop_reason=DropReason.CANCELLED), EMAIL, EMAIL, BOUNCED, False),
    ],
)
def test_conversation_goes_on_when_a_channel_is_lost(
    invitation: Invitation, lost: Channel, channel: Channel, state: InvitationState, says: bool
) -> None:
    step = lose(invitation, lost, Move.BOUNCED)
    assert (step.invitation.channel, step.invitation.state) == (channel, state)
    assert lost not in step.invitation.channels
    assert (step.message is not None) is says


@pytest.mark.parametrize(
    ("invitation", "message", "now", "reason"),
    [
        (an_invitation(), a_message(), EXPIRES_AT - TINY, None),
        (an_invitation(), a_message(), EXPIRES_AT, DropReason.TOO_LATE),
        (an_invitation(), a_message(address=""), START, DropReason.NO_ADDRESS),
        (an_invitation(answered_at=START), a_message(), START, DropReason.ANSWERED),
        (
            an_invitation(drop_reason=DropReason.CANCELLED),
            a_message(),
            START,
            DropReason.CANCELLED,
        ),
        (a_sent_one(), a_reminder(), START, None),
        (a_sent_one(opened_at=START), a_reminder(), START, None),
        (a_sent_one(answered_at=START), a_reminder(), START, DropReason.ANSWERED),
        (a_sent_one(way_out_seen_at=START), a_reminder(), START, DropReason.WAY_OUT_SEEN),
        (a_sent_one(channel=SMS), a_reminder(), START, DropReason.MOVED),
        (an_invitation(state=BOUNCED, channels=()), a_reminder(), START, DropReason.MOVED),
        (
            a_sent_one(answered_at=START, way_out_seen_at=START, channel=SMS),
            a_message(kind=Kind.FOLLOW_UP),
            START,
            None,
        ),
    ],
)
def test_message_is_dropped_when(
    invitation: Invitation, message: Message, now: datetime, reason: DropReason | None
) -> None:
    assert reason_to_drop(message, invitation, now=now) == reason


@pytest.mark.parametrize(
    ("fields", "channel"),
    [
        ({}, EMAIL),
        ({"channel": SMS}, SMS),
        ({"channel": EMAIL, "channels": (SMS,)}, SMS),
        ({"channels": ()}, None),
        ({"channels": (EMAIL,), "email": None}, None),
        ({"channels": (IN_APP,), "channel": IN_APP}, IN_APP),
    ],
)
def test_follow_up_goes_where_the_conversation_is_when(
    fields: dict[str, Any], channel: Channel | None
) -> None:
    assert channel_for_follow_up(replace(a_sent_one(), **fields), Channel) is channel


def test_what_leads_nowhere_is_passed_over() -> None:
    talk = a_sent_one(channels=(EMAIL, SMS, IN_APP))
    assert within(talk, {EMAIL, IN_APP}).channels == (EMAIL, IN_APP)
    assert within(replace(talk, channel=SMS), {EMAIL}).channels == (EMAIL, SMS)
    assert channel_for_follow_up(replace(talk, channel=SMS), {EMAIL}) is EMAIL
    assert channel_for_follow_up(talk, set()) is None
