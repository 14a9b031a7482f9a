"""What ops were told, over HTTP: the alerts, and the messages in which they left."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Final, Literal, Self

from fastapi import APIRouter, Path, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from closeloop_service.api.forms import Words
from closeloop_service.api.idempotent import COMMAND, OnceOf
from closeloop_service.domain.errors import AlertMessageNotFailed
from closeloop_service.ops_alerts.acknowledging import Acknowledged, acknowledge
from closeloop_service.queries import alerts as queries
from closeloop_service.queries.alerts import AlertLine, MessageLine
from closeloop_service.rulebook.keeper import Keeper
from closeloop_service.store import alert_messages
from closeloop_service.store.alerts import OPS_ALERTS
from heardback.bodies import BoundedRoute
from heardback.db import Transaction
from heardback.http import DatabaseOf

_SAFE: Final = r"^[^\x00-\x1f\x7f]*$"
_Word = Annotated[str, Field(max_length=200, pattern=_SAFE)]
_Limit = Annotated[int, Field(ge=1, le=500)]
MessageId = Annotated[str, Path(max_length=200, pattern=_SAFE)]


class AlertQuery(BaseModel):
    """Which alerts are wanted. `cursor`: what the page before said in `next`."""

    model_config = ConfigDict(extra="forbid")

    target: _Word | None = None
    task_id: _Word | None = None
    message_id: _Word | None = None
    limit: _Limit = 100
    cursor: Annotated[int, Field(ge=1, le=2**63 - 1)] | None = None


class MessageQuery(BaseModel):
    """Which messages are wanted."""

    model_config = ConfigDict(extra="forbid")

    state: Literal["sending", "sent", "failed", "dropped"] | None = None
    limit: _Limit = 100
    cursor: _Word | None = None


class AlertView(BaseModel):
    """One alert for one target. No `message_id`: it waits to be told."""

    model_config = ConfigDict(frozen=True, from_attributes=True)

    alert_key: str
    target_id: str
    kind: str
    title: str
    text: str
    task_id: str | None
    improvement_id: str | None
    team: str | None
    raised_at: datetime
    message_id: str | None
    acknowledged_by: str | None
    acknowledged_at: datetime | None


class AlertPage(BaseModel):
    """A page of alerts, the newest first. `next`: the cursor of the page after it."""

    model_config = ConfigDict(frozen=True)

    alerts: list[AlertView]
    next: int | None


class MessageView(BaseModel):
    """One message to one target.

    `what`: alerts, a digest, or the acknowledgement or end of an incident at a pager. `alerts`: so
    many are in it. `try_at`: when it is tried next, while it is `sending`. `fault`: what the target
    said last.
    """

    model_config = ConfigDict(frozen=True)

    message_id: str
    target_id: str
    what: str
    title: str
    state: str
    alerts: int
    attempts: int
    fault: str | None
    made_at: datetime
    try_at: datetime | None
    settled_at: datetime | None

    @classmethod
    def of(cls, line: MessageLine) -> Self:
        """Return the view of a message."""
        return cls(
            message_id=line.message_id,
            target_id=line.target_id,
            what=line.what,
            title=line.content.title,
            state=line.state,
            alerts=line.alerts,
            attempts=line.attempts,
            fault=line.fault,
            made_at=line.made_at,
            try_at=line.try_at if line.state == "sending" else None,
            settled_at=line.settled_at,
        )


class MessagePage(BaseModel):
    """A page of messages, the newest first. `next`: the cursor of the page after it."""

    model_config = ConfigDict(frozen=True)

    messages: list[MessageView]
    next: str | None


class SeenForm(BaseModel):
    """Who has seen a message."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    actor: Words


class SeenTask(BaseModel):
    """What became of a task of the message. `error`: why it stays as it was."""

    model_config = ConfigDict(frozen=True)

    task_id: str
    acknowledged: bool
    error: str | None


class SeenView(BaseModel):
    """What came of it. Not `is_new`: somebody had seen it before, and nothing changed.

    `too_many`: it is about more tasks than one person takes at once, and they stay as they are.
    """

    model_config = ConfigDict(frozen=True)

    is_new: bool
    too_many: bool
    tasks: list[SeenTask]

    @classmethod
    def of(cls, seen: Acknowledged) -> Self:
        """Return the view of what came of it."""
        return cls(is_new=seen.is_new, too_many=seen.too_many, tasks=_tasks(seen))


def router(keeper: Keeper) -> APIRouter:
    """Return the routes; they must come before the pages of links."""
    routes = APIRouter(prefix="/alerts", tags=["alerts"], route_class=BoundedRoute)
    routes.get("")(list_alerts)
    routes.get("/messages")(list_messages)
    routes.get("/messages/{message_id}")(get_message)
    _add_commands(routes, keeper)
    return routes


async def list_alerts(database: DatabaseOf, query: Annotated[AlertQuery, Query()]) -> AlertPage:
    """Return a page of what ops were told or are to be told, a line for each target."""
    async with database.read() as connection:
        found = await queries.newest_alerts(
            connection,
            target_id=query.target,
            task_id=query.task_id,
            message_id=query.message_id,
            before=query.cursor,
            limit=query.limit + 1,
        )
    shown: Sequence[AlertLine] = found[: query.limit]
    following = shown[-1].seq if len(found) > query.limit else None
    return AlertPage(alerts=[AlertView.model_validate(line) for line in shown], next=following)


async def list_messages(
    database: DatabaseOf, query: Annotated[MessageQuery, Query()]
) -> MessagePage:
    """Return a page of messages; `state=failed` are those that did not reach their target."""
    async with database.read() as connection:
        found = await queries.newest_messages(
            connection, state=query.state, cursor=query.cursor, limit=query.limit + 1
        )
    shown = found[: query.limit]
    following = shown[-1].cursor if len(found) > query.limit else None
    return MessagePage(messages=[MessageView.of(line) for line in shown], next=following)


async def get_message(database: DatabaseOf, message_id: MessageId) -> MessageView:
    """Return one message."""
    async with database.read() as connection:
        return MessageView.of(await queries.find_message(connection, message_id))


def _add_commands(routes: APIRouter, keeper: Keeper) -> None:
    @routes.post(
        "/messages/{message_id}/acknowledge", response_model=SeenView, dependencies=COMMAND
    )
    async def acknowledge_message(message_id: MessageId, body: SeenForm, once: OnceOf) -> Response:
        """Say who has seen a message: as the link in it does."""

        async def see(tx: Transaction) -> SeenView:
            return SeenView.of(await acknowledge(tx, keeper, message_id, body.actor))

        return await once(see)

    @routes.post("/messages/{message_id}/retry", response_model=MessageView, dependencies=COMMAND)
    async def retry_message(message_id: MessageId, once: OnceOf) -> Response:
        """Send a message anew that failed, now that its target was put right."""

        async def retry(tx: Transaction) -> MessageView:
            await queries.find_message(tx.connection, message_id)
            if not await alert_messages.send_again(tx, message_id):
                raise AlertMessageNotFailed(message_id=message_id)
            await tx.ring(OPS_ALERTS)
            return MessageView.of(await queries.find_message(tx.connection, message_id))

        return await once(retry)


def _tasks(seen: Acknowledged) -> list[SeenTask]:
    return [
        SeenTask(
            task_id=moved.task_id,
            acknowledged=moved.task is not None,
            error=None if moved.error is None else moved.error.message,
        )
        for moved in seen.tasks
    ]
