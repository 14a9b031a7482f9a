"""How late the clocks of owner tasks warn and run out, while a replica is killed."""

import asyncio
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import monotonic
from typing import Any, Final

import httpx2

from bench.closeloop import timer_rows
from bench.report import print_table, save
from bench.stack import Connection, Stack, running_stack
from bench.tested import cpu_seconds, family_cpu_seconds, prepare, python
from heardback.embedded.processes import Child

_SERVICE: Final = ("-m", "closeloop_service")
_READY_SECONDS: Final = 60
_FILL_SECONDS: Final = 60
_OVERTIME_SECONDS: Final = 120
_REPLICAS: Final = 2
_AROUND_THE_KILL: Final = (timedelta(seconds=1), timedelta(seconds=10))


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How many tasks wait, how many of their timers fall due in each second, for how long.

    `kill_after`: so many seconds later one of the two replicas is killed; 0: none is.
    """

    tasks: int = 100_000
    per_second: int = 5_000
    seconds: int = 60
    kill_after: int = 30

    @property
    def due(self) -> int:
        """How many tasks have their four timers fall due."""
        return self.per_second * self.seconds // timer_rows.TIMERS_EACH


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """What the processes used until then. Units: processor seconds, megabytes resident."""

    at_seconds: float
    cpu: Mapping[str, float]
    memory_mb: Mapping[str, float]


async def run(options: Options) -> None:
    """Let them fall due, kill a replica, and see whether each fired once; print and save it."""
    if options.due > options.tasks:
        raise SystemExit(f"{options.due:,} tasks would fall due, and there are {options.tasks:,}")
    async with running_stack(commit_times=True) as stack, stack.database("closeloop") as url:
        os.sched_setaffinity(0, range(os.cpu_count() or 1))
        env = stack.environment(url)
        await prepare(python("migrate", [*_SERVICE, "migrate"], env=env, folder=stack.folder))
        database = await stack.superuser(url)
        replicas = [_replica(number, stack, url) for number in range(_REPLICAS)]
        try:
            samples, killed_at = await _measure(options, stack, database, replicas)
        finally:
            for replica, _ in replicas:
                await replica.stop(grace_seconds=10)
        fired = await _fired(database, options, killed_at)
        await database.close()
    _report(options, fired, samples)


def _replica(number: int, stack: Stack, url: str) -> tuple[Child, int]:
    env = stack.environment(url)
    command = python(f"closeloop-{number}", _SERVICE, env=env, folder=stack.folder)
    child = Child(command)
    os.sched_setaffinity(child.pid, range(os.cpu_count() or 1))
    return child, int(env["HEARDBACK_HTTP_PORT"])


async def _measure(
    options: Options, stack: Stack, database: Connection, replicas: Sequence[tuple[Child, int]]
) -> tuple[list[Sample], datetime]:
    for child, port in replicas:
        await _until_ready(child, port)
    print(f"filling {options.tasks:,} tasks, four timers each …", flush=True)
    from_at = datetime.now(UTC) + timedelta(seconds=_FILL_SECONDS)
    await timer_rows.fill(
        database,
        tasks=options.tasks,
        due=options.due,
        from_at=from_at,
        per_second=options.per_second,
    )
    left = (from_at - datetime.now(UTC)).total_seconds()
    if left < 0:
        raise RuntimeError(f"filling took {-left:.1f} s too long; raise _FILL_SECONDS")
    await asyncio.sleep(left)
    samples, killed_at = [], from_at
    victim = replicas[-1][0]
    for second in range(options.seconds):
        samples.append(_sample(second, stack, replicas))
        if options.kill_after and second == options.kill_after:
            victim.kill()
            killed_at = datetime.now(UTC)
        await asyncio.sleep(max(0.0, (from_at - datetime.now(UTC)).total_seconds() + second + 1))
    await _until_all_fired(database)
    samples.append(_sample(options.seconds, stack, replicas))
    return samples, killed_at


def _sample(second: float, stack: Stack, replicas: Sequence[tuple[Child, int]]) -> Sample:
    assert stack.postgres.pid is not None
    alive = {child.command.name: child.pid for child, _ in replicas if child.running}
    cpu = {name: cpu_seconds(pid) for name, pid in alive.items()}
    return Sample(
        at_seconds=second,
        cpu={**cpu, "postgres": family_cpu_seconds(stack.postgres.pid)},
        memory_mb={name: _resident_mb(pid) for name, pid in alive.items()},
    )


def _resident_mb(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text().splitlines()
    kilobytes = next(line for line in status if line.startswith("VmRSS"))
    return int(kilobytes.split()[1]) / 1024


async def _until_ready(child: Child, port: int) -> None:
    give_up_at = monotonic() + _READY_SECONDS
    async with httpx2.AsyncClient() as http:
        while monotonic() < give_up_at and child.running:
            try:
                if (await http.get(f"http://127.0.0.1:{port}/readyz")).status_code == 200:
                    return
            except httpx2.TransportError:
                pass
            await asyncio.sleep(0.1)
    raise RuntimeError(f"{child.command.name} is not ready: {child.last_words(20)}")


async def _until_all_fired(database: Connection) -> None:
    give_up_at = monotonic() + _OVERTIME_SECONDS
    while await database.fetchval(timer_rows.PENDING):
        if monotonic() > give_up_at:
            raise RuntimeError("timers are left over")
        await asyncio.sleep(0.2)


async def _fired(database: Connection, options: Options, killed_at: datetime) -> dict[str, Any]:
    """Return how late they were, once it is sure that each fired once.

    Raises: RuntimeError when one did not, or did twice.
    """
    before, after = _AROUND_THE_KILL
    late = await database.fetchrow(timer_rows.LATENESS, killed_at - before, killed_at + after)
    said = await database.fetchrow(timer_rows.SAID)
    expected = options.due * timer_rows.TIMERS_EACH
    assert late is not None and said is not None
    if not late["lines"] == late["fired"] == expected == said["warned"] + said["breached"]:
        raise RuntimeError(f"{expected:,} timers did not each fire once: {late} {said}")
    return {**late, **said}


def _report(options: Options, fired: Mapping[str, Any], samples: Sequence[Sample]) -> None:
    count = options.due * timer_rows.TIMERS_EACH
    survivor = "closeloop-0"
    memory = [sample.memory_mb[survivor] for sample in samples]
    used = {name: samples[-1].cpu[name] - samples[0].cpu[name] for name in (survivor, "postgres")}
    head = ("fired", "p50 ms", "p99 ms", "max ms", "p99 ms, kill left out", "memory MB")
    line = (
        f"{count:,} of {options.tasks * timer_rows.TIMERS_EACH:,}, each once",
        f"{fired['p50_ms']:.0f}",
        f"{fired['p99_ms']:.0f}",
        f"{fired['max_ms']:.0f}",
        f"{fired['calm_p99_ms']:.0f}",
        f"{memory[len(memory) // 3]:.0f} → {memory[-1]:.0f}",
    )
    print()
    print_table(head, [line])
    print(
        f"\nthe replica that lived used {used[survivor]:.0f} s of processor time in"
        f" {options.seconds} s, Postgres {used['postgres']:.0f} s; goal: p99 < 250 ms, memory flat"
    )
    figures = {
        "options": asdict(options),
        "fired": dict(fired),
        "samples": [asdict(sample) for sample in samples],
    }
    print(f"saved to {os.path.relpath(save('closeloop-timers', figures))}")
