"""Who listens is told of every change once, whichever replica made it, or told to read anew."""

import asyncio
from contextlib import asynccontextmanager

import orjson
import pytest

from closeloop_service.domain.commands import Acknowledge, Contact
from heardback.clock import SystemClock
from heardback.testing.browser import serve


class Listener:
    """What one listener was sent."""

    def __init__(self, frames):
        self._frames = frames

    async def next(self):
        """Return the kind and the data of the next message."""
        frame = (await asyncio.wait_for(anext(self._frames), 5)).decode()
        return [
            (lines[1].removeprefix("event: "), lines[2].removeprefix("data: "))
            for message in frame.split("\n\n")[:-1]
            for lines in [message.split("\n")]
        ]


@asynccontextmanager
async def listening(api, after=None):
    frames = api.hub.listen(after=after, stop=api.app.state.stop, clock=SystemClock())
    listener = Listener(frames)
    try:
        yield listener, (await listener.next())[0][0]
    finally:
        await frames.aclose()


async def test_change_is_told_once_when_it_is_made(api, closeloop, task_id):
    await api.changes.publish(api.database)
    async with listening(api, after=api.hub.position) as (listener, first):
        assert first == "beat"
        await closeloop.move(task_id, Acknowledge(actor="Ana"))
        await api.changes.publish(api.database)
        await api.changes.publish(api.database)
        ((kind, data),) = await listener.next()
        task = orjson.loads(data)
        assert (kind, task["task_id"], task["state"], task["owner"]) == (
            "change", task_id, "acknowledged", "Ana",
        )  # fmt: skip
        await closeloop.move(task_id, Contact(actor="Ana", channel="phone"))
        await api.changes.publish(api.database)
        ((kind, data),) = await listener.next()
        assert (orjson.loads(data)["state"], orjson.loads(data)["version"]) == (
            "contacted", task["version"] + 1,
        )  # fmt: skip


async def test_listener_reads_anew_when_something_changed_while_it_was_away(
    api, closeloop, task_id
):
    await api.changes.publish(api.database)
    position = api.hub.position
    await closeloop.move(task_id, Acknowledge(actor="Ana"))
    await api.changes.publish(api.database)
    async with listening(api, after=position) as (_, first):
        assert first == "reset"


async def test_no_change_is_lost_when_it_commits_late(api, closeloop, task_id, open_tasks):
    await api.changes.publish(api.database)
    async with listening(api, after=api.hub.position) as (listener, _):
        async with api.database.transaction() as slow:
            await slow.connection.exec_driver_sql("SELECT pg_current_xact_id()")
            await closeloop.move(task_id, Acknowledge(actor="Ana"))
            await api.changes.publish(api.database)
            assert (await listener.next())[0][0] == "change"
            await slow.connection.exec_driver_sql(
                "INSERT INTO task_history"
                " (task_id, customer_id, occurred_at, what, note, details, changed_in)"
                " SELECT task_id, customer_id, now(), 'note', '', '{}',"
                " pg_current_xact_id()::text::bigint FROM task"
            )
            await slow.connection.exec_driver_sql("UPDATE task SET version = version + 1")
        await api.changes.publish(api.database)
        assert (await listener.next())[0][0] == "change"


async def test_listener_reads_anew_when_there_is_too_much(api, open_tasks):
    await api.changes.publish(api.database)
    async with listening(api, after=api.hub.position) as (listener, _):
        await open_tasks(501)
        await api.changes.publish(api.database)
        assert [kind for kind, _ in await listener.next()] == ["reset"]


async def test_listener_reads_anew_once_when_much_changed_under_a_long_transaction(
    api, closeloop, task_id, open_tasks
):
    await api.changes.publish(api.database)
    async with (
        listening(api, after=api.hub.position) as (listener, _),
        api.database.transaction() as long,
    ):
        await long.connection.exec_driver_sql("SELECT pg_current_xact_id()")
        await open_tasks(501)
        await api.changes.publish(api.database)
        assert [kind for kind, _ in await listener.next()] == ["reset"]
        await closeloop.move(task_id, Acknowledge(actor="Ana"))
        await api.changes.publish(api.database)
        ((kind, data),) = await listener.next()
        assert (kind, orjson.loads(data)["task_id"]) == ("change", task_id)


@pytest.mark.parametrize("after", [None, "other-7"])
async def test_stream_begins_with_reading_anew_when_the_position_is_unknown(api, after):
    async with listening(api, after=after) as (_, first):
        assert first == "reset"


async def test_stream_is_served_as_events(api, http):
    async with serve(api.app) as url:
        _, _, host = url.rpartition("/")
        name, port = host.split(":")
        reader, writer = await asyncio.open_connection(name, int(port))
        writer.write(b"GET /tasks/changes HTTP/1.1\r\nHost: closeloop\r\n\r\n")
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        assert " 200 " in head
        assert "content-type: text/event-stream" in head
        assert b"event: reset" in await reader.readuntil(b"\n\n")
        writer.close()
        api.app.state.stop.set()
