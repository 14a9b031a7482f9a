"""Versions of surveys: never changed, published once, and the ready-made ones kept up to date."""

import asyncio
import copy
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from sqlalchemy import text

from heardback.contracts import registry
from heardback.db import Database
from heardback.envelope import Event
from heardback.surveys import Survey, parse, ready_made
from response_service import survey_store
from response_service.survey_store import KeptSurvey, UnknownSurvey, UnknownVersion, VersionConflict

Published = Callable[[Database], Awaitable[list[Event[Any]]]]


def a_survey(**fields: Any) -> Survey:
    document = copy.deepcopy(dict(ready_made()["nps"].document))
    return parse({**document, "id": "mine", **fields}, version=1)


async def publish(database: Database, survey: Survey, expected: int | None = None) -> KeptSurvey:
    async with database.transaction() as tx:
        return await survey_store.publish(tx, survey, expected=expected, by="ada")


async def newest(database: Database) -> dict[str, KeptSurvey]:
    async with database.read() as connection:
        return await survey_store.load_newest(connection)


async def test_ready_made_surveys_are_published_once(
    database: Database, published: Published
) -> None:
    await asyncio.gather(*(survey_store.publish_ready_made(database) for _ in range(3)))
    kept = await newest(database)
    assert {key: found.version for key, found in kept.items()} == dict.fromkeys(ready_made(), 1)
    events = await published(database)
    assert {event.type for event in events} == {registry.SURVEY_VERSION_PUBLISHED}
    assert sorted(event.data.key for event in events) == sorted(ready_made())
    for event in events:
        found = parse(event.data.document, version=event.data.version)
        assert found.texts("de").question == ready_made()[found.survey_id].texts("de").question


async def test_ready_made_survey_is_published_anew_when_its_text_has_changed(
    database: Database,
) -> None:
    await survey_store.publish_ready_made(database)
    async with database.engine.begin() as connection:
        await connection.execute(
            text("UPDATE survey_version SET digest = 'older' WHERE survey_id = 'nps'")
        )
    await survey_store.publish_ready_made(database)
    kept = (await newest(database))["nps"]
    assert (kept.version, kept.published_by) == (2, "heardback")
    await survey_store.publish_ready_made(database)
    assert (await newest(database))["nps"].version == 2


async def test_edited_survey_stays_when_the_ready_made_text_changes(database: Database) -> None:
    await survey_store.publish_ready_made(database)
    await publish(database, a_survey(id="nps", name="Ours"))
    async with database.engine.begin() as connection:
        await connection.execute(text("UPDATE survey_version SET digest = 'x' WHERE version = 1"))
    await survey_store.publish_ready_made(database)
    kept = (await newest(database))["nps"]
    assert (kept.version, kept.survey.name, kept.published_by) == (2, "Ours", "ada")


async def test_version_is_counted_up_and_published(
    database: Database, published: Published
) -> None:
    first = await publish(database, a_survey(), expected=0)
    second = await publish(database, a_survey(name="Better"), expected=1)
    assert (first.version, second.version) == (1, 2)
    assert [event.data.version for event in await published(database)] == [1, 2]
    async with database.read() as connection:
        versions = await survey_store.load_versions(connection, "mine", limit=5)
        old = await survey_store.load_version(connection, "mine", 1)
    assert [kept.version for kept in versions] == [2, 1]
    assert old.survey.name == "Recommendation"
    assert old.survey.texts("fr").question == a_survey().texts("fr").question


async def test_nothing_is_published_when_nothing_changed(
    database: Database, published: Published
) -> None:
    for _ in range(2):
        kept = await publish(database, a_survey())
    assert kept.version == 1
    assert len(await published(database)) == 1


@pytest.mark.parametrize("expected", [0, 1, 3])
async def test_version_is_refused_when_another_came_between(
    database: Database, expected: int
) -> None:
    await publish(database, a_survey())
    await publish(database, a_survey(name="Theirs"))
    with pytest.raises(VersionConflict) as refused:
        await publish(database, a_survey(name="Ours"), expected=expected)
    assert refused.value.version == 2


async def test_one_of_two_wins_when_both_publish_at_once(database: Database) -> None:
    await publish(database, a_survey())
    results = await asyncio.gather(
        *(publish(database, a_survey(name=f"n{n}"), expected=1) for n in range(4)),
        return_exceptions=True,
    )
    assert sorted(type(result).__name__ for result in results) == ["KeptSurvey"] + 3 * [
        "VersionConflict"
    ]


async def test_what_is_not_there_is_said_so(database: Database) -> None:
    async with database.read() as connection:
        with pytest.raises(UnknownSurvey):
            await survey_store.load_versions(connection, "nonsense", limit=1)
        with pytest.raises(UnknownVersion):
            await survey_store.load_version(connection, "nonsense", 1)
