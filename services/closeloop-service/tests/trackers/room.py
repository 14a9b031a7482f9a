"""One room for an improvement, its tracker, and the loop between them."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

from sqlalchemy import text

from closeloop_service.domain.improvement import Change, ImprovementMove
from closeloop_service.domain.rules import AlertKind, AlertRoute, AlertTarget
from closeloop_service.handlers import improvements as handlers
from closeloop_service.queries import improvements as queries
from closeloop_service.queries.improvements import Filters, ImprovementLine
from closeloop_service.trackers.sync import TrackerSync
from heardback.calls.guard import networks_in
from heardback.contracts import registry
from heardback.db import Database
from heardback.testing.builders import an_event
from heardback.testing.clock import START

from .stages import Stage

PAGE = "https://heardback.example/console/improvements"


def a_theme(number: int = 1, **data: Any) -> Any:
    fields = {
        "theme_id": f"theme-{number}",
        "title": "Late delivery",
        "responses": 42,
        "detractors": 30,
        "customers": 40,
        "quotes": [
            {
                "response_id": "r1",
                "customer_id": "c1",
                "text": "Ada Byron here, call +49 30 1234567 or ada@example.com: too late!",
                "consent": True,
            },
            {"response_id": "r2", "customer_id": "c2", "text": "A secret.", "consent": False},
        ],
        "reporters": [
            {
                "customer_id": "c1",
                "invitation_id": "i1",
                "response_id": "r1",
                "program_id": "after-purchase",
            }
        ],
        "since": START,
        "reached_at": START,
    }
    return an_event(registry.THEME_THRESHOLD_REACHED, id=f"t{number}", **{**fields, **data})


class Room:
    """An improvement, the tracker that it goes to, and one round of the loop at a time."""

    def __init__(self, closeloop: Any, stage: Stage) -> None:
        self.closeloop = closeloop
        self.stage = stage
        self.database: Database = closeloop.database
        self.sync = TrackerSync(
            keeper=closeloop.keeper,
            secrets={"tracker_token": stage.secret},
            allowed=networks_in("127.0.0.0/8"),
            page_url=PAGE,
        )

    async def configure(self, **more: Any) -> None:
        async with self.database.read() as connection:
            rules = await self.closeloop.keeper.in_force(connection)
        mended = replace(
            rules.improvements,
            **{
                "trackers": {"product": self.stage.tracker},
                "tracker_id": "product",
                "owner": "Maya Lind",
                **more,
            },
        )
        routes = (AlertRoute(kinds=frozenset(AlertKind), target_id="ops"),)
        target = AlertTarget(target_id="ops", kind="webhook", secret="ops")
        alerting = replace(rules.alerting, targets={"ops": target}, routes=routes)
        await self.closeloop.change_rules(improvements=mended, alerting=alerting)

    async def round(self, **after: float) -> float:
        self.closeloop.clock.advance(timedelta(**after))
        return await self.sync.round(self.database)

    async def lines(self) -> list[ImprovementLine]:
        async with self.database.read() as connection:
            found = await queries.newest(connection, Filters(), before=None, limit=100)
        return found[::-1]

    async def line(self) -> ImprovementLine:
        (line,) = await self.lines()
        return line

    async def history(self) -> list[str]:
        line = await self.line()
        async with self.database.read() as connection:
            lines = await queries.history_of(connection, line.improvement.improvement_id)
        return [one.what for one in lines[::-1]]

    async def alerts(self, kind: AlertKind = AlertKind.TRACKER_FAILED) -> list[str]:
        async with self.database.read() as connection:
            rows = await connection.execute(
                text("SELECT text FROM ops_alert WHERE kind = :kind ORDER BY seq"), {"kind": kind}
            )
            return [row.text for row in rows]

    async def move(self, move: ImprovementMove) -> None:
        line = await self.line()
        async with self.database.transaction() as tx:
            command = Change(move=move, actor="Maya Lind", note="So be it.")
            improvement_id = line.improvement.improvement_id
            await handlers.move(tx, self.closeloop.keeper, improvement_id, command)
