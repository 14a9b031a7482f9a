"""Improvements: what becomes of themes."""

from datetime import timedelta
from typing import Annotated

from pydantic import Field

from closeloop_service.domain.rules import TrackerKind
from closeloop_service.rulebook.documents.fields import (
    MOST,
    AttributeName,
    Document,
    Duration,
    Line,
    Messages,
    Name,
    SecretName,
    ThemeId,
    Url,
)


class TrackerDocument(Document):
    """Where the product team keeps its tickets."""

    kind: TrackerKind
    base_url: Url | None = Field(
        None, description="Its address; GitHub, Linear, Asana know theirs."
    )
    project: Line | None = Field(
        None, description="A Jira project's key, owner/repository, a team's id, a project's gid."
    )
    secret: SecretName = Field(description="The name of the secret that holds its token.")
    webhook_secret: SecretName | None = Field(
        None, description="Of the one that proves what the tracker calls us with."
    )
    options: Annotated[dict[AttributeName, Line], Field(max_length=30)] = Field(
        {}, description="What this kind of tracker takes besides."
    )


class ImprovementsDocument(Document):
    """Trackers, owners, the clock, and the message to reporters."""

    trackers: Annotated[dict[Name, TrackerDocument], Field(max_length=20)] = Field(
        {}, description="By the names that `tracker` calls them."
    )
    tracker: Name | None = Field(None, description="Where new improvements go; none: nowhere.")
    owner: Line | None = Field(None, description="Who owns an improvement without one of its own.")
    owners: Annotated[dict[ThemeId, Line], Field(max_length=MOST)] = Field(
        {}, description="By the theme's id."
    )
    due_after: Duration = Field(timedelta(days=30), description="Until it must be decided.")
    told: Messages = Field(description="What reporters are told once it has shipped.")
