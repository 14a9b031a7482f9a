"""The JSON schemas of what people write, for editors and for whoever checks before sending."""

from typing import Any, Final

from trigger_service.documents import Document, GovernanceDocument, ProgramDocument

Schema = dict[str, Any]

_DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"


def program_schema(
    document: type[ProgramDocument] = ProgramDocument, *, name: str = "program"
) -> Schema:
    """Return the schema of a program; or of one in a file, which says a little more."""
    listens = [{"required": ["touchpoint"]}, {"required": ["cadence"]}]
    return {**_schema(document, name=name, title="Program"), "oneOf": listens}


def governance_schema() -> Schema:
    """Return the schema of the governance."""
    return _schema(GovernanceDocument, name="governance", title="Governance")


def _schema(document: type[Document], *, name: str, title: str) -> Schema:
    return {
        **document.model_json_schema(),
        "$schema": _DIALECT,
        "$id": f"urn:heardback:schema:{name}",
        "title": title,
    }


def body_schema(model: str | Schema, *kinds: str) -> Schema:
    """Describe for OpenAPI a body that is read by hand: `model` names a schema, or is one."""
    schema = {"$ref": f"#/components/schemas/{model}"} if isinstance(model, str) else model
    content = {kind: {"schema": schema} for kind in kinds}
    return {"requestBody": {"required": True, "content": content}}
