"""The board in Chromium with 500 tasks and 20 changes a second: nobody who works on it notices."""

import asyncio
import json
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest
from playwright.async_api import Page, expect

from closeloop_service.console.board import MOST_ROWS
from closeloop_service.domain.commands import (
    Acknowledge,
    Assign,
    Contact,
    Escalate,
    Note,
    Resolve,
    Wait,
)
from closeloop_service.domain.task import TRANSITIONS, TaskState, allowed_moves
from closeloop_service.queries.tasks import Filters, most_urgent_tasks
from heardback.clock import SystemClock
from heardback.testing.browser import accessibility_faults
from heardback.testing.waiting import until

pytestmark = pytest.mark.browser
TASKS = 500
CHANGES_A_SECOND = 20
TYPED = "They were calm, and want a refund by Friday; jkacrx/? are letters here. " * 2

# Takes the time from a message's arrival until its elements are on the page, and until it is laid
# out anew.
MEASURE = """
  window.applied = []; window.laidOut = [];
  const add = EventSource.prototype.addEventListener;
  EventSource.prototype.addEventListener = function (type, listener) {
    add.call(this, type, type !== "patch" ? listener : (event) => {
      const from = performance.now();
      listener(event);
      applied.push(performance.now() - from);
      document.body.offsetHeight; laidOut.push(performance.now() - from);
    });
  };
"""


class Crowd:
    """Colleagues who work on the same tasks, twenty presses a second."""

    def __init__(self, live_board, states: dict[str, TaskState]) -> None:
        self.board = live_board
        self._state = states
        self.changes = 0
        self.stop = asyncio.Event()
        self._random = random.Random(7)

    async def work(self) -> None:
        ids = [*self._state]
        loop = asyncio.get_running_loop()
        begun = loop.time()
        while not self.stop.is_set():
            await self._press(self._random.choice(ids))
            self.changes += 1
            ahead = begun + self.changes / CHANGES_A_SECOND - loop.time()
            await asyncio.sleep(max(ahead, 0))

    async def _press(self, task_id: str) -> None:
        allowed = {*allowed_moves(self._state[task_id])}
        commands = [
            Note(actor="Ben", note="Looked at it."),
            Escalate(actor="Ben", reason="Please look."),
            Assign(actor="Ben", owner="Divya Nair"),
            Acknowledge(actor="Ben"),
            Contact(actor="Ben", channel="phone", note="Called."),
            Wait(actor="Ben"),
            Resolve(actor="Ben", root_cause="other"),
        ]
        possible = [command for command in commands if command.move in allowed]
        command = self._random.choice(possible)
        await self.board.move(task_id, command)
        self._state[task_id] = TRANSITIONS[self._state[task_id], command.move]


async def shown(page: Page) -> list[tuple[str, int]]:
    """Return the rows of the page in their order, each with its version."""
    rows = await page.evaluate(
        "[...document.querySelectorAll('#tasks > tr')].map(r => [r.id, Number(r.dataset.rev)])"
    )
    return [(task_id.removeprefix("task-"), version) for task_id, version in rows]


async def wanted(live_board) -> list[tuple[str, int]]:
    async with live_board.database.read() as connection:
        tasks = await most_urgent_tasks(connection, Filters(active=True), limit=MOST_ROWS)
    return [(task.task_id, task.version) for task in tasks]


@asynccontextmanager
async def crowded(live_board, *, but: set[str]) -> AsyncIterator[Crowd]:
    """Have colleagues work on all tasks but these."""
    tasks = await live_board.tasks()
    crowd = Crowd(live_board, {one.task_id: one.state for one in tasks if one.task_id not in but})
    working = asyncio.create_task(crowd.work())
    try:
        yield crowd
    finally:
        crowd.stop.set()
        await working


async def types_in_a_panel(page: Page, live_board, task_id: str) -> None:
    """Half-typed words and the focus outlast what others do with the very same task."""
    await page.locator(f"#open-{task_id}").click()
    await page.locator("#do-note-title").click()
    await page.locator("#note-note").focus()
    for part, command in (
        (TYPED[:50], Acknowledge(actor="Ben")),
        (TYPED[50:100], Contact(actor="Ben", channel="phone")),
        (TYPED[100:], Note(actor="Ben", note="Done.")),
    ):
        await page.keyboard.type(part, delay=30)
        await live_board.move(task_id, command)
    await expect(page.locator("#history")).to_contain_text("Done.")
    await expect(page.locator("#note-note")).to_be_focused()
    await expect(page.locator("#note-note")).to_have_value(TYPED)
    await page.keyboard.press("Escape")


async def stays_on_a_row(page: Page, task_id: str) -> None:
    """The focus and the selection stay with their row while others move around it."""
    await page.locator(f"#pick-{task_id}").check()
    row = page.locator(f"#open-{task_id}")
    await row.focus()
    await page.wait_for_timeout(3_000)
    await expect(row).to_be_focused()
    await expect(page.locator(f"#pick-{task_id}")).to_be_checked()


async def searches(page: Page) -> None:
    """The search keeps its words while the page fetches itself again and again."""
    await page.locator("#q").focus()
    await page.keyboard.type("Ada 4", delay=120)
    await page.wait_for_timeout(1_500)
    await expect(page.locator("#q")).to_be_focused()
    await expect(page.locator("#q")).to_have_value("Ada 4")
    for _ in "Ada 4":
        await page.keyboard.press("Backspace", delay=60)


async def report(page: Page, record_property) -> int:
    """Say how long patches took, and return how many came."""
    applied = []
    for name in ("applied", "laidOut"):
        times = sorted(json.loads(await page.evaluate(f"JSON.stringify({name})")))
        p50, p95 = (round(times[int(len(times) * share)], 1) for share in (0.5, 0.95))
        line = f"{len(times)} patches, p50 {p50} ms, p95 {p95} ms, max {times[-1]:.1f} ms"
        record_property(name, line)
        print(f"{name}: {line}")
        applied = applied or times
    return len(applied)


async def test_nobody_loses_a_keystroke_or_the_focus_when_much_changes(
    browser, live_board, an_alert, record_property
):
    now = SystemClock().now()
    ages = [timedelta(seconds=20 * number) for number in range(TASKS)]
    await live_board.hear(
        *(an_alert(number, alerted_at=now - age) for number, age in enumerate(ages))
    )
    mine, watched = (await live_board.task_ids())[-40:-38]
    page = await browser.new_page(viewport={"width": 1440, "height": 900})
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    await page.add_init_script(MEASURE)
    await page.goto(live_board.url)
    await expect(page.locator("#live")).to_have_text("Live")
    async with crowded(live_board, but={mine, watched}) as crowd:
        await types_in_a_panel(page, live_board, mine)
        await stays_on_a_row(page, watched)
        await searches(page)

    async def is_settled() -> bool:
        return await shown(page) == await wanted(live_board)

    await until(is_settled, seconds=10)
    assert errors == []
    assert await report(page, record_property) > 20
    assert crowd.changes > 100
    await page.evaluate(
        "document.querySelectorAll('.clip').forEach((one) => one.classList.remove('clip'))"
    )
    assert await accessibility_faults(page) == []
