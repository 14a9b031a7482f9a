"""Whatever happens in whatever order: what must never be requested never is.

A machine plays streams of events, commands and clock jumps on the twin of the service, and holds
each request against the documents in force, by reckoning of its own.
"""

from collections import defaultdict
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from heardback.contracts.payloads import Profile
from heardback.durations import parse_duration
from heardback.testing.clock import START
from trigger_service.documents import GovernanceDocument, ProgramDocument
from trigger_service.domain.decision import CLOCK_SKEW
from trigger_service.domain.duration import parse_window
from trigger_service.domain.invitation import InvitationState
from trigger_service.domain.program import ProgramState
from trigger_service.domain.reason import RULES, Reason
from trigger_service.domain.touchpoint import Touchpoint
from trigger_service.faults import InvalidDocument

from .domain_builders import (
    DAY,
    HOUR,
    OFFICE,
    SECOND,
    a_document,
    a_governance,
    a_revocation,
    a_touchpoint,
)
from .reckoning import cooldown_between, is_permitted
from .twin import Request, Twin

CUSTOMERS = ("c0", "c1", "c2")
NAMES = ("purchase", "ticket-closed")
SUBJECTS = ("order:1", "order:2")
REACHABLE, LONG_AGO = Profile(email="ada@example.com", phone="+491701234567"), START - 99 * DAY
TYPES = {
    "a": "transactional",
    "b": "transactional",
    "c": "relational",
    "d": "recovery",
    "monthly": "relational",
}
"""The programs; the type of one never changes."""

ZONES = ("UTC", "Europe/Berlin", "America/Los_Angeles", "Asia/Kolkata", "Australia/Lord_Howe")

ago = st.integers(0, 50).map(lambda hours: hours * HOUR) | st.integers(-400, 3_000_000).map(
    lambda seconds: seconds * SECOND
)
program_ids = st.sampled_from(list(TYPES))
customer_ids = st.sampled_from(CUSTOMERS)
durations = st.sampled_from(["0d", "36h", "7d", "30d", "45d"])
hours = st.sampled_from([("08:00", "21:00"), ("09:30", "10:15"), ("20:00", "02:30")])
zones = st.sampled_from([*ZONES, None, "Mars/Olympus"])
profiles = st.none() | st.builds(
    Profile,
    email=st.sampled_from([*[None] * 6, "ada@example.com", "nowhere"]),
    timezone=zones,
    segment=st.sampled_from([None, "vip"]),
)


def span(given: tuple[str, str] | None) -> dict[str, str] | None:
    return {"from": given[0], "to": given[1]} if given else None


governances = st.builds(
    lambda **fields: a_governance(**{k: v for k, v in fields.items() if v is not None}),
    cooldowns=st.fixed_dictionaries(
        {
            "any": durations,
            "transactional": durations,
            "relational": durations,
            "recovery": durations,
            "program": durations,
        }
    ),
    timezone=st.sampled_from(ZONES),
    quiet_hours=(st.none() | st.just(("21:00", "08:00")) | hours).map(span),
    daily_budget=st.sampled_from([None, None, 1, 2]),
)
options = st.fixed_dictionaries(
    {
        "delay": st.sampled_from(["2d..5d", "1h..24h", "9d..40d", "0d"]),
        "expires_after": st.sampled_from(["40d", "3d", "6h"]),
        "channels": st.sampled_from([["email"], ["sms"], ["sms", "email"], ["in_app"]]),
        "on_throttle": st.sampled_from(["drop", "defer"]),
        "quotas": st.sampled_from([{}, {"vip": 1}]),
    },
    optional={
        "cooldown": durations,
        "send_hours": st.just(OFFICE) | hours.map(span),
        "after_uses": st.sampled_from([1, 1, 2]),
    },
)


def a_version(program_id: str, name: str, given: dict[str, Any]) -> ProgramDocument:
    """Return a document of the program with that id; a cadence cannot have all that others have."""
    about: dict[str, Any] = {"touchpoint": name}
    if program_id == "monthly":
        given = {k: v for k, v in given.items() if k != "after_uses"}
        about = {"cadence": "monthly", "delay": "0d..20d", "sample": {"share": "50%"}}
    return a_document(program_id, **{**given, **about, "type": TYPES[program_id]})


class Play(RuleBasedStateMachine):
    """Streams of events and commands, with what they have to mean."""

    def __init__(self) -> None:
        super().__init__()
        self.twin = Twin()
        self.happened: dict[int, Touchpoint] = {}
        self.versions: dict[tuple[str, int], ProgramDocument] = {}
        self.left: dict[str, datetime] = {}
        self.returned: dict[str, datetime] = {}
        self.gone: set[str] = set()
        self.undone: dict[tuple[str, str], datetime] = {}
        self.checked = 0

    @initialize(governance=governances, given=st.lists(options, min_size=5, max_size=5))
    def begin(self, governance: GovernanceDocument, given: list[dict[str, Any]]) -> None:
        self.govern(governance)
        for customer_id in CUSTOMERS:
            self.twin.tell(customer_id, lambda customer: customer.informed(REACHABLE, LONG_AGO))
        for index, program_id in enumerate(TYPES):
            with suppress(InvalidDocument):
                self.write(program_id, NAMES[index % 2], given[index])

    def govern(self, governance: GovernanceDocument) -> None:
        self.twin.govern(governance)

    def write(self, program_id: str, name: str, given: dict[str, Any]) -> None:
        document = a_version(program_id, name, given)
        self.twin.write(document)
        self.versions[program_id, self.twin.programs[program_id].version] = document

    def set_state(self, program_id: str, state: ProgramState) -> None:
        if program_id in self.twin.programs:
            self.twin.set_state(program_id, state)

    @rule(
        events=st.lists(
            st.tuples(
                st.integers(0, 200),
                customer_ids,
                st.sampled_from([*NAMES * 5, "unheard-of"]),
                ago,
                st.none() | st.sampled_from(SUBJECTS),
                profiles,
            ),
            min_size=1,
            max_size=8,
        ),
        then=st.sampled_from([timedelta(0), timedelta(0), HOUR, DAY, 8 * DAY]),
    )
    def deliver(
        self,
        events: list[tuple[int, str, str, timedelta, str | None, Any]],
        then: timedelta,
    ) -> None:
        batch = []
        for number, customer_id, name, before, subject, profile in events:
            touchpoint = a_touchpoint(
                str(number),
                customer_id=customer_id,
                name=name,
                occurred_at=self.twin.now - before,
                subject=subject,
                profile=profile,
            )
            batch.append(self.happened.setdefault(number, touchpoint))
        listening = self.listening()
        explained = len(self.twin.entries)
        known = {entry.touchpoint.touchpoint_id for entry in self.twin.entries}
        self.twin.deliver(*batch)
        decided = self.twin.entries[explained:]
        new = {t.touchpoint_id for t in batch} - known
        assert sorted(e.touchpoint.touchpoint_id for e in decided) == sorted(new)
        for entry in decided:
            programs = [outcome.program_id for outcome in entry.outcomes]
            assert programs == (listening[entry.touchpoint.name] or [None])
        self.twin.advance(then)

    @rule(
        customer_id=customer_ids,
        event=st.sampled_from([*["informed"] * 3, *["returned"] * 2, "churned", "erased"]),
        before=ago,
        profile=profiles,
    )
    def tell(self, customer_id: str, event: str, before: timedelta, profile: Any) -> None:
        at = min(self.twin.now - before, self.twin.now)
        if event == "informed":
            self.twin.tell(customer_id, lambda customer: customer.informed(profile, at))
            return
        if event == "erased":
            customer_id, event = CUSTOMERS[-1], "erased" if before > DAY else "unsubscribed"
            self.gone.add(customer_id)
        else:
            times = self.left if event == "churned" else self.returned
            times[customer_id] = max(times.get(customer_id, at), at)
        self.twin.tell(customer_id, lambda customer: getattr(customer, event)(at))

    @rule(customer_id=customer_ids, subject=st.sampled_from(SUBJECTS), before=ago)
    def revoke(self, customer_id: str, subject: str, before: timedelta) -> None:
        at = self.twin.now - before
        self.twin.revoke(a_revocation(at, customer_id=customer_id, subject=subject))
        at = min(at, self.twin.now + CLOCK_SKEW)
        known = self.undone.get((customer_id, subject), at)
        self.undone[customer_id, subject] = max(known, at)

    @precondition(lambda self: self.twin.requests)
    @rule(which=st.integers(0, 5))
    def bounce(self, which: int) -> None:
        requests = self.twin.requests
        self.twin.bounce(requests[-1 - which % len(requests)].invitation.invitation_id)

    @rule(by=st.sampled_from([HOUR, 11 * HOUR, DAY, 4 * DAY, 31 * DAY]), is_late=st.booleans())
    def pass_time(self, by: timedelta, *, is_late: bool) -> None:
        """Let each timer fire at its time; or all of them late, at once, after what comes next."""
        if is_late:
            self.twin.fire()
            self.twin.now += by
        else:
            self.twin.advance(by)

    @rule(
        command=st.tuples(st.just("govern"), governances)
        | st.tuples(st.just("write"), program_ids, st.sampled_from(NAMES), options)
        | st.tuples(
            st.just("set_state"),
            program_ids,
            st.sampled_from([ProgramState.ACTIVE, ProgramState.ACTIVE, *ProgramState]),
        )
    )
    def command(self, command: tuple[Any, ...]) -> None:
        """Change the rules; what is not valid changes nothing."""
        name, *arguments = command
        with suppress(InvalidDocument):
            getattr(self, name)(*arguments)

    @invariant()
    def no_request_is_wrong(self) -> None:
        new = self.twin.requests[self.checked :]
        for request in new:
            self.is_due(request)
            self.is_welcome(request)
            self.is_within_limits(request)
            self.is_far_from_others(request)
        self.checked = len(self.twin.requests)

    def is_due(self, request: Request) -> None:
        """Once, while the program asks, in time, and at a permitted hour."""
        invitation = request.invitation
        document = self.versions[invitation.program_id, invitation.program_version]
        assert self.twin.programs[invitation.program_id].state is ProgramState.ACTIVE
        assert invitation.state is InvitationState.REQUESTED
        earliest = invitation.occurred_at + parse_window(document.delay).shortest
        assert earliest <= request.at < invitation.expires_at
        assert invitation.expires_at >= earliest + parse_duration(document.expires_after)
        assert is_permitted(request)

    def is_welcome(self, request: Request) -> None:
        """Nobody who is gone, and about nothing that was undone."""
        key, invitation = request.customer.customer_id, request.invitation
        assert key not in self.gone
        assert key not in self.left or self.returned.get(key, START - 99 * DAY) >= self.left[key]
        undone_at = self.undone.get((key, invitation.subject or ""))
        assert undone_at is None or undone_at < invitation.occurred_at

    def is_within_limits(self, request: Request) -> None:
        zone = ZoneInfo(request.governance.timezone)
        upto = self.twin.requests[: self.twin.requests.index(request) + 1]
        today = [
            r
            for r in upto
            if r.governance.timezone == request.governance.timezone
            and r.at.astimezone(zone).date() == request.at.astimezone(zone).date()
        ]
        budget = request.governance.daily_budget
        assert budget is None or len(today) <= budget
        quota = request.document.quotas.get(request.invitation.segment or "")
        of_quota = [
            r
            for r in today
            if r.document.id == request.document.id
            and r.invitation.segment == request.invitation.segment
        ]
        assert quota is None or len(of_quota) <= quota

    def is_far_from_others(self, request: Request) -> None:
        ids = [r.invitation.invitation_id for r in self.twin.requests]
        assert len(ids) == len(set(ids))
        for other in self.twin.requests[: self.twin.requests.index(request)]:
            state = self.twin.invitations[other.invitation.invitation_id].state
            is_same = other.customer.customer_id == request.customer.customer_id
            if is_same and state is not InvitationState.RELEASED:
                assert request.at - other.at >= cooldown_between(request, other)

    @invariant()
    def every_decision_gives_its_reasons_in_order(self) -> None:
        for entry in self.twin.entries[-5:]:
            for outcome in entry.outcomes:
                against = list(outcome.decision.against)
                assert against == [rule for rule in (Reason.NO_PROGRAM, *RULES) if rule in against]

    def listening(self) -> dict[str, list[str]]:
        listening = defaultdict(list)
        for program_id, kept in sorted(self.twin.programs.items()):
            if kept.state is not ProgramState.ARCHIVED and kept.document.touchpoint:
                listening[kept.document.touchpoint].append(program_id)
        return listening


Play.TestCase.settings = settings(
    max_examples=300,
    stateful_step_count=50,
    suppress_health_check=list(HealthCheck),
)
TestNothingWrongIsRequestedWhenAnythingHappens = Play.TestCase
