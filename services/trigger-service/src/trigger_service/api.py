"""What can be asked of trigger over HTTP."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Annotated, Any, Final

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, ConfigDict, PlainSerializer

from heardback.http import DatabaseOf
from trigger_service import queries, store

router: Final = APIRouter()

Seconds = Annotated[timedelta, PlainSerializer(timedelta.total_seconds, return_type=float)]
Text = Annotated[str, Query(max_length=500, pattern=r"^[^\x00]*$")]


class Summary(BaseModel):
    """What became of the touchpoints of one source, each counted once.

    `suppressed` is by the first reason of each.
    """

    touchpoints: int
    scheduled: int
    suppressed: dict[str, int]


class InvitationView(BaseModel):
    """What a decision led to. `reason`: why it was cancelled or its slot released."""

    invitation_id: str
    state: str
    reason: str | None
    send_at: datetime
    expires_at: datetime


class DecisionView(BaseModel):
    """Why a customer was asked, or was not."""

    decision_id: str
    source: str
    event_id: str
    touchpoint: str
    occurred_at: datetime
    program_id: str | None
    outcome: str
    reasons: list[str]
    decided_at: datetime
    invitation: InvitationView | None


class DecisionPage(BaseModel):
    """Decisions, the newest first. `next` is the cursor of the following page."""

    decisions: list[DecisionView]
    next: str | None


class ProgramView(BaseModel):
    """A program as it is in force. Durations are in seconds."""

    model_config = ConfigDict(from_attributes=True)

    program_id: str
    name: str
    version: int
    state: str
    touchpoint: str
    type: str
    survey_id: str
    channel: str
    delay_min: Seconds
    delay_max: Seconds
    expires_after: Seconds
    cooldown_any: Seconds
    cooldown_type: Seconds
    cooldown_program: Seconds


class Programs(BaseModel):
    """Every program."""

    programs: list[ProgramView]


@router.get("/decisions/summary")
async def decisions_summary(database: DatabaseOf, source: Text) -> Summary:
    """Count what became of the touchpoints of one CloudEvents source."""
    async with database.read() as connection:
        return Summary(**await queries.summary(connection, source))


@router.get("/customers/{customer_id:path}/decisions")
async def customer_decisions(
    database: DatabaseOf,
    customer_id: Annotated[str, Path(max_length=200, pattern=r"^[^\x00]*$")],
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    cursor: Annotated[str | None, Query(max_length=36, pattern=r"^[0-9a-f-]*$")] = None,
) -> DecisionPage:
    """Tell why a customer was asked, or was not; nothing known of them is an empty page."""
    async with database.read() as connection:
        found = await queries.decisions(connection, customer_id, limit=limit + 1, before=cursor)
    page = [_decision(row) for row in found[:limit]]
    return DecisionPage(decisions=page, next=page[-1].decision_id if len(found) > limit else None)


@router.get("/programs")
async def programs(database: DatabaseOf) -> Programs:
    """List every program, archived ones too."""
    async with database.read() as connection:
        found = await store.load_programs(connection)
    return Programs(programs=[ProgramView.model_validate(found[key]) for key in sorted(found)])


def _decision(row: Mapping[Any, Any]) -> DecisionView:
    has_invitation = row["invitation_id"] is not None
    return DecisionView(
        **{name: row[name] for name in DecisionView.model_fields.keys() & row.keys()},
        outcome="scheduled" if has_invitation else "suppressed",
        invitation=InvitationView(**row) if has_invitation else None,
    )
