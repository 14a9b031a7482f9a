"""Builders of the pure core, by the documents that people write: a test names what it is about."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from heardback.testing.clock import START, CountedIds
from heardback.vocabulary import ProgramType
from trigger_service.compiling import compile_governance, compile_program
from trigger_service.documents import GovernanceDocument, ProgramDocument
from trigger_service.domain.customer import Customer
from trigger_service.domain.decision import Decision, State
from trigger_service.domain.due import Due, Limits, Moment, decide_all_due
from trigger_service.domain.invitation import Invitation, Slot
from trigger_service.domain.ledger import Entry, decide_all
from trigger_service.domain.program import Catalogue, Program, ProgramState
from trigger_service.domain.touchpoint import Revocation, Touchpoint, touchpoint_id

SECOND, HOUR, DAY = timedelta(seconds=1), timedelta(hours=1), timedelta(days=1)
OFFICE = {"from": "09:00", "to": "18:00", "days": ["mon", "tue", "wed", "thu", "fri"]}


def a_governance(**fields: Any) -> GovernanceDocument:
    return GovernanceDocument.model_validate(fields)


def a_document(program_id: str = "purchase", **fields: Any) -> ProgramDocument:
    about = {} if "cadence" in fields else {"touchpoint": program_id}
    given = {"type": "transactional", "survey": "nps", "delay": "0d", "expires_after": "14d"}
    return ProgramDocument.model_validate(
        {"id": program_id, "name": program_id, **about, **given, **fields}
    )


def a_program(
    program_id: str = "purchase",
    *,
    governance: GovernanceDocument | None = None,
    state: ProgramState = ProgramState.ACTIVE,
    version: int = 1,
    **fields: Any,
) -> Program:
    """Return a program; `fields` are those of its document."""
    document = a_document(program_id, **fields)
    return compile_program(document, governance or a_governance(), version=version, state=state)


def a_catalogue(*programs: Program, governance: GovernanceDocument | None = None) -> Catalogue:
    return Catalogue.of(programs, compile_governance(governance or a_governance()))


def a_customer(customer_id: str = "c1", **fields: Any) -> Customer:
    return Customer(customer_id=customer_id, **{"email": f"{customer_id}@example.com", **fields})


def a_touchpoint(event_id: str = "e1", **fields: Any) -> Touchpoint:
    given: dict[str, Any] = {"customer_id": "c1", "name": "purchase", "occurred_at": START}
    key = touchpoint_id("/shop", event_id)
    return Touchpoint(touchpoint_id=key, source="/shop", event_id=event_id, **{**given, **fields})


def a_slot(ago: timedelta, **fields: Any) -> Slot:
    """Return the slot of another program, of the other type than programs have by default."""
    given: dict[str, Any] = {"program_id": "other", "type": ProgramType.RELATIONAL}
    return Slot(send_at=START - ago, **{**given, **fields})


def a_revocation(revoked_at: datetime = START, **fields: Any) -> Revocation:
    given = {"customer_id": "c1", "subject": "order:1", "reason": "refunded"}
    return Revocation(revoked_at=revoked_at, **{**given, **fields})


def a_state(*slots: Slot, customer: Customer | None = None, **fields: Any) -> State:
    return State(customer=customer or a_customer(), slots=slots, **fields)


def entries_of(
    *touchpoints: Touchpoint,
    programs: Sequence[Program],
    state: State | None = None,
    governance: GovernanceDocument | None = None,
    now: datetime = START,
) -> list[Entry]:
    """Decide on touchpoints of one customer; the rest is taken to be as usual."""
    state = state or a_state()
    ledger = decide_all(
        {state.customer.customer_id: state},
        touchpoints,
        catalogue=a_catalogue(*programs, governance=governance),
        now=now,
        new_id=CountedIds().new,
    )
    return list(ledger.entries)


def decision_of(
    program: Program | None = None,
    touchpoint: Touchpoint | None = None,
    *,
    state: State | None = None,
    governance: GovernanceDocument | None = None,
    now: datetime = START,
) -> Decision:
    """Return what one program decides on one touchpoint."""
    programs = [program or a_program()]
    (entry,) = entries_of(
        touchpoint or a_touchpoint(),
        programs=programs,
        state=state,
        governance=governance,
        now=now,
    )
    return entry.outcomes[0].decision


def an_invitation(
    program: Program | None = None,
    touchpoint: Touchpoint | None = None,
    *,
    customer: Customer | None = None,
    now: datetime = START,
) -> Invitation:
    """Return the invitation that a program makes of a touchpoint."""
    (entry,) = entries_of(
        touchpoint or a_touchpoint(),
        programs=[program or a_program()],
        state=State(customer=customer or a_customer()),
        now=now,
    )
    invitation = entry.outcomes[0].invitation
    assert invitation is not None
    return invitation


def due_of(
    *invitations: Invitation,
    programs: Sequence[Program],
    state: State | None = None,
    limits: Limits | None = None,
    governance: GovernanceDocument | None = None,
    now: datetime = START,
) -> list[Due]:
    """Decide on due invitations of one customer."""
    state = state or a_state()
    catalogue = a_catalogue(*programs, governance=governance)
    return decide_all_due(
        invitations,
        {state.customer.customer_id: state},
        limits=limits or Limits(left={}),
        moment=Moment(catalogue=catalogue, now=now),
    )
