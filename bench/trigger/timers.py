"""How late timers fire, and what they cost, whatever the number of those that wait."""

import asyncio
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from statistics import median
from time import monotonic
from typing import Final

import httpx2

from bench.report import print_table, save, spread
from bench.stack import Connection, Stack, running_stack
from bench.tested import Tested, family_cpu_seconds, prepare, python
from bench.trigger import timer_rows
from bench.trigger.load import write_programs

_SERVICE: Final = ("-m", "trigger_service")
_READY_SECONDS: Final = 60
_FILL_SECONDS: Final = 2
_ROWS_FILLED_PER_SECOND: Final = 8_000
_OVERTIME_SECONDS: Final = 60
_COMMITS: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How many timers wait, how many fall due in each second, for how many seconds."""

    pending: Sequence[int] = (10_000, 1_000_000)
    per_second: Sequence[int] = (1_000, 5_000)
    seconds: int = 20
    rounds: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """What one run is about."""

    pending: int
    per_second: int
    seconds: int

    @property
    def count(self) -> int:
        """How many timers fall due."""
        return self.per_second * self.seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One run. Lateness is from due to committed; the costs are processor seconds per 1,000."""

    case: Case
    p50_ms: float
    p99_ms: float
    max_ms: float
    cpu_seconds: float
    postgres_cpu_seconds: float


async def run(options: Options) -> None:
    """Measure every size at every rate; print and save what came out."""
    runs: list[Measured] = []
    async with running_stack(commit_times=True) as stack, stack.database("trigger") as url:
        write_programs(stack.programs_folder)
        env = stack.environment(url)
        await prepare(python("migrate", [*_SERVICE, "migrate"], env=env, folder=stack.folder))
        database = await stack.superuser(url)
        flush_ms = await _flush_ms(database)
        have = 0
        for pending in sorted(options.pending):
            print(f"filling up to {pending:,} pending timers …", flush=True)
            await timer_rows.add_waiting(database, have, pending)
            have = pending
            for per_second in [*options.per_second] * options.rounds:
                case = Case(pending=pending, per_second=per_second, seconds=options.seconds)
                runs.append(await _measure(case, stack, database, url))
                late = f"p50 {runs[-1].p50_ms:.1f} ms, p99 {runs[-1].p99_ms:.1f} ms"
                print(f"{pending:,} pending, {per_second:,} due/s: {late}", flush=True)
        await database.close()
    _report(runs, flush_ms, options)


async def _measure(case: Case, stack: Stack, database: Connection, url: str) -> Measured:
    env = stack.environment(url)
    tested = Tested(python("trigger", _SERVICE, env=env, folder=stack.folder))
    try:
        await _until_ready(tested, int(env["HEARDBACK_HTTP_PORT"]))
        await _fill(database, case)
        before = _costs(stack, tested)
        await _until_all_fired(tested, database, case.seconds)
        used = [b - a for a, b in zip(before, _costs(stack, tested), strict=True)]
        late = await database.fetchrow(timer_rows.LATENESS)
    finally:
        await tested.stop()
    if late is None or late["fired"] != case.count:
        raise RuntimeError(f"of {case.count:,} timers not each led to a request: {late}")
    return Measured(
        case=case,
        p50_ms=late["p50_ms"],
        p99_ms=late["p99_ms"],
        max_ms=late["max_ms"],
        cpu_seconds=used[0] / case.count * 1_000,
        postgres_cpu_seconds=used[1] / case.count * 1_000,
    )


async def _fill(database: Connection, case: Case) -> None:
    """Write what falls due from soon on; return when it begins to."""
    ahead = timedelta(seconds=_FILL_SECONDS + case.count / _ROWS_FILLED_PER_SECOND)
    from_at = datetime.now(UTC) + ahead
    await timer_rows.add_due(database, case.count, from_at=from_at, per_second=case.per_second)
    left = (from_at - datetime.now(UTC)).total_seconds()
    if left < 0:
        raise RuntimeError(f"filling took {-left:.1f} s too long; lower _ROWS_FILLED_PER_SECOND")
    await asyncio.sleep(left)


def _costs(stack: Stack, tested: Tested) -> tuple[float, float]:
    assert stack.postgres.pid is not None
    return tested.cpu_seconds(), family_cpu_seconds(stack.postgres.pid)


async def _until_ready(tested: Tested, port: int) -> None:
    give_up_at = monotonic() + _READY_SECONDS
    async with httpx2.AsyncClient() as http:
        while monotonic() < give_up_at:
            tested.require_running()
            try:
                if (await http.get(f"http://127.0.0.1:{port}/readyz")).status_code == 200:
                    return
            except httpx2.TransportError:
                pass
            await asyncio.sleep(0.1)
    raise RuntimeError("the service is not ready")


async def _until_all_fired(tested: Tested, database: Connection, seconds: float) -> None:
    await asyncio.sleep(seconds)
    give_up_at = monotonic() + _OVERTIME_SECONDS
    while await database.fetchval(timer_rows.PENDING):
        tested.require_running()
        if monotonic() > give_up_at:
            raise RuntimeError("timers are left over")
        await asyncio.sleep(0.2)


async def _flush_ms(database: Connection) -> float:
    """Return how long the commit of one small row takes, which is nearly all flush."""
    await database.execute("CREATE TABLE public.row (n int)")
    took = []
    for _ in range(_COMMITS):
        started_at = monotonic()
        await database.execute("INSERT INTO public.row VALUES (1)")
        took.append((monotonic() - started_at) * 1_000)
    return median(took)


def _report(runs: Sequence[Measured], flush_ms: float, options: Options) -> None:
    print()
    head = ("pending", "due/s", "p50 ms", "p99 ms", "max ms", "CPU s/1,000", "Postgres s/1,000")
    print_table(head, [_line(runs, *place) for place in dict.fromkeys(map(_place, runs))])
    print(
        "\nlateness: from due to commit, by Postgres' own clock and before its flush to disk,"
        f" which takes {flush_ms:.1f} ms here; goal: p99 < 100 ms, the same cost at each size"
    )
    figures = {
        "options": asdict(options),
        "flush_ms": flush_ms,
        "runs": [asdict(measured) for measured in runs],
    }
    print(f"saved to {os.path.relpath(save('trigger-timers', figures))}")


def _place(measured: Measured) -> tuple[int, int]:
    return measured.case.pending, measured.case.per_second


def _line(runs: Sequence[Measured], pending: int, per_second: int) -> tuple[str, ...]:
    here = [measured for measured in runs if _place(measured) == (pending, per_second)]
    return (
        f"{pending:,}",
        f"{per_second:,}",
        spread([m.p50_ms for m in here], 1),
        spread([m.p99_ms for m in here], 1),
        spread([m.max_ms for m in here], 1),
        spread([m.cpu_seconds for m in here], 3),
        spread([m.postgres_cpu_seconds for m in here], 3),
    )
