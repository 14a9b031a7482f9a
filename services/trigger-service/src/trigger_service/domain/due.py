"""When an invitation is due, everything is looked at once more: ask now, later, or not at all."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from msgspec import Struct
from msgspec.structs import replace

from heardback.vocabulary import Channel
from heardback.zones import zone_of
from trigger_service.domain.cooldown import clashes, free_at
from trigger_service.domain.customer import Customer
from trigger_service.domain.decision import State
from trigger_service.domain.invitation import Invitation, InvitationState, Slot
from trigger_service.domain.program import (
    Catalogue,
    Governance,
    Program,
    ProgramState,
    Throttle,
)
from trigger_service.domain.reach import first_channel, missing_of, reasons_to_leave_alone
from trigger_service.domain.reason import Reason
from trigger_service.domain.timetable import Timetable

EVERYTHING = "all"
"""The scope of the daily budget."""


class Request(Struct, frozen=True, kw_only=True):
    """How to ask: over which channel first, and by whose rules and clock whatever follows."""

    channel: Channel
    program: Program
    zone: ZoneInfo


class Due(Struct, frozen=True, kw_only=True):
    """What became of an invitation that was due."""

    invitation: Invitation
    customer: Customer
    request: Request | None = None


class Limits(Struct, frozen=True, kw_only=True):
    """How many more invitations may go out today, by scope; a scope without a limit is absent."""

    left: Mapping[str, int]

    def against(self, invitation: Invitation) -> Reason | None:
        """Return the limit that has been reached, if one has."""
        if self.left.get(quota_scope(invitation), 1) <= 0:
            return Reason.QUOTA
        return Reason.DAILY_BUDGET if self.left.get(EVERYTHING, 1) <= 0 else None

    def after(self, invitation: Invitation) -> "Limits":
        """Return what is left after one more has gone out."""
        scopes = self.left.keys() & {EVERYTHING, quota_scope(invitation)}
        return Limits(left={**self.left, **{scope: self.left[scope] - 1 for scope in scopes}})


def quota_scope(invitation: Invitation) -> str:
    """Return the scope of the quota that an invitation counts against."""
    return f"{invitation.program_id}/{invitation.segment or ''}"


def day_of(now: datetime, governance: Governance, *, later: int = 0) -> datetime:
    """Return when the day of `now` began where the company is, or one so many days later."""
    date = now.astimezone(governance.zone).date() + timedelta(days=later)
    return datetime.combine(date, time(), tzinfo=governance.zone).astimezone(UTC)


class Moment(Struct, frozen=True, kw_only=True):
    """What holds for everything that is due at `now`."""

    catalogue: Catalogue
    now: datetime


def decide_all_due(
    invitations: Iterable[Invitation],
    states: Mapping[str, State],
    *,
    limits: Limits,
    moment: Moment,
) -> list[Due]:
    """Decide on pending invitations in the order in which they are due; each sees those before."""
    current, decided = dict(states), list[Due]()
    for invitation in sorted(invitations, key=lambda i: (i.send_at, i.invitation_id)):
        state = current[invitation.customer_id]
        due = decide_due(invitation, state, limits=limits, moment=moment)
        if due.invitation.state is InvitationState.REQUESTED:
            limits = limits.after(invitation)
            current[invitation.customer_id] = _with_slot(state, due.invitation)
        decided.append(due)
    return decided


def decide_due(invitation: Invitation, state: State, *, limits: Limits, moment: Moment) -> Due:
    """Decide on one invitation that is due: request it, postpone it, or cancel it."""
    customer, program = state.customer, moment.catalogue.programs.get(invitation.program_id)
    channel, unreachable = first_channel(missing_of(customer), invitation.channels)
    reason = _reason_to_cancel(invitation, state, program, moment.now)
    reason = reason or next(iter(unreachable), None)
    if program is None or channel is None or reason is not None:
        cancelled = invitation.moved(InvitationState.CANCELLED, reason)
        return Due(invitation=cancelled, customer=customer)
    share = program.share_of(invitation.touchpoint_id)
    zone = zone_of(customer.timezone, moment.catalogue.governance.zone)
    timetable = Timetable(hours=program.hours_of(channel), zone=zone, share=share)
    throttled = _throttled(state, program, timetable, limits.against(invitation), moment)
    if throttled is None:
        requested = invitation.moved(InvitationState.REQUESTED, send_at=moment.now)
        request = Request(channel=channel, program=program, zone=timetable.zone)
        return Due(invitation=requested, customer=customer, request=request)
    moved = _put_off(invitation, program, *throttled, now=moment.now)
    return Due(invitation=moved, customer=customer)


def _reason_to_cancel(
    invitation: Invitation, state: State, program: Program | None, now: datetime
) -> Reason | None:
    if program is None:
        return Reason.ARCHIVED
    if program.state is not ProgramState.ACTIVE:
        return Reason(program.state)
    final = next(iter(reasons_to_leave_alone(state.customer)), None)
    if final is not None:
        return final
    revocation = state.revocation_of(invitation.subject, invitation.occurred_at)
    if revocation is not None:
        return Reason(revocation.reason)
    return Reason.STALE if now >= invitation.expires_at else None


def _throttled(
    state: State,
    program: Program,
    timetable: Timetable,
    limit: Reason | None,
    moment: Moment,
) -> tuple[Reason, datetime] | None:
    """Return what makes the invitation wait, and until when that is."""
    now = moment.now
    if not timetable.permits(now):
        return Reason.QUIET_HOURS, timetable.next_at(now)
    # What was really sent counts, and when that was; what only waits looks for itself.
    sent = [slot for slot in state.slots if slot.state is InvitationState.REQUESTED]
    against = clashes(sent, program, now)
    if against:
        later = free_at(sent, program, now, permitted=timetable.next_at)
        return next(iter(against)), later
    if limit is None:
        return None
    first, last = (day_of(now, moment.catalogue.governance, later=days) for days in (1, 2))
    return limit, timetable.inside(first, last)


def _put_off(
    invitation: Invitation, program: Program, reason: Reason, later: datetime, *, now: datetime
) -> Invitation:
    """Postpone, where there is time and the program wants it; else cancel."""
    waits = reason is Reason.QUIET_HOURS or program.on_throttle is Throttle.DEFER
    # Not later: a new version has hours that never permit the channel of an older one.
    if waits and now < later < invitation.expires_at:
        return invitation.moved(InvitationState.PENDING, reason, send_at=later)
    return invitation.moved(InvitationState.CANCELLED, reason)


def _with_slot(state: State, invitation: Invitation) -> State:
    slot = Slot(
        program_id=invitation.program_id,
        type=invitation.type,
        send_at=invitation.send_at,
        state=invitation.state,
    )
    return replace(state, slots=(*state.slots, slot))
