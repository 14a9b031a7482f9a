"""When an invitation is due: ask now, later, or not at all."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from heardback.contracts.payloads import Profile
from heardback.testing.clock import START
from heardback.vocabulary import Channel, ProgramType
from trigger_service.compiling import compile_governance
from trigger_service.domain.decision import State
from trigger_service.domain.due import EVERYTHING, Due, Limits, day_of
from trigger_service.domain.invitation import IllegalMove, Invitation, InvitationState, Slot
from trigger_service.domain.program import Program, ProgramState
from trigger_service.domain.reason import Reason

from .domain_builders import (
    DAY,
    HOUR,
    SECOND,
    a_customer,
    a_governance,
    a_program,
    a_revocation,
    a_slot,
    a_state,
    a_touchpoint,
    an_invitation,
    due_of,
)

REQUESTED, CANCELLED = InvitationState.REQUESTED, InvitationState.CANCELLED
PENDING = InvitationState.PENDING
NIGHT = START.replace(hour=23)
OFFICE_HOURS = {"from": "09:00", "to": "18:00"}
DEFERRING = a_program(on_throttle="defer")


def sent(ago: timedelta, **fields: Any) -> Slot:
    return a_slot(ago, state=REQUESTED, **fields)


def due(invitation: Invitation | None = None, **given: Any) -> Due:
    """Decide on one invitation that is due at START."""
    programs = given.pop("programs", [a_program()])
    (one,) = due_of(invitation or an_invitation(), programs=programs, **given)
    return one


def what(decided: Due) -> tuple[InvitationState, str | None]:
    return decided.invitation.state, decided.invitation.reason


def test_invitation_is_requested_when_nothing_is_against_it() -> None:
    decided = due(now=START + SECOND)
    assert what(decided) == (REQUESTED, None)
    assert decided.invitation.send_at == START + SECOND
    assert decided.request is not None
    assert decided.request.channel is Channel.EMAIL


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"programs": [a_program(state=ProgramState.PAUSED)]}, Reason.PAUSED),
        ({"programs": [a_program(state=ProgramState.SHADOW)]}, Reason.SHADOW),
        ({"programs": [a_program(state=ProgramState.ARCHIVED)]}, Reason.ARCHIVED),
        ({"programs": []}, Reason.ARCHIVED),
        ({"state": a_state(customer=a_customer(churned_at=START))}, Reason.CHURNED),
        ({"state": a_state(customer=a_customer(unsubscribed_at=START))}, Reason.UNSUBSCRIBED),
        ({"state": a_state(customer=a_customer().erased(START))}, Reason.ERASED),
        ({"state": a_state(customer=a_customer(email=None))}, Reason.NO_EMAIL),
        ({"now": START + 14 * DAY}, Reason.STALE),
        ({"state": a_state(sent(30 * DAY - SECOND))}, Reason.COOLDOWN_ANY),
        ({"limits": Limits(left={EVERYTHING: 0})}, Reason.DAILY_BUDGET),
        ({"limits": Limits(left={"purchase/": 0})}, Reason.QUOTA),
    ],
)
def test_invitation_is_cancelled_when_something_came_in_between(
    given: dict[str, Any], reason: Reason
) -> None:
    decided = due(**given)
    assert what(decided) == (CANCELLED, reason)
    assert decided.request is None


@pytest.mark.parametrize(
    "given",
    [
        {"now": START + 14 * DAY - SECOND},
        {"state": a_state(sent(30 * DAY))},
        {"state": a_state(sent(60 * DAY, type=ProgramType.TRANSACTIONAL))},
        {"state": a_state(a_slot(timedelta(0), program_id="purchase"))},
        {"state": a_state(a_slot(timedelta(0), state=InvitationState.SHADOW))},
        {"limits": Limits(left={EVERYTHING: 1, "purchase/": 1, "other/": 0})},
        {"limits": Limits(left={"purchase/smb": 0})},
        {"state": a_state(customer=a_customer(churned_at=START, returned_at=START))},
    ],
)
def test_invitation_is_requested_when_it_is_just_allowed(given: dict[str, Any]) -> None:
    assert what(due(**given)) == (REQUESTED, None)


def test_first_reason_in_the_order_of_the_rules_is_kept_when_several_hold() -> None:
    state = a_state(sent(80 * DAY, program_id="purchase"), sent(DAY))
    assert what(due(state=state)) == (CANCELLED, Reason.COOLDOWN_ANY)
    gone = a_state(customer=a_customer(churned_at=START, unsubscribed_at=START, email=None))
    assert what(due(state=gone)) == (CANCELLED, Reason.CHURNED)
    paused = [a_program(state=ProgramState.PAUSED)]
    assert what(due(state=gone, programs=paused)) == (CANCELLED, Reason.PAUSED)


@pytest.mark.parametrize(
    ("revoked_at", "state"),
    [(START - SECOND, REQUESTED), (START, CANCELLED), (START + SECOND, CANCELLED)],
)
def test_question_is_taken_back_when_what_it_is_about_was_undone_since(
    revoked_at: datetime, state: InvitationState
) -> None:
    invitation = an_invitation(touchpoint=a_touchpoint(subject="order:1"))
    now = START + DAY
    known = a_state().revoked(a_revocation(revoked_at), now=now)
    assert due(invitation, state=known, now=now).invitation.state is state


def test_invitation_waits_for_the_morning_when_it_is_due_at_night() -> None:
    program = a_program(send_hours=OFFICE_HOURS)
    decided = due(an_invitation(program), programs=[program], now=NIGHT)
    assert what(decided) == (PENDING, Reason.QUIET_HOURS)
    morning = datetime(2026, 3, 3, 9, 0, tzinfo=UTC)
    assert morning <= decided.invitation.send_at < morning + HOUR


def test_invitation_is_cancelled_when_it_would_expire_before_the_morning() -> None:
    program = a_program(send_hours=OFFICE_HOURS, expires_after="20h")
    decided = due(an_invitation(program), programs=[program], now=NIGHT)
    assert what(decided) == (CANCELLED, Reason.QUIET_HOURS)


def test_morning_is_the_customer_s_when_their_zone_has_changed_since() -> None:
    program = a_program(send_hours=OFFICE_HOURS)
    moved = a_customer().informed(Profile(timezone="Asia/Tokyo"), START)
    decided = due(an_invitation(program), programs=[program], state=a_state(customer=moved))
    assert what(decided) == (PENDING, Reason.QUIET_HOURS)  # it is 18:00 in Tokyo
    assert decided.invitation.send_at - datetime(2026, 3, 3, 0, 0, tzinfo=UTC) < HOUR


def test_legal_hours_hold_when_a_new_version_has_not_that_channel_any_more() -> None:
    customer = a_customer(phone="+491701234567")
    invitation = an_invitation(a_program(channels=["sms"]), customer=customer)
    decided = due(invitation, state=a_state(customer=customer), now=NIGHT)
    assert what(decided) == (PENDING, Reason.QUIET_HOURS)


def test_invitation_is_cancelled_when_a_new_version_never_permits_its_channel() -> None:
    customer = a_customer(phone="+491701234567")
    invitation = an_invitation(a_program(channels=["sms"]), customer=customer)
    late = a_program(send_hours={"from": "21:00", "to": "23:30"})
    decided = due(invitation, programs=[late], state=a_state(customer=customer), now=NIGHT)
    assert what(decided) == (CANCELLED, Reason.QUIET_HOURS)


@pytest.mark.parametrize(
    ("given", "reason", "later"),
    [
        ({"state": a_state(sent(29 * DAY))}, Reason.COOLDOWN_ANY, START + DAY),
        ({"state": a_state(sent(29 * DAY), sent(22 * DAY))}, Reason.COOLDOWN_ANY, START + 8 * DAY),
        ({"state": a_state(sent(16 * DAY))}, Reason.COOLDOWN_ANY, None),
        ({"limits": Limits(left={EVERYTHING: 0})}, Reason.DAILY_BUDGET, START.replace(day=3)),
        ({"limits": Limits(left={"purchase/": 0})}, Reason.QUOTA, START.replace(day=3)),
    ],
)
def test_throttled_invitation_waits_when_the_program_defers(
    given: dict[str, Any], reason: Reason, later: datetime | None
) -> None:
    decided = due(programs=[DEFERRING], **given)
    assert what(decided) == (PENDING if later else CANCELLED, reason)
    if later and reason is Reason.COOLDOWN_ANY:
        assert decided.invitation.send_at == later
    elif later:
        assert decided.invitation.send_at.date() == later.date()


def test_next_day_is_the_company_s_when_the_budget_is_used_up() -> None:
    governance = a_governance(timezone="Pacific/Auckland")
    decided = due(
        programs=[DEFERRING], limits=Limits(left={EVERYTHING: 0}), governance=governance, now=START
    )
    tomorrow = datetime(2026, 3, 2, 11, 0, tzinfo=UTC)  # midnight in Auckland
    assert tomorrow <= decided.invitation.send_at < tomorrow + DAY


def test_day_has_twenty_three_hours_when_the_clocks_go_forward() -> None:
    governance = a_governance(timezone="Europe/Berlin")
    sunday = datetime(2026, 3, 29, 12, 0, tzinfo=UTC)
    rules = compile_governance(governance)
    assert day_of(sunday, rules, later=1) - day_of(sunday, rules) == 23 * HOUR


def many(program: Program, count: int, segment: str | None = None) -> list[Invitation]:
    return [
        an_invitation(program, a_touchpoint(str(n)), customer=a_customer(segment=segment))
        for n in range(count)
    ]


def test_limits_are_used_up_in_the_order_of_the_due_times_when_many_are_due() -> None:
    free = {"any": "0d", "transactional": "0d", "program": "0d"}
    program = a_program(governance=a_governance(cooldowns=free), quotas={"smb": 9})
    invitations = [
        invitation.moved(PENDING, send_at=START - number * SECOND)
        for number, invitation in enumerate(many(program, 5, "smb"))
    ]
    given = [named(invitation, f"i{number}") for number, invitation in enumerate(invitations)]
    for left, reason in (
        ({EVERYTHING: 2}, Reason.DAILY_BUDGET),
        ({"purchase/smb": 2, EVERYTHING: 3}, Reason.QUOTA),
    ):
        decided = due_of(*given, programs=[program], limits=Limits(left=left))
        assert [d.invitation.invitation_id for d in decided] == ["i4", "i3", "i2", "i1", "i0"]
        assert [what(d) for d in decided] == [(REQUESTED, None)] * 2 + [(CANCELLED, reason)] * 3


def named(invitation: Invitation, invitation_id: str) -> Invitation:
    return replace(invitation, invitation_id=invitation_id)


def test_one_of_two_goes_out_when_both_are_due_late_at_once() -> None:
    first, second = (
        named(an_invitation(a_program(key, touchpoint="purchase")), key) for key in ("a", "b")
    )
    programs = [a_program(key, touchpoint="purchase") for key in ("a", "b")]
    decided = due_of(second, first, programs=programs)
    assert [what(d) for d in decided] == [(REQUESTED, None), (CANCELLED, Reason.COOLDOWN_ANY)]


def test_time_of_the_request_counts_when_it_was_later_than_planned() -> None:
    asked = due(now=START + 10 * DAY).invitation
    slot = Slot(
        program_id=asked.program_id, type=asked.type, send_at=asked.send_at, state=asked.state
    )
    for wait, state in ((30 * DAY - SECOND, CANCELLED), (30 * DAY, REQUESTED)):
        program = a_program("other", type="relational", expires_after="99d")
        late = an_invitation(program, a_touchpoint(name="other"))
        now = asked.send_at + wait
        assert (
            due(
                late, programs=[program], state=State(customer=a_customer(), slots=(slot,)), now=now
            ).invitation.state
            is state
        )


def test_put_off_invitations_are_spread_over_the_next_day_when_the_budget_is_used_up() -> None:
    invitations = many(DEFERRING, 1000)
    given = [named(invitation, f"i{n:03}") for n, invitation in enumerate(invitations)]
    decided = due_of(*given, programs=[DEFERRING], limits=Limits(left={EVERYTHING: 0}))
    assert {what(d) for d in decided} == {(PENDING, Reason.DAILY_BUDGET)}
    by_hour = Counter(d.invitation.send_at.hour // 6 for d in decided)
    assert all(abs(by_hour[part] - 250) < 60 for part in range(4))


@pytest.mark.parametrize(
    ("first", "then"),
    [
        (REQUESTED, CANCELLED),
        (REQUESTED, PENDING),
        (CANCELLED, REQUESTED),
        (CANCELLED, PENDING),
    ],
)
def test_invitation_never_goes_back_when_something_tries(
    first: InvitationState, then: InvitationState
) -> None:
    with pytest.raises(IllegalMove):
        an_invitation().moved(first).moved(then)


def test_slot_is_given_back_once_when_an_invitation_bounced() -> None:
    released = an_invitation().moved(REQUESTED).moved(InvitationState.RELEASED, "bounced")
    assert released.reason == "bounced"
    with pytest.raises(IllegalMove):
        released.moved(InvitationState.RELEASED)
