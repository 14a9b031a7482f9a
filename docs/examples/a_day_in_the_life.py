"""Play the day of docs/a-day-in-the-life.md on the stack of `make run`, and take its pictures.

a_day_in_the_life.py FOLDER [PORT BASE]. It needs Playwright for Python, and Chromium.
"""

import asyncio
import json
import re
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx2
from aiokafka import AIOKafkaProducer
from playwright.async_api import Page, async_playwright

NOW = datetime.now(UTC)  # noqa: TID251  # a product system has a clock of its own
CUSTOMER, OWNER = f"c-{NOW:%H%M%S}", "Ana Ruiz"
ADDRESS = f"rosa.diaz.{NOW:%H%M%S}@example.com"
PROFILE = {
    "name": "Rosa Diaz",
    "email": ADDRESS,
    "segment": "enterprise",
    "attributes": {"account_owner": OWNER, "annual_value": 24_000, "since": "2021"},
}
COMMENT = "The parcel came nine days late, and nobody told me why."
SAID = "She needed the parts for her own customer. She wants to know it won’t happen again."
FIX = "Delivery refunded. Her orders go by courier from now on."
POLICIES = """\
policies:
  - id: enterprise
    when: {segments: [enterprise]}
    calendar: always
    first_response: 2h
    next_response: 2h
    resolution: 24h
    escalations: [{after: 0m, tell: [owner, lead]}, {after: 1h, tell: [head]}]
  - id: default
    calendar: office
    first_response: {within: 4h, ceiling: 24h}
    next_response: 8h
    resolution: {within: 48h, calendar: always}
    escalations: [{after: 0m, tell: [owner]}, {after: 2h, tell: [lead]}, {after: 8h, tell: [head]}]
"""
CHROMIUM = "/usr/bin/chromium"
BROWSER = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
READING_SECONDS = 4
"""Who answers at once is taken for a program."""


class Day:
    """The stack, the owner's desk and the customer's telephone."""

    def __init__(self, folder: Path, base: int, desk: Page, phone: Page) -> None:
        self.folder, self.desk, self.phone = folder, desk, phone
        self.board, self.mailbox = (f"http://127.0.0.1:{base + port}" for port in (4, 6))
        self.dashboard, self.broker = f"http://127.0.0.1:{base + 5}", f"127.0.0.1:{base + 9}"
        self.http = httpx2.AsyncClient(timeout=10)

    async def picture(self, page: Page, name: str, *, part: str | None = None) -> None:
        await page.wait_for_timeout(600)
        shown = page if part is None else page.locator(part)
        await shown.screenshot(path=self.folder / f"day-{name}.png")

    async def promise(self) -> None:
        """Promise the largest customers an answer within two hours."""
        form = {"body": POLICIES, "saved_by": "Maya Lind", "note": "Two hours for enterprises."}
        url = f"{self.board}/rulebooks/sla-policies"
        (await self.http.put(url, json=form)).raise_for_status()

    async def buy(self) -> None:
        """Publish what the shop knows: who Rosa is, and that her parcel arrived."""
        now = NOW.isoformat()
        about = {"customer_id": CUSTOMER, "occurred_at": now, "customer": PROFILE}
        order = {"order_id": f"order-{now}", "amount": 1_290.0, "currency": "EUR"}
        async with AIOKafkaProducer(bootstrap_servers=self.broker) as producer:
            for topic, kind, data in (
                ("customer", "customer.updated.v1", about),
                ("purchase", "purchase.completed.v1", {**about, **order}),
            ):
                headers = {
                    "content-type": "application/json",
                    "ce_specversion": "1.0",
                    "ce_type": kind,
                    "ce_source": "/shop",
                    "ce_id": f"{topic}-{now}",
                }
                sent = [(name, value.encode()) for name, value in headers.items()]
                body = json.dumps(data).encode()
                await producer.send_and_wait(topic, body, key=CUSTOMER.encode(), headers=sent)

    async def mail(self, subject: str, name: str) -> str:
        """Wait for the newest mail that says so, and open it; return its text."""
        while True:
            url = f"{self.mailbox}/api/messages"
            found = (await self.http.get(url, params={"to": ADDRESS})).json()["messages"]
            fitting = [mail for mail in found if subject in mail["subject"]]
            if fitting:
                break
            await self.desk.wait_for_timeout(500)
        await self.desk.goto(f"{self.mailbox}/messages/{fitting[-1]['id']}")
        await self.picture(self.desk, name)
        text: str = fitting[-1]["text"]
        return text

    async def answer(self, mail: str, score: int, comment: str, name: str) -> None:
        """Click the score in the mail, say why, send."""
        (link,) = re.findall(r"http\S+/s/\S+", mail)
        await self.phone.goto(f"{link}?score={score}")
        await self.phone.locator("textarea").fill(comment)
        await self.phone.wait_for_timeout(READING_SECONDS * 1_000)
        await self.picture(self.phone, name)
        await self.phone.locator("form button").first.click()
        await self.phone.wait_for_load_state()

    async def task_id(self) -> str:
        """Wait for Rosa's task."""
        while True:
            found = await self.http.get(f"{self.board}/tasks", params={"customer_id": CUSTOMER})
            for task in found.json()["tasks"]:
                task_id: str = task["task_id"]
                return task_id
            await self.desk.wait_for_timeout(500)

    async def open_task(self, view: str = "open") -> None:
        await self.desk.goto(f"{self.board}/?view={view}")
        await self.desk.locator(f"#open-{await self.task_id()}").click()
        await self.desk.locator("#panel").wait_for()

    async def fill(self, move: str, **fields: Any) -> None:
        """Open the form of a move and fill it in."""
        if not await self.desk.locator(f"#{move}-form").is_visible():
            await self.desk.locator(f"#do-{move} > summary").click()
        form = self.desk.locator(f"#{move}-form")
        for name, value in fields.items():
            field = form.locator(f"[name={name}]")
            is_choice = await field.evaluate("field => field.tagName") == "SELECT"
            await (field.select_option(value) if is_choice else field.fill(value))

    async def send(self, move: str) -> None:
        await self.desk.locator(f"#{move}-send").click()
        await self.desk.wait_for_timeout(1_000)

    async def show(self, element: str, name: str) -> None:
        await self.desk.locator(element).evaluate("it => it.scrollIntoView({block: 'start'})")
        await self.picture(self.desk, name, part="dialog[open]")


async def play(day: Day) -> None:
    """Play the day, from the purchase to the verified recovery."""
    desk = day.desk
    await day.promise()
    await day.buy()
    mail = await day.mail("how was your purchase", "mail")
    await day.answer(mail, 2, COMMENT, "survey")
    await day.picture(day.phone, "thanks")
    await desk.goto(day.board)
    await desk.locator("#me-name").fill(OWNER)
    await desk.locator("#me-save").click()
    await desk.locator(f"#open-{await day.task_id()}").wait_for()
    await desk.goto(day.board)
    await day.picture(desk, "board")
    await day.open_task()
    await day.picture(desk, "task")
    await desk.locator("#acknowledge-send").click()
    await day.show("#story", "story")
    await desk.locator("#next-write").click()
    await desk.locator("#write-form").wait_for()
    await day.show("#do-write", "write")
    await day.send("write")
    await desk.locator("#messages .pill.ok").wait_for()
    await day.show("#clocks", "sent")
    await day.mail("Thank you for telling us", "inbox")
    await day.open_task()
    await day.fill("contact", channel="phone", note=SAID)
    await day.send("contact")
    await day.fill("compensate", kind="refund", amount="49.00", currency="EUR", note="Delivery")
    await day.send("compensate")
    for step in ("listen", "explain-and-act"):
        await desk.locator(f"#tick-{step}").click()
        await desk.wait_for_timeout(500)
    await day.fill("resolve", root_cause="late delivery", note=FIX)
    await day.show("#do-resolve", "resolve")
    await day.send("resolve")
    mail = await day.mail("did we put it right", "recovery")
    await day.answer(mail, 9, "Ana called, listened and solved it.", "again")
    await desk.wait_for_timeout(3_000)
    await day.open_task("verified")
    await day.show("#panel", "verified")
    await day.show("#audit", "history")
    await desk.goto(day.dashboard)
    await day.picture(desk, "dashboard", part=".card:has(#sla-title)")


async def main(folder: Path, base: int) -> None:
    async with async_playwright() as playwright:
        chromium = await playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"]
        )
        size, small = {"width": 1280, "height": 860}, {"width": 390, "height": 844}
        desk = await chromium.new_page(viewport=size)
        phone = await chromium.new_page(viewport=small, user_agent=BROWSER, locale="en")
        await play(Day(folder, base, desk, phone))
        await chromium.close()


if len(sys.argv) < 2:
    sys.exit(__doc__)
asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 8100))
