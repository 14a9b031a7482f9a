"""Ops alerts without their process: rules, providers that are served, and the loop by turns."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from pydantic import SecretStr
from sqlalchemy import select

from closeloop_service.domain.alerting import OpsAlert
from closeloop_service.domain.rules import (
    Alerting,
    AlertKind,
    AlertRoute,
    AlertTarget,
    Rules,
    TargetKind,
)
from closeloop_service.ops_alerts.links import Links
from closeloop_service.ops_alerts.loop import AlertLoop
from closeloop_service.ops_alerts.sending import Courier
from closeloop_service.store.alerts import raise_alerts
from closeloop_service.tables import ALERT_MESSAGE, OPS_ALERT
from heardback.calls.guard import networks_in
from heardback.db import Database
from heardback.health import Check
from heardback.testing.browser import serve
from heardback.testing.clock import ManualClock

from .doubles import Providers

LINK_KEY = "only-for-tests-0123"
BOARD = "https://board.example.com"
WHOLE = frozenset(AlertKind)


def an_alert_of(number: int = 1, **fields: Any) -> OpsAlert:
    """Return an alert about a late task of the team `care`."""
    known = {
        "alert_key": f"breached/task-{number}",
        "kind": AlertKind.BREACHED,
        "title": "First response is late",
        "text": f"Ada {number} gave 2 after purchase, due 2026-03-02 13:00 UTC.",
        "task_id": f"task-{number}",
        "team": "care",
    }
    return OpsAlert(**{**known, **fields})


class Ops:
    """What is raised, and what reaches the providers."""

    def __init__(self, database: Database, clock: ManualClock, keeper: Any, to: Providers) -> None:
        self.database, self.clock, self.keeper, self.to = database, clock, keeper, to
        self.links = Links(BOARD, [LINK_KEY])
        self.loop = self.replica()
        self.rules: Rules | None = None

    def replica(self, *, allowed: str = "127.0.0.0/8", **options: Any) -> AlertLoop:
        """Return the loop of a replica."""
        secrets = {name: SecretStr(value) for name, value in self.to.secrets.items()}
        courier = Courier(
            database=self.database,
            keeper=self.keeper,
            secrets=options.pop("secrets", secrets),
            links=self.links,
            allowed=networks_in(allowed),
        )
        return AlertLoop(
            database=self.database,
            keeper=self.keeper,
            courier=courier,
            bell=asyncio.Event(),
            check=Check(name="ops_alerts"),
        )

    async def use(self, *targets: str, kinds: frozenset[AlertKind] = WHOLE, **more: Any) -> Rules:
        """Have these targets, and everything told to each."""
        known = {
            "slack": AlertTarget(target_id="slack", kind=TargetKind.SLACK, secret="slack_url"),
            "teams": AlertTarget(target_id="teams", kind=TargetKind.TEAMS, secret="teams_url"),
            "pager": AlertTarget(
                target_id="pager",
                kind=TargetKind.PAGERDUTY,
                secret="pager_key",
                url=self.to.url,
            ),
            "hook": AlertTarget(
                target_id="hook",
                kind=TargetKind.WEBHOOK,
                secret="hook_secret",
                url=f"{self.to.url}/hook",
            ),
        }
        routes = tuple(AlertRoute(kinds=kinds, target_id=target) for target in targets)
        parts = {
            "targets": {name: known[name] for name in targets},
            "routes": routes,
            "group_within": timedelta(seconds=30),
        }
        alerting = Alerting(**{**parts, **more})
        async with self.database.read() as connection:
            self.rules = await self.keeper.change(connection, alerting=alerting)
        return self.rules

    async def change(self, **parts: Any) -> None:
        assert self.rules is not None
        self.rules = replace(self.rules, version=self.rules.version + 1, **parts)
        self.keeper.fix(self.rules)

    async def tell(self, *alerts: OpsAlert) -> None:
        async with self.database.transaction() as tx:
            await raise_alerts(tx, await self.keeper.in_force(tx.connection), alerts)

    async def turn(self, loop: AlertLoop | None = None, **by: float) -> float:
        """Let time pass, and have the loop do what is to be done; return how long it sleeps."""
        loop = loop or self.loop
        self.clock.advance(timedelta(**by))
        stop = asyncio.Event()
        seconds = await loop.turn(stop)
        await loop.drained()
        return seconds

    async def messages(self) -> list[Any]:
        query = select(ALERT_MESSAGE).order_by(ALERT_MESSAGE.c.made_at, ALERT_MESSAGE.c.message_id)
        async with self.database.read() as connection:
            return list(await connection.execute(query))

    async def alerts(self) -> list[Any]:
        async with self.database.read() as connection:
            return list(await connection.execute(select(OPS_ALERT).order_by(OPS_ALERT.c.seq)))


@pytest.fixture
async def providers() -> AsyncIterator[Providers]:
    doubles = Providers()
    async with serve(doubles.app) as url:
        doubles.url = url
        yield doubles


@pytest.fixture
def ops(database: Database, clock: ManualClock, keeper: Any, providers: Providers) -> Ops:
    return Ops(database, clock, keeper, providers)
