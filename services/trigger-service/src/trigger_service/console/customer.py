"""Why was this customer asked, or not: every decision on them, rule by rule, in plain words."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Final

from fastapi import APIRouter, Query, Request, Response

from heardback.console.pages import Console
from heardback.http import DatabaseOf
from trigger_service import program_store
from trigger_service.api import decisions as api
from trigger_service.api.decisions import DecisionView
from trigger_service.console import words
from trigger_service.documents import ProgramDocument

_PAGE: Final = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Spoken:
    """One rule. `detail`: what more there is to say of it."""

    said: words.Said
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Explained:
    """A decision in plain words. `against`: the rules against asking; `passed`: the others."""

    decision: DecisionView
    program: str
    against: Sequence[Spoken]
    passed: Sequence[Spoken]


def routes(console: Console) -> APIRouter:
    """Return the route of the page."""
    router = APIRouter(include_in_schema=False)

    @router.get("/console/customers")
    async def customer_page(
        request: Request,
        database: DatabaseOf,
        id: Annotated[str, Query(max_length=200)] = "",  # noqa: A002  # the address says id
        cursor: Annotated[int | None, Query(ge=0, le=2**63 - 1)] = None,
    ) -> Response:
        customer_id = id.replace("\0", "").strip()
        found = api.DecisionPage(decisions=[], next=None)
        if customer_id:
            found = await api.customer_decisions(database, customer_id, _PAGE, cursor)
        async with database.read() as connection:
            programs = await program_store.load_programs(connection)
        names = {
            key: ProgramDocument.model_validate_json(program.document).name
            for key, program in programs.items()
        }
        return console.page(
            request,
            "customer.html",
            customer_id=customer_id,
            explained=[explain(decision, names) for decision in found.decisions],
            next=found.next,
            is_first=cursor is None,
            reason=words.reason,
        )

    return router


def explain(decision: DecisionView, names: dict[str, str]) -> Explained:
    """Say a decision in plain words; `names`: what the programs are called."""
    rules = {rule.rule: rule for rule in decision.rules}
    against = [
        Spoken(said=words.reason(name), detail=_detail(rules.get(name), name))
        for name in decision.reasons
    ]
    passed = [
        Spoken(said=words.reason(rule.rule), detail="") for rule in decision.rules if rule.passed
    ]
    program_id = decision.program_id or ""
    return Explained(
        decision=decision,
        program=names.get(program_id, program_id),
        against=against,
        passed=passed,
    )


def _detail(rule: api.RuleView | None, name: str) -> str:
    return words.detail(name, rule.detail) if rule and rule.detail else ""
