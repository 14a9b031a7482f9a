"""What every page says: its links lead somewhere, and the names in it are those of the code."""

import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Final

import asyncpg
import pytest

from closeloop_service.settings import Settings as CloseloopSettings
from dispatch_service.settings import Settings as DispatchSettings
from heardback.settings import ServiceSettings
from heardback.testing.stack import ServiceDatabase
from insights_service.settings import Settings as InsightsSettings
from response_service.settings import Settings as ResponseSettings
from trigger_service.settings import Settings as TriggerSettings

ROOT: Final = Path(__file__).parents[1]
PAGES: Final = (
    ROOT / "README.md",
    *sorted((ROOT / "docs").rglob("*.md")),
    *sorted((ROOT / "services").glob("*/README.md")),
    *sorted((ROOT / "bench").glob("*.md")),
)
SETTINGS: Final = (
    ServiceSettings,
    TriggerSettings,
    DispatchSettings,
    ResponseSettings,
    CloseloopSettings,
    InsightsSettings,
)
MEASURED: Final = (
    "heardback.metrics",
    "trigger_service.metrics",
    "dispatch_service.metrics",
    "response_service.metrics",
    "closeloop_service.metrics",
    "insights_service.metrics",
)
FENCED: Final = re.compile(r"^[ \t]*```(\w*).*\n([\s\S]*?)^[ \t]*```[ \t]*$", re.MULTILINE)
each_page: Final = pytest.mark.parametrize(
    "page", PAGES, ids=[str(page.relative_to(ROOT)) for page in PAGES]
)


def prose(page: Path) -> str:
    return FENCED.sub("", page.read_text())


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as the hosts of Git repositories make them."""
    titles = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    plain = (re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", title) for title in titles)
    return {re.sub(r"[^\w\- ]", "", title.strip().lower()).replace(" ", "-") for title in plain}


def links(page: Path) -> Iterator[tuple[str, str]]:
    for link in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        if not re.match(r"[a-z]+:", link):
            path, _, anchor = link.partition("#")
            yield path, anchor


def metrics() -> set[str]:
    """Return the names that Prometheus is given, of every instrument in the source."""
    made = re.compile(r'(?:create_(\w+)\(|Tally\(\s*_meter,)\s*"([\w.]+)"(?:,\s*unit="([^"]+)")?')
    names = set()
    for module in MEASURED:
        source = Path(str(import_module(module).__file__)).read_text()
        for kind, name, unit in made.findall(source):
            plain = name.replace(".", "_") + ("_seconds" if unit == "s" else "")
            names.add(plain + ("_total" if kind in ("", "counter") else ""))
    return names


def test_no_page_is_overlooked_when_there_are_pages() -> None:
    assert len(PAGES) > 40


@each_page
def test_link_leads_somewhere_when_a_page_has_it(page: Path) -> None:
    for path, anchor in links(page):
        target = page.parent / path if path else page
        assert target.exists(), f"{path} is not there"
        assert not anchor or anchor in anchors(target), f"{path}#{anchor} is no heading"


def test_image_is_shown_when_it_is_there() -> None:
    shown = {(page.parent / path).resolve() for page in PAGES for path, _ in links(page)}
    assert {image for image in (ROOT / "docs" / "img").iterdir() if image not in shown} == set()


@each_page
def test_setting_exists_when_a_page_names_it(page: Path) -> None:
    known = {f"HEARDBACK_{name.upper()}" for model in SETTINGS for name in model.model_fields}
    named = set(re.findall(r"\bHEARDBACK_[A-Z_]+[A-Z]\b", page.read_text()))
    assert named - {name for name in named if name.startswith("HEARDBACK_TEST_")} <= known


@pytest.mark.parametrize(
    ("service", "model"),
    [
        ("dispatch", DispatchSettings),
        ("response", ResponseSettings),
        ("closeloop", CloseloopSettings),
    ],
)
def test_setting_is_explained_when_a_service_has_it(
    service: str, model: type[ServiceSettings]
) -> None:
    page = (ROOT / "services" / f"{service}-service" / "README.md").read_text()
    table = page.partition("## Settings")[2].partition("\n## ")[0]
    explained = set(re.findall(r"`([A-Z_]+)`", table))
    own = model.model_fields.keys() - ServiceSettings.model_fields.keys()
    assert {name.upper() for name in own} <= explained


def test_setting_of_every_service_is_explained_when_it_exists() -> None:
    page = (ROOT / "docs" / "shared.md").read_text()
    named = {name.removeprefix("HEARDBACK_") for name in re.findall(r"HEARDBACK_[A-Z_]+", page)}
    named.add("DEAD_LETTER_WINDOW_SECONDS" if "…_WINDOW_SECONDS" in page else "")
    assert {name.upper() for name in ServiceSettings.model_fields} <= named


@each_page
def test_metric_exists_when_a_page_names_it(page: Path) -> None:
    found = set(re.findall(r"\bheardback_[a-z_]+[a-z]\b(?!/)", prose(page)))
    assert found - {"heardback_local"} <= metrics()


@pytest.mark.parametrize("service", ["dispatch", "response", "closeloop"])
def test_metric_is_listed_when_a_service_has_it(service: str) -> None:
    page = (ROOT / "services" / f"{service}-service" / "README.md").read_text()
    prefix = f"heardback_{service}_"
    listed = set(re.findall(r"`([a-z_]+)(?:\{[a-z,]+\})?`", page.partition("## Metrics")[2]))
    own = {name.removeprefix(prefix) for name in metrics() if name.startswith(prefix)}
    assert own <= listed


@each_page
def test_log_line_exists_when_a_page_names_it(page: Path) -> None:
    source = "\n".join(
        path.read_text()
        for folder in ("shared/src", "services")
        for path in (ROOT / folder).rglob("*.py")
        if "tests" not in path.parts
    )
    for event in re.findall(r"[Ll]og(?: says|ged as)? `(\w+)", prose(page)):
        assert re.search(rf'_log\.\w+\(\s*"{event}"', source), event


async def test_statement_of_a_runbook_runs_when_it_is_copied(
    migrated_database: ServiceDatabase,
) -> None:
    statements = [
        text
        for page in (ROOT / "docs" / "runbooks").glob("*.md")
        for language, text in FENCED.findall(page.read_text())
        if language == "sql"
    ]
    assert statements
    for service in ("dispatch", "closeloop"):
        connection = await asyncpg.connect(await migrated_database(service))
        try:
            for statement in statements:
                if f"{service}." in statement:
                    await connection.execute(f"EXPLAIN {statement}")
        finally:
            await connection.close()
    assert all("dispatch." in text or "closeloop." in text for text in statements)
