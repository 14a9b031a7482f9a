"""An invitation: the promise to ask, and the cooldown slot that it holds."""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Final

from msgspec import Struct
from msgspec.structs import force_setattr, replace

from heardback.errors import Permanent
from heardback.vocabulary import Channel, ProgramType
from trigger_service.domain.reason import minute


class InvitationState(StrEnum):
    """Where an invitation stands. Only a pending or a requested one holds its cooldown slot.

    A shadow is what would have been an invitation: it counts for its own program's shadow only.
    """

    PENDING = "pending"
    REQUESTED = "requested"
    CANCELLED = "cancelled"
    RELEASED = "released"
    SHADOW = "shadow"


_MOVES: Final[Mapping[InvitationState, frozenset[InvitationState]]] = {
    InvitationState.PENDING: frozenset(
        {InvitationState.PENDING, InvitationState.REQUESTED, InvitationState.CANCELLED}
    ),
    InvitationState.REQUESTED: frozenset({InvitationState.RELEASED}),
    InvitationState.CANCELLED: frozenset(),
    InvitationState.RELEASED: frozenset(),
    InvitationState.SHADOW: frozenset(),
}


class IllegalMove(Permanent):
    """An invitation does not go from this state to that one."""


class Invitation(Struct, frozen=True, kw_only=True):
    """One promise to ask one customer.

    `send_at` is when it is planned, and once it is requested, when that was. `reason` says why it
    was postponed, cancelled or released.
    """

    invitation_id: str
    customer_id: str
    program_id: str
    program_version: int
    type: ProgramType
    touchpoint: str
    touchpoint_id: str
    subject: str | None
    survey_id: str
    variant: str | None
    locale: str | None
    segment: str | None
    channels: tuple[Channel, ...]
    occurred_at: datetime
    send_at: datetime
    expires_at: datetime
    state: InvitationState = InvitationState.PENDING
    reason: str | None = None

    def moved(
        self, state: InvitationState, reason: str | None = None, *, send_at: datetime | None = None
    ) -> "Invitation":
        """Return the invitation in `state`.

        Raises: IllegalMove when there is no way from here to there.
        """
        if state not in _MOVES[self.state]:
            raise IllegalMove(invitation_id=self.invitation_id, now=self.state, wanted=state)
        return replace(self, state=state, reason=reason, send_at=send_at or self.send_at)


class Slot(Struct, frozen=True, kw_only=True):
    """What a cooldown looks at: an invitation that was or will be sent, or its shadow.

    `told` says so for people to read: every program that asks too soon refers to it.
    """

    program_id: str
    type: ProgramType
    send_at: datetime
    state: InvitationState = InvitationState.PENDING
    told: str = ""

    def __post_init__(self) -> None:
        force_setattr(self, "told", f"{self.program_id} {minute(self.send_at)}")
