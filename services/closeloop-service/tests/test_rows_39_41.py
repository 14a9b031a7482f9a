"""Every promise about tasks, their owners and their clocks, by its number in the product's list.

Events in, events out and HTTP, on a real Postgres, with a clock that the test moves: it begins on
Monday, 2 March 2026 at 9 UTC.
"""

from collections.abc import Callable
from typing import Any

import pytest

from heardback.contracts import registry
from heardback.envelope import Event
from heardback.testing.clock import START
from heardback.vocabulary import Category

from .rows import ANA, CALL, CARE, HOUR, POLICY, SECOND, Whole, an_update, at, due, with_members

Make = Callable[..., Event[Any]]
WEEK = ("mon", "tue", "wed", "thu", "fri")
BERLIN = {
    "tz": "Europe/Berlin",
    "country": "DE",
    "holidays": ["2026-03-03"],
    "week": {
        **{day: [["09:00", "12:00"], ["14:00", "17:00"]] for day in WEEK},
        "sun": [["01:00", "04:00"]],
    },
}


async def test_row_39_task_is_opened_once_when_a_detractor_alerts(
    whole: Whole, an_alert: Make
) -> None:
    await whole.hear(an_alert(1), an_alert(2), an_alert(1))
    await whole.hear(an_alert(2))
    opened = await whole.said(registry.TASK_OPENED)
    assert [(one.customer_id, one.score, one.category) for one in opened] == [
        ("c1", 2, Category.DETRACTOR),
        ("c2", 2, Category.DETRACTOR),
    ]
    tasks = await whole.tasks()
    assert [(task["customer_id"], task["state"]) for task in tasks] == [
        ("c1", "open"),
        ("c2", "open"),
    ]
    assert [task["comment"] for task in tasks] == ["It came two weeks late."] * 2


async def test_row_39_second_alert_joins_when_the_customers_task_is_open(
    whole: Whole, an_alert: Make
) -> None:
    await whole.hear(an_alert(1))
    await whole.move(await whole.task(), "contact", **CALL)
    again = {"customer_id": "c1", "program_id": "after-support", "score": 0, "comment": "Again."}
    await whole.hear(an_alert(2, **again), an_alert(2, **again))
    task = await whole.task()
    assert (task["answers"], task["score"], task["comment"]) == (2, 0, "Again.")
    assert len(await whole.said(registry.TASK_OPENED)) == 1
    (joined,) = await whole.said(registry.TASK_JOINED)
    assert (joined.alert_id, joined.task_id) == ("alert-2", task["task_id"])
    await whole.move(task, "resolve", **ANA, root_cause="late delivery")
    await whole.hear(an_alert(3, customer_id="c1"))
    assert [one["state"] for one in await whole.tasks()] == ["resolved", "open"]


@pytest.mark.parametrize(
    ("opens", "category", "comment", "tasks"),
    [
        ({}, "passive", "No dark mode.", 1),
        ({}, "passive", None, 0),
        ({}, "promoter", "I love it.", 0),
        ({"promoter": "commented"}, "promoter", "I love it.", 1),
        ({"promoter": "commented"}, "promoter", None, 0),
        ({"promoter": "always"}, "promoter", None, 1),
        ({"passive": "never"}, "passive", "No dark mode.", 0),
    ],
)
async def test_row_39_lighter_task_is_opened_when_the_playbook_says_so(
    whole: Whole, an_answer: Make, opens: Any, category: str, comment: str | None, tasks: int
) -> None:
    playbooks = (await whole.get("/rulebooks/playbooks"))["document"]["playbooks"]
    for group, when in opens.items():
        playbooks[group]["opens"] = when
    await whole.put("playbooks", playbooks=playbooks)
    score = 7 if category == "passive" else 9
    await whole.hear(an_answer(category=category, score=score, comment=comment))
    found = await whole.tasks()
    assert [task["category"] for task in found] == [category] * tasks
    for task in found:
        steps = (await whole.get(f"/tasks/{task['task_id']}"))["steps"]
        assert [s["step_id"] for s in steps] == [s["id"] for s in playbooks[category]["steps"]]


async def test_row_40_task_is_the_account_owners_when_customer_data_names_one(
    whole: Whole, an_alert: Make
) -> None:
    await with_members(whole, {"name": "Ana"}, {"name": "Ben", "email": "ben@example.com"})
    await whole.hear(
        an_update(1, attributes={"account_owner": "Ben"}),
        an_update(2, attributes={"account_owner": "ben@example.com"}),
        an_update(3, attributes={"account_owner": "Nobody"}),
    )
    await whole.hear(*(an_alert(number) for number in (1, 2, 3)))
    assert [task["owner"] for task in await whole.tasks()] == ["Ben", "Ben", "Ana"]
    assigned = await whole.said(registry.TASK_ASSIGNED)
    assert [(one.owner, one.by) for one in assigned] == [
        ("Ben", None),
        ("Ben", None),
        ("Ana", None),
    ]


@pytest.mark.parametrize(
    ("when", "fits"),
    [
        ({"segments": ["enterprise"]}, {"segment": "enterprise"}),
        ({"touchpoints": ["renewal"]}, {"touchpoint": "renewal"}),
        ({"languages": ["de"]}, {"recipient": {"locale": "de-AT", "name": "Ada"}}),
    ],
)
async def test_row_40_task_goes_to_a_team_when_its_rule_fits(
    whole: Whole, an_alert: Make, when: Any, fits: Any
) -> None:
    other = {"title": "Others", "calendar": "office", "members": [{"name": "Zoe"}]}
    teams = {"care": {**CARE, "members": [{"name": "Ana"}]}, "others": other}
    await whole.put(
        "teams", teams=teams, rules=[{"when": when, "team": "others"}, {"team": "care"}]
    )
    await whole.hear(an_alert(1, **fits), an_alert(2))
    assert [(t["team"], t["owner"]) for t in await whole.tasks()] == [
        ("others", "Zoe"),
        ("care", "Ana"),
    ]


async def test_row_40_least_loaded_gets_the_task_when_they_have_room_and_are_in(
    whole: Whole, an_alert: Make
) -> None:
    calendars = (await whole.get("/rulebooks/calendars"))["document"]["calendars"]
    evening = {"tz": "UTC", "week": {day: [["18:00", "20:00"]] for day in WEEK}}
    await whole.put("calendars", calendars={**calendars, "evening": evening})
    await with_members(
        whole,
        {"name": "Ana", "capacity": 3},
        {"name": "Ben", "capacity": 3},
        {"name": "Cid", "calendar": "evening", "capacity": 1},
        {"name": "Dee", "absences": [{"from": "2026-03-02", "to": "2026-03-06"}]},
        {"name": "Eli", "languages": ["fr"]},
    )
    alerts = [an_alert(number, recipient={"locale": "en"}) for number in range(8)]
    await whole.hear(*alerts[:2])
    await whole.move((await whole.tasks())[0], "assign", owner="Ben", actor="Maya")
    await whole.hear(*alerts[2:])
    tasks = await whole.tasks()
    owners = ["Ben", "Ben", "Ana", "Ana", "Ben", "Ana", None, None]
    assert [task["owner"] for task in tasks] == owners
    assert {task["team"] for task in tasks} == {"care"}
    await whole.until(START + 9 * HOUR - SECOND)
    assert [task["owner"] for task in await whole.tasks()] == owners
    await whole.until(START + 9 * HOUR)
    assert [task["owner"] for task in await whole.tasks()][6:] == ["Cid", None]
    await whole.until(START + 24 * HOUR)
    await whole.move(tasks[2], "cancel", actor="Ana", reason="A test.")
    await whole.after(seconds=1)
    assert [task["owner"] for task in await whole.tasks()][6:] == ["Cid", "Ana"]


async def test_row_41_first_policy_counts_when_several_fit(whole: Whole, an_alert: Make) -> None:
    policies = [
        {**POLICY, "id": "large", "when": {"min_value": 10_000}, "first_response": "1h"},
        {**POLICY, "id": "enterprise", "when": {"segments": ["enterprise"]}, "resolution": "16h"},
        {**POLICY, "id": "renewal", "when": {"touchpoints": ["renewal"]}, "first_response": "2h"},
        POLICY,
    ]
    await whole.put("sla-policies", policies=policies)
    await whole.hear(
        an_update(1, attributes={"annual_value": 10_000}),
        an_update(2, attributes={"annual_value": 9_999}),
    )
    alerts = (
        an_alert(1, segment="enterprise", touchpoint="renewal"),
        an_alert(2, segment="enterprise", touchpoint="renewal"),
        an_alert(3, touchpoint="renewal"),
        an_alert(4),
    )
    await whole.hear(*alerts)
    tasks = await whole.tasks()
    assert [task["policy_id"] for task in tasks] == ["large", "enterprise", "renewal", "default"]
    hours = [(due(task, "first_response") - START) / HOUR for task in tasks]
    assert hours == [1, 4, 2, 4]


@pytest.mark.parametrize(
    ("opened", "first", "resolution"),
    [
        ("2026-03-02 09:00", "2026-03-02 13:00", "2026-03-04 09:00"),
        ("2026-03-02 15:00", "2026-03-03 11:00", "2026-03-04 15:00"),
        # By office time it were Monday at 12: no one waits for more than a day.
        ("2026-03-06 16:00", "2026-03-07 16:00", "2026-03-08 16:00"),
    ],
)
async def test_row_41_two_clocks_are_set_by_the_defaults_when_nobody_wrote_rules(
    whole: Whole, an_alert: Make, opened: str, first: str, resolution: str
) -> None:
    await whole.until(at(opened))
    await whole.hear(an_alert(alerted_at=at(opened)))
    task = await whole.task()
    assert due(task, "first_response") == at(first)
    assert due(task, "resolution") == at(resolution)
    (said,) = await whole.said(registry.TASK_OPENED)
    assert (said.first_response_due_at, said.resolution_due_at) == (at(first), at(resolution))


@pytest.mark.parametrize(
    ("opened", "ends"),
    [
        # Berlin is an hour ahead, and closed from 12 to 14.
        ("2026-03-02 09:00", "2026-03-02 15:00"),
        # Tuesday is a holiday of the house; 12:00 is the end of the morning, and not 14:00.
        ("2026-03-02 15:00", "2026-03-04 11:00"),
        # Of the three hours of Sunday the clocks take one.
        ("2026-03-27 15:00", "2026-03-30 08:00"),
        # Friday is Good Friday in Germany.
        ("2026-04-02 14:00", "2026-04-05 02:00"),
        # In October the hour from 2 to 3 comes twice.
        ("2026-10-23 14:00", "2026-10-25 02:00"),
    ],
)
async def test_row_41_minutes_run_on_the_calendar_when_it_is_closed_in_between(
    whole: Whole, an_alert: Make, opened: str, ends: str
) -> None:
    calendars = (await whole.get("/rulebooks/calendars"))["document"]["calendars"]
    await whole.put("calendars", calendars={**calendars, "berlin": BERLIN})
    policy = {**POLICY, "calendar": "berlin", "resolution": {"within": "4h", "calendar": "berlin"}}
    await whole.put("sla-policies", policies=[policy])
    await whole.until(at(opened))
    await whole.hear(an_alert(alerted_at=at(opened)))
    task = await whole.task()
    assert due(task, "first_response") == at(ends)
    assert due(task, "resolution") == at(ends)
