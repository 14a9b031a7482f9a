"""Digests: when a working day begins, what is said then, and that it is said once."""

import asyncio
from datetime import timedelta
from functools import partial
from typing import Any

import pytest

from closeloop_service.domain.business_time import Calendar
from closeloop_service.domain.commands import Contact, Wait
from closeloop_service.domain.digest import (
    DIGEST,
    readers,
)
from closeloop_service.domain.rules import Absence, Member, Routing, Team
from closeloop_service.handlers.listening import timer_handlers
from closeloop_service.ops_alerts.digests import on_digests_due
from closeloop_service.store.digest_timers import digest_timers
from heardback.health import Check
from heardback.timer_loop import TimerLoop
from heardback.timers import Timer

from .test_working_day import a_calendar, at


class Mornings:
    """Readers with tasks, and the timers of a replica."""

    def __init__(self, ops: Any, closeloop: Any) -> None:
        self.ops, self.closeloop = ops, closeloop
        self.timers = self.replica()

    def replica(self) -> TimerLoop:
        handlers = {
            **timer_handlers(self.ops.keeper),
            DIGEST: partial(on_digests_due, self.ops.keeper),
        }
        return TimerLoop(
            database=self.ops.database,
            handlers=handlers,
            bell=asyncio.Event(),
            batch_size=500,
            check=Check(name="timers"),
        )

    async def use(self, *members: Member, calendar: Calendar | None = None) -> None:
        await self.ops.use("slack", "hook", kinds=frozenset())
        rules = self.ops.rules
        team = Team(
            team_id="care",
            title="Customer care",
            calendar_id="here",
            members=members,
            target="slack",
        )
        calendars = {**rules.calendars, "here": calendar or a_calendar("09:00-17:00")}
        routing = Routing(teams={"care": team}, rules=rules.routing.rules)
        await self.ops.change(calendars=calendars, routing=routing)

    async def until(self, text: str, *loops: TimerLoop) -> None:
        """Let time pass until then, timers firing as they fall due, and send."""
        while self.ops.clock.now() < at(text):
            left = at(text) - self.ops.clock.now()
            self.ops.clock.advance(min(left, timedelta(minutes=30)))
            for loop in loops or (self.timers,):
                while await loop.fire():
                    pass
            await self.ops.turn()

    def said(self) -> list[dict[str, Any]]:
        """Return the digests that Ana got."""
        taken = self.ops.to.hook.taken
        return [one["data"] for one in taken if one["type"] == "ops.digest"]

    def said_to_team(self) -> list[str]:
        """Return the titles of the digests that the team got."""
        titles = [taken["blocks"][0]["text"]["text"] for taken in self.ops.to.slack.taken]
        return [title for title in titles if "your day" in title]


@pytest.fixture
def mornings(ops: Any, closeloop: Any) -> Mornings:
    return Mornings(ops, closeloop)


def ana(**fields: Any) -> Member:
    return Member(name="Ana", target="hook", **fields)


async def test_row_49_owner_and_team_are_told_when_their_day_begins(
    mornings: Mornings, closeloop: Any, an_alert: Any
) -> None:
    await mornings.use(ana(capacity=3))
    await mornings.ops.turn()
    await closeloop.hear(*(an_alert(number) for number in range(1, 5)))
    _, second, third = [task.task_id for task in await closeloop.tasks() if task.owner == "Ana"]
    await closeloop.move(second, Contact(actor="Ana", channel="phone"))
    await closeloop.move(second, Wait(actor="Ana"))
    await closeloop.move(third, Contact(actor="Ana", channel="phone"))
    await mornings.until("2026-03-03 09:00")
    (told,) = mornings.said()
    facts = {fact["label"]: fact["text"] for fact in told["facts"]}
    assert facts["Late"] == "1"
    assert facts["Waiting on the customer"] == "1"
    assert facts["Without an owner"] == "1"
    assert told["items"][0]["title"] == "Ada 1"
    assert told["items"][0]["text"].startswith("First response late since 2026-03-02 13:00 UTC")
    assert told["acknowledge_url"] is None
    assert mornings.said_to_team() == ["The team, your day: 2 late"]


async def test_digest_comes_once_a_day_when_there_are_two_replicas(
    mornings: Mornings, closeloop: Any, an_alert: Any
) -> None:
    await mornings.use(ana())
    await mornings.ops.turn()
    await closeloop.hear(an_alert())
    replicas = [mornings.timers, mornings.replica()]
    await mornings.until("2026-03-03 08:30")
    mornings.ops.clock.advance(timedelta(minutes=30))
    for _ in range(3):
        await asyncio.gather(*(replica.fire() for replica in replicas))
    # One that starts just then finds that today's is told.
    await mornings.ops.turn(mornings.ops.replica())
    await mornings.until("2026-03-03 20:00", *replicas)
    assert len(mornings.said_to_team()) == 1
    await mornings.until("2026-03-09 20:00", *replicas)
    assert len(mornings.said_to_team()) == 5, "on each working day"


async def test_digest_is_not_told_twice_when_its_timer_is_set_anew(
    mornings: Mornings, closeloop: Any, an_alert: Any
) -> None:
    await mornings.use(ana())
    await closeloop.hear(an_alert())
    for _ in range(2):
        async with mornings.ops.database.transaction() as tx:
            tx.set_timer(Timer(kind=DIGEST, key="team/care", due_at=tx.now))
        await mornings.timers.fire()
        await mornings.ops.turn()
    assert len(mornings.said_to_team()) == 1


async def test_who_is_away_is_not_told(mornings: Mornings, closeloop: Any, an_alert: Any) -> None:
    away = Absence(from_at=at("2026-03-03 00:00"), to_at=at("2026-03-04 00:00"))
    await mornings.use(ana(absences=(away,)))
    await mornings.ops.turn()
    await closeloop.hear(an_alert())
    await mornings.until("2026-03-03 18:00")
    assert mornings.said() == []
    await mornings.until("2026-03-04 18:00")
    assert len(mornings.said()) == 1


async def test_digest_of_a_day_that_is_over_is_left_out_after_downtime(
    mornings: Mornings, closeloop: Any, an_alert: Any
) -> None:
    await mornings.use(ana())
    await mornings.ops.turn()
    await closeloop.hear(an_alert())
    mornings.ops.clock.advance(at("2026-03-03 14:00") - mornings.ops.clock.now())
    await mornings.until("2026-03-03 15:00")
    assert len(mornings.said()) == 1, "late, and still that day"
    mornings.ops.clock.advance(at("2026-03-05 03:00") - mornings.ops.clock.now())
    await mornings.until("2026-03-05 08:30")
    assert len(mornings.said()) == 1
    await mornings.until("2026-03-05 09:30")
    assert len(mornings.said()) == 2


async def test_timers_follow_the_calendar_when_it_is_changed(mornings: Mornings) -> None:
    await mornings.use(ana())
    await mornings.ops.turn()
    await mornings.use(ana(), calendar=a_calendar("07:00-15:00", tz="Europe/Berlin"))
    await mornings.ops.turn()
    async with mornings.ops.database.read() as connection:
        found = await digest_timers(connection)
    assert found == dict.fromkeys(("team/care", "owner/Ana"), at("2026-03-03 06:00"))


async def test_no_digest_goes_to_a_pager(mornings: Mornings) -> None:
    await mornings.ops.use("pager")
    rules = mornings.ops.rules
    team = Team(
        team_id="care",
        title="Care",
        calendar_id=next(iter(rules.calendars)),
        members=(Member(name="Ana", target="pager"),),
        target="pager",
    )
    await mornings.ops.change(routing=Routing(teams={"care": team}, rules=()))
    assert readers(mornings.ops.rules) == {}
