import json
from collections import Counter
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import httpx2
import pytest
from sqlalchemy import func, select

from heardback.contracts import registry
from heardback.contracts.payloads import Payload
from heardback.envelope import Event
from heardback.health import Health
from heardback.http import build_app
from heardback.testing.builders import a_purchase, an_event
from heardback.testing.clock import START
from trigger_service.app import service
from trigger_service.domain.reason import RULES
from trigger_service.settings import Settings
from trigger_service.tables import CUSTOMER, INVITATION, TOUCHPOINT

DAY: Final = timedelta(days=1)
PROGRAM: Final = {
    "id": "orders",
    "name": "After an order",
    "touchpoint": "purchase",
    "type": "transactional",
    "survey": "purchase-nps",
    "delay": "7d",
    "expires_after": "14d",
}
CADENCE: Final = {k: v for k, v in PROGRAM.items() if k != "touchpoint"} | {
    "cadence": "quarterly",
    "delay": "0d..90d",
    "type": "relational",
}
LINES: Final = {"content-type": "application/x-ndjson"}


@pytest.fixture
async def http(trigger: Any) -> AsyncIterator[httpx2.AsyncClient]:
    routers = service(Settings(database_url=trigger.database.url)).routers
    app = build_app(name="trigger", database=trigger.database, health=Health(), routers=routers)
    transport = httpx2.ASGITransport(app=app)
    async with httpx2.AsyncClient(transport=transport, base_url="http://trigger.example") as http:
        yield http


def structured(event: Event[Payload]) -> dict[str, Any]:
    """Return an event as a product system would write it into a file."""
    return {
        "specversion": "1.0",
        "id": event.id,
        "source": event.source,
        "type": event.type.name,
        "data": event.data.model_dump(mode="json", exclude_none=True),
    }


def bought(number: int = 1, *, days: int = 0, customer_id: str = "c1", **data: Any) -> Any:
    at = START + days * DAY
    return structured(a_purchase(number, customer_id=customer_id, occurred_at=at, **data))


async def tried(http: httpx2.AsyncClient, program_id: str = "purchase", **request: Any) -> Any:
    """Return the answer to a dry-run that makes sense."""
    answer = await http.post(f"/programs/{program_id}/dry-run", json=request)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def rows(trigger: Any) -> dict[str, int]:
    """Return how much is kept."""
    async with trigger.database.read() as connection:
        return {
            table.name: await connection.scalar(select(func.count()).select_from(table))
            for table in (CUSTOMER, TOUCHPOINT, INVITATION)
        }


async def test_every_rule_is_told_when_an_event_is_tried(http: httpx2.AsyncClient) -> None:
    answer = await tried(http, event=bought())
    assert answer["scheduled"] == 1
    assert answer["touchpoints"] == answer["customers"] == 1
    (decision,) = answer["decisions"]
    assert decision["outcome"] == "scheduled"
    assert [rule["rule"] for rule in decision["rules"]] == list(RULES)
    send_at = datetime.fromisoformat(decision["send_at"])
    assert START + 7 * DAY <= send_at <= START + 11 * DAY
    assert answer["invitations_per_day"] == {str(send_at.date()): 1}
    assert answer["limits_simulated"] is False


async def test_event_meets_the_customer_as_it_is_now_when_it_is_tried(
    trigger: Any, http: httpx2.AsyncClient
) -> None:
    await trigger.deliver(a_purchase(1))
    answer = await tried(http, event=bought(2))
    assert answer["suppressed"] == {"cooldown_any": 1}
    rules = {rule["rule"]: rule for rule in answer["decisions"][0]["rules"]}
    assert "purchase" in rules["cooldown_program"]["detail"]
    assert (await tried(http, event=bought(2, customer_id="c2")))["scheduled"] == 1


async def test_nothing_is_kept_when_anything_is_tried(
    trigger: Any, http: httpx2.AsyncClient
) -> None:
    await trigger.deliver(a_purchase(1))
    before, published = await rows(trigger), len(await trigger.published())
    await tried(http, event=bought(2, customer_id="c2"))
    await tried(http, events=[bought(3, customer_id="c3")])
    await tried(http, last_days=7)
    assert await rows(trigger) == before
    assert len(await trigger.published()) == published


@pytest.mark.parametrize("state", ["pause", "shadow", "archive"])
async def test_program_counts_as_active_when_it_is_not(
    http: httpx2.AsyncClient, state: str
) -> None:
    await http.post(f"/programs/purchase/{state}")
    assert (await tried(http, event=bought()))["scheduled"] == 1


async def test_draft_is_tried_when_the_program_is_not_kept_yet(http: httpx2.AsyncClient) -> None:
    draft = PROGRAM | {"when": "event.amount > 50"}
    events = [bought(n, customer_id=f"c{n}", amount=n * 20) for n in range(1, 5)]
    answer = await tried(http, "orders", document=draft, events=events)
    assert answer["scheduled"] == 2
    assert answer["suppressed"] == {"not_eligible": 2}
    assert (await http.get("/programs/orders")).status_code == 404


async def test_last_days_are_played_again_when_a_draft_has_another_cooldown(
    trigger: Any, http: httpx2.AsyncClient
) -> None:
    for day in range(5):
        await trigger.deliver(
            *(
                a_purchase(day * 10 + n, customer_id=f"c{n}", occurred_at=trigger.clock.now())
                for n in range(10)
            )
        )
        trigger.clock.advance(DAY)
    kept = await tried(http, last_days=30)
    assert (kept["touchpoints"], kept["customers"]) == (50, 10)
    assert (kept["scheduled"], kept["suppressed"]) == (10, {"cooldown_any": 40})
    draft = PROGRAM | {"id": "purchase", "when": "event.amount > 1"}
    assert (await tried(http, document=draft, last_days=30))["suppressed"] == {
        "expression_failed": 50
    }
    assert (await tried(http, last_days=2))["touchpoints"] == 20
    assert kept["truncated"] is False


async def test_last_days_agree_with_what_was_decided_when_the_program_is_the_same(
    trigger: Any, http: httpx2.AsyncClient
) -> None:
    for day in range(40):
        batch = [
            a_purchase(
                day * 50 + n, customer_id=f"c{day * n % 37}", occurred_at=trigger.clock.now()
            )
            for n in range(20)
        ]
        await trigger.deliver(*batch)
        trigger.clock.advance(DAY)
    summary = (await http.get("/decisions/summary", params={"source": "/shop"})).json()
    answer = await tried(http, last_days=90)
    assert answer["touchpoints"] == summary["touchpoints"] == 800
    assert answer["scheduled"] == summary["scheduled"]
    assert answer["suppressed"] == summary["suppressed"]
    assert sum(answer["invitations_per_day"].values()) == answer["scheduled"]
    assert len(answer["decisions"]) == 100
    times = [decision["occurred_at"] for decision in answer["decisions"]]
    assert times == sorted(times)


async def test_other_programs_slots_are_seen_when_the_last_days_are_played_again(
    trigger: Any, http: httpx2.AsyncClient
) -> None:
    await trigger.deliver(a_purchase(1))
    trigger.clock.advance(DAY)
    other = await tried(http, "orders", document=PROGRAM, last_days=7)
    assert other["suppressed"] == {"cooldown_any": 1}
    assert "cooldown_program" not in other["decisions"][0]["reasons"]


async def test_file_is_played_by_event_time_when_its_lines_are_out_of_order(
    trigger: Any, http: httpx2.AsyncClient
) -> None:
    trigger.clock.advance(400 * DAY)
    lines = [json.dumps(bought(days, days=days)) for days in (200, 0, 20, 100)]
    lines += ["", "nonsense", lines[0], json.dumps({"type": "survey.requested.v1"})]
    answer = await http.post("/programs/purchase/dry-run", content="\n".join(lines), headers=LINES)
    found = answer.json()
    assert found["scheduled"] == 3
    assert found["suppressed"] == {"cooldown_any": 1}
    assert (found["repeated"], found["invalid"]) == (1, 2)
    assert [(f["number"], f["reason"]) for f in found["faults"]] == [
        (6, "invalid_envelope"),
        (8, "invalid_envelope"),
    ]


async def test_invitation_is_cancelled_when_a_later_event_of_the_file_undoes_its_cause(
    trigger: Any, http: httpx2.AsyncClient
) -> None:
    trigger.clock.advance(100 * DAY)
    times = [START + days * DAY for days in (1, 2, 30)]
    refund, churn, late_refund = (
        structured(an_event(kind, id=f"e{n}", occurred_at=times[n], **data))
        for n, (kind, data) in enumerate(
            [
                (registry.PURCHASE_REFUNDED, {"customer_id": "c1", "order_id": "order-1"}),
                (registry.CUSTOMER_CHURNED, {"customer_id": "c2"}),
                (registry.PURCHASE_REFUNDED, {"customer_id": "c3", "order_id": "order-3"}),
            ]
        )
    )
    buys = [bought(n, customer_id=f"c{n}") for n in (1, 2, 3)]
    again = bought(4, days=3)
    answer = await tried(http, events=[late_refund, churn, refund, *buys, again])
    assert answer["cancelled"] == {"refunded": 1, "churned": 1}
    # The refund has given the slot back, and the last came when the question was out.
    assert answer["scheduled"] == 2
    assert answer["touchpoints"] == 4
    outcomes = Counter((d["customer_id"], d["outcome"]) for d in answer["decisions"])
    assert outcomes[("c1", "cancelled")] == outcomes[("c1", "scheduled")] == 1


async def test_recorded_refund_counts_from_its_time_when_the_last_days_are_played_again(
    trigger: Any, http: httpx2.AsyncClient
) -> None:
    await trigger.deliver(a_purchase(1), a_purchase(2, customer_id="c2"))
    for number, days in ((1, 1), (2, 29)):
        trigger.clock.advance(days * DAY)
        await trigger.deliver(
            an_event(
                registry.PURCHASE_REFUNDED,
                id=f"refund-{number}",
                customer_id=f"c{number}",
                order_id=f"order-{number}",
                occurred_at=trigger.clock.now(),
            )
        )
    answer = await tried(http, last_days=60)
    assert (answer["scheduled"], answer["cancelled"]) == (1, {"refunded": 1})


async def test_uses_are_counted_from_the_first_event_when_the_past_is_tried(
    trigger: Any, http: httpx2.AsyncClient
) -> None:
    draft = PROGRAM | {"after_uses": 3}
    trigger.clock.advance(10 * DAY)
    events = [bought(n, days=n) for n in range(4)]
    answer = await tried(http, "orders", document=draft, events=events)
    assert answer["suppressed"] == {"not_enough_uses": 2, "cooldown_any": 1}


async def test_absurd_times_have_an_outcome_when_a_file_holds_them(
    http: httpx2.AsyncClient,
) -> None:
    absurd = [datetime(9999, 12, 30, tzinfo=UTC), datetime(1, 1, 2, tzinfo=UTC)]
    events = [
        structured(a_purchase(n, customer_id=f"c{n}", occurred_at=at))
        for n, at in enumerate(absurd)
    ]
    answer = await tried(http, events=events)
    assert answer["suppressed"] == {"in_future": 1, "stale": 1}


async def test_other_touchpoints_have_no_program_when_only_one_is_tried(
    http: httpx2.AsyncClient,
) -> None:
    visited = an_event(
        registry.TOUCHPOINT_RECORDED, customer_id="c1", touchpoint="visited", occurred_at=START
    )
    answer = await tried(http, events=[structured(visited)])
    assert answer["suppressed"] == {"no_program": 1}
    assert answer["decisions"][0]["rules"] == []


async def test_next_period_is_tried_when_the_program_is_a_cadence(
    trigger: Any, http: httpx2.AsyncClient
) -> None:
    for batch in range(4):
        await trigger.deliver(
            *(a_purchase(n, customer_id=f"c{n}") for n in range(batch * 250, batch * 250 + 250))
        )
    draft = CADENCE | {"sample": {"share": "25%"}}
    answer = await tried(http, "orders", document=draft)
    assert answer["period"]["starts_at"] == "2026-04-01T00:00:00Z"
    assert answer["period"]["ends_at"] == "2026-07-01T00:00:00Z"
    assert 200 < answer["period"]["customers"] < 300
    assert answer["touchpoints"] == answer["customers"] == answer["period"]["customers"]
    # Those who are asked about their purchase until then are left alone in the first weeks.
    assert answer["scheduled"] + answer["suppressed"]["cooldown_any"] == answer["touchpoints"]
    days = answer["invitations_per_day"]
    assert min(days) >= "2026-04-01" and max(days) <= "2026-07-01"


@pytest.mark.parametrize(
    ("request_", "field", "message"),
    [
        ({}, "", "send one of event, events and last_days"),
        ({"event": {}, "last_days": 1}, "", "send one of event, events and last_days"),
        ({"last_days": 0}, "last_days", "write 1 or more"),
        ({"last_days": 91}, "last_days", "write 90 at most"),
        ({"last_days": "many"}, "last_days", "write a whole number"),
        ({"event": "purchase"}, "event", "write fields below it"),
        ({"events": [1]}, "events.0", "write fields below it"),
        ({"colour": "red"}, "colour", "there is no such field"),
        ({"event": {}, "document": PROGRAM}, "document.id", "write purchase, as in the address"),
        ({"event": {}, "document": {}}, "document.id", "is missing"),
        (
            {"event": {}, "document": PROGRAM | {"id": "purchase", "when": "nothing"}},
            "document.when",
            "",
        ),
        (
            {"event": {}, "document": CADENCE | {"id": "purchase"}},
            "event",
            "a cadence follows the calendar",
        ),
    ],
)
async def test_request_is_refused_when_it_says_nothing_to_try(
    http: httpx2.AsyncClient, request_: dict[str, Any], field: str, message: str
) -> None:
    refused = await http.post("/programs/purchase/dry-run", json=request_)
    assert refused.status_code == 422
    found = {error["field"]: error["message"] for error in refused.json()["errors"]}
    assert message in found[field]


async def test_request_is_refused_when_it_is_too_much_or_of_another_kind(
    http: httpx2.AsyncClient,
) -> None:
    path = "/programs/purchase/dry-run"
    huge = await http.post(path, content=b"x" * (8 * 1_048_576 + 1), headers=LINES)
    assert huge.status_code == 413
    many = await http.post(path, content=b"{}\n" * 20_001, headers=LINES)
    assert many.status_code == 422
    assert many.json()["errors"][0]["message"] == "send at most 20,000 events at a time"
    form = await http.post(path, content=b"a=1", headers={"content-type": "text/plain"})
    assert form.status_code == 415
    listed = await http.post(path, content=b"{}\n" * 20_000, headers=LINES)
    assert listed.json()["invalid"] == 20_000
    assert len(listed.json()["faults"]) == 20


async def test_event_is_told_to_be_invalid_when_it_is_none(http: httpx2.AsyncClient) -> None:
    answer = await tried(http, event=bought(amount=1) | {"type": "purchase.exploded.v1"})
    assert (answer["touchpoints"], answer["invalid"]) == (0, 1)
    assert answer["faults"][0]["reason"] == "unknown_type"
