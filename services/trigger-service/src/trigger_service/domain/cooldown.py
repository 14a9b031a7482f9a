"""Cooldowns: how far a survey must be from every other one of the same customer."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Final

from heardback.vocabulary import ProgramType
from trigger_service.domain.invitation import InvitationState, Slot
from trigger_service.domain.program import Program, ProgramState
from trigger_service.domain.reason import Against, Reason, minute

_NONE: Final = timedelta(0)


def clashes(slots: Sequence[Slot], program: Program, at: datetime) -> Against:
    """Return the cooldowns that asking at `at` would break; exactly one apart is far enough."""
    against: Against = {}
    for reason, clock in _CLOCKS:
        for slot in slots:
            if abs(at - slot.send_at) < clock(slot, program):
                against[reason] = f"{slot.program_id} {minute(slot.send_at)}"
    return against


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
            for _, clock in _CLOCKS
            if abs(at - slot.send_at) < (cooldown := clock(slot, program))
        ]
        if not until:
            break
        at = permitted(max(until))
    return at


def _any(slot: Slot, program: Program) -> timedelta:
    """A recovery question waits for no survey of another type; those wait for it."""
    is_apart = program.type is ProgramType.RECOVERY and slot.type is not ProgramType.RECOVERY
    return program.cooldowns.any if _counts(slot, program) and not is_apart else _NONE


def _type(slot: Slot, program: Program) -> timedelta:
    counts = slot.type is program.type and _counts(slot, program)
    return program.cooldowns.type if counts else _NONE


def _program(slot: Slot, program: Program) -> timedelta:
    counts = slot.program_id == program.program_id and _counts(slot, program)
    return program.cooldowns.program if counts else _NONE


def _counts(slot: Slot, program: Program) -> bool:
    """A shadow stands in nobody's way but its own program's, while that is one."""
    return slot.state is not InvitationState.SHADOW or (
        program.state is ProgramState.SHADOW and slot.program_id == program.program_id
    )


_CLOCKS: Final = (
    (Reason.COOLDOWN_ANY, _any),
    (Reason.COOLDOWN_TYPE, _type),
    (Reason.COOLDOWN_PROGRAM, _program),
)
"""The three clocks, each with how far apart it wants a slot and a program to be."""
