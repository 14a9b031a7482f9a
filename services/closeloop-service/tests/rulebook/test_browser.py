"""The pages of the rules in Chromium: for all, anywhere, by keyboard, and without script."""

from collections.abc import AsyncIterator

import pytest
from fastapi import FastAPI
from playwright.async_api import Browser, ViewportSize, expect

from closeloop_service.rulebook.kinds import Kind
from closeloop_service.rulebook.saving import Draft, save
from heardback.db import Database
from heardback.testing.browser import DESK, PHONE, faults_anywhere, serve

from . import books

pytestmark = pytest.mark.browser
TRIED = "on=2026-12-04&at=16:45&segment=enterprise&value=20000"
PAGES = {
    "list": "/console/rulebooks",
    "tried": f"/console/rulebooks?{TRIED}#try",
    "policies": "/console/rulebooks/sla-policies",
    "earlier": "/console/rulebooks/teams?version=0",
    "playbooks": "/console/rulebooks/playbooks",
    "editor": "/console/rulebooks/sla-policies/edit",
    "alerts-editor": "/console/rulebooks/alerts/edit",
    "missing": "/console/rulebooks/nonsense",
}


@pytest.fixture
async def base_url(app: FastAPI, database: Database) -> AsyncIterator[str]:
    for kind, body in ((Kind.TEAMS, books.TEAMS), (Kind.SLA_POLICIES, books.POLICIES)):
        async with database.transaction() as tx:
            draft = Draft(kind=kind, body=body, saved_by="Maya Lind", note="as agreed on Monday")
            await save(tx, draft, ())
    async with serve(app) as served:
        yield served


async def test_pages_are_accessible_and_fit_when_seen_anywhere(
    browser: Browser, base_url: str
) -> None:
    errors: list[str] = []
    page = await browser.new_page()
    page.on("pageerror", lambda error: errors.append(str(error)))
    for name, path in PAGES.items():
        await page.goto(base_url + path)
        assert await faults_anywhere(page, f"rules-{name}") == []
    assert errors == []


@pytest.mark.parametrize("size", [PHONE, DESK], ids=["phone", "desk"])
async def test_result_is_accessible_when_a_button_was_pressed(
    browser: Browser, base_url: str, size: ViewportSize
) -> None:
    wrong = books.POLICIES.replace("office", "offce", 1).replace("1h", "soon", 1)
    advised = books.POLICIES.replace("Maya Lind", "Maya Lnd")
    page = await browser.new_page(viewport=size)
    await page.goto(f"{base_url}{PAGES['editor']}")
    for name, text, button in (
        ("faults", wrong, "Check"),
        ("advice", advised, "Check"),
        ("try", books.POLICIES, "Try it"),
    ):
        await page.locator("#text").fill(text)
        await page.get_by_role("button", name=button).click()
        await expect(page.locator("form[aria-busy=true]")).to_have_count(0)
        await expect(page.locator("#result-said")).not_to_contain_text("Press")
        await page.locator("#result details").evaluate_all(
            "found => found.forEach(one => one.open = true)"
        )
        assert await faults_anywhere(page, f"rules-{name}", widths=[size["width"]]) == []


async def test_rules_are_saved_by_keyboard_when_there_is_no_mouse(
    browser: Browser, base_url: str
) -> None:
    page = await browser.new_page(viewport=DESK)
    await page.goto(f"{base_url}/console/rulebooks/teams/edit")
    await page.locator("#text").focus()
    await page.keyboard.press("Control+End")
    await page.keyboard.type("\n# typed\nxx: y")
    await page.locator("#check").focus()
    await page.keyboard.press("Enter")
    await expect(page.locator("#result-said")).to_contain_text("1 thing to correct")
    assert "# typed" in await page.locator("#text").input_value()
    await page.locator("#text").focus()
    await page.keyboard.press("Control+End")
    for _ in "xx: y\n":
        await page.keyboard.press("Backspace")
    await page.locator("#saved-by").focus()
    await page.keyboard.type("Ben Ito")
    await page.locator("#save").focus()
    await page.keyboard.press("Enter")
    await expect(page.locator("main")).to_contain_text("Saved, and in force from now on.")
    await expect(page.locator("#versions")).to_contain_text("Ben Ito")


async def test_rules_are_checked_tried_and_saved_when_there_is_no_script(
    browser: Browser, base_url: str
) -> None:
    context = await browser.new_context(java_script_enabled=False, viewport=PHONE)
    page = await context.new_page()
    await page.goto(f"{base_url}{PAGES['editor']}")
    await page.locator("#text").fill(books.POLICIES.replace("office", "offce", 1))
    await page.get_by_role("button", name="Check").click()
    await expect(page.locator("#result-said")).to_contain_text("1 thing to correct")
    await page.locator("#text").fill(books.POLICIES.replace("1h", "2h", 1))
    await page.locator("#try-on").fill("2026-12-04")
    await page.locator("#try-segment").fill("enterprise")
    await page.locator("#try-value").fill("20000")
    await page.get_by_role("button", name="Try it").click()
    await expect(page.locator("#result")).to_contain_text("Monday 7 December 2026, 10:45")
    await page.locator("#saved-by").fill("Ben Ito")
    await page.get_by_role("button", name="Save and put in force").click()
    await expect(page.locator("main")).to_contain_text("Saved, and in force from now on.")
    await context.close()


async def test_typed_text_stays_when_a_check_answers(browser: Browser, base_url: str) -> None:
    page = await browser.new_page(viewport=DESK)
    await page.goto(f"{base_url}/console/rulebooks/teams/edit")
    await page.locator("#text").fill(books.TEAMS)
    await page.get_by_role("button", name="Check").click()
    await expect(page.locator("#result-said")).to_contain_text("Valid")
    assert await page.locator("#text").input_value() == books.TEAMS
