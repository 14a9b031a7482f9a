"""docs/ops-alerts.md says what is true."""

import json
import re
from pathlib import Path
from typing import Any

from closeloop_service.domain.rules import AlertKind
from closeloop_service.rulebook.kinds import Kind
from closeloop_service.rulebook.reading import read_data, read_text
from closeloop_service.rulebook.shelf import load_shelf
from heardback.db import Database

from .conftest import an_alert_of

PAGE = (Path(__file__).parents[4] / "docs" / "ops-alerts.md").read_text()


def block(language: str) -> str:
    found = re.search(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)
    assert found is not None
    return "\n".join(line.removeprefix("   ") for line in found[1].split("\n"))


async def test_rulebook_of_the_page_can_be_saved(database: Database) -> None:
    async with database.read() as connection:
        books = (await load_shelf(connection)).books()
    secrets = {"care_slack", "care_teams", "pager_key", "hook_key"}
    read_data(Kind.ALERTS, read_text(block("yaml")), books, secrets)


async def test_webhook_gets_what_the_page_shows(ops: Any) -> None:
    await ops.use("hook")
    await ops.tell(*(an_alert_of(number) for number in range(12)))
    await ops.turn(seconds=30)
    shown, (told,) = json.loads(block("json")), ops.to.hook.taken
    assert set(shown) == set(told)
    assert set(shown["data"]) == set(told["data"])
    assert set(shown["data"]["items"][0]) == set(told["data"]["items"][0])


def test_page_names_every_kind() -> None:
    assert set(AlertKind) <= set(re.findall(r"`([a-z_]+)`", PAGE))
