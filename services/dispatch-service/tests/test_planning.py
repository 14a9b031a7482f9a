"""Which channels reach a customer, and which one goes first."""

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatch_service.domain.invitation import DropReason, InvitationState
from dispatch_service.domain.learning import Record, learnt_order
from dispatch_service.domain.planning import plan
from heardback.vocabulary import Channel

from .conversation_builders import INVITATION_ID, an_invitation

EMAIL, SMS, IN_APP, WEBHOOK = Channel.EMAIL, Channel.SMS, Channel.IN_APP, Channel.WEBHOOK
OPEN = {EMAIL, SMS, IN_APP}
BETA = random.Random(1).betavariate


@pytest.mark.parametrize(
    ("fields", "channels"),
    [
        ({}, (EMAIL, SMS)),
        ({"channels": (SMS, EMAIL)}, (SMS, EMAIL)),
        ({"email": None}, (SMS,)),
        ({"phone": None}, (EMAIL,)),
        ({"channels": (WEBHOOK, EMAIL)}, (EMAIL,)),
        ({"channels": (Channel.DIRECT, EMAIL)}, (EMAIL,)),
        ({"channels": (IN_APP,), "email": None, "phone": None}, (IN_APP,)),
    ],
)
def test_channels_are_those_that_reach_the_customer_when(
    fields: dict[str, Any], channels: tuple[Channel, ...]
) -> None:
    made = plan(an_invitation(**fields), open_channels=OPEN, records={}, beta=BETA)
    assert made.invitation.channels == channels
    assert made.message is not None
    assert (made.message.message_id, made.message.channel) == (INVITATION_ID, channels[0])
    assert made.invitation.channel is channels[0]


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"email": None, "phone": None}, DropReason.NO_ADDRESS),
        ({"channels": (WEBHOOK,)}, DropReason.NO_CHANNEL),
        ({"channels": (Channel.DIRECT,)}, DropReason.NO_CHANNEL),
        ({"channels": (EMAIL, WEBHOOK), "email": None}, DropReason.NO_ADDRESS),
    ],
)
def test_invitation_is_dropped_when_no_channel_reaches_the_customer(
    fields: dict[str, Any], reason: DropReason
) -> None:
    made = plan(an_invitation(**fields), open_channels=OPEN, records={}, beta=BETA)
    assert made.message is None
    assert (made.invitation.state, made.invitation.drop_reason) == (
        InvitationState.DROPPED,
        reason,
    )


def test_order_is_kept_when_it_is_not_to_be_learnt() -> None:
    records = {SMS: Record(asked=1000, answered=900), EMAIL: Record(asked=1000)}
    made = plan(an_invitation(), open_channels=OPEN, records=records, beta=BETA)
    assert made.invitation.channels == (EMAIL, SMS)


def test_channel_that_is_answered_goes_first_when_the_order_is_learnt() -> None:
    records = {SMS: Record(asked=1000, answered=900), EMAIL: Record(asked=1000)}
    asked = an_invitation(learn_channels=True)
    made = plan(asked, open_channels=OPEN, records=records, beta=BETA)
    assert made.invitation.channels == (SMS, EMAIL)


@given(
    channels=st.lists(st.sampled_from([EMAIL, SMS, IN_APP]), unique=True),
    counts=st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)), min_size=3, max_size=3),
    seed=st.integers(),
)
def test_learnt_order_is_the_same_channels_whatever_the_records(
    channels: list[Channel], counts: list[tuple[int, int]], seed: int
) -> None:
    records = {
        channel: Record(asked=asked, answered=answered)
        for channel, (asked, answered) in zip([EMAIL, SMS, IN_APP], counts, strict=True)
    }
    order = learnt_order(channels, records, beta=random.Random(seed).betavariate)
    assert sorted(order) == sorted(channels)
    again = learnt_order(channels, records, beta=random.Random(seed).betavariate)
    assert order == again


def regret_of(rates: dict[Channel, float], *, questions: int, seed: int) -> tuple[float, float]:
    """Return how many answers were missed by learning, and by asking in turn."""
    chance = random.Random(seed)
    records = dict.fromkeys(rates, Record())
    missed = 0.0
    for _ in range(questions):
        first = learnt_order(list(rates), records, beta=chance.betavariate)[0]
        missed += max(rates.values()) - rates[first]
        before = records[first]
        records[first] = Record(
            asked=before.asked + 1,
            answered=before.answered + (chance.random() < rates[first]),
        )
    in_turn = questions * (max(rates.values()) - sum(rates.values()) / len(rates))
    return missed, in_turn


@pytest.mark.parametrize(
    "rates",
    [
        {EMAIL: 0.12, SMS: 0.20, IN_APP: 0.05},
        {EMAIL: 0.30, SMS: 0.10},
        {EMAIL: 0.02, SMS: 0.06, IN_APP: 0.04},
    ],
)
def test_regret_grows_slower_and_slower_when_the_order_is_learnt(
    rates: dict[Channel, float],
) -> None:
    seeds = range(12)
    short = [regret_of(rates, questions=1_000, seed=seed) for seed in seeds]
    long = [regret_of(rates, questions=4_000, seed=seed) for seed in seeds]
    missed, longer_missed = (sum(m for m, _ in runs) / len(seeds) for runs in (short, long))
    assert longer_missed < 2.2 * missed, "four times the questions, far less than four times"
    assert longer_missed < 0.3 * long[0][1], "much better than asking in turn"


def test_change_is_noticed_when_little_was_known() -> None:
    records = {EMAIL: Record(asked=3, answered=1), SMS: Record(asked=3, answered=0)}
    firsts = {
        learnt_order([EMAIL, SMS], records, beta=random.Random(seed).betavariate)[0]
        for seed in range(50)
    }
    assert firsts == {EMAIL, SMS}, "while there is doubt, both are tried"
