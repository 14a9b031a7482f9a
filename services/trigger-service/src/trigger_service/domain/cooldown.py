"""Cooldowns: how far a survey must be from every other one of the same customer."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Final

from heardback.vocabulary import ProgramType
from trigger_service.domain.invitation import InvitationState, Slot
from trigger_service.domain.program import Program, ProgramState
from trigger_service.domain.reason import Against, Reason, in_order


def clashes(slots: Sequence[Slot], program: Program, at: datetime) -> Against:
    """Return the cooldowns that asking at `at` would break; exactly one apart is far enough."""
    against: Against = {}
    for slot in slots:
        apart = abs(at - slot.send_at)
        for reason, cooldown in zip(_REASONS, _cooldowns(slot, program), strict=True):
            if apart < cooldown:
                against[reason] = slot.told
    return against if len(slots) == 1 else in_order(against)


def sure_clashes(
    slots: Sequence[Slot], program: Program, first: datetime, last: datetime
) -> Against:
    """Return the cooldowns that asking would break at whatever time from `first` to `last`.

    None where that depends on the time.
    """
    against: Against = {}
    for slot in slots:
        since, until = first - slot.send_at, slot.send_at - last
        nearest, farthest = max(since, until), max(-since, -until)
        for reason, cooldown in zip(_REASONS, _cooldowns(slot, program), strict=True):
            if farthest < cooldown:
                against[reason] = slot.told
            elif cooldown and nearest < cooldown:
                return {}
    return against if len(slots) == 1 else in_order(against)


def free_at(
    slots: Sequence[Slot],
    program: Program,
    at: datetime,
    *,
    permitted: Callable[[datetime], datetime],
) -> datetime:
    """Return the first time from `at` on that breaks no cooldown and that `permitted` gives back.

    Each step leaves at least one slot behind for good, so there are no more steps than slots.
    """
    for _ in slots:
        until = [
            slot.send_at + cooldown
            for slot in slots
            for cooldown in _cooldowns(slot, program)
            if abs(at - slot.send_at) < cooldown
        ]
        if not until:
            break
        at = permitted(max(until))
    return at


_REASONS: Final = (Reason.COOLDOWN_ANY, Reason.COOLDOWN_TYPE, Reason.COOLDOWN_PROGRAM)
_NONE: Final = timedelta(0)


def _cooldowns(slot: Slot, program: Program) -> tuple[timedelta, timedelta, timedelta]:
    """Return how far apart each of the three clocks wants a slot and a program to be.

    A recovery question waits for no survey of another type; those wait for it.
    """
    is_own, is_alike = slot.program_id == program.program_id, slot.type is program.type
    # A shadow stands in nobody's way but its own program's, while that is one.
    if slot.state is InvitationState.SHADOW and not (
        is_own and program.state is ProgramState.SHADOW
    ):
        return _NONE, _NONE, _NONE
    clocks = program.cooldowns
    is_apart = program.type is ProgramType.RECOVERY and not is_alike
    return (
        _NONE if is_apart else clocks.any,
        clocks.type if is_alike else _NONE,
        clocks.program if is_own else _NONE,
    )
