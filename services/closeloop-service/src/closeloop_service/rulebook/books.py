"""The six documents together, and what each kind of them is read as."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, cast

from closeloop_service.rulebook.documents import (
    AlertsDocument,
    CalendarsDocument,
    Document,
    ImprovementsDocument,
    PlaybooksDocument,
    PoliciesDocument,
    TeamsDocument,
)
from closeloop_service.rulebook.kinds import Kind

MODELS: Final[Mapping[Kind, type[Document]]] = {
    Kind.CALENDARS: CalendarsDocument,
    Kind.SLA_POLICIES: PoliciesDocument,
    Kind.TEAMS: TeamsDocument,
    Kind.PLAYBOOKS: PlaybooksDocument,
    Kind.ALERTS: AlertsDocument,
    Kind.IMPROVEMENTS: ImprovementsDocument,
}
"""How each kind is read."""

_FIELDS: Final[Mapping[Kind, str]] = {
    kind: "policies" if kind is Kind.SLA_POLICIES else kind.value for kind in Kind
}
_DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"


@dataclass(frozen=True, slots=True, kw_only=True)
class Books:
    """One document of each kind."""

    calendars: CalendarsDocument
    policies: PoliciesDocument
    teams: TeamsDocument
    playbooks: PlaybooksDocument
    alerts: AlertsDocument
    improvements: ImprovementsDocument

    @classmethod
    def of(cls, documents: Mapping[Kind, Document]) -> "Books":
        """Return the documents, each under its kind."""
        return cls(**cast("Any", {_FIELDS[kind]: documents[kind] for kind in Kind}))

    def having(self, kind: Kind, document: Document) -> "Books":
        """Return the same with another document of that kind."""
        return replace(self, **cast("Any", {_FIELDS[kind]: document}))


def schema(kind: Kind) -> dict[str, Any]:
    """Return the JSON schema of a kind, for editors."""
    return {
        **MODELS[kind].model_json_schema(),
        "$schema": _DIALECT,
        "$id": f"urn:heardback:schema:{kind}",
        "title": kind.label,
    }
