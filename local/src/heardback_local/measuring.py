"""What the system itself says of a simulation: read over HTTP, compared with the truth."""

import asyncio
from collections import Counter
from collections.abc import Mapping
from time import monotonic
from typing import Any, Final

import httpx2

from heardback.vocabulary import Category
from heardback_local.places import Places
from heardback_local.simulated_events import Run
from heardback_local.simulation import Simulation
from heardback_local.truth import Comparison, all_equal, compare

_LOOK_SECONDS: Final = 0.5
_STILL_SECONDS: Final = 2.0
_TASKS_AT_ONCE: Final = 200


async def check(
    simulation: Simulation, places: Places, client: httpx2.AsyncClient, *, timeout_seconds: float
) -> list[Comparison]:
    """Measure until it equals the truth and stays so for a moment, or the time is over.

    It must stay: a mail or a task that is one too many comes late.
    """
    deadline = monotonic() + timeout_seconds
    while True:
        if all_equal(await _compare(simulation, places, client)) or monotonic() > deadline:
            await asyncio.sleep(_STILL_SECONDS)
            comparisons = await _compare(simulation, places, client)
            if all_equal(comparisons) or monotonic() > deadline:
                return comparisons
        await asyncio.sleep(_LOOK_SECONDS)


async def _compare(
    simulation: Simulation, places: Places, client: httpx2.AsyncClient
) -> list[Comparison]:
    try:
        measured = {
            **await _trigger(simulation.run, places, client),
            **await _mailbox(simulation),
            **await _insights(simulation.run, places, client),
            **await _closeloop(simulation.run, places, client),
        }
    except httpx2.HTTPError:  # a part restarts: it is not equal yet
        measured = {}
    return compare(simulation.truth.figures(), measured)


async def _trigger(run: Run, places: Places, client: httpx2.AsyncClient) -> dict[str, float]:
    summary = await decisions(places, client, source=run.source)
    suppressed = Counter(summary["suppressed"])
    cooldown = sum(count for reason, count in suppressed.items() if "cooldown" in reason)
    automation = sum(count for reason, count in suppressed.items() if "automation" in reason)
    return {
        "trigger: touchpoints": summary["touchpoints"],
        "trigger: scheduled": summary["scheduled"],
        "trigger: suppressed by cooldown": cooldown,
        "trigger: suppressed, closed by automation": automation,
        "trigger: suppressed for other reasons": suppressed.total() - cooldown - automation,
    }


async def _mailbox(simulation: Simulation) -> dict[str, float]:
    while await simulation.read_mail():
        pass
    mails = simulation.progress.mails
    return {
        "mailbox: customers with a mail": len(mails),
        "mailbox: mails too many": mails.total() - len(mails),
    }


async def _insights(
    run: Run, places: Places, client: httpx2.AsyncClient
) -> dict[str, float | None]:
    scope = {"segment": run.segment}
    funnel = await _get(client, f"{places.insights}/funnel", scope)
    score = await _get(client, f"{places.insights}/nps", scope)
    steps = ("scheduled", "suppressed", "requested", "sent", "scored", "commented")
    return {
        **{f"insights: {step}": funnel[step] for step in steps},
        **{f"insights: {group}": score[group] for group in ("detractors", "passives", "promoters")},
        "insights: NPS": score["nps"],
    }


async def _closeloop(run: Run, places: Places, client: httpx2.AsyncClient) -> dict[str, float]:
    customers: Counter[str] = Counter()
    groups: Counter[str] = Counter()
    query: dict[str, Any] = {"limit": _TASKS_AT_ONCE, "q": run.segment}
    while True:
        page = await _get(client, f"{places.closeloop}/tasks", query)
        own = [task for task in page["tasks"] if task["segment"] == run.segment]
        customers.update(task["customer_id"] for task in own)
        groups.update(task["category"] for task in own)
        if page["next"] is None:
            break
        query["cursor"] = page["next"]
    twice = sum(count > 1 for count in customers.values())
    return {
        "closeloop: detractors' tasks": groups[Category.DETRACTOR],
        "closeloop: passives' tasks": groups[Category.PASSIVE],
        "closeloop: promoters' tasks": groups[Category.PROMOTER],
        "closeloop: customers with two tasks": twice,
    }


async def decisions(
    places: Places, client: httpx2.AsyncClient, *, source: str
) -> Mapping[str, Any]:
    """Return how trigger decided on the events of one source.

    Raises: httpx2.HTTPError.
    """
    return await _get(client, f"{places.trigger}/decisions/summary", {"source": source})


async def _get(client: httpx2.AsyncClient, url: str, query: Mapping[str, Any]) -> Mapping[str, Any]:
    answer = await client.get(url, params=query)
    body: Mapping[str, Any] = answer.raise_for_status().json()
    return body
