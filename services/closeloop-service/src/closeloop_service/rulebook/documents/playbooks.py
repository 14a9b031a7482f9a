"""Playbooks: what owners do, and what they can send."""

from typing import Annotated, Literal

from pydantic import Field

from closeloop_service.domain.rules import Opens
from closeloop_service.domain.task import Move
from closeloop_service.rulebook.documents.fields import (
    Document,
    Line,
    Messages,
    Name,
    Prose,
)
from heardback.vocabulary import Category

StepMove = Literal[
    Move.ASSIGN,
    Move.ACKNOWLEDGE,
    Move.WRITE,
    Move.CONTACT,
    Move.WAIT,
    Move.RESOLVE,
    Move.VERIFY,
    Move.COMPENSATE,
]


class StepDocument(Document):
    """One thing to do."""

    id: Name
    title: Line
    advice: Prose | None = None
    done_by: StepMove | None = Field(None, description="The move that does it; else ticked off.")
    template: Name | None = Field(None, description="What is suggested to be sent with it.")


class TemplateDocument(Document):
    """What an owner can send."""

    title: Line
    texts: Messages


class PlaybookDocument(Document):
    """How the customers of one group are heard back."""

    opens: Opens = Field(description="When an answer opens a task: always, commented, never.")
    steps: Annotated[tuple[StepDocument, ...], Field(min_length=1, max_length=30)]
    templates: Annotated[dict[Name, TemplateDocument], Field(max_length=50)] = Field(
        {}, description="What can be sent."
    )


class GroupsDocument(Document):
    """A playbook for each group."""

    detractor: PlaybookDocument
    passive: PlaybookDocument
    promoter: PlaybookDocument

    def by_category(self) -> dict[Category, PlaybookDocument]:
        """Return each under its group."""
        return {category: getattr(self, category.value) for category in Category}


Words = Annotated[tuple[Line, ...], Field(min_length=1, max_length=50)]


class PlaybooksDocument(Document):
    """The playbooks of the three groups, and the words that owners choose from."""

    playbooks: GroupsDocument
    root_causes: Words = Field(description="One is chosen when a task is resolved.")
    contact_channels: Words = Field(description="By what a customer was reached.")
    compensations: Annotated[tuple[Line, ...], Field(max_length=50)] = Field(
        (), description="What may be given, to be logged."
    )
