"""What holds of the pure core whatever it is given: it answers, fairly, evenly, and by itself."""

from collections import Counter
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from heardback.contracts.payloads import Profile
from heardback.testing.clock import START
from heardback.vocabulary import ProgramType
from trigger_service.domain import decision
from trigger_service.domain.cadence_run import Run
from trigger_service.domain.cohort import bucket_of
from trigger_service.domain.customer import Customer
from trigger_service.domain.invitation import InvitationState, Slot
from trigger_service.domain.program import Program, ProgramState
from trigger_service.domain.reason import RULES, Reason

from .domain_builders import (
    DAY,
    HOUR,
    OFFICE,
    a_customer,
    a_document,
    a_governance,
    a_program,
    a_revocation,
    a_state,
    a_touchpoint,
    decision_of,
    entries_of,
)
from .twin import Twin

NIGHT = {"from": "21:00", "to": "08:00"}
PEOPLE = [f"customer-{number}" for number in range(10_000)]

labels = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20)
scalars = st.none() | st.booleans() | st.floats() | labels
offsets = st.integers(-1439, 1439).map(lambda minutes: timezone(timedelta(minutes=minutes)))
instants = st.datetimes(timezones=offsets | st.just(UTC)) | st.sampled_from(
    [
        datetime.min.replace(tzinfo=timezone(timedelta(hours=23))),
        datetime.max.replace(tzinfo=timezone(timedelta(hours=-23))),
        START,
    ]
)
maybe = st.none() | labels
profiles = st.builds(
    Profile,
    email=maybe | st.just("ada@example.com"),
    phone=maybe | st.just("+491701234567"),
    name=maybe,
    locale=maybe,
    timezone=maybe | st.sampled_from(["Europe/Berlin", "Pacific/Apia", "localtime", "../etc"]),
    segment=maybe,
    attributes=st.dictionaries(st.sampled_from(["plan", "ltv", "signed_up_at"]) | labels, scalars),
)
documents = st.fixed_dictionaries(
    {"expires_after": st.sampled_from(["1s", "14d", "3650d"])},
    optional={
        "delay": st.sampled_from(["0s", "7d..14d", "0d..3650d", "3650d"]),
        "when": st.sampled_from(
            ['customer.plan == "pro"', "customer.tenure_days > 90", "event.amount / 0.0 > 1.0"]
        ),
        "channels": st.permutations(["email", "sms", "in_app"]),
        "send_hours": st.just(OFFICE),
        "after_uses": st.integers(1, 3),
        "sample": st.sampled_from([{"share": "50%", "rotate": "month"}, {"share": "0.1%"}]),
        "on_throttle": st.just("defer"),
        "variants": st.just({"one": 1, "two": 1000}),
        "quotas": st.just({"vip": 0}),
        "cooldown": st.sampled_from(["0s", "3650d"]),
    },
)
slots = st.lists(
    st.builds(
        Slot,
        program_id=st.sampled_from(["purchase", "other"]),
        type=st.sampled_from(list(ProgramType)),
        send_at=st.integers(-3650, 3650).map(lambda days: START + days * DAY),
        state=st.sampled_from([InvitationState.PENDING, InvitationState.SHADOW]),
    ),
    max_size=4,
)


@settings(max_examples=300)
@given(
    fields=documents,
    state=st.sampled_from(list(ProgramState)),
    happened=st.lists(
        st.builds(
            a_touchpoint,
            labels,
            occurred_at=instants,
            subject=st.none() | st.just("order:1"),
            closed_by=st.none() | st.just("merge"),
            facts=st.dictionaries(st.sampled_from(["amount", "items", "topic"]) | labels, scalars),
            profile=st.none() | profiles,
        ),
        min_size=1,
        max_size=3,
    ),
    held=slots,
    revoked_at=instants,
)
def test_every_touchpoint_gets_an_answer_when_the_contracts_admit_it(
    fields: dict[str, Any],
    state: ProgramState,
    happened: list[Any],
    held: list[Slot],
    revoked_at: datetime,
) -> None:
    governance = a_governance(
        quiet_hours=NIGHT, segments=[{"name": "vip", "when": "customer.ltv > 10.0"}]
    )
    program = a_program(governance=governance, state=state, **fields)
    known = a_state(*held).revoked(a_revocation(revoked_at), now=START)
    entries = entries_of(*happened, programs=[program], state=known, governance=governance)
    for entry in entries:
        (outcome,) = entry.outcomes
        against = list(outcome.decision.against)
        assert against == [rule for rule in (Reason.NO_PROGRAM, *RULES) if rule in against]
        assert (outcome.invitation is None) == bool(set(against) - {Reason.SHADOW})
        if outcome.invitation is not None:
            assert START <= outcome.invitation.send_at < outcome.invitation.expires_at


@settings(max_examples=300)
@given(
    delay=st.sampled_from(["0d", "7d..14d", "0d..40d", "80d..100d"]),
    send_hours=st.sampled_from([None, OFFICE, {"from": "02:15", "to": "02:45", "days": ["sun"]}]),
    kind=st.sampled_from(list(ProgramType)),
    held=st.lists(
        st.builds(
            Slot,
            program_id=st.sampled_from(["purchase", "other"]),
            type=st.sampled_from(list(ProgramType)),
            send_at=st.integers(-130 * 24, 130 * 24).map(lambda hours: START + hours * HOUR),
        ),
        min_size=1,
        max_size=3,
    ),
    zone=st.sampled_from([None, "Europe/Berlin", "America/New_York"]),
)
def test_cooldown_is_the_same_when_the_time_to_ask_is_worked_out_exactly(
    delay: str, send_hours: Any, kind: ProgramType, held: list[Slot], zone: str | None
) -> None:
    fields = {"send_hours": send_hours} if send_hours else {}
    program = a_program(delay=delay, type=kind, expires_after="3650d", **fields)
    state = a_state(*held, customer=a_customer(timezone=zone))
    quick = decision_of(program, state=state)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(decision, "sure_clashes", lambda *_: {})
        exact = decision_of(program, state=state)
    assert (quick.against, quick.slot) == (exact.against, exact.slot)


steps = st.lists(
    st.tuples(
        st.sampled_from(["c0", "c1"]),
        st.integers(0, 40),
        st.integers(0, 200).map(lambda hours: hours * HOUR),
    ),
    min_size=5,
    max_size=40,
)


def played(history: list[tuple[str, int, timedelta]], *, with_shadow: bool) -> Twin:
    twin = Twin(a_governance(quiet_hours=NIGHT, daily_budget=2))
    if with_shadow:
        twin.write(a_document("a", touchpoint="purchase"), ProgramState.SHADOW)
    twin.write(a_document("b", touchpoint="purchase", delay="1h..24h", cooldown="5d"))
    twin.write(a_document("c", touchpoint="purchase", on_throttle="defer", after_uses=2))
    for customer_id in ("c0", "c1"):
        twin.tell(customer_id, lambda c: replace(c, email="ada@example.com"))
    for customer_id, number, pause in history:
        twin.deliver(a_touchpoint(str(number), customer_id=customer_id, occurred_at=twin.now))
        twin.advance(pause)
    return twin


@settings(max_examples=60)
@given(history=steps)
def test_others_ask_just_the_same_when_a_program_is_in_shadow(
    history: list[tuple[str, int, timedelta]],
) -> None:
    with_it, without = (played(history, with_shadow=given) for given in (True, False))
    assert all(request.document.id != "a" for request in with_it.requests)
    requests = [
        [(r.invitation.touchpoint_id, r.document.id, r.at) for r in twin.requests]
        for twin in (with_it, without)
    ]
    assert requests[0] == requests[1]
    for entry, other in zip(with_it.entries, without.entries, strict=True):
        rest = [o.decision.against for o in entry.outcomes if o.program_id != "a"]
        assert rest == [outcome.decision.against for outcome in other.outcomes]


@pytest.mark.parametrize(
    ("cadence", "share", "periods"), [("quarterly", "25%", 4), ("twice-yearly", "50%", 2)]
)
@pytest.mark.parametrize("program_id", ["relationship", "other"])
def test_each_customer_has_one_turn_a_year_when_the_cohorts_make_a_whole(
    cadence: str, share: str, periods: int, program_id: str
) -> None:
    program = a_program(
        program_id, cadence=cadence, type="relational", delay="0d..80d", sample={"share": share}
    )
    first = Run.current(program, START, ZoneInfo("UTC")).period
    turns: Counter[str] = Counter()
    for number in range(periods):
        run = Run.of(program, first + number, ZoneInfo("UTC"))
        mine = [key for key in PEOPLE if run.arc.along(bucket_of(key)) is not None]
        assert abs(len(mine) - len(PEOPLE) / periods) < 0.05 * len(PEOPLE) / periods
        turns.update(mine)
    assert turns == dict.fromkeys(PEOPLE, 1)


@pytest.mark.parametrize("zone", [None, "America/New_York", "Asia/Kolkata"])
def test_drip_is_even_by_day_and_permitted_hour_when_ten_thousand_buy_at_once(
    zone: str | None,
) -> None:
    program = a_program(delay="7d..14d", send_hours={"from": "09:00", "to": "19:00"})
    local = ZoneInfo(zone or "UTC")
    times = [at.astimezone(local) for at in planned(program, zone)]
    assert {at.hour for at in times} == set(range(9, 19))
    by_hour = Counter(at.hour for at in times)
    assert all(abs(count - 1000) < 100 for count in by_hour.values())
    by_day = Counter((at - times[0].replace(hour=0, minute=0)).days for at in times)
    whole = [count for _, count in by_day.most_common(6)]
    assert max(whole) - min(whole) < 0.1 * len(times) / 7


def planned(program: Program, zone: str | None) -> list[datetime]:
    state = a_state(customer=a_customer(timezone=zone))
    entries = [entries_of(a_touchpoint(key), programs=[program], state=state)[0] for key in PEOPLE]
    return [entry.outcomes[0].decision.send_at for entry in entries]


@given(
    order=st.permutations(range(4)),
    times=st.lists(st.integers(0, 5), min_size=4, max_size=4),
    repeats=st.integers(0, 3),
)
def test_leaving_and_undoing_come_out_the_same_when_events_come_in_any_order(
    order: list[int], times: list[int], repeats: int
) -> None:
    def after(sequence: list[int]) -> tuple[bool, Any]:
        state, customer = a_state(), Customer(customer_id="c1")
        for index in sequence:
            at = START + times[index] * DAY
            if index == 0:
                customer = customer.churned(at)
            elif index == 1:
                customer = customer.returned(at)
            else:
                state = state.revoked(a_revocation(at), now=START + 9 * DAY)
        return customer.has_churned, dict(state.revocations)

    assert after([*order, *order[:repeats]]) == after([0, 1, 2, 3])
