"""The governance over HTTP: what holds for all programs."""

from typing import Final

from fastapi import APIRouter, Request, Response

from heardback.bodies import JSON, YAML
from heardback.http import DatabaseOf
from trigger_service import program_store, rules
from trigger_service.api.bodies import read_document
from trigger_service.api.schemas import Schema, body_schema, governance_schema
from trigger_service.api.views import GovernanceView, Verdict
from trigger_service.documents import GovernanceDocument
from trigger_service.faults import InvalidDocument, parse
from trigger_service.program_store import KeptGovernance

router: Final = APIRouter(prefix="/governance", tags=["governance"])

_BODY: Final = body_schema("GovernanceDocument", JSON, YAML)


@router.get("", response_model_exclude_unset=True)
async def get_governance(response: Response, database: DatabaseOf) -> GovernanceView:
    """Return what holds for all programs."""
    async with database.read() as connection:
        return _tagged(await program_store.load_governance(connection), response)


@router.get("/schema")
async def schema() -> Schema:
    """Return the JSON schema of the governance, for editors."""
    return governance_schema()


@router.put("", openapi_extra=_BODY, response_model_exclude_unset=True)
async def write_governance(
    request: Request, response: Response, database: DatabaseOf
) -> GovernanceView:
    """Put another version of the governance in force. The same again changes nothing."""
    document = parse(GovernanceDocument, await read_document(request))
    async with database.transaction() as tx:
        return _tagged(await rules.write_governance(tx, document), response)


@router.post("/validate", openapi_extra=_BODY)
async def validate_governance(request: Request, database: DatabaseOf) -> Verdict:
    """Tell whether it would be taken, with every program under it; nothing is kept."""
    try:
        document = parse(GovernanceDocument, await read_document(request))
        async with database.read() as connection:
            await rules.check_governance(connection, document)
    except InvalidDocument as error:
        return Verdict.of(error)
    return Verdict.of(None)


def _tagged(kept: KeptGovernance, response: Response) -> GovernanceView:
    response.headers["ETag"] = f'"{kept.version}"'
    return GovernanceView.of(kept)
