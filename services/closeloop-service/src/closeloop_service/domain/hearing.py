"""What a theme over its threshold does: joins the open improvement, or opens one."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from closeloop_service.domain.improvement import Decision, Hear, Improvement, takes_in
from closeloop_service.domain.improving import Opening, decide, open_improvement
from closeloop_service.domain.rules import Improvements
from heardback.contracts.payloads import Reporter, ThemeThresholdReached


@dataclass(frozen=True, slots=True, kw_only=True)
class Spoken:
    """A customer who spoke of an improvement's theme, with the ids of what they said of it.

    `invitation_id` is the conversation in which they are told.
    """

    improvement_id: str
    customer_id: str
    invitation_id: str
    program_id: str
    responses: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What is known of a theme: its open improvement, else its newest, and who spoke of any."""

    improvement: Improvement | None = None
    spoken: tuple[Spoken, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """What a theme did. No decision: it said nothing new. `spoken`: what is new of it."""

    decision: Decision | None
    spoken: tuple[Spoken, ...] = ()


def hear(
    known: Known,
    theme: ThemeThresholdReached,
    rules: Improvements,
    now: datetime,
    *,
    new_id: Callable[[], str],
    traceparent: str | None = None,
) -> Heard:
    """Return what becomes of a theme.

    What was said in an earlier improvement belongs to that one: who was told there is not told
    again, and a threshold that only such words reach opens nothing.
    """
    improvement = known.improvement
    if improvement is not None and takes_in(improvement, theme):
        spoken, newcomers = _spoken(improvement.improvement_id, known.spoken, theme.reporters)
        decision = decide(improvement, Hear(theme=theme, new_reporters=newcomers), now)
        changed = decision.improvement != improvement
        return Heard(decision=decision if changed else None, spoken=spoken)
    improvement_id = new_id()
    spoken, newcomers = _spoken(improvement_id, known.spoken, theme.reporters)
    if improvement is not None and theme.reporters and not newcomers:
        return Heard(decision=None)
    opening = Opening(
        improvement_id=improvement_id,
        owner=rules.owners.get(theme.theme_id, rules.owner),
        due_after=rules.due_after,
        reporters=newcomers,
        traceparent=traceparent,
    )
    return Heard(decision=open_improvement(theme, opening, now), spoken=spoken)


def after(known: Known, heard: Heard) -> Known:
    """Return what is known of the theme then."""
    key = {(one.improvement_id, one.customer_id): one for one in (*known.spoken, *heard.spoken)}
    improvement = heard.decision.improvement if heard.decision else known.improvement
    return Known(improvement=improvement, spoken=tuple(key.values()))


def _spoken(
    improvement_id: str, known: Sequence[Spoken], reporters: Sequence[Reporter]
) -> tuple[tuple[Spoken, ...], int]:
    """Return the rows that are new or changed, and how many customers are new."""
    elsewhere = {
        said for one in known if one.improvement_id != improvement_id for said in one.responses
    }
    here: Mapping[str, Spoken] = {
        one.customer_id: one for one in known if one.improvement_id == improvement_id
    }
    rows: dict[str, Spoken] = {}
    for reporter in reporters:
        before = rows.get(reporter.customer_id) or here.get(reporter.customer_id)
        said = before.responses if before else ()
        if reporter.response_id in elsewhere or reporter.response_id in said:
            continue
        rows[reporter.customer_id] = Spoken(
            improvement_id=improvement_id,
            customer_id=reporter.customer_id,
            invitation_id=reporter.invitation_id,
            program_id=reporter.program_id,
            responses=(*said, reporter.response_id),
        )
    return tuple(rows.values()), sum(customer_id not in here for customer_id in rows)
