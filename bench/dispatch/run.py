"""Mails per second on one core, as a ratio to aiosmtplib alone sending the same bytes."""

import asyncio
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from time import monotonic
from typing import Any, Final

from bench.dispatch.sink import Sink
from bench.invitations import invitations
from bench.publishing import messages_of, publish
from bench.report import print_table, save, spread
from bench.stack import Stack, running_stack
from bench.tested import Tested, prepare, python
from heardback.contracts import registry
from heardback.embedded.processes import free_port

_START_SECONDS: Final = 60.0
_POLL_SECONDS: Final = 0.05
_UNMEASURED: Final = 0.1
"""The first tenth is not measured: connections open, and the consumer still takes in."""
GOAL: Final = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How many mails each round sends, over how many connections."""

    mails: int = 10_000
    connections: int = 16
    rounds: int = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One run. The processor time is per mail, in microseconds."""

    mails_per_second: float
    cpu_us: float
    peak_memory_mb: float


async def run(options: Options) -> None:
    """Measure ours and the peer in turn, round after round; print and save what came out."""
    ours: list[Measured] = []
    alone: list[Measured] = []
    async with running_stack() as stack:
        messages = messages_of(registry.SURVEY_REQUESTED, invitations(options.mails))
        await publish(stack.broker.bootstrap_servers, messages)
        for number in range(options.rounds):
            measured, mails = await _ours(stack, options)
            ours.append(measured)
            alone.append(await _alone(stack, mails, options))
            print(f"round {number + 1} of {options.rounds} done", flush=True)
    _report(ours, alone, options)


async def _ours(stack: Stack, options: Options) -> tuple[Measured, list[bytes]]:
    port = free_port()
    async with stack.database("dispatch") as url:
        env = {
            **stack.environment(url),
            "HEARDBACK_SMTP_HOST": "127.0.0.1",
            "HEARDBACK_SMTP_PORT": str(port),
            "HEARDBACK_SMTP_TLS": "none",
            "HEARDBACK_SMTP_CONNECTIONS": str(options.connections),
            "HEARDBACK_MAIL_FROM": "Northwind <feedback@example.com>",
            "HEARDBACK_SURVEY_URL": "https://feedback.example.com",
            "HEARDBACK_PREFERENCES_URL": "https://preferences.example.com",
            "HEARDBACK_LINK_KEYS": "a-link-key-for-benchmarks-only",
        }
        migrate = ["-m", "dispatch_service", "migrate"]
        await prepare(python("migrate", migrate, env=env, folder=stack.folder))
        return await _measure(stack, ["-m", "dispatch_service"], env, port, options)


async def _alone(stack: Stack, mails: list[bytes], options: Options) -> Measured:
    folder = _kept(stack.folder / "mails", mails)
    port = free_port()
    env = {
        "HEARDBACK_SMTP_PORT": str(port),
        "HEARDBACK_SMTP_CONNECTIONS": str(options.connections),
        "BENCH_FOLDER": str(folder),
        "BENCH_MAILS": str(options.mails),
    }
    measured, _ = await _measure(stack, ["-m", "bench.dispatch.alone"], env, port, options)
    return measured


async def _measure(
    stack: Stack, arguments: list[str], env: Mapping[str, str], port: int, options: Options
) -> tuple[Measured, list[bytes]]:
    """Measure from the mail that ends the first tenth to the last one."""
    sink = Sink()
    server = await sink.listen(port)
    first = int(options.mails * _UNMEASURED)
    tested = Tested(python("tested", arguments, env=env, folder=stack.folder))
    try:
        await _wait(sink, first, tested)
        counted, cpu = len(sink.times), tested.cpu_seconds()
        await _wait(sink, options.mails, tested)
        memory = tested.peak_memory_mb()
        cpu = tested.cpu_seconds() - cpu
    finally:
        await tested.stop()
        server.close()
    measured = Measured(
        mails_per_second=(options.mails - first)
        / (sink.times[options.mails - 1] - sink.times[first - 1]),
        cpu_us=cpu / (options.mails - counted) * 1e6,
        peak_memory_mb=memory,
    )
    return measured, sink.mails


async def _wait(sink: Sink, count: int, tested: Tested) -> None:
    give_up_at = monotonic() + _START_SECONDS
    while len(sink.times) < count:
        if monotonic() > give_up_at:
            raise TimeoutError(f"{len(sink.times)} of {count} mails arrived")
        tested.require_running()
        await asyncio.sleep(_POLL_SECONDS)


def _kept(folder: Path, mails: list[bytes]) -> Path:
    folder.mkdir(exist_ok=True)
    for number, mail in enumerate(mails):
        (folder / f"{number:04}.eml").write_bytes(mail + b"\r\n")
    return folder


def _report(ours: list[Measured], alone: list[Measured], options: Options) -> None:
    print()
    print_table(
        ("one core, medians (min–max)", "mails/s", "CPU µs/mail", "peak MB"),
        [
            (
                title,
                spread([m.mails_per_second for m in many]),
                spread([m.cpu_us for m in many]),
                spread([m.peak_memory_mb for m in many]),
            )
            for title, many in (("dispatch-service", ours), ("aiosmtplib alone", alone))
        ],
    )
    ratios = [a.mails_per_second / b.mails_per_second for a, b in zip(ours, alone, strict=True)]
    print(f"\ndispatch-service / aiosmtplib alone: {spread(ratios, 2)} (goal ≥ {GOAL:g})")
    figures: dict[str, Any] = {
        "options": asdict(options),
        "ours": [asdict(m) for m in ours],
        "alone": [asdict(m) for m in alone],
        "ratios": {"median": median(ratios), "all": ratios},
    }
    print(f"saved to {os.path.relpath(save('dispatch', figures))}")
