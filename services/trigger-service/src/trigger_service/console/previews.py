"""A preview: what a draft would have done, as the editor shows it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from markupsafe import Markup

from heardback.db import Database
from trigger_service.console import views, words
from trigger_service.documents import ProgramDocument
from trigger_service.domain.rehearsal import Rehearsed
from trigger_service.dry_run.playing import DryRun, DryRunRequest, dry_run

LAST_DAYS: Final = 30
_EXAMPLES: Final = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """One decision. `send_at`: when it would ask; `word` and `detail`: why it would not."""

    customer_id: str
    occurred_at: datetime
    send_at: datetime | None
    word: str
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """What would have happened. `basis`: what it was tried on; `nothing`: there was nothing."""

    basis: str
    asked: int
    touchpoints: int
    customers: int
    is_cut: bool
    is_cadence: bool
    why_not: Sequence[views.WhyNot]
    cancelled: Sequence[views.WhyNot]
    chart: Markup | None
    examples: Sequence[Example]

    @property
    def headline(self) -> str:
        """Say it in one sentence."""
        if not self.touchpoints:
            return "Nothing to try it on"
        share = 100 * self.asked / self.touchpoints
        of = f"{self.asked:,} of {self.touchpoints:,}"
        rounded = f"{share:.0f} %" if share >= 10 or not share else f"{share:.1f} %"
        if self.is_cadence:
            return f"Would ask {of} customers ({rounded})"
        return f"Would have asked after {of} touchpoints ({rounded})"


async def preview(database: Database, document: ProgramDocument) -> Preview:
    """Try a draft on the touchpoints of the last days; a cadence on its next period.

    Raises: what `dry_run` raises.
    """
    request = DryRunRequest(document=document, last_days=LAST_DAYS)
    return _seen(await dry_run(database, document.id, request), document)


def _seen(played: DryRun, document: ProgramDocument) -> Preview:
    rehearsal = played.rehearsal
    total = rehearsal.touchpoints
    per_day = rehearsal.invitations_per_day
    return Preview(
        basis=_basis(played, document),
        asked=sum(per_day.values()),
        touchpoints=total,
        customers=rehearsal.customers,
        is_cut=played.is_cut,
        is_cadence=played.period is not None,
        why_not=views.why_not(rehearsal.suppressed, of=total),
        cancelled=views.why_not(rehearsal.cancelled, of=total),
        chart=views.sends_chart(per_day) if per_day else None,
        examples=[_example(rehearsed) for rehearsed in rehearsal.first[:_EXAMPLES]],
    )


def _basis(played: DryRun, document: ProgramDocument) -> str:
    period = played.period
    if period is not None:
        last = views.short(period.ends_at.date())
        turn = f"{period.customers:,} customers whose turn it is, as they are known now"
        return f"the period from {views.short(period.starts_at.date())} to {last}: {turn}"
    return f"every {document.touchpoint} of the last {LAST_DAYS} days, as recorded"


def _example(rehearsed: Rehearsed) -> Example:
    touchpoint, outcome = rehearsed.entry.touchpoint, rehearsed.outcome
    invitation, name = outcome.invitation, rehearsed.cancelled or outcome.verdict
    asked = invitation is not None and rehearsed.cancelled is None
    against = {str(reason): said for reason, said in outcome.decision.against.items()}
    return Example(
        customer_id=touchpoint.customer_id,
        occurred_at=touchpoint.occurred_at,
        send_at=invitation.send_at if invitation is not None and asked else None,
        word=words.verdict(name),
        detail=words.detail(name, against.get(name, "")),
    )
