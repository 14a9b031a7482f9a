"""The service in memory: its pure functions over dictionaries, a heap of timers, a clock."""

from bisect import bisect_left, insort
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from heapq import heappop, heappush

from heardback.testing.clock import START, CountedIds
from heardback.vocabulary import Channel
from trigger_service.compiling import compile_governance, compile_program
from trigger_service.documents import GovernanceDocument, ProgramDocument
from trigger_service.domain.cadence_run import Run
from trigger_service.domain.cohort import bucket_of
from trigger_service.domain.customer import Customer
from trigger_service.domain.decision import State
from trigger_service.domain.due import EVERYTHING, Limits, Moment, day_of, decide_all_due
from trigger_service.domain.due import quota_scope as scope_of
from trigger_service.domain.invitation import Invitation, InvitationState, Slot
from trigger_service.domain.ledger import Entry, decide_all
from trigger_service.domain.program import Catalogue, Program, ProgramState
from trigger_service.domain.reach import reasons_to_leave_alone
from trigger_service.domain.touchpoint import Revocation, Touchpoint

HOLDING = (InvitationState.PENDING, InvitationState.REQUESTED, InvitationState.SHADOW)
CADENCE_STEP, DEFAULT = timedelta(hours=6), GovernanceDocument()


@dataclass(frozen=True, slots=True)
class Request:
    """A survey that was asked for, with the rules that were in force at that moment."""

    invitation: Invitation
    customer: Customer
    channel: Channel
    at: datetime
    document: ProgramDocument
    governance: GovernanceDocument


@dataclass(frozen=True, slots=True)
class Kept:
    """A program as the service keeps it."""

    document: ProgramDocument
    version: int
    state: ProgramState


class Twin:
    """Events, commands and time go in; `entries` and `requests` come out.

    Timers fire by `advance`, each at its time, and by `fire`, as late as it is: set `now`.
    """

    def __init__(self, governance: GovernanceDocument = DEFAULT, now: datetime = START) -> None:
        self.now = now
        self.governance = governance
        self.programs: dict[str, Kept] = {}
        self.customers: dict[str, Customer] = {}
        self.invitations: dict[str, Invitation] = {}
        self.entries: list[Entry] = []
        self.requests: list[Request] = []
        self._catalogue = Catalogue.of([], compile_governance(self.governance))
        self._slots: dict[str, dict[str, Slot]] = defaultdict(dict)
        self._revocations: dict[str, dict[str, Revocation]] = {}
        self._known: set[str] = set()
        self._used: Counter[tuple[datetime, str]] = Counter()
        self._due: dict[tuple[str, str], datetime] = {}
        self._heap: list[tuple[datetime, tuple[str, str]]] = []
        self._circle: list[tuple[int, str]] = []
        self._runs: dict[str, tuple[Run, int]] = {}
        self._ids = CountedIds()

    def deliver(self, *touchpoints: Touchpoint) -> None:
        """Decide on those that are new."""
        first: dict[str, Touchpoint] = {}
        for touchpoint in touchpoints:
            if touchpoint.touchpoint_id not in self._known:
                first.setdefault(touchpoint.touchpoint_id, touchpoint)
        self._decide(first.values(), self._catalogue)

    def tell(self, customer_id: str, change: Callable[[Customer], Customer]) -> None:
        """Change what is known of a customer; cancel what waits if they are to be left alone."""
        customer = self.customers[customer_id] = change(self._customer(customer_id))
        reason = next(iter(reasons_to_leave_alone(customer)), None)
        if reason is not None:
            for invitation in self._pending_of(customer_id):
                self._keep(invitation.moved(InvitationState.CANCELLED, reason))

    def revoke(self, revocation: Revocation) -> None:
        """Note that something was undone; cancel what waits to be asked about it."""
        key = revocation.customer_id
        state = self.state_of(key).revoked(revocation, now=self.now)
        self._revocations[key] = dict(state.revocations)
        for invitation in self._pending_of(key):
            undone = state.revocation_of(invitation.subject, invitation.occurred_at)
            if undone is not None:
                self._keep(invitation.moved(InvitationState.CANCELLED, undone.reason))

    def bounce(self, invitation_id: str) -> None:
        """Give back the slot of what never arrived."""
        invitation = self.invitations[invitation_id]
        if invitation.state is InvitationState.REQUESTED:
            self._keep(invitation.moved(InvitationState.RELEASED, "bounced"))

    def write(self, document: ProgramDocument, state: ProgramState = ProgramState.ACTIVE) -> None:
        """Put a program, or its next version, in force. Raises: InvalidDocument."""
        before = self.programs.get(document.id, Kept(document, 0, state))
        after = Kept(document, before.version + 1, before.state)
        self._enforce({**self.programs, document.id: after}, self.governance)

    def set_state(self, program_id: str, state: ProgramState) -> None:
        """Activate, pause, shadow or archive a program."""
        after = replace(self.programs[program_id], state=state)
        self._enforce({**self.programs, program_id: after}, self.governance)

    def govern(self, governance: GovernanceDocument) -> None:
        """Put another governance in force. Raises: InvalidDocument."""
        self._enforce(self.programs, governance)

    def advance(self, by: timedelta) -> None:
        """Let time pass; each timer fires when it is due."""
        until = self.now + by
        while self._heap and self._heap[0][0] <= until:
            self.now = max(self.now, self._heap[0][0])
            self.fire()
        self.now = until

    def fire(self) -> None:
        """Fire all timers that are due, at once."""
        due = []
        while self._heap and self._heap[0][0] <= self.now:
            due_at, key = heappop(self._heap)
            if self._due.get(key) == due_at:
                del self._due[key]
                due.append(key)
        self._send([self.invitations[key] for kind, key in due if kind == "send"])
        for kind, key in due:
            if kind == "cadence":
                self._drip(key)

    def state_of(self, customer_id: str) -> State:
        """Return what a decision on a customer rests upon."""
        return State(
            customer=self._customer(customer_id),
            slots=tuple(self._slots[customer_id].values()),
            revocations=self._revocations.get(customer_id, {}),
        )

    def _customer(self, customer_id: str) -> Customer:
        if customer_id not in self.customers:
            self.customers[customer_id] = Customer(customer_id=customer_id)
            insort(self._circle, (bucket_of(customer_id), customer_id))
        return self.customers[customer_id]

    def _pending_of(self, customer_id: str) -> list[Invitation]:
        held = [self.invitations[key] for key in self._slots[customer_id]]
        return [invitation for invitation in held if invitation.state is InvitationState.PENDING]

    def _enforce(self, programs: dict[str, Kept], governance: GovernanceDocument) -> None:
        compiled = [
            compile_program(k.document, governance, version=k.version, state=k.state)
            for k in programs.values()
            if k.state is not ProgramState.ARCHIVED
        ]
        self._catalogue = Catalogue.of(compiled, compile_governance(governance))
        self.programs, self.governance = programs, governance
        for program in compiled:
            if program.cadence is not None and program.state is not ProgramState.PAUSED:
                self._set_timer("cadence", program.program_id, self.now)

    def _decide(self, touchpoints: Iterable[Touchpoint], catalogue: Catalogue) -> None:
        given = list(touchpoints)
        states = {t.customer_id: self.state_of(t.customer_id) for t in given}
        ledger = decide_all(states, given, catalogue=catalogue, now=self.now, new_id=self._ids.new)
        self._known |= {touchpoint.touchpoint_id for touchpoint in given}
        self.customers |= {key: state.customer for key, state in ledger.states.items()}
        self.entries.extend(ledger.entries)
        for outcome in (o for entry in ledger.entries for o in entry.outcomes):
            if outcome.invitation is not None:
                self._keep(outcome.invitation)

    def _send(self, due: list[Invitation]) -> None:
        pending = [i for i in due if i.state is InvitationState.PENDING]
        states = {i.customer_id: self.state_of(i.customer_id) for i in pending}
        moment = Moment(catalogue=self._catalogue, now=self.now)
        day = day_of(self.now, self._catalogue.governance)
        limits = self._limits(pending, day)
        for one in decide_all_due(pending, states, limits=limits, moment=moment):
            self._keep(one.invitation)
            if one.request is not None:
                self._used.update([(day, EVERYTHING), (day, scope_of(one.invitation))])
                document = self.programs[one.invitation.program_id].document
                rules = (document, self.governance)
                self.requests.append(
                    Request(one.invitation, one.customer, one.request.channel, self.now, *rules)
                )

    def _limits(self, pending: Iterable[Invitation], day: datetime) -> Limits:
        allowed = {EVERYTHING: self.governance.daily_budget}
        for invitation in pending:
            quotas = self.programs[invitation.program_id].document.quotas
            allowed[scope_of(invitation)] = quotas.get(invitation.segment or "")
        limited = {scope: most for scope, most in allowed.items() if most is not None}
        return Limits(left={s: most - self._used[day, s] for s, most in limited.items()})

    def _keep(self, invitation: Invitation) -> None:
        key, customer_id = invitation.invitation_id, invitation.customer_id
        self.invitations[key] = invitation
        self._slots[customer_id].pop(key, None)
        if invitation.state in HOLDING:
            names = ("program_id", "type", "send_at", "state")
            slot = Slot(**{name: getattr(invitation, name) for name in names})
            self._slots[customer_id][key] = slot
        if invitation.state is InvitationState.PENDING:
            self._set_timer("send", key, invitation.send_at)

    def _set_timer(self, kind: str, key: str, due_at: datetime) -> None:
        self._due[kind, key] = due_at
        heappush(self._heap, (due_at, (kind, key)))

    def _drip(self, program_id: str) -> None:
        """Take a cadence some way further through the customers."""
        program = self._catalogue.programs.get(program_id)
        if program is None or program.cadence is None or program.state is ProgramState.PAUSED:
            return
        run, steps = self._reached(program)
        target = max(steps, run.target(self.now))
        turns = list[Touchpoint]()
        for low, high in run.arc.ranges(steps, target):
            first, last = (bisect_left(self._circle, (bucket, "")) for bucket in (low, high))
            turns.extend(run.touchpoint(key) for _, key in self._circle[first:last])
        new = [turn for turn in turns if turn.touchpoint_id not in self._known]
        self._decide(new, self._catalogue.only(program))
        self._runs[program_id] = (run, target)
        is_done = target >= run.arc.width
        self._set_timer("cadence", program_id, run.ends_at if is_done else self.now + CADENCE_STEP)

    def _reached(self, program: Program) -> tuple[Run, int]:
        """Return the run to go on with: the last one until it is done or over, then the current."""
        zone = self._catalogue.governance.zone
        current = Run.current(program, self.now, zone)
        if program.program_id not in self._runs:
            return current.begun(self.now), 0
        before, steps = self._runs[program.program_id]
        run = Run.of(program, before.period, zone, begins=before.begins)
        steps = steps if run.arc == before.arc else 0
        is_past = run.is_over(self.now) or steps >= run.arc.width
        if run.period >= current.period or not is_past:
            return run, steps
        following = Run.of(program, run.period + 1, zone)
        return (current if following.is_over(self.now) else following), 0
