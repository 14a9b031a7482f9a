"""A quarter of a year of ten thousand customers, under all ready-made programs at once."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from heardback.contracts.payloads import Profile
from trigger_service.compiling import compile_program
from trigger_service.domain.cadence_run import SOURCE, Run
from trigger_service.domain.cohort import bucket_of
from trigger_service.domain.invitation import InvitationState
from trigger_service.domain.program import ProgramState
from trigger_service.domain.reason import Reason
from trigger_service.program_files import read_folder
from trigger_service.settings import READY_MADE_PROGRAMS

from .domain_builders import DAY, HOUR, SECOND, a_revocation, a_touchpoint
from .reckoning import cooldown_between, is_permitted
from .twin import Twin

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
START_OF_CADENCES = BEGIN + 2 * HOUR
DAYS = 90
ACTIVE, QUARTERLY = ProgramState.ACTIVE, "relationship-quarterly"
TWICE_YEARLY = "relationship-twice-yearly"
BUDGET = 200
PEOPLE = [f"customer-{number}" for number in range(10_000)]
LEFT, REFUNDED, AUTOMATED, USERS = (
    PEOPLE[:500],
    PEOPLE[500:800],
    PEOPLE[800:1200],
    PEOPLE[1200:1600],
)
PLANTED = len(LEFT) + len(REFUNDED) + len(AUTOMATED) + len(USERS)
ZONES = ("Europe/Berlin", "America/New_York", "Asia/Tokyo", "America/Sao_Paulo", None)
Event = tuple[datetime, str, str, dict[str, Any]]


def planted() -> Iterator[Event]:
    """What has a known outcome: it comes first, to customers of whom nothing else is heard."""
    first = BEGIN + HOUR
    for key in LEFT:
        yield first, "purchase", key, {}
        yield first + 2 * DAY, "churned", key, {}
    for key in REFUNDED:
        yield first, "purchase", key, {"subject": f"order:{key}"}
        yield first + DAY, "refunded", key, {"subject": f"order:{key}"}
    for key in AUTOMATED:
        yield first, "ticket-closed", key, {"closed_by": "automation"}
    for key in USERS:
        for day, feature in enumerate(("export", "import", "export", "export")):
            yield first + day * DAY, "feature-used", key, {"facts": {"feature": feature}}


def usual(random: Random) -> Iterator[Event]:
    """What happens to everybody else, at any time."""
    names = ["purchase"] * 4 + ["delivery-confirmed", "ticket-closed", "ticket-closed"]
    names += ["onboarding-complete", "service-completed", "unheard-of"]
    for key in PEOPLE[PLANTED:]:
        for _ in range(random.randrange(6)):
            at = BEGIN + random.randrange(DAYS * 24 * 60) * timedelta(minutes=1)
            yield at, random.choice(names), key, {}


def a_quarter() -> Twin:
    """Play the quarter, each event at its time, and each timer at its own."""
    folder = read_folder(READY_MADE_PROGRAMS)
    governance = folder.governance.model_copy(update={"daily_budget": BUDGET})
    twin = Twin(governance, now=BEGIN)
    for number, key in enumerate(PEOPLE):
        profile = Profile(email=f"{key}@example.com", timezone=ZONES[number % len(ZONES)])
        twin.tell(key, lambda customer, given=profile: customer.informed(given, BEGIN - DAY))
    for file in folder.programs.values():
        twin.write(file.document, ProgramState.PAUSED if file.document.cadence else ACTIVE)
    events = sorted([*planted(), *usual(Random(7))], key=lambda event: event[0])
    for number, (at, name, key, fields) in enumerate(events):
        twin.advance(at - twin.now)
        if at > START_OF_CADENCES and twin.programs[QUARTERLY].state is not ACTIVE:
            twin.set_state(QUARTERLY, ACTIVE)
            twin.set_state(TWICE_YEARLY, ProgramState.SHADOW)
        if name == "churned":
            twin.tell(key, lambda customer: customer.churned(twin.now))
        elif name == "refunded":
            twin.revoke(a_revocation(at, customer_id=key, **fields))
        else:
            given = {"customer_id": key, "name": name, "occurred_at": at, **fields}
            twin.deliver(a_touchpoint(str(number), **given))
    twin.advance(BEGIN + DAYS * DAY - SECOND - twin.now)
    return twin


@pytest.fixture(scope="module")
def twin() -> Twin:
    return a_quarter()


def outcomes(twin: Twin, program_id: str) -> Counter[str]:
    return Counter(
        outcome.verdict
        for entry in twin.entries
        for outcome in entry.outcomes
        if outcome.program_id == program_id
    )


@pytest.mark.timeout(60)
def test_quarter_passes_within_a_minute_when_ten_thousand_customers_live_it(twin: Twin) -> None:
    assert len(twin.customers) == len(PEOPLE)
    assert len(twin.entries) > 20_000
    assert len(twin.requests) > 5_000


def test_nobody_is_asked_too_soon_when_a_quarter_has_passed(twin: Twin) -> None:
    by_customer = defaultdict(list)
    for request in twin.requests:
        by_customer[request.customer.customer_id].append(request)
    for requests in by_customer.values():
        for index, request in enumerate(requests):
            for before in requests[:index]:
                assert request.at - before.at >= cooldown_between(request, before)
    assert max(map(len, by_customer.values())) == 3


def test_everybody_is_asked_at_a_permitted_hour_when_a_quarter_has_passed(twin: Twin) -> None:
    assert all(is_permitted(request) for request in twin.requests)
    assert all(request.at < request.invitation.expires_at for request in twin.requests)


def test_volume_keeps_to_the_budget_when_each_day_is_counted(twin: Twin) -> None:
    by_day = Counter(request.at.date() for request in twin.requests)
    assert max(by_day.values()) <= BUDGET
    assert len(by_day) == DAYS


def test_planted_figures_come_out_when_their_customers_are_looked_at(twin: Twin) -> None:
    cancelled = Counter(
        (i.program_id, i.reason)
        for i in twin.invitations.values()
        if i.state is InvitationState.CANCELLED
    )
    assert cancelled["purchase", Reason.CHURNED] == len(LEFT)
    assert cancelled["purchase", Reason.REFUNDED] == len(REFUNDED)
    assert outcomes(twin, "ticket-closed")[Reason.TICKET_CLOSED_BY_AUTOMATION] == len(AUTOMATED)
    assert outcomes(twin, "feature-used")[Reason.NOT_ENOUGH_USES] == 2 * len(USERS)
    assert outcomes(twin, "feature-used")[Reason.NOT_ELIGIBLE] == len(USERS)
    asked = {request.customer.customer_id for request in twin.requests}
    assert asked.isdisjoint(LEFT)


def test_cohort_is_covered_once_when_its_quarter_has_passed(twin: Twin) -> None:
    folder = read_folder(READY_MADE_PROGRAMS)
    program = compile_program(folder.programs[QUARTERLY].document, folder.governance)
    arc = Run.current(program, BEGIN, ZoneInfo("UTC")).arc
    cohort = {key for key in PEOPLE if arc.along(bucket_of(key)) is not None}
    decided = [
        entry.touchpoint.customer_id
        for entry in twin.entries
        if entry.touchpoint.source == SOURCE and entry.outcomes[0].program_id == program.program_id
    ]
    assert len(decided) == len(set(decided))
    assert set(decided) == cohort
    assert abs(len(cohort) - 2_500) < 125


def test_shadow_sends_nothing_when_it_would_have_asked_everybody(twin: Twin) -> None:
    assert outcomes(twin, TWICE_YEARLY).total() > 4_500
    assert all(request.document.id != TWICE_YEARLY for request in twin.requests)


def test_requests_are_in_the_order_of_time_when_they_are_read(twin: Twin) -> None:
    assert all(one.at <= other.at for one, other in pairwise(twin.requests))
