"""What the rollups say of a scope: NPS, funnel and SLA read from the same counts."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from heardback.vocabulary import Outcome, SlaClock
from insights_service.domain.facts import Measure
from insights_service.domain.nps import Tally


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """How often each thing happened, by measure and detail."""

    cells: Mapping[tuple[Measure, str], int] = field(default_factory=dict)

    def of(self, measure: Measure) -> int:
        """Return the count of `measure`, whatever its detail."""
        return sum(count for (each, _), count in self.cells.items() if each is measure)

    def by_detail(self, measure: Measure) -> dict[str, int]:
        """Return the counts of `measure` by detail, the largest first."""
        details = {detail: n for (each, detail), n in self.cells.items() if each is measure and n}
        return dict(sorted(details.items(), key=lambda item: (-item[1], item[0])))

    @property
    def tally(self) -> Tally:
        """How many answered in each group, on the scale of the NPS."""
        return Tally(
            detractors=self.cells.get((Measure.DETRACTOR, ""), 0),
            passives=self.cells.get((Measure.PASSIVE, ""), 0),
            promoters=self.cells.get((Measure.PROMOTER, ""), 0),
        )

    @property
    def scored(self) -> int:
        """How many answered, on whichever scale."""
        return sum(map(self.of, (Measure.DETRACTOR, Measure.PASSIVE, Measure.PROMOTER)))

    @property
    def empty(self) -> bool:
        """Whether nothing at all has happened."""
        return not any(self.cells.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class Funnel:
    """From the decision to ask to the comment. Each step counts on the day it happened.

    `reminded`: how many reminders were sent. `unasked`: of those scored, how many gave their answer
    without having been sent an invitation.
    """

    scheduled: int
    suppressed: int
    suppressed_by_reason: Mapping[str, int]
    cancelled: int
    requested: int
    sent: int
    opened: int
    reminded: int
    bounced: int
    dropped: int
    scored: int
    unasked: int
    commented: int

    @property
    def response_rate(self) -> float | None:
        """Scored when asked ÷ sent, since it is not known what was delivered; nothing sent: None.

        It can pass 1 in a short period, by answers to what was sent before it.
        """
        return (self.scored - self.unasked) / self.sent if self.sent else None


def funnel_of(counts: Counts) -> Funnel:
    """Return the funnel in `counts`."""
    return Funnel(
        scheduled=counts.of(Measure.SCHEDULED),
        suppressed=counts.of(Measure.SUPPRESSED),
        suppressed_by_reason=counts.by_detail(Measure.SUPPRESSED),
        cancelled=counts.of(Measure.CANCELLED),
        requested=counts.of(Measure.REQUESTED),
        sent=counts.of(Measure.SENT),
        opened=counts.of(Measure.INVITATION_OPENED),
        reminded=counts.of(Measure.REMINDED),
        bounced=counts.of(Measure.BOUNCED),
        dropped=counts.of(Measure.DROPPED),
        scored=counts.scored,
        unasked=counts.of(Measure.UNASKED),
        commented=counts.of(Measure.COMMENTED),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Duration:
    """How long something took. Units: seconds; None: it has not happened yet."""

    count: int = 0
    p50_seconds: float | None = None
    p90_seconds: float | None = None
    p99_seconds: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sla:
    """What became of the owner tasks. `open`: now, whatever the period."""

    opened: int
    acknowledged: int
    contacted: int
    resolved: int
    reopened: int
    cancelled: int
    open: int
    outcomes: Mapping[Outcome, int]
    warned: Mapping[SlaClock, int]
    breached: Mapping[SlaClock, int]
    first_response: Duration
    resolution: Duration

    @property
    def breach_rate(self) -> Mapping[SlaClock, float | None]:
        """Breached ÷ opened, by clock; nothing opened: None."""
        return {
            clock: count / self.opened if self.opened else None
            for clock, count in self.breached.items()
        }


def sla_of(counts: Counts, *, always: Counts, durations: Mapping[Measure, Duration]) -> Sla:
    """Return the SLA figures in `counts`; `always` are those of every day."""
    return Sla(
        opened=counts.of(Measure.OPENED),
        acknowledged=counts.of(Measure.ACKNOWLEDGED),
        contacted=counts.of(Measure.CONTACTED),
        resolved=counts.of(Measure.RESOLVED),
        reopened=counts.of(Measure.REOPENED),
        cancelled=counts.of(Measure.TASK_CANCELLED),
        open=_open(always),
        outcomes={
            outcome: counts.cells.get((Measure.VERIFIED, outcome.value), 0) for outcome in Outcome
        },
        warned=_by_clock(counts, Measure.WARNED),
        breached=_by_clock(counts, Measure.BREACHED),
        first_response=durations.get(Measure.CONTACTED, Duration()),
        resolution=durations.get(Measure.RESOLVED, Duration()),
    )


def _open(counts: Counts) -> int:
    begun = counts.of(Measure.OPENED) + counts.of(Measure.REOPENED)
    return begun - counts.of(Measure.RESOLVED) - counts.of(Measure.TASK_CANCELLED)


def _by_clock(counts: Counts, measure: Measure) -> dict[SlaClock, int]:
    return {clock: counts.cells.get((measure, clock.value), 0) for clock in SlaClock}
