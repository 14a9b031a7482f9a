"""A dry-run over HTTP: what would have happened, and nothing kept."""

from datetime import date, datetime
from typing import Final, Literal, Self

from fastapi import APIRouter, Request
from pydantic import BaseModel

from heardback.bodies import JSON, media_type, read_body
from heardback.http import DatabaseOf
from trigger_service.api.bodies import LINES, MOST_FILE_BYTES, read_json
from trigger_service.api.decisions import RuleView, rule_views
from trigger_service.api.schemas import body_schema
from trigger_service.api.views import ProgramId
from trigger_service.domain.ledger import SCHEDULED
from trigger_service.domain.rehearsal import Rehearsed
from trigger_service.dry_run.past_events import EventFault
from trigger_service.dry_run.playing import DryRun, DryRunRequest, Period, dry_run, dry_run_lines
from trigger_service.faults import parse

router: Final = APIRouter(prefix="/programs", tags=["programs"])

_REQUEST: Final = DryRunRequest.model_json_schema(ref_template="#/components/schemas/{model}")
_BODY: Final = body_schema({k: v for k, v in _REQUEST.items() if k != "$defs"}, JSON)
_BODY["requestBody"]["content"][LINES] = {"schema": {"type": "string"}}


class DryDecision(BaseModel):
    """Why a customer would have been asked, or would not have been.

    `outcome`: `scheduled`, `suppressed`, or `cancelled` when something was undone before it was
    due; `reasons` says why.
    """

    customer_id: str
    source: str
    event_id: str
    touchpoint: str
    occurred_at: datetime
    outcome: Literal["scheduled", "suppressed", "cancelled"]
    reasons: list[str]
    rules: list[RuleView]
    send_at: datetime | None
    expires_at: datetime | None
    variant: str | None
    segment: str | None

    @classmethod
    def of(cls, rehearsed: Rehearsed) -> Self:
        """Return the view of one decision."""
        touchpoint, decision = rehearsed.entry.touchpoint, rehearsed.outcome.decision
        invitation, cancelled = rehearsed.outcome.invitation, rehearsed.cancelled
        return cls(
            customer_id=touchpoint.customer_id,
            source=touchpoint.source,
            event_id=touchpoint.event_id,
            touchpoint=touchpoint.name,
            occurred_at=touchpoint.occurred_at,
            outcome=_outcome(rehearsed),
            reasons=[cancelled] if cancelled else [*decision.against],
            rules=rule_views({str(rule): detail for rule, detail in decision.against.items()})
            if decision.program
            else [],
            send_at=invitation.send_at if invitation else None,
            expires_at=invitation.expires_at if invitation else None,
            variant=invitation.variant if invitation else None,
            segment=decision.segment,
        )


class DryRunView(BaseModel):
    """What would have happened.

    `touchpoints` = `scheduled` + all `suppressed` + all `cancelled`. `decisions`: the earliest,
    each with its rules. `truncated`: there may be more than what was looked at. `repeated`,
    `invalid`: how many events were left out; `faults` says why, of the first. `period`: of a
    cadence, the one that is tried. The daily budget and the quotas are not part of it.
    """

    touchpoints: int
    customers: int
    scheduled: int
    suppressed: dict[str, int]
    cancelled: dict[str, int]
    invitations_per_day: dict[date, int]
    decisions: list[DryDecision]
    repeated: int
    invalid: int
    faults: list[EventFault]
    truncated: bool
    limits_simulated: Literal[False] = False
    period: Period | None

    @classmethod
    def of(cls, played: DryRun) -> Self:
        """Return the view of a dry-run."""
        rehearsal, events = played.rehearsal, played.events
        per_day = rehearsal.invitations_per_day
        return cls(
            touchpoints=rehearsal.touchpoints,
            customers=rehearsal.customers,
            scheduled=per_day.total(),
            suppressed=rehearsal.suppressed,
            cancelled=rehearsal.cancelled,
            invitations_per_day={day: per_day[day] for day in sorted(per_day)},
            decisions=[DryDecision.of(rehearsed) for rehearsed in rehearsal.first],
            repeated=events.repeated,
            invalid=events.invalid,
            faults=events.faults,
            truncated=played.is_cut,
            period=played.period,
        )


@router.post("/{program_id}/dry-run", openapi_extra=_BODY)
async def try_program(program_id: ProgramId, request: Request, database: DatabaseOf) -> DryRunView:
    """Tell what a program would do, or would have done, were it active; nothing is kept.

    Send one of `event`, `events` and `last_days`, with a draft in `document` if there is one; or
    a file of events, one on each line. For a cadence: nothing, and its next period is tried.
    """
    kind = media_type(request, JSON, LINES)
    body = await read_body(request, most_bytes=MOST_FILE_BYTES)
    if kind == LINES:
        return DryRunView.of(await dry_run_lines(database, program_id, body))
    asked = parse(DryRunRequest, read_json(body or b"{}"))
    return DryRunView.of(await dry_run(database, program_id, asked))


def _outcome(rehearsed: Rehearsed) -> Literal["scheduled", "suppressed", "cancelled"]:
    if rehearsed.cancelled is not None:
        return "cancelled"
    return "scheduled" if rehearsed.outcome.verdict == SCHEDULED else "suppressed"
