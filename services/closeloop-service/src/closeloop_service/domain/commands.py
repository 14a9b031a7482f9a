"""What can be told to a task. No actor: a rule, or the customer, did it."""

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from closeloop_service.domain.task import Move
from heardback.vocabulary import Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Assign:
    """Somebody owns the task from now on; who claims it, names themselves.

    No `team`: the one in which the owner is. `note`: why it is them.
    """

    move: ClassVar[Move] = Move.ASSIGN
    actor: str | None
    owner: str
    team: str | None = None
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """The owner gives the task back to its team's queue."""

    move: ClassVar[Move] = Move.RELEASE
    actor: str
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Acknowledge:
    """An owner takes the task. The customer has not heard of it: their clock goes on."""

    move: ClassVar[Move] = Move.ACKNOWLEDGE
    actor: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Write:
    """Somebody writes to the customer; it counts as contact once a provider took it."""

    move: ClassVar[Move] = Move.WRITE
    actor: str
    follow_up_id: str
    text: str
    subject: str | None = None
    template_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Contact:
    """Somebody reached the customer. `at`: then, where that was earlier than now."""

    move: ClassVar[Move] = Move.CONTACT
    actor: str
    channel: str
    note: str = ""
    at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """The customer wrote back or called. `actor`: who took it down, if somebody did."""

    move: ClassVar[Move] = Move.REPLY
    channel: str
    text: str = ""
    actor: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """It is the customer's turn: the clocks pause, `until` then or as long as the policy lets."""

    move: ClassVar[Move] = Move.WAIT
    actor: str
    note: str = ""
    until: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Resume:
    """The wait is over: the clocks go on."""

    move: ClassVar[Move] = Move.RESUME
    actor: str | None = None
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolve:
    """Somebody closes the task, with what caused it."""

    move: ClassVar[Move] = Move.RESOLVE
    actor: str
    root_cause: str
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verify:
    """What came of it is known. `score`: the answer to the recovery question, if there is one."""

    move: ClassVar[Move] = Move.VERIFY
    outcome: Outcome
    score: int | None = None
    actor: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reopen:
    """It was closed too early."""

    move: ClassVar[Move] = Move.REOPEN
    reason: str
    actor: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancel:
    """There is nothing to do after all."""

    move: ClassVar[Move] = Move.CANCEL
    reason: str
    actor: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Escalate:
    """Somebody wants the next level to know of it now."""

    move: ClassVar[Move] = Move.ESCALATE
    actor: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """Somebody notes something down."""

    move: ClassVar[Move] = Move.NOTE
    actor: str | None
    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Compensate:
    """The customer is given something: of a kind that the playbooks name, worth so much."""

    move: ClassVar[Move] = Move.COMPENSATE
    actor: str
    kind: str
    amount: float | None = None
    currency: str | None = None
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A step of the playbook is ticked off, or is not done after all."""

    move: ClassVar[Move] = Move.STEP
    actor: str
    step_id: str
    done: bool = True


Command = (
    Assign
    | Release
    | Acknowledge
    | Write
    | Contact
    | Reply
    | Wait
    | Resume
    | Resolve
    | Verify
    | Reopen
    | Cancel
    | Escalate
    | Note
    | Compensate
    | Step
)
