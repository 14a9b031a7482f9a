from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import combinations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heardback.contracts.payloads import Profile
from heardback.testing.clock import START, CountedIds
from heardback.vocabulary import Channel, ProgramType
from trigger_service.domain.customer import Customer
from trigger_service.domain.decision import CLOCK_SKEW, Decision, Reason, State, decide
from trigger_service.domain.invitation import IllegalMove, InvitationState, Slot
from trigger_service.domain.ledger import Entry, decide_all
from trigger_service.domain.program import Program, ProgramState, listening
from trigger_service.domain.touchpoint import Touchpoint, touchpoint_id

DAY = timedelta(days=1)
SECOND = timedelta(seconds=1)
ADA = Customer(customer_id="c1", email="ada@example.com")


def a_program(program_id: str = "purchase", **changes: Any) -> Program:
    fields: dict[str, Any] = {
        "name": program_id,
        "version": 1,
        "state": ProgramState.ACTIVE,
        "touchpoint": program_id,
        "type": ProgramType.TRANSACTIONAL,
        "survey_id": "nps",
        "channel": Channel.EMAIL,
        "delay_min": timedelta(0),
        "delay_max": timedelta(0),
        "expires_after": 14 * DAY,
        "cooldown_any": 30 * DAY,
        "cooldown_type": 60 * DAY,
        "cooldown_program": 90 * DAY,
    }
    return Program(program_id=program_id, **{**fields, **changes})


def a_touchpoint(event_id: str = "e1", **changes: Any) -> Touchpoint:
    fields: dict[str, Any] = {
        "touchpoint_id": touchpoint_id("/shop", event_id),
        "source": "/shop",
        "customer_id": "c1",
        "name": "purchase",
        "occurred_at": START,
    }
    return Touchpoint(event_id=event_id, **{**fields, **changes})


def a_slot(before: timedelta, **changes: Any) -> Slot:
    fields: dict[str, Any] = {"program_id": "other", "type": ProgramType.RELATIONAL}
    return Slot(send_at=START - before, **{**fields, **changes})


def decision(customer: Customer = ADA, *slots: Slot, **changes: Any) -> Decision:
    """Decide at START on a touchpoint of that instant; `changes` are the program's."""
    state = State(customer=customer, slots=slots)
    return decide(state, a_touchpoint(), program=a_program(**changes), now=START)


def test_customer_is_asked_when_nothing_is_against_it() -> None:
    assert decision().reasons == ()


@pytest.mark.parametrize(
    ("slot", "reasons"),
    [
        (a_slot(30 * DAY - SECOND), (Reason.COOLDOWN_ANY,)),
        (a_slot(30 * DAY), ()),
        (a_slot(-30 * DAY + SECOND), (Reason.COOLDOWN_ANY,)),
        (a_slot(-30 * DAY), ()),
        (a_slot(60 * DAY - SECOND, type=ProgramType.TRANSACTIONAL), (Reason.COOLDOWN_TYPE,)),
        (a_slot(60 * DAY, type=ProgramType.TRANSACTIONAL), ()),
        (a_slot(90 * DAY - SECOND, program_id="purchase"), (Reason.COOLDOWN_PROGRAM,)),
        (a_slot(90 * DAY, program_id="purchase"), ()),
        (
            a_slot(DAY, program_id="purchase", type=ProgramType.TRANSACTIONAL),
            (Reason.COOLDOWN_ANY, Reason.COOLDOWN_TYPE, Reason.COOLDOWN_PROGRAM),
        ),
    ],
)
def test_cooldown_ends_when_its_last_second_has_passed(
    slot: Slot, reasons: tuple[Reason, ...]
) -> None:
    assert decision(ADA, slot).reasons == reasons


def test_nothing_cools_down_when_the_cooldowns_are_zero() -> None:
    zero = timedelta(0)
    slot = a_slot(zero, program_id="purchase", type=ProgramType.TRANSACTIONAL)
    decided = decision(ADA, slot, cooldown_any=zero, cooldown_type=zero, cooldown_program=zero)
    assert decided.reasons == ()


@pytest.mark.parametrize(
    ("customer", "reasons"),
    [
        (Customer(customer_id="c1"), (Reason.NO_EMAIL,)),
        (Customer(customer_id="c1", email=""), (Reason.NO_EMAIL,)),
        (Customer(customer_id="c1", email="ada"), (Reason.INVALID_EMAIL,)),
        (Customer(customer_id="c1", email="ada@example"), (Reason.INVALID_EMAIL,)),
        (Customer(customer_id="c1", email="a da@example.com"), (Reason.INVALID_EMAIL,)),
        (Customer(customer_id="c1", email="ada@a..com"), (Reason.INVALID_EMAIL,)),
        (ADA.churned(START), (Reason.CHURNED,)),
        (ADA.unsubscribed(START), (Reason.UNSUBSCRIBED,)),
        (ADA.erased(START), (Reason.ERASED, Reason.NO_EMAIL)),
        (ADA.churned(START).unsubscribed(START), (Reason.CHURNED, Reason.UNSUBSCRIBED)),
    ],
)
def test_customer_is_left_alone_when_they_may_not_or_cannot_be_asked(
    customer: Customer, reasons: tuple[Reason, ...]
) -> None:
    assert decision(customer).reasons == reasons


def test_every_reason_is_listed_in_order_when_several_are_against_it() -> None:
    touchpoint = a_touchpoint(closed_by="spam", occurred_at=START - 30 * DAY)
    state = State(customer=ADA.churned(START), slots=(a_slot(DAY),))
    program = a_program(state=ProgramState.PAUSED)
    assert decide(state, touchpoint, program=program, now=START).reasons == (
        Reason.PAUSED,
        Reason.TICKET_CLOSED_BY_AUTOMATION,
        Reason.CHURNED,
        Reason.STALE,
        Reason.COOLDOWN_ANY,
    )


@pytest.mark.parametrize(
    ("occurred_at", "reasons"),
    [
        (START - 14 * DAY + SECOND, ()),
        (START - 14 * DAY, (Reason.STALE,)),
        (START + CLOCK_SKEW, ()),
        (START + CLOCK_SKEW + SECOND, (Reason.IN_FUTURE,)),
        (datetime.max.replace(tzinfo=UTC), (Reason.IN_FUTURE,)),
        (datetime.min.replace(tzinfo=UTC), (Reason.STALE,)),
    ],
)
def test_touchpoint_is_refused_when_it_is_too_old_or_not_yet(
    occurred_at: datetime, reasons: tuple[Reason, ...]
) -> None:
    touchpoint = a_touchpoint(occurred_at=occurred_at)
    state = State(customer=ADA)
    assert decide(state, touchpoint, program=a_program(), now=START).reasons == reasons


def test_invitation_goes_out_now_when_its_time_has_passed_already() -> None:
    touchpoint = a_touchpoint(occurred_at=START - DAY)
    decided = decide(State(customer=ADA), touchpoint, program=a_program(), now=START)
    assert decided.send_at == START
    assert decided.expires_at == START + 13 * DAY


def test_send_times_are_even_when_a_thousand_touchpoints_come_at_once() -> None:
    program = a_program(delay_min=7 * DAY, delay_max=14 * DAY)
    days = [
        (program.planned_at(touchpoint_id("/shop", str(number)), START) - START).days
        for number in range(7_000)
    ]
    assert set(days) == set(range(7, 14))
    assert all(abs(days.count(day) - 1_000) < 100 for day in range(7, 14))


def test_send_time_is_exact_when_the_window_has_no_width() -> None:
    program = a_program(delay_min=DAY, delay_max=DAY)
    assert program.planned_at("t1", START) == START + DAY


def test_sent_invitation_is_never_cancelled_when_something_tries() -> None:
    ledger = decide_all(
        {"c1": State(customer=ADA)},
        [a_touchpoint()],
        programs=listening([a_program()]),
        now=START,
        new_id=CountedIds().new,
    )
    invitation = ledger.entries[0].invitation
    assert invitation is not None
    with pytest.raises(IllegalMove):
        invitation.moved(InvitationState.REQUESTED).moved(InvitationState.CANCELLED, "churned")


@pytest.mark.parametrize(
    ("first", "second", "email"),
    [(START, START + DAY, "new"), (START + DAY, START, "old"), (START, START, "new")],
)
def test_profile_is_the_newest_by_event_time_when_events_are_out_of_order(
    first: datetime, second: datetime, email: str
) -> None:
    customer = Customer(customer_id="c1").informed(Profile(email="old"), first)
    customer = customer.informed(Profile(email="new", name="Ada"), second)
    assert (customer.email, customer.name) == (email, "Ada")


PROGRAMS = [
    a_program("purchase", delay_max=7 * DAY),
    a_program("purchase-b", touchpoint="purchase", cooldown_program=10 * DAY),
    a_program("onboarding-complete", type=ProgramType.RELATIONAL, delay_min=90 * DAY),
    a_program("feature-used", state=ProgramState.PAUSED),
]
NAMES = ("purchase", "onboarding-complete", "feature-used", "unheard-of")
STREAM = st.lists(
    st.tuples(
        st.integers(0, 25),
        st.sampled_from(("c1", "c2")),
        st.sampled_from(NAMES),
        st.integers(-400, 400),
    ),
    max_size=40,
)


@given(stream=STREAM, batch_size=st.integers(1, 12))
def test_no_cooldown_is_broken_when_touchpoints_come_in_any_order_and_again(
    stream: Sequence[tuple[int, str, str, int]], batch_size: int
) -> None:
    touchpoints: dict[str, Touchpoint] = {}
    for number, customer_id, name, day in stream:
        known = a_touchpoint(
            str(number), customer_id=customer_id, name=name, occurred_at=START + day * DAY
        )
        touchpoints.setdefault(known.touchpoint_id, known)
    entries = decided_in_batches(list(touchpoints.values()), batch_size)
    decided = [(e.touchpoint.touchpoint_id, e.program_id) for e in entries]
    assert len(decided) == len(set(decided))
    assert {key for key, _ in decided} == set(touchpoints)
    assert sum(entry.is_decisive for entry in entries) == len(touchpoints)
    for one, other in combinations([e.invitation for e in entries if e.invitation], 2):
        if one.customer_id == other.customer_id:
            gap = abs(one.send_at - other.send_at)
            assert gap >= 30 * DAY
            assert gap >= 60 * DAY or one.type != other.type
            assert gap >= 10 * DAY or one.program_id != other.program_id


def decided_in_batches(touchpoints: Sequence[Touchpoint], batch_size: int) -> list[Entry]:
    """Decide batch by batch, a day apart, each upon the slots that the ones before it took."""
    entries: list[Entry] = []
    for start in range(0, len(touchpoints), batch_size):
        ledger = decide_all(
            states_after(entries),
            touchpoints[start : start + batch_size],
            programs=listening(PROGRAMS),
            now=START + start * DAY,
            new_id=CountedIds().new,
        )
        entries.extend(ledger.entries)
    return entries


def states_after(entries: Sequence[Entry]) -> Mapping[str, State]:
    states = {
        key: State(customer=Customer(customer_id=key, email=f"{key}@example.com"))
        for key in ("c1", "c2")
    }
    for entry in entries:
        key = entry.touchpoint.customer_id
        states[key] = states[key].after(entry.decision)
    return states
