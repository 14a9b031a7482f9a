"""Answers and pages per second on one core, as ratios to the bare routes of `peers.bare`."""

import asyncio
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from statistics import median
from time import monotonic
from typing import Any, Final

from bench.http_load import Load, put
from bench.invitations import invitations
from bench.publishing import messages_of, publish
from bench.report import print_table, save, spread
from bench.response import requests
from bench.response.peers import bare
from bench.stack import Stack, running_stack
from bench.tested import Tested, prepare, python
from heardback.contracts import registry
from heardback.security import LinkSigner

_LINK_KEY: Final = "a-link-key-for-benchmarks-only"
_START_SECONDS: Final = 60.0
_READING_SECONDS: Final = 6.0
"""How long people look at the page before they answer; what is faster is taken for a machine."""
GOALS: Final = {"answers": 1.0, "pages": 0.6}


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """`invitations` are looked at once and answered once in each round."""

    invitations: int = 10_000
    rounds: int = 3
    connections: int = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One load. Latencies in milliseconds, processor time of the server per request in µs."""

    per_second: float
    p50_ms: float
    p99_ms: float
    cpu_us: float


Round = Mapping[str, Measured]


async def run(options: Options) -> None:
    """Measure ours and the peer in turn, round after round; print and save what came out."""
    ours: list[Round] = []
    peers: list[Round] = []
    async with running_stack() as stack:
        paths = await _invite(stack, options.invitations)
        for number in range(options.rounds):
            # Another one begins each time, so that no one is always the first.
            if number % 2:
                peers.append(await _bare(stack, options))
            ours.append(await _ours(stack, paths, options))
            if not number % 2:
                peers.append(await _bare(stack, options))
            print(f"round {number + 1} of {options.rounds} done", flush=True)
    _report(ours, peers, options)


async def _ours(stack: Stack, paths: list[str], options: Options) -> Round:
    async with stack.database("response") as url:
        env = {
            **stack.environment(url),
            "HEARDBACK_LINK_KEYS": _LINK_KEY,
            "HEARDBACK_TRUSTED_PROXY_HOPS": "1",
            "HEARDBACK_LIMIT_PER_ADDRESS": "",
            "HEARDBACK_LIMIT_PER_LINK": "",
        }
        migrate = ["-m", "response_service", "migrate"]
        await prepare(python("migrate", migrate, env=env, folder=stack.folder))
        async with _serving("response_service", stack, env) as tested:
            await _wait_for_invitations(stack, url, options.invitations)
            return await _look_and_answer(tested, paths, env, options)


async def _look_and_answer(
    tested: Tested, paths: list[str], env: Mapping[str, str], options: Options
) -> Round:
    port = int(env["HEARDBACK_HTTP_PORT"])
    looks = [requests.page(f"{path}?score=9", number) for number, path in enumerate(paths)]
    pages, shown = await _measure(tested, port, looks, options, keep_answers=True)
    rendered_at = [requests.rendered_at(shown.answers[number]) for number in range(len(paths))]
    await asyncio.sleep(_READING_SECONDS)
    answers = list(requests.answers(paths, rendered_at))
    taken, _ = await _measure(tested, port, answers, options)
    return {"pages": pages, "answers": taken}


async def _bare(stack: Stack, options: Options) -> Round:
    async with stack.database("peer") as url:
        env = stack.environment(url)
        superuser = await stack.superuser(url)
        await superuser.execute(bare.CREATE)
        await superuser.close()
        port = int(env["HEARDBACK_HTTP_PORT"])
        async with _serving("bench.response.peers.bare", stack, env) as tested:
            looks = [requests.page("/page?score=9", n) for n in range(options.invitations)]
            pages, _ = await _measure(tested, port, looks, options)
            answers = list(requests.bare_answers(options.invitations))
            taken, _ = await _measure(tested, port, answers, options)
            return {"pages": pages, "answers": taken}


async def _measure(
    tested: Tested,
    port: int,
    messages: list[bytes],
    options: Options,
    *,
    keep_answers: bool = False,
) -> tuple[Measured, Load]:
    before = tested.cpu_seconds()
    load = await put(port, messages, connections=options.connections, keep_answers=keep_answers)
    if set(load.statuses) != {200}:
        raise RuntimeError(f"not everything was answered with 200: {load.statuses}")
    cpu = tested.cpu_seconds() - before
    measured = Measured(
        per_second=load.per_second,
        p50_ms=load.milliseconds(50),
        p99_ms=load.milliseconds(99),
        cpu_us=cpu / len(messages) * 1e6,
    )
    return measured, load


@asynccontextmanager
async def _serving(module: str, stack: Stack, env: Mapping[str, str]) -> AsyncIterator[Tested]:
    tested = Tested(python(module, ["-m", module], env=env, folder=stack.folder))
    try:
        await _wait_for_port(tested, int(env["HEARDBACK_HTTP_PORT"]))
        yield tested
    finally:
        await tested.stop()


async def _wait_for_port(tested: Tested, port: int) -> None:
    give_up_at = monotonic() + _START_SECONDS
    while monotonic() < give_up_at:
        tested.require_running()
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            await asyncio.sleep(0.1)
            continue
        writer.close()
        return
    raise TimeoutError("it does not listen")


async def _invite(stack: Stack, count: int) -> list[str]:
    """Publish invitations as trigger does; return the paths of their links."""
    signer, asked = LinkSigner([_LINK_KEY], purpose="survey"), invitations(count)
    messages = messages_of(registry.SURVEY_REQUESTED, asked)
    await publish(stack.broker.bootstrap_servers, messages)
    return [f"/s/{signer.sign(a.invitation_id, expires_at=a.expires_at)}" for a in asked]


async def _wait_for_invitations(stack: Stack, url: str, count: int) -> None:
    watcher = await stack.superuser(url)
    give_up_at = monotonic() + _START_SECONDS
    while await watcher.fetchval("SELECT count(*) FROM response.invitation") < count:
        if monotonic() > give_up_at:
            raise TimeoutError("the invitations did not arrive")
        await asyncio.sleep(0.2)
    await watcher.close()
    await asyncio.sleep(1)


def _report(ours: list[Round], peers: list[Round], options: Options) -> None:
    print()
    print_table(
        ("one core, medians (min–max)", "per second", "p50 ms", "p99 ms", "CPU µs"),
        [
            (
                f"{title}: {what}",
                spread([r[what].per_second for r in rounds]),
                spread([r[what].p50_ms for r in rounds], 1),
                spread([r[what].p99_ms for r in rounds], 1),
                spread([r[what].cpu_us for r in rounds]),
            )
            for what in GOALS
            for title, rounds in (("response-service", ours), ("bare route", peers))
        ],
    )
    ratios = {what: _ratios(ours, peers, what) for what in GOALS}
    by_cpu = {what: _cpu_ratios(ours, peers, what) for what in GOALS}
    print()
    print_table(
        ("response-service / bare", "by rate", "by CPU", "goal"),
        [
            (what, spread(ratios[what], 2), spread(by_cpu[what], 2), f"≥ {goal:g}")
            for what, goal in GOALS.items()
        ],
    )
    figures: dict[str, Any] = {
        "options": asdict(options),
        "ours": [{what: asdict(m) for what, m in r.items()} for r in ours],
        "bare": [{what: asdict(m) for what, m in r.items()} for r in peers],
        "ratios": {what: {"median": median(many), "all": many} for what, many in ratios.items()},
        "ratios_by_cpu": {what: {"median": median(many)} for what, many in by_cpu.items()},
    }
    print(f"\nsaved to {os.path.relpath(save('response', figures))}")


def _ratios(ours: list[Round], peers: list[Round], what: str) -> list[float]:
    """Return the ratios round by round: what disturbs the machine disturbs both."""
    pairs = zip(ours, peers, strict=True)
    return [mine[what].per_second / other[what].per_second for mine, other in pairs]


def _cpu_ratios(ours: list[Round], peers: list[Round], what: str) -> list[float]:
    """Return the same by processor time, which other programs on the machine disturb less."""
    pairs = zip(ours, peers, strict=True)
    return [other[what].cpu_us / mine[what].cpu_us for mine, other in pairs]
