"""Rules in force: what files, the API and replicas of two versions make of them together."""

from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import pytest

from heardback.contracts import registry
from heardback.testing.builders import a_purchase, an_event
from heardback.testing.clock import START
from heardback.timers import cancel_timers
from trigger_service import rules
from trigger_service.app import install_programs
from trigger_service.documents import GovernanceDocument
from trigger_service.domain.program import ProgramState
from trigger_service.faults import InvalidDocument

DAY: Final = timedelta(days=1)
PROGRAM: Final = """\
id: asks
name: {name}
state: {state}
touchpoint: purchase
type: transactional
survey: nps
delay: 0s
expires_after: 14d
{more}
"""
FIELD: Final = "fields: {event: {size: string}}\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "rules"
    made.mkdir()
    return made


async def install(
    trigger: Any,
    folder: Path,
    *,
    name: str = "First",
    state: str = "active",
    more: str = "",
    governance: str = "timezone: UTC\n",
) -> None:
    (folder / "asks.yaml").write_text(PROGRAM.format(name=name, state=state, more=more))
    (folder / "governance.yaml").write_text(governance)
    await install_programs(trigger.database, folder=folder)


async def state_of(trigger: Any) -> ProgramState:
    async with trigger.database.read() as connection:
        return (await rules.find_program(connection, "asks")).state


async def put(trigger: Any, state: ProgramState) -> None:
    async with trigger.database.transaction() as tx:
        await rules.set_state(tx, "asks", state)


async def test_program_stays_paused_when_its_file_has_a_new_wording(
    trigger: Any, folder: Path
) -> None:
    await install(trigger, folder)
    await put(trigger, ProgramState.PAUSED)
    await install(trigger, folder, name="Second")
    assert await state_of(trigger) is ProgramState.PAUSED
    await install(trigger, folder, name="Second", state="shadow")
    assert await state_of(trigger) is ProgramState.SHADOW


async def test_program_stays_archived_when_an_old_replica_starts_with_its_file(
    trigger: Any, folder: Path
) -> None:
    await install(trigger, folder)
    (folder / "asks.yaml").unlink()
    await install_programs(trigger.database, folder=folder)
    assert await state_of(trigger) is ProgramState.ARCHIVED
    await install(trigger, folder)
    assert await state_of(trigger) is ProgramState.ARCHIVED
    await install(trigger, folder, name="Anew")
    assert await state_of(trigger) is ProgramState.ACTIVE


async def test_start_is_refused_when_a_file_does_not_fit_the_governance_in_force(
    trigger: Any, folder: Path
) -> None:
    await install(trigger, folder, governance=FIELD)
    async with trigger.database.transaction() as tx:
        await rules.write_governance(tx, GovernanceDocument())
    with pytest.raises(InvalidDocument) as refused:
        await install(trigger, folder, more='when: event.size == "big"', governance=FIELD)
    assert "event.size" in str(refused.value)
    await trigger.deliver(a_purchase())
    assert len(await trigger.published(registry.SURVEY_SCHEDULED)) == 1


async def test_cadence_goes_on_when_its_timer_was_set_aside(trigger: Any, folder: Path) -> None:
    cadence = PROGRAM.format(name="All", state="active", more="").replace(
        "touchpoint: purchase", "cadence: monthly"
    )
    await trigger.deliver(
        an_event(
            registry.CUSTOMER_UPDATED,
            customer_id="c1",
            occurred_at=START,
            customer={"email": "c1@example.com"},
        )
    )
    (folder / "asks.yaml").write_text(cadence.replace("delay: 0s", "delay: 0d..20d"))
    await install_programs(trigger.database, folder=folder)
    async with trigger.database.transaction() as tx:
        await cancel_timers(tx.connection, rules.CADENCE, ["asks"])
    await install_programs(trigger.database, folder=folder)
    for _ in range(25):
        await trigger.fire()
        trigger.clock.advance(DAY)
    assert len(await trigger.published(registry.SURVEY_REQUESTED)) == 1


async def test_cadence_begins_anew_when_it_becomes_a_longer_one(trigger: Any, folder: Path) -> None:
    await trigger.deliver(
        an_event(
            registry.CUSTOMER_UPDATED,
            customer_id="c1",
            occurred_at=START,
            customer={"email": "c1@example.com"},
        )
    )
    text = PROGRAM.format(name="All", state="active", more="cooldown: 0s").replace(
        "delay: 0s", "delay: 0d..20d"
    )
    for cadence in ("monthly", "yearly", "quarterly"):
        (folder / "asks.yaml").write_text(
            text.replace("touchpoint: purchase", f"cadence: {cadence}")
        )
        (folder / "governance.yaml").write_text("cooldowns: {any: 0s, transactional: 0s}\n")
        await install_programs(trigger.database, folder=folder)
        for _ in range(60):
            await trigger.fire()
            trigger.clock.advance(DAY)
    touchpoints = {r.touchpoint for r in await trigger.published(registry.SURVEY_REQUESTED)}
    assert {"monthly", "quarterly"} <= touchpoints
