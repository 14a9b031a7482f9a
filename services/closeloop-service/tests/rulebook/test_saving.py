"""Saving rulebooks: versions, conflicts, what follows, and the rules in force."""

import asyncio
from typing import Any

import pytest
from sqlalchemy import text

from closeloop_service.domain.matching import Facts
from closeloop_service.handlers.listening import topic_handlers
from closeloop_service.rulebook.faults import RulebookChanged, RulebookFaults, RulesUnreadable
from closeloop_service.rulebook.keeper import Keeper
from closeloop_service.rulebook.kinds import Kind
from closeloop_service.rulebook.saving import Draft, save
from heardback.db import Database
from heardback.vocabulary import Category, SlaClock

from . import books

ENTERPRISE = Facts(
    category=Category.DETRACTOR,
    touchpoint="purchase",
    program_id="after-purchase",
    score=1,
    segment="enterprise",
    value=20_000,
)


async def put(database: Database, kind: Kind, body: str, *, based_on: int | None = None):
    draft = Draft(kind=kind, body=body, saved_by="Ana", based_on=based_on)
    async with database.transaction() as tx:
        return await save(tx, draft, ("care_slack", "pager_key"))


async def rules(database: Database, keeper: Keeper | None = None):
    async with database.read() as connection:
        return await (keeper or Keeper()).in_force(connection)


async def timers(database: Database) -> list[tuple[str, str]]:
    async with database.read() as connection:
        rows = await connection.execute(text("SELECT kind, key FROM timer ORDER BY kind, key"))
        return [tuple(row) for row in rows]


async def test_ready_made_rules_are_in_force_when_nobody_saved(database: Database) -> None:
    found = await rules(database)
    assert found.version == 0
    assert [policy.policy_id for policy in found.policies] == ["default"]
    assert found.routing.teams["care"].members == ()


async def test_saved_rules_are_in_force_at_once_when_a_keeper_knew_older_ones(
    database: Database,
) -> None:
    keeper = Keeper()
    assert (await rules(database, keeper)).version == 0
    saved = await put(database, Kind.SLA_POLICIES, books.POLICIES)
    found = await rules(database, keeper)
    assert found.version == saved.version
    assert found.policies[0].when.fits(ENTERPRISE)
    assert found is await rules(database, keeper)


async def test_next_response_is_as_the_first_when_it_is_left_out(database: Database) -> None:
    await put(database, Kind.SLA_POLICIES, books.POLICIES)
    enterprise = (await rules(database)).policies[0]
    assert enterprise.targets[SlaClock.NEXT_RESPONSE] == enterprise.targets[SlaClock.FIRST_RESPONSE]


async def test_open_tasks_are_planned_anew_when_policies_or_calendars_change(
    database: Database,
) -> None:
    await put(database, Kind.SLA_POLICIES, books.POLICIES)
    assert await timers(database) == [("replan", "rules")]


async def test_queues_are_tried_again_when_teams_change(database: Database) -> None:
    await put(database, Kind.TEAMS, books.TEAMS)
    assert await timers(database) == [("route", "unrouted")]


async def test_nothing_follows_when_only_a_comment_changed(database: Database) -> None:
    body = "# a comment\n" + books.text_of(Kind.SLA_POLICIES)
    assert (await put(database, Kind.SLA_POLICIES, body)).version > 0
    assert await timers(database) == []


@pytest.mark.parametrize("ending", ["", "\n\n", "   \n", "\r\n"])
async def test_no_version_is_made_when_the_text_is_unchanged(
    database: Database, ending: str
) -> None:
    same = books.text_of(Kind.TEAMS).rstrip("\n") + ending
    assert (await put(database, Kind.TEAMS, same)).version == 0
    first = await put(database, Kind.TEAMS, books.TEAMS)
    again = await put(database, Kind.TEAMS, books.TEAMS.replace("\n", "\r\n"), based_on=0)
    assert again == first


async def test_second_is_refused_when_two_write_upon_one_version(database: Database) -> None:
    first = await put(database, Kind.TEAMS, books.TEAMS, based_on=0)
    with pytest.raises(RulebookChanged) as refused:
        await put(database, Kind.TEAMS, books.TEAMS + "# mine\n", based_on=0)
    assert refused.value.version == first.version


async def test_one_is_refused_when_two_save_at_the_same_time(database: Database) -> None:
    bodies = [books.TEAMS + f"# {number}\n" for number in range(4)]
    saving = (put(database, Kind.TEAMS, body, based_on=0) for body in bodies)
    outcomes = await asyncio.gather(*saving, return_exceptions=True)
    assert sum(isinstance(outcome, RulebookChanged) for outcome in outcomes) == 3


async def test_calendar_stays_when_a_policy_needs_it(database: Database) -> None:
    only = "calendars: {office: {tz: UTC, week: {mon: [['09:00', '17:00']]}}}"
    with pytest.raises(RulebookFaults) as refused:
        await put(database, Kind.CALENDARS, only)
    (fault,) = refused.value.faults
    assert fault.field == "calendars"
    assert fault.message == (
        "always is missing, and SLA policies needs it (policies.0.resolution.calendar); "
        "keep it here, or change it there first"
    )


async def test_target_stays_when_a_team_is_told_by_it(database: Database) -> None:
    await put(database, Kind.ALERTS, books.ALERTS)
    told = books.TEAMS.replace("title: Key accounts", "title: Key accounts\n    target: care-slack")
    await put(database, Kind.TEAMS, told)
    with pytest.raises(RulebookFaults) as refused:
        await put(database, Kind.ALERTS, "targets: {}")
    assert "care-slack is missing, and Teams needs it" in str(refused.value.faults[0])


async def test_order_of_languages_is_kept_when_rules_are_made_from_what_was_saved(
    database: Database,
) -> None:
    body = (
        "told:\n"
        "  sv: {subject: Klart, text: Nu är det klart.}\n"
        "  en: {subject: Done, text: It is done.}\n"
        "  de: {subject: Fertig, text: Es ist fertig.}\n"
    )
    await put(database, Kind.IMPROVEMENTS, body)
    assert list((await rules(database)).improvements.told) == ["sv", "en", "de"]


async def test_process_waits_to_be_replaced_when_a_newer_release_saved_the_rules(
    database: Database,
) -> None:
    async with database.transaction() as tx:
        await tx.connection.execute(
            text(
                "INSERT INTO rulebook (kind, body, document, saved_by, note, saved_at) "
                "VALUES ('alerts', 'something: new', '{}', 'Ana', '', now())"
            )
        )
    with pytest.raises(RulesUnreadable):
        await rules(database)


async def test_task_that_opened_by_the_rules_of_before_is_planned_anew_as_well(
    database: Database, closeloop: Any, an_alert: Any
) -> None:
    opening = an_alert(1, segment="enterprise")
    async with database.transaction() as tx:
        await topic_handlers(closeloop.keeper)[opening.type.topic](tx, [opening])
        # Before it commits, other rules are in force, and all tasks are planned by them.
        saved = await put(database, Kind.SLA_POLICIES, books.POLICIES)
        await closeloop.pass_time(seconds=1)
    await closeloop.pass_time(minutes=5)
    assert (await closeloop.task()).rules_version == saved.version
