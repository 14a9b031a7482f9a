"""What is sent to move a task, as JSON; strict, so that no typo is ignored.

`owner` or `actor` is the name of who does it, `version` the version of the task that they read:
where it is given and the task has changed since, the move is refused (409).
"""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from closeloop_service.domain import commands
from closeloop_service.domain.commands import Command
from heardback.bodies import WrittenInstant

Words = Annotated[
    str,
    StringConstraints(
        strip_whitespace=True, min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$"
    ),
]
Note = Annotated[
    str, StringConstraints(strip_whitespace=True, max_length=10_000, pattern=r"^[^\x00]*$")
]
Currency = Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")]
Amount = Annotated[float, Field(ge=0, le=1e12, allow_inf_nan=False)]


class MoveForm(BaseModel):
    """What every move says."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Annotated[int, Field(ge=1, le=2**63 - 1)] | None = None

    def command(self) -> Command:
        """Return what the domain decides on."""
        raise NotImplementedError


class AcknowledgeForm(MoveForm):
    """Take a task."""

    owner: Words

    def command(self) -> Command:
        return commands.Acknowledge(actor=self.owner)


class ContactForm(MoveForm):
    """Log that the customer was reached. `at`: then, where that was earlier than now."""

    owner: Words
    channel: Words
    note: Note = ""
    at: WrittenInstant | None = None

    def command(self) -> Command:
        return commands.Contact(actor=self.owner, channel=self.channel, note=self.note, at=self.at)


class ResolveForm(MoveForm):
    """Close a task with its root cause."""

    owner: Words
    root_cause: Words
    note: Note = ""

    def command(self) -> Command:
        return commands.Resolve(actor=self.owner, root_cause=self.root_cause, note=self.note)


class AssignForm(MoveForm):
    """Give a task to an owner. No `actor`: they claim it themselves. No `team`: the owner's."""

    owner: Words
    actor: Words | None = None
    team: Words | None = None
    note: Note = ""

    def command(self) -> Command:
        return commands.Assign(
            actor=self.actor or self.owner, owner=self.owner, team=self.team, note=self.note
        )


class ActorForm(MoveForm):
    """A move that leaves the task to its owner."""

    actor: Words


class ReleaseForm(ActorForm):
    """Give a task back to its team's queue."""

    note: Note = ""

    def command(self) -> Command:
        return commands.Release(actor=self.actor, note=self.note)


class WaitForm(ActorForm):
    """It is the customer's turn: the clocks pause, until `until` or as long as the policy lets."""

    note: Note = ""
    until: WrittenInstant | None = None

    def command(self) -> Command:
        return commands.Wait(actor=self.actor, note=self.note, until=self.until)


class ResumeForm(ActorForm):
    """The wait is over: the clocks go on."""

    note: Note = ""

    def command(self) -> Command:
        return commands.Resume(actor=self.actor, note=self.note)


class ReplyForm(MoveForm):
    """The customer wrote back or called. `actor`: who took it down, if somebody did."""

    channel: Words
    text: Note = ""
    actor: Words | None = None

    def command(self) -> Command:
        return commands.Reply(channel=self.channel, text=self.text, actor=self.actor)


class ReopenForm(ActorForm):
    """It was closed too early."""

    reason: Words

    def command(self) -> Command:
        return commands.Reopen(actor=self.actor, reason=self.reason)


class CancelForm(ActorForm):
    """There is nothing to do after all."""

    reason: Words

    def command(self) -> Command:
        return commands.Cancel(actor=self.actor, reason=self.reason)


class EscalateForm(ActorForm):
    """The next level should know of it now."""

    reason: Words

    def command(self) -> Command:
        return commands.Escalate(actor=self.actor, reason=self.reason)


class NoteForm(ActorForm):
    """Note something down."""

    note: Annotated[Note, Field(min_length=1)]

    def command(self) -> Command:
        return commands.Note(actor=self.actor, note=self.note)


class CompensateForm(ActorForm):
    """The customer is given something, worth so much."""

    kind: Words
    amount: Amount | None = None
    currency: Currency | None = None
    note: Note = ""

    def command(self) -> Command:
        return commands.Compensate(
            actor=self.actor,
            kind=self.kind,
            amount=self.amount,
            currency=self.currency,
            note=self.note,
        )


class StepForm(ActorForm):
    """Tick a step of the playbook off, or say that it is not done after all."""

    step_id: Words
    done: bool = True

    def command(self) -> Command:
        return commands.Step(actor=self.actor, step_id=self.step_id, done=self.done)


class MessageForm(BaseModel):
    """Write to the customer, in the channel in which they were asked."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    actor: Words
    text: Annotated[Note, Field(min_length=1)]
    subject: Words | None = None
    template_id: Words | None = None
    version: Annotated[int, Field(ge=1, le=2**63 - 1)] | None = None
