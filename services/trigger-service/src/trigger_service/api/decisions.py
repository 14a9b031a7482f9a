"""What can be asked of trigger over HTTP about what it has decided."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Final

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel

from heardback.contracts.payloads import Scalar
from heardback.http import DatabaseOf
from trigger_service import queries
from trigger_service.domain.ledger import SCHEDULED
from trigger_service.domain.reason import RULES

router: Final = APIRouter(tags=["decisions"])

Text = Annotated[str, Query(max_length=500, pattern=r"^[^\x00]*$")]


class Summary(BaseModel):
    """What became of the touchpoints of one source, each counted once.

    `suppressed` is by the first reason of each.
    """

    touchpoints: int
    scheduled: int
    suppressed: dict[str, int]


class InvitationView(BaseModel):
    """What a decision led to. `reason`: why it was postponed, cancelled or its slot released."""

    invitation_id: str
    state: str
    reason: str | None
    send_at: datetime
    expires_at: datetime
    variant: str | None
    segment: str | None


class RuleView(BaseModel):
    """One rule, and whether the customer passed it. `detail` says more where there is more."""

    rule: str
    passed: bool
    detail: str | None = None


class DecisionView(BaseModel):
    """Why a customer was asked, or was not."""

    decision_id: str
    source: str
    event_id: str
    touchpoint: str
    occurred_at: datetime
    facts: dict[str, Scalar]
    program_id: str | None
    program_version: int | None
    outcome: str
    reasons: list[str]
    rules: list[RuleView]
    decided_at: datetime
    invitation: InvitationView | None


class DecisionPage(BaseModel):
    """Decisions, the newest first. `next` is the cursor of the following page."""

    decisions: list[DecisionView]
    next: str | None


@router.get("/decisions/summary")
async def decisions_summary(database: DatabaseOf, source: Text) -> Summary:
    """Count what became of the touchpoints of one CloudEvents source."""
    async with database.read() as connection:
        return Summary(**await queries.summary(connection, source))


@router.get("/customers/{customer_id:path}/decisions")
async def customer_decisions(
    database: DatabaseOf,
    customer_id: Annotated[str, Path(max_length=200, pattern=r"^[^\x00]*$")],
    limit: Annotated[int, Query(ge=1, le=200, description="Touchpoints.")] = 50,
    cursor: Annotated[int | None, Query(ge=0, le=2**63 - 1)] = None,
) -> DecisionPage:
    """Tell why a customer was asked, or was not; nothing known of them is an empty page."""
    async with database.read() as connection:
        found = await queries.touchpoints_of(
            connection, customer_id, limit=limit + 1, before=cursor
        )
        page = found[:limit]
        ids = [o["invitation"] for row in page for o in row["outcomes"] if o["invitation"]]
        invitations = await queries.invitations(connection, ids)
    decisions = [
        _decision(row, outcome, invitations) for row in page for outcome in row["outcomes"]
    ]
    following = str(page[-1]["seq"]) if len(found) > limit else None
    return DecisionPage(decisions=decisions, next=following)


def _decision(
    row: Mapping[Any, Any], outcome: Mapping[str, Any], invitations: Mapping[str, Mapping[Any, Any]]
) -> DecisionView:
    program, against = outcome["program"], dict(outcome["against"])
    invitation = invitations.get(outcome["invitation"] or "")
    return DecisionView(
        **{name: row[name] for name in DecisionView.model_fields.keys() & row.keys()},
        decision_id=f"{row['touchpoint_id']}:{program or ''}",
        program_id=program,
        program_version=outcome["version"],
        outcome="suppressed" if against else SCHEDULED,
        reasons=list(against),
        rules=rule_views(against) if program else [],
        invitation=InvitationView(**invitation) if invitation else None,
    )


def rule_views(against: Mapping[str, str]) -> list[RuleView]:
    """Return the outcome of every rule, from those that spoke against asking."""
    return [
        RuleView(rule=rule, passed=rule not in against, detail=against.get(rule) or None)
        for rule in RULES
    ]
