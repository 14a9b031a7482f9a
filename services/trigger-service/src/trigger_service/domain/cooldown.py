"""Cooldowns: how far a survey must be from every other one of the same customer."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Final

from trigger_service.domain.invitation import InvitationState, Slot
from trigger_service.domain.program import Program, ProgramState
from trigger_service.domain.reason import Against, Reason, in_order, minute

_NONE: Final = timedelta(0)


def clashes(slots: Sequence[Slot], program: Program, at: datetime) -> Against:
    """Return the cooldowns that asking at `at` would break; exactly one apart is far enough."""
    against: Against = {}
    for slot in slots:
        gap = abs(at - slot.send_at)
        for reason, cooldown in _cooldowns(slot, program):
            if gap < cooldown:
                against[reason] = f"{slot.program_id} {minute(slot.send_at)}"
    return in_order(against)


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
            if abs(at - slot.send_at) < (cooldown := _longest(slot, program))
        ]
        if not until:
            break
        at = permitted(max(until))
    return at


def _cooldowns(slot: Slot, program: Program) -> Sequence[tuple[Reason, timedelta]]:
    if slot.state is InvitationState.SHADOW and not _sees_shadow(slot, program):
        return ()
    cooldowns = program.cooldowns
    held = [(Reason.COOLDOWN_ANY, cooldowns.any)]
    if slot.type is program.type:
        held.append((Reason.COOLDOWN_TYPE, cooldowns.type))
    if slot.program_id == program.program_id:
        held.append((Reason.COOLDOWN_PROGRAM, cooldowns.program))
    return held


def _longest(slot: Slot, program: Program) -> timedelta:
    return max((cooldown for _, cooldown in _cooldowns(slot, program)), default=_NONE)


def _sees_shadow(slot: Slot, program: Program) -> bool:
    return program.state is ProgramState.SHADOW and slot.program_id == program.program_id
