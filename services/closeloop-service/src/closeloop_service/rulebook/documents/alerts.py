"""Alerts: where ops are told, and of what."""

from datetime import timedelta
from typing import Annotated

from pydantic import Field

from closeloop_service.domain.rules import AlertKind, TargetKind
from closeloop_service.rulebook.documents.fields import (
    MOST,
    Delay,
    Document,
    Name,
    SecretName,
    Url,
)


class AlertTargetDocument(Document):
    """Where ops are reached."""

    kind: TargetKind
    secret: SecretName = Field(description="The name of the secret that it takes.")
    url: Url | None = Field(None, description="The webhook's address, or another PagerDuty's.")


class AlertRouteDocument(Document):
    """What is told there."""

    kinds: tuple[AlertKind, ...] = Field((), description="None: all of them.")
    teams: tuple[Name, ...] = Field((), description="About these teams; none: about all.")
    target: Name


class AlertsDocument(Document):
    """Targets, and what is told to each."""

    targets: Annotated[dict[Name, AlertTargetDocument], Field(max_length=MOST)] = Field(
        {}, description="By the names that routes, teams and policies call them."
    )
    routes: Annotated[tuple[AlertRouteDocument, ...], Field(max_length=MOST)] = Field(
        (), description="Every one that fits counts."
    )
    group_within: Delay = Field(
        timedelta(seconds=30), description="Alerts within it are one message; 1h at most."
    )
    at_most_per_hour: Annotated[int, Field(ge=1, le=3600)] = Field(
        60, description="Messages of one target; what is above waits and is gathered."
    )
