"""What an owner sends, as JSON or from a form of the board; strict, so that no typo is ignored."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from closeloop_service.domain.decisions import Acknowledge, Contact, Resolve

Words = Annotated[
    str,
    StringConstraints(
        strip_whitespace=True, min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$"
    ),
]
Note = Annotated[
    str, StringConstraints(strip_whitespace=True, max_length=10_000, pattern=r"^[^\x00]*$")
]


class MoveForm(BaseModel):
    """What every move says: who makes it, and the version that it is based on, if that matters."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    owner: Words
    version: Annotated[int, Field(ge=1)] | None = None


class AcknowledgeForm(MoveForm):
    """Take a task."""

    def command(self) -> Acknowledge:
        """Return what the domain decides on."""
        return Acknowledge(actor=self.owner)


class ContactForm(MoveForm):
    """Log that the customer was reached."""

    channel: Words
    note: Note = ""

    def command(self) -> Contact:
        """Return what the domain decides on."""
        return Contact(actor=self.owner, channel=self.channel, note=self.note)


class ResolveForm(MoveForm):
    """Close a task."""

    root_cause: Words
    note: Note = ""

    def command(self) -> Resolve:
        """Return what the domain decides on."""
        return Resolve(actor=self.owner, root_cause=self.root_cause, note=self.note)
