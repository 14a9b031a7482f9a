"""Deciding on a touchpoint: each rule alone, its edges, and what several of them say together."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from heardback.testing.clock import START
from heardback.vocabulary import Channel, ProgramType
from trigger_service.domain.decision import CLOCK_SKEW, State
from trigger_service.domain.invitation import Slot
from trigger_service.domain.ledger import SCHEDULED
from trigger_service.domain.program import ProgramState
from trigger_service.domain.reason import RULES, Against, Reason
from trigger_service.domain.touchpoint import Revocation

from .domain_builders import (
    DAY,
    SECOND,
    a_customer,
    a_governance,
    a_program,
    a_revocation,
    a_slot,
    a_state,
    a_touchpoint,
    decision_of,
    entries_of,
)

TRANSACTIONAL = ProgramType.TRANSACTIONAL
ORDER = "order:1"


def revoked(revocation: Revocation, *, now: datetime = START) -> State:
    return a_state().revoked(revocation, now=now)


def test_customer_is_asked_when_nothing_is_against_it() -> None:
    (entry,) = entries_of(a_touchpoint(), programs=[a_program()])
    (outcome,) = entry.outcomes
    assert (outcome.decision.against, outcome.verdict, entry.verdict) == ({}, SCHEDULED, SCHEDULED)
    assert outcome.invitation is not None
    assert outcome.invitation.send_at == START
    assert outcome.invitation.expires_at == START + 14 * DAY


def test_no_program_is_the_reason_when_none_listens() -> None:
    for programs in ([], [a_program(state=ProgramState.ARCHIVED)], [a_program("other")]):
        (entry,) = entries_of(a_touchpoint(), programs=programs)
        (outcome,) = entry.outcomes
        assert (outcome.program_id, outcome.invitation) == (None, None)
        assert entry.verdict == Reason.NO_PROGRAM


@pytest.mark.parametrize(
    ("program", "against"),
    [
        ({"state": ProgramState.PAUSED}, {Reason.PAUSED: ""}),
        ({"state": ProgramState.SHADOW}, {Reason.SHADOW: ""}),
        ({"when": "event.amount > 5.0"}, {Reason.NOT_ELIGIBLE: ""}),
        ({"after_uses": 3}, {Reason.NOT_ENOUGH_USES: "1 of 3"}),
        ({"sample": {"share": "0.1%", "rotate": "never"}}, {Reason.NOT_SAMPLED: ""}),
        ({"channels": ["sms"]}, {Reason.NO_PHONE: ""}),
    ],
)
def test_one_rule_is_the_only_reason_when_it_alone_is_broken(
    program: dict[str, Any], against: Against
) -> None:
    touchpoint = a_touchpoint(facts={"amount": 5.0})
    assert decision_of(a_program(**program), touchpoint).against == against


def test_customer_is_not_eligible_when_the_expression_gives_no_answer() -> None:
    decided = decision_of(a_program(when="event.amount > 5.0"), a_touchpoint())
    assert list(decided.against) == [Reason.EXPRESSION_FAILED]
    assert decided.against[Reason.EXPRESSION_FAILED]


@pytest.mark.parametrize(
    ("fields", "against"),
    [
        ({"email": None}, {Reason.NO_EMAIL: ""}),
        ({"email": ""}, {Reason.NO_EMAIL: ""}),
        ({"email": "ada"}, {Reason.INVALID_EMAIL: ""}),
        ({"email": "ada@example"}, {Reason.INVALID_EMAIL: ""}),
        ({"email": "a da@example.com"}, {Reason.INVALID_EMAIL: ""}),
        ({"email": "ada@a..com"}, {Reason.INVALID_EMAIL: ""}),
        ({"churned_at": START}, {Reason.CHURNED: ""}),
        ({"churned_at": START, "returned_at": START - SECOND}, {Reason.CHURNED: ""}),
        ({"churned_at": START, "returned_at": START}, {}),
        ({"unsubscribed_at": START}, {Reason.UNSUBSCRIBED: ""}),
        ({"erased_at": START}, {Reason.ERASED: ""}),
    ],
)
def test_customer_is_left_alone_when_they_may_not_or_cannot_be_asked(
    fields: dict[str, Any], against: Against
) -> None:
    assert decision_of(state=a_state(customer=a_customer(**fields))).against == against


@pytest.mark.parametrize(
    ("phone", "against"),
    [
        (None, {Reason.NO_PHONE: ""}),
        ("", {Reason.NO_PHONE: ""}),
        ("0170 1234567", {Reason.INVALID_PHONE: ""}),
        ("+0170123456", {Reason.INVALID_PHONE: ""}),
        ("+49170", {Reason.INVALID_PHONE: ""}),
        ("+4917012345678901", {Reason.INVALID_PHONE: ""}),
        ("+491701234567", {}),
    ],
)
def test_text_message_needs_a_number_when_it_is_the_channel(
    phone: str | None, against: Against
) -> None:
    state = a_state(customer=a_customer(phone=phone))
    assert decision_of(a_program(channels=["sms"]), state=state).against == against


@pytest.mark.parametrize(
    ("channels", "against"),
    [
        (["email", "sms"], [Reason.NO_EMAIL, Reason.INVALID_PHONE]),
        (["sms", "email"], [Reason.NO_EMAIL, Reason.INVALID_PHONE]),
        (["sms", "in_app"], []),
        (["webhook"], []),
    ],
)
def test_channels_are_tried_in_turn_when_one_does_not_reach(
    channels: list[str], against: list[Reason]
) -> None:
    state = a_state(customer=a_customer(email=None, phone="12"))
    assert list(decision_of(a_program(channels=channels), state=state).against) == against


@pytest.mark.parametrize(
    ("closed_by", "against"),
    [
        *((who, {Reason.TICKET_CLOSED_BY_AUTOMATION: who}) for who in ("automation", "spam")),
        ("merge", {Reason.TICKET_CLOSED_BY_AUTOMATION: "merge"}),
        ("agent", {}),
        (None, {}),
    ],
)
def test_ticket_is_skipped_when_nobody_closed_it(closed_by: str | None, against: Against) -> None:
    assert decision_of(touchpoint=a_touchpoint(closed_by=closed_by)).against == against


@pytest.mark.parametrize(
    ("revoked_at", "subject", "is_revoked"),
    [
        (START - SECOND, ORDER, False),
        (START, ORDER, True),
        (START + SECOND, ORDER, True),
        (START + SECOND, "order:2", False),
        (START + SECOND, None, False),
        (START.astimezone(timezone(timedelta(hours=9))), ORDER, True),
        (datetime.max.replace(tzinfo=UTC), ORDER, True),
        (datetime.min.replace(tzinfo=timezone(timedelta(hours=14))), ORDER, False),
    ],
)
def test_what_was_undone_is_not_asked_about_when_that_was_later_or_at_once(
    revoked_at: datetime, subject: str | None, is_revoked: bool
) -> None:
    state = revoked(a_revocation(revoked_at))
    decided = decision_of(touchpoint=a_touchpoint(subject=subject), state=state)
    assert list(decided.against) == ([Reason.REFUNDED] if is_revoked else [])


@pytest.mark.parametrize("order", [(0, 1), (1, 0), (0, 0, 1, 1, 0)])
def test_latest_undoing_counts_when_there_are_several(order: tuple[int, ...]) -> None:
    given = [a_revocation(START - DAY, reason="reopened"), a_revocation(START, reason="refunded")]
    state = a_state()
    for index in order:
        state = state.revoked(given[index], now=START)
    touchpoint = a_touchpoint(subject=ORDER)
    assert decision_of(touchpoint=touchpoint, state=state).against == {
        Reason.REFUNDED: "2026-03-02T09:00Z"
    }


def test_ticket_is_asked_about_when_it_is_closed_again_after_a_reopening_from_the_future() -> None:
    state = revoked(a_revocation(datetime(9999, 1, 1, tzinfo=UTC), reason="reopened"))
    later = START + DAY
    touchpoint = a_touchpoint(subject=ORDER, occurred_at=later)
    assert decision_of(touchpoint=touchpoint, state=state, now=later).against == {}


def test_nth_use_is_asked_about_when_only_matching_uses_count() -> None:
    program = a_program(after_uses=3, when="event.amount > 1.0")
    amounts = [2.0, 0.5, 2.0, None, 2.0, 0.5, 2.0]
    uses = [
        a_touchpoint(str(number), facts={} if amount is None else {"amount": amount})
        for number, amount in enumerate(amounts)
    ]
    verdicts = [entry.verdict for entry in entries_of(*uses, programs=[program])]
    assert verdicts == [
        Reason.NOT_ENOUGH_USES,
        Reason.NOT_ELIGIBLE,
        Reason.NOT_ENOUGH_USES,
        Reason.EXPRESSION_FAILED,
        SCHEDULED,
        Reason.NOT_ELIGIBLE,
        Reason.COOLDOWN_ANY,
    ]


def test_uses_are_counted_apart_when_two_programs_count_the_same_touchpoint() -> None:
    programs = [a_program(key, touchpoint="purchase", after_uses=2) for key in ("a", "b")]
    state = a_state(customer=a_customer(uses={"a": 1}))
    (entry,) = entries_of(a_touchpoint(), programs=programs, state=state)
    assert [outcome.verdict for outcome in entry.outcomes] == [SCHEDULED, Reason.NOT_ENOUGH_USES]
    assert entry.customer.uses == {"a": 2, "b": 1}


def everything_against(state: ProgramState) -> Against:
    """What is said when each rule that can be broken beside the others is broken."""
    customer = a_customer(email="x", phone=None, churned_at=START, unsubscribed_at=START)
    slot = a_slot(29 * DAY, program_id="purchase", type=TRANSACTIONAL)
    program = a_program(
        state=state,
        channels=["sms", "email"],
        when="event.amount > 5.0",
        after_uses=2,
        sample={"share": "0.1%"},
    )
    touchpoint = a_touchpoint(
        occurred_at=START - 30 * DAY, closed_by="spam", subject=ORDER, facts={"amount": 1}
    )
    given = revoked(a_revocation(START))
    given = State(customer=customer, slots=(slot,), revocations=given.revocations)
    return decision_of(program, touchpoint, state=given).against


@pytest.mark.parametrize("state", [ProgramState.PAUSED, ProgramState.SHADOW])
def test_every_reason_is_listed_in_the_order_of_the_rules_when_several_hold(
    state: ProgramState,
) -> None:
    against = everything_against(state)
    assert against == {
        Reason(state): "",
        Reason.TICKET_CLOSED_BY_AUTOMATION: "spam",
        Reason.REFUNDED: "2026-03-02T09:00Z",
        Reason.CHURNED: "",
        Reason.UNSUBSCRIBED: "",
        Reason.NOT_ELIGIBLE: "",
        Reason.NOT_ENOUGH_USES: "0 of 2",
        Reason.NOT_SAMPLED: "",
        Reason.INVALID_EMAIL: "",
        Reason.NO_PHONE: "",
        Reason.STALE: "",
        Reason.COOLDOWN_ANY: "purchase 2026-02-01T09:00Z",
        Reason.COOLDOWN_TYPE: "purchase 2026-02-01T09:00Z",
        Reason.COOLDOWN_PROGRAM: "purchase 2026-02-01T09:00Z",
    }
    assert list(against) == [rule for rule in RULES if rule in against]


def test_slot_is_held_when_a_customer_is_asked_and_only_then() -> None:
    asked, not_asked = decision_of(), decision_of(a_program(state=ProgramState.PAUSED))
    assert asked.slot == Slot(program_id="purchase", type=TRANSACTIONAL, send_at=START)
    assert not_asked.slot is None


@pytest.mark.parametrize(
    ("amount", "profile", "segment"),
    [(10.0, "smb", "big"), (1.0, "smb", "smb"), (None, "smb", "smb"), (1.0, None, None)],
)
def test_segment_is_the_first_that_fits_when_some_are_defined(
    amount: float | None, profile: str | None, segment: str | None
) -> None:
    governance = a_governance(
        segments=[
            {"name": "big", "when": "event.amount >= 10.0"},
            {"name": "huge", "when": "event.amount >= 10.0"},
        ]
    )
    touchpoint = a_touchpoint(facts={} if amount is None else {"amount": amount})
    state = a_state(customer=a_customer(segment=profile))
    decided = decision_of(touchpoint=touchpoint, state=state, governance=governance)
    assert decided.segment == segment


def test_variants_are_shared_out_by_weight_when_many_are_asked() -> None:
    program = a_program(variants={"short": 1, "long": 3})
    first = [program.variant_of(f"c{number}") for number in range(4000)]
    assert first == [program.variant_of(f"c{number}") for number in range(4000)]
    assert abs(first.count("short") - 1000) < 100
    assert set(first) == {"short", "long"}
    other = a_program("other", variants={"short": 1, "long": 3})
    assert [other.variant_of(f"c{number}") for number in range(4000)] != first


def test_invitation_names_its_version_and_channels_when_it_is_made() -> None:
    program = a_program(version=7, channels=["email", "sms"], locale="en")
    (entry,) = entries_of(a_touchpoint(subject=ORDER), programs=[program])
    invitation = entry.outcomes[0].invitation
    assert invitation is not None
    assert (invitation.program_version, invitation.locale, invitation.subject) == (7, "en", ORDER)
    assert invitation.channels == (Channel.EMAIL, Channel.SMS)


def test_touchpoint_is_in_the_future_when_it_is_more_than_a_wrong_clock() -> None:
    for ahead, against in ((CLOCK_SKEW, []), (CLOCK_SKEW + SECOND, [Reason.IN_FUTURE])):
        decided = decision_of(touchpoint=a_touchpoint(occurred_at=START + ahead))
        assert list(decided.against) == against
