"""Cooldowns at the time of deciding, and the slots that count: those of others, and of shadows."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from heardback.testing.clock import START
from heardback.vocabulary import ProgramType
from trigger_service.domain.invitation import InvitationState, Slot
from trigger_service.domain.ledger import SCHEDULED
from trigger_service.domain.program import ProgramState
from trigger_service.domain.reason import Reason

from .domain_builders import (
    DAY,
    SECOND,
    a_customer,
    a_governance,
    a_program,
    a_slot,
    a_state,
    a_touchpoint,
    decision_of,
    entries_of,
)

TRANSACTIONAL = ProgramType.TRANSACTIONAL
ORDER = "order:1"


@pytest.mark.parametrize(
    ("slot", "against"),
    [
        (a_slot(30 * DAY - SECOND), [Reason.COOLDOWN_ANY]),
        (a_slot(30 * DAY), []),
        (a_slot(-30 * DAY + SECOND), [Reason.COOLDOWN_ANY]),
        (a_slot(-30 * DAY), []),
        (a_slot(60 * DAY - SECOND), []),
        (a_slot(60 * DAY - SECOND, type=TRANSACTIONAL), [Reason.COOLDOWN_TYPE]),
        (a_slot(60 * DAY, type=TRANSACTIONAL), []),
        (a_slot(90 * DAY - SECOND, program_id="purchase"), [Reason.COOLDOWN_PROGRAM]),
        (a_slot(90 * DAY, program_id="purchase"), []),
        (a_slot(DAY, state=InvitationState.REQUESTED), [Reason.COOLDOWN_ANY]),
        (a_slot(DAY, state=InvitationState.SHADOW), []),
        (
            a_slot(timedelta(0), program_id="purchase", type=TRANSACTIONAL),
            [Reason.COOLDOWN_ANY, Reason.COOLDOWN_TYPE, Reason.COOLDOWN_PROGRAM],
        ),
    ],
)
def test_cooldown_ends_when_its_last_second_has_passed(slot: Slot, against: list[Reason]) -> None:
    assert list(decision_of(state=a_state(slot)).against) == against


@pytest.mark.parametrize(
    ("fields", "edge"),
    [
        ({"type": "relational"}, 90 * DAY),
        ({"type": "relational", "cooldown": "100d"}, 100 * DAY),
        ({"type": "relational", "cooldown": "7d"}, 90 * DAY),
    ],
)
def test_longest_clock_counts_when_a_program_has_its_own(
    fields: dict[str, Any], edge: timedelta
) -> None:
    program = a_program(**fields)
    for ago, is_clear in ((edge - SECOND, False), (edge, True)):
        state = a_state(a_slot(ago, program_id="purchase"))
        assert (decision_of(program, state=state).against == {}) is is_clear


RECOVERY = ProgramType.RECOVERY


@pytest.mark.parametrize(
    ("slot", "against"),
    [
        (a_slot(timedelta(0)), []),
        (a_slot(timedelta(0), type=TRANSACTIONAL), []),
        (a_slot(30 * DAY - SECOND, type=RECOVERY), [Reason.COOLDOWN_ANY, Reason.COOLDOWN_TYPE]),
        (a_slot(30 * DAY, type=RECOVERY), []),
    ],
)
def test_recovery_question_waits_for_its_own_type_alone_when_others_were_asked(
    slot: Slot, against: list[Reason]
) -> None:
    program = a_program("recovery", touchpoint="purchase", type="recovery")
    assert list(decision_of(program, state=a_state(slot)).against) == against


def test_other_surveys_wait_for_a_recovery_question_when_one_was_asked() -> None:
    state = a_state(a_slot(30 * DAY - SECOND, type=RECOVERY))
    assert list(decision_of(state=state).against) == [Reason.COOLDOWN_ANY]


def test_cooldown_spans_channels_when_programs_use_different_ones() -> None:
    customer = a_customer(phone="+491701234567")
    mail = a_program("a", touchpoint="purchase", channels=["email"])
    programs = [mail, a_program("b", touchpoint="purchase", channels=["sms"])]
    (entry,) = entries_of(a_touchpoint(), programs=programs, state=a_state(customer=customer))
    assert [o.verdict for o in entry.outcomes] == [SCHEDULED, Reason.COOLDOWN_ANY]


def test_nothing_cools_down_when_the_cooldowns_are_zero() -> None:
    zero = {"any": "0d", "transactional": "0d", "relational": "0d", "program": "0d"}
    slot = a_slot(timedelta(0), program_id="purchase", type=TRANSACTIONAL)
    program = a_program(governance=a_governance(cooldowns=zero))
    assert decision_of(program, state=a_state(slot)).against == {}


def test_cooldown_is_of_real_time_when_the_clocks_change_meanwhile() -> None:
    # Thirty days by the clock on the wall in Berlin, but an hour less: 29 March is in between.
    sent_at = datetime(2026, 3, 10, 9, 0, tzinfo=UTC)
    slot = Slot(program_id="other", type=ProgramType.RELATIONAL, send_at=sent_at)
    for now, is_clear in ((sent_at + 30 * DAY - SECOND, False), (sent_at + 30 * DAY, True)):
        touchpoint = a_touchpoint(occurred_at=now)
        assert (decision_of(None, touchpoint, state=a_state(slot), now=now).against == {}) is (
            is_clear
        )


def test_cooldowns_are_listed_in_order_when_different_surveys_break_them() -> None:
    state = a_state(a_slot(80 * DAY, program_id="purchase"), a_slot(DAY))
    assert decision_of(state=state).against == {
        Reason.COOLDOWN_ANY: "other 2026-03-01T09:00Z",
        Reason.COOLDOWN_PROGRAM: "purchase 2025-12-12T09:00Z",
    }


def test_shadow_decides_as_if_when_it_alone_counts_what_it_would_have_sent() -> None:
    shadow = a_program("a", touchpoint="purchase", state=ProgramState.SHADOW)
    active = a_program("b", touchpoint="purchase")
    first, second = entries_of(
        a_touchpoint("1"), a_touchpoint("2", occurred_at=START), programs=[shadow, active]
    )
    assert [list(o.decision.against) for o in first.outcomes] == [[Reason.SHADOW], []]
    assert first.outcomes[0].invitation is not None
    assert first.outcomes[0].invitation.state is InvitationState.SHADOW
    assert list(second.outcomes[0].decision.against) == [
        Reason.COOLDOWN_ANY,
        Reason.COOLDOWN_TYPE,
        Reason.COOLDOWN_PROGRAM,
        Reason.SHADOW,
    ]
    assert second.outcomes[1].decision.against[Reason.COOLDOWN_ANY].startswith("b ")


def test_verdict_is_not_the_shadow_s_when_another_program_listens() -> None:
    state = a_state(a_slot(DAY))
    shadow = a_program("a", touchpoint="purchase", state=ProgramState.SHADOW)
    active = a_program("b", touchpoint="purchase", state=ProgramState.PAUSED)
    (both,) = entries_of(a_touchpoint(), programs=[shadow, active], state=state)
    (alone,) = entries_of(a_touchpoint(), programs=[shadow], state=state)
    (free,) = entries_of(a_touchpoint(), programs=[shadow])
    verdicts = (both.verdict, alone.verdict, free.verdict)
    assert verdicts == (Reason.PAUSED, Reason.COOLDOWN_ANY, Reason.SHADOW)


def test_shadow_slots_are_forgotten_when_the_program_goes_live() -> None:
    slot = a_slot(DAY, program_id="purchase", state=InvitationState.SHADOW)
    assert decision_of(state=a_state(slot)).against == {}
    shadow = decision_of(a_program(state=ProgramState.SHADOW), state=a_state(slot))
    assert Reason.COOLDOWN_PROGRAM in shadow.against
