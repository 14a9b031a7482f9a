"""A rehearsal: what would have happened to customers, one after the other, and how often.

Customers do not depend on each other here: the daily limits, which they would share, are left out.
"""

from bisect import insort
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from trigger_service.domain.decision import State
from trigger_service.domain.ledger import Entry, Outcome, decide_all
from trigger_service.domain.program import Catalogue
from trigger_service.domain.reach import reasons_to_leave_alone
from trigger_service.domain.touchpoint import Touchpoint

SHOWN: Final = 100
"""How many decisions are kept to be looked at; the others are counted."""


class Happening(Struct, frozen=True, kw_only=True):
    """A touchpoint that is decided on at `at`, or a change of what is known of the customer."""

    at: datetime
    what: Touchpoint | Callable[[State], State]


class Rehearsed(Struct, frozen=True, kw_only=True):
    """A decision. `cancelled`: why the invitation that it led to would not have gone out."""

    entry: Entry
    outcome: Outcome
    cancelled: str | None = None


@dataclass(slots=True, kw_only=True)
class Rehearsal:
    """What has been counted so far. `invitations_per_day`: when they go out, where the company is.

    `catalogue`: in it, only the program listens that is rehearsed.
    """

    catalogue: Catalogue
    customers: int = 0
    touchpoints: int = 0
    suppressed: Counter[str] = field(default_factory=Counter)
    cancelled: Counter[str] = field(default_factory=Counter)
    invitations_per_day: Counter[date] = field(default_factory=Counter)
    first: list[Rehearsed] = field(default_factory=list)

    def play(self, state: State, happenings: Iterable[Happening]) -> Iterator[None]:
        """Let what has happened to one customer happen again, by its time.

        Pauses after each happening, so that whoever runs it can let others go first.
        """
        decided: list[Rehearsed] = []
        for happening in sorted(happenings, key=lambda happening: happening.at):
            if isinstance(happening.what, Touchpoint):
                state, rehearsed = self._decide(state, happening.what, happening.at)
                decided.append(rehearsed)
            else:
                state = happening.what(state)
                state = _cancel(state, decided, happening.at)
            yield
        if decided:
            self._count(decided)

    def _decide(
        self, state: State, touchpoint: Touchpoint, at: datetime
    ) -> tuple[State, Rehearsed]:
        ledger = decide_all(
            {touchpoint.customer_id: state},
            [touchpoint],
            catalogue=self.catalogue,
            now=at,
            new_id=str,
        )
        (entry,) = ledger.entries
        (outcome,) = entry.outcomes
        return ledger.states[touchpoint.customer_id], Rehearsed(entry=entry, outcome=outcome)

    def _count(self, decided: Iterable[Rehearsed]) -> None:
        self.customers += 1
        zone = self.catalogue.governance.zone
        for rehearsed in decided:
            self.touchpoints += 1
            if rehearsed.cancelled is not None:
                self.cancelled[rehearsed.cancelled] += 1
            elif rehearsed.outcome.invitation is None:
                self.suppressed[rehearsed.outcome.verdict] += 1
            else:
                send_at = rehearsed.outcome.invitation.send_at
                self.invitations_per_day[send_at.astimezone(zone).date()] += 1
            self._show(rehearsed)

    def _show(self, rehearsed: Rehearsed) -> None:
        if len(self.first) == SHOWN and _at(rehearsed) >= _at(self.first[-1]):
            return
        insort(self.first, rehearsed, key=_at)
        del self.first[SHOWN:]


def _cancel(state: State, decided: list[Rehearsed], at: datetime) -> State:
    """Cancel in place what waits and is not to be asked any more; return the state without it."""
    slots = list(state.slots)
    for index, rehearsed in enumerate(decided):
        invitation = rehearsed.outcome.invitation
        if invitation is None or rehearsed.cancelled is not None or invitation.send_at <= at:
            continue
        revocation = state.revocation_of(invitation.subject, invitation.occurred_at)
        undone = [revocation.reason] if revocation else []
        reason = next(iter([*undone, *reasons_to_leave_alone(state.customer)]), None)
        if reason is not None:
            decided[index] = replace(rehearsed, cancelled=str(reason))
            slot = rehearsed.outcome.decision.slot
            if slot in slots:
                slots.remove(slot)
    return replace(state, slots=tuple(slots))


def _at(rehearsed: Rehearsed) -> datetime:
    return rehearsed.entry.touchpoint.occurred_at
