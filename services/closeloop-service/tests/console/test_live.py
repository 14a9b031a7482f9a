"""The feed: what changed reaches every open page, once."""

import pytest

from closeloop_service.domain.commands import Acknowledge, Contact, Resolve
from closeloop_service.handlers import commands

ANA = Acknowledge(actor="Ana")


class Listening:
    """A page that is open on the hub."""

    def __init__(self, served) -> None:
        self.frames = served.hub.listen(
            after=served.hub.position, stop=served.stop, clock=served.runtime.clock
        )

    async def next(self) -> str:
        return (await anext(self.frames)).decode()


@pytest.fixture
async def listening(served):
    await served.feed.publish(served.runtime)
    page = Listening(served)
    assert "event: beat" in await page.next()
    await served.feed.publish(served.runtime)
    await page.next()
    yield page
    await page.frames.aclose()


async def test_change_is_sent_once_when_the_feed_looks_twice(served, closeloop, task_id, listening):
    await closeloop.move(task_id, ANA)
    await served.feed.publish(served.runtime)
    await served.feed.publish(served.runtime)
    message = await listening.next()
    assert message.count("event: patch") == 1
    assert 'data-rev="' in message


async def test_change_is_seen_when_it_commits_after_a_later_one(
    served, closeloop, an_alert, listening
):
    await closeloop.hear(an_alert(1), an_alert(2))
    await served.feed.publish(served.runtime)
    await listening.next()
    first, second = (task.task_id for task in await closeloop.tasks())
    async with closeloop.database.transaction() as slow:
        await commands.move(slow, closeloop.keeper, first, ANA)
        await closeloop.move(second, ANA)
        await served.feed.publish(served.runtime)
    assert f"task-{second}" in await listening.next()
    await served.feed.publish(served.runtime)
    message = await listening.next()
    assert f"task-{first}" in message
    assert f"task-{second}" not in message


async def test_row_leaves_when_its_task_is_resolved(served, closeloop, task_id, listening):
    await closeloop.move(task_id, Contact(actor="Ana", channel="phone"))
    await closeloop.move(task_id, Resolve(actor="Ana", root_cause="other"))
    await served.feed.publish(served.runtime)
    assert "data-gone" in await listening.next()


async def test_pages_fetch_themselves_when_very_much_changed(
    served, closeloop, an_alert, listening
):
    await closeloop.hear(*(an_alert(number) for number in range(250)))
    await served.feed.publish(served.runtime)
    assert "event: reset" in await listening.next()


async def test_page_that_comes_reads_anew_when_nobody_listened(served, closeloop, an_alert):
    before = served.hub.position
    await closeloop.hear(an_alert())
    await served.feed.publish(served.runtime)
    page = served.hub.listen(after=before, stop=served.stop, clock=served.runtime.clock)
    assert "event: reset" in (await anext(page)).decode()
    await page.aclose()
