"""Events per second through the whole service, as ratios to the raw limit and to its peers."""

import asyncio
import itertools
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import median
from time import monotonic
from typing import Any, Final

from bench.report import print_table, save, spread
from bench.stack import Connection, Stack, running_stack
from bench.tested import Tested, family_cpu_seconds, prepare, python
from bench.trigger import contenders
from bench.trigger.contenders import Contender
from bench.trigger.load import publish_purchases, write_programs

_POLL_SECONDS: Final = 0.01
_START_SECONDS: Final = 60
_SURPLUS: Final = 1.2
"""At the end of a topic a fetch waits for more to come; nobody is measured there."""
_groups: Final = itertools.count(1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How long it may take: `seconds` bounds each run, `events` are published once."""

    events: int = 60_000
    customers: int = 20_000
    rounds: int = 3
    seconds: float = 15
    only: Sequence[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One run. The processor times are per event, in microseconds."""

    events: int
    events_per_second: float
    cpu_us: float
    postgres_cpu_us: float
    peak_memory_mb: float


Runs = Mapping[str, list[Measured]]


async def run(options: Options) -> None:
    """Measure every contender in turn, round after round; print and save what came out."""
    entrants = [c for c in contenders.ALL if not options.only or c.name in options.only]
    for contender in [c for c in entrants if c.missing]:
        print(f"left out, {contender.needs} is not installed: {contender.title}")
        entrants.remove(contender)
    runs: dict[str, list[Measured]] = {contender.name: [] for contender in entrants}
    async with running_stack() as stack:
        print(f"publishing {options.events:,} purchases, and some more …", flush=True)
        await publish_purchases(
            stack.broker.bootstrap_servers,
            count=int(options.events * _SURPLUS),
            customers=options.customers,
        )
        write_programs(stack.programs_folder)
        for number in range(options.rounds):
            # Another one begins each time, so that no one is always the first.
            turn = number % len(entrants)
            for contender in [*entrants[turn:], *entrants[:turn]]:
                measured = await _measure(contender, stack, options)
                runs[contender.name].append(measured)
                rate = f"{measured.events_per_second:,.0f} events/s"
                print(f"round {number + 1}: {contender.title}: {rate}", flush=True)
    _report(entrants, runs, options)


async def _measure(contender: Contender, stack: Stack, options: Options) -> Measured:
    async with stack.database(contender.schema) as url:
        env = {**stack.environment(url), "BENCH_GROUP": f"bench-{next(_groups)}"}
        watcher = await stack.superuser(url)
        await _create_tables(contender, stack, env, watcher)
        await watcher.execute(contender.before)
        command = python(contender.name, contender.arguments, env=env, folder=stack.folder)
        tested = Tested(command)
        try:
            return await _watch(contender, tested, watcher, stack, options)
        finally:
            await tested.stop()
            await watcher.close()


async def _create_tables(
    contender: Contender, stack: Stack, env: Mapping[str, str], watcher: Connection
) -> None:
    if contender.schema == "peer":
        await watcher.execute(contenders.CREATE_PEER_TABLES)
        return
    arguments = [*contender.arguments, "migrate"]
    await prepare(python("migrate", arguments, env=env, folder=stack.folder))


async def _watch(
    contender: Contender,
    tested: Tested,
    watcher: Connection,
    stack: Stack,
    options: Options,
) -> Measured:
    """Measure from the first commit that is seen to the last one."""

    async def look() -> tuple[int, float, float, float]:
        done = int(await watcher.fetchval(contender.progress))
        postgres = stack.postgres.pid
        assert postgres is not None
        return done, monotonic(), tested.cpu_seconds(), family_cpu_seconds(postgres)

    first = last = (0, 0.0, 0.0, 0.0)
    give_up_at = monotonic() + _START_SECONDS
    while last[0] < options.events and monotonic() < give_up_at:
        await asyncio.sleep(_POLL_SECONDS)
        tested.require_running()
        if int(await watcher.fetchval(contender.progress)) <= last[0]:
            continue
        last = await look()
        if not first[0]:
            first, give_up_at = last, last[1] + options.seconds
    events, seconds, cpu, postgres_cpu = (b - a for a, b in zip(first, last, strict=True))
    if not events:
        raise RuntimeError(f"{contender.title} took nothing")
    return Measured(
        events=int(events),
        events_per_second=events / seconds,
        cpu_us=cpu / events * 1e6,
        postgres_cpu_us=postgres_cpu / events * 1e6,
        peak_memory_mb=tested.peak_memory_mb(),
    )


def _report(entrants: Sequence[Contender], runs: Runs, options: Options) -> None:
    print()
    print_table(
        ("one core, medians (min–max)", "events/s", "CPU µs/event", "Postgres µs/event", "peak MB"),
        [
            (
                contender.title,
                spread([m.events_per_second for m in runs[contender.name]]),
                spread([m.cpu_us for m in runs[contender.name]]),
                spread([m.postgres_cpu_us for m in runs[contender.name]]),
                spread([m.peak_memory_mb for m in runs[contender.name]]),
            )
            for contender in entrants
        ],
    )
    ours = runs.get(contenders.OURS.name, [])
    compared = [c for c in entrants if ours and c.name in contenders.GOALS]
    ratios = {c.name: _ratios(ours, runs[c.name]) for c in compared}
    by_cpu = {c.name: _cpu_ratios(ours, runs[c.name]) for c in compared}
    print()
    print_table(
        ("trigger-service / …", "by events/s", "by CPU", "goal"),
        [
            (
                contender.title,
                spread(ratios[contender.name], 2),
                spread(by_cpu[contender.name], 2),
                f"≥ {contenders.GOALS[contender.name]:g}",
            )
            for contender in compared
        ],
    )
    figures: dict[str, Any] = {
        "options": asdict(options),
        "runs": {name: [asdict(measured) for measured in many] for name, many in runs.items()},
        "ratios": {name: {"median": median(many), "all": many} for name, many in ratios.items()},
        "ratios_by_cpu": {name: {"median": median(many)} for name, many in by_cpu.items()},
    }
    print(f"\nsaved to {os.path.relpath(save('trigger-throughput', figures))}")


def _ratios(ours: Sequence[Measured], theirs: Sequence[Measured]) -> list[float]:
    """Return the ratios round by round: what disturbs the machine disturbs both."""
    pairs = zip(ours, theirs, strict=True)
    return [mine.events_per_second / other.events_per_second for mine, other in pairs]


def _cpu_ratios(ours: Sequence[Measured], theirs: Sequence[Measured]) -> list[float]:
    """Return the same by processor time, which other programs on the machine disturb less."""
    pairs = zip(ours, theirs, strict=True)
    return [other.cpu_us / mine.cpu_us for mine, other in pairs]
