"""Events to facts, and from the facts that are new to the rollups.

Events may be repeated in any batch and order: the facts' natural keys drop what is known.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from heardback.consumer import BatchHandler
from heardback.contracts import topics
from heardback.contracts.topics import Topic
from heardback.db import Transaction
from heardback.envelope import Event
from insights_service import metrics, store
from insights_service.domain.facts import Cell, Fact
from insights_service.domain.reading import facts_of, response_of
from insights_service.domain.rollups import by_kind, changes, latest_revisions

CHANGED: Final = "changed"
"""The doorbell's channel that rings when the figures changed."""


async def on_facts(tx: Transaction, events: Sequence[Event[Any]]) -> None:
    """Count what each event says happened, once."""
    await _roll_up(tx, changes(added=await _keep_facts(tx, events)))


async def on_responses(tx: Transaction, events: Sequence[Event[Any]]) -> None:
    """Count each response as it stands in the end: its last revision, unless in quarantine."""
    opened = await _keep_facts(tx, events)
    read = [fact for event in events if (fact := response_of(event.data)) is not None]
    latest = latest_revisions(read)
    new = await store.add_new(tx.connection, latest)
    unseen = {fact.response_id for fact in new}
    known = [fact for fact in latest if fact.response_id not in unseen]
    before = await store.lock_responses(tx.connection, [fact.response_id for fact in known])
    revised = [fact for fact in known if fact.standing > before[fact.response_id].standing]
    await store.replace_responses(tx.connection, revised)
    replaced = [before[fact.response_id] for fact in revised]
    await _roll_up(tx, changes(added=[*opened, *new, *revised], taken_back=replaced))
    _count(read, [*new, *revised])


HANDLERS: Final[Mapping[Topic, BatchHandler]] = {
    topics.SURVEY: on_facts,
    topics.DELIVERY: on_facts,
    topics.RESPONSE: on_responses,
    topics.DETRACTOR_ALERT: on_facts,
    topics.TASK: on_facts,
}


async def _keep_facts(tx: Transaction, events: Sequence[Event[Any]]) -> list[Fact]:
    """Keep what the events say that happens once; return what is new of it."""
    facts = [fact for event in events for fact in facts_of(event.data)]
    new: list[Fact] = []
    for group in by_kind(facts):
        new += await store.add_new(tx.connection, group)
    _count(facts, new)
    return new


async def _roll_up(tx: Transaction, difference: Mapping[Cell, int]) -> None:
    if difference:
        await store.add_to_rollups(tx.connection, difference)
        await tx.ring(CHANGED)


def _count(read: Sequence[Fact], new: Sequence[Fact]) -> None:
    for group in by_kind(read):
        kind = {"kind": type(group[0]).__name__}
        fresh = sum(type(fact) is type(group[0]) for fact in new)
        metrics.FACTS.add(fresh, kind)
        metrics.REPEATS.add(len(group) - fresh, kind)
