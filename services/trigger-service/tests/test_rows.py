"""Every promise about triggering and governance, by its number in the product's list.

Events in, events out and HTTP, on a real Postgres, with a clock that the test moves.
"""

from collections import Counter, defaultdict
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

import httpx2
import pytest

from heardback.contracts import registry
from heardback.contracts.payloads import Payload
from heardback.envelope import Event
from heardback.health import Health
from heardback.http import build_app
from heardback.testing.builders import a_purchase, an_event
from heardback.testing.clock import START
from trigger_service.app import install_programs, service
from trigger_service.settings import Settings

DAY: Final = timedelta(days=1)
HOUR: Final = timedelta(hours=1)
PROGRAM: Final = """\
id: {id}
name: A program
touchpoint: {touchpoint}
type: transactional
survey: nps
delay: {delay}
expires_after: 14d
"""


def a_program(
    program_id: str = "asks", *more: str, touchpoint: str = "purchase", delay: str = "0s"
) -> str:
    return PROGRAM.format(id=program_id, touchpoint=touchpoint, delay=delay) + "\n".join(more)


def a_touchpoint(name: str, number: int = 1, *, customer_id: str = "c1", **data: Any) -> Any:
    fields = {"occurred_at": START, "customer": {"email": f"{customer_id}@example.com"}}
    return an_event(
        registry.TOUCHPOINT_RECORDED,
        id=f"{name}-{number}",
        customer_id=customer_id,
        touchpoint=name,
        **{**fields, **data},
    )


def a_ticket(number: int = 1, **data: Any) -> Event[Payload]:
    fields = {
        "customer_id": "c1",
        "ticket_id": str(number),
        "occurred_at": START,
        "customer": {"email": "c1@example.com"},
    }
    return an_event(registry.TICKET_CLOSED, id=f"ticket-{number}", **{**fields, **data})


@pytest.fixture
async def http(trigger: Any) -> AsyncIterator[httpx2.AsyncClient]:
    routers = service(Settings(database_url=trigger.database.url)).routers
    app = build_app(name="trigger", database=trigger.database, health=Health(), routers=routers)
    transport = httpx2.ASGITransport(app=app)
    async with httpx2.AsyncClient(transport=transport, base_url="http://trigger.example") as http:
        yield http


class Rules:
    """The files of a test: each call replaces them all, and puts them in force."""

    def __init__(self, trigger: Any, folder: Path) -> None:
        self._trigger, self._folder = trigger, folder

    async def __call__(self, *programs: str, governance: str = "") -> None:
        for old in self._folder.iterdir():
            old.unlink()
        for number, program in enumerate(programs):
            (self._folder / f"{number}.yaml").write_text(program)
        (self._folder / "governance.yaml").write_text(governance or "timezone: UTC\n")
        await install_programs(self._trigger.database, folder=self._folder)


@pytest.fixture
def rules(trigger: Any, tmp_path: Path) -> Rules:
    folder = tmp_path / "programs"
    folder.mkdir()
    return Rules(trigger, folder)


async def asked(trigger: Any) -> list[str]:
    """Return the customers of the invitations that went out, in order."""
    return [r.customer_id for r in await trigger.published(registry.SURVEY_REQUESTED)]


async def verdicts(trigger: Any) -> Counter[str]:
    """Return how often something was scheduled, and suppressed for which first reason."""
    suppressed = await trigger.suppressions()
    found = Counter(event.reasons[0] for event in suppressed)
    found["scheduled"] = len(await trigger.published(registry.SURVEY_SCHEDULED))
    return +found


async def act(http: httpx2.AsyncClient, program_id: str, command: str) -> None:
    assert (await http.post(f"/programs/{program_id}/{command}")).status_code == 200


async def test_row_01_a_survey_starts_when_a_standard_or_a_custom_touchpoint_comes(
    trigger: Any, rules: Rules
) -> None:
    names = ("purchase", "ticket-closed", "onboarding-complete", "delivery-confirmed")
    await rules(*(a_program(f"after-{name}", touchpoint=name) for name in names))
    await trigger.deliver(a_purchase(customer_id="c1"))
    await trigger.deliver(a_ticket(customer_id="c2", customer={"email": "c2@example.com"}))
    onboarded = {"occurred_at": START, "customer": {"email": "c3@example.com"}}
    await trigger.deliver(an_event(registry.ONBOARDING_COMPLETED, customer_id="c3", **onboarded))
    await trigger.deliver(a_touchpoint("delivery-confirmed", customer_id="c4"))
    await trigger.fire()
    assert sorted(await asked(trigger)) == ["c1", "c2", "c3", "c4"]


async def test_row_02_send_times_are_spread_evenly_when_many_buy_at_once(
    trigger: Any, rules: Rules
) -> None:
    await rules(a_program(delay="7d..14d"))
    for batch in range(4):
        numbers = range(batch * 500, batch * 500 + 500)
        await trigger.deliver(*(a_purchase(n, customer_id=f"c{n}") for n in numbers))
    scheduled = await trigger.published(registry.SURVEY_SCHEDULED)
    days = Counter((event.send_at - START).days for event in scheduled)
    assert sorted(days) == [7, 8, 9, 10, 11, 12, 13]
    assert all(220 < count < 350 for count in days.values()), days


async def test_row_03_the_third_use_asks_when_each_event_counts_once(
    trigger: Any, rules: Rules
) -> None:
    await rules(a_program("uses", "after_uses: 3", touchpoint="feature-used"))
    for number in (1, 2, 2, 1, 2):
        await trigger.deliver(a_touchpoint("feature-used", number))
    assert await verdicts(trigger) == {"not_enough_uses": 2}
    await trigger.deliver(a_touchpoint("feature-used", 3))
    assert await verdicts(trigger) == {"not_enough_uses": 2, "scheduled": 1}


async def test_row_04_eligibility_looks_at_typed_fields_when_a_program_has_an_expression(
    trigger: Any, rules: Rules, http: httpx2.AsyncClient
) -> None:
    await rules(a_program("asks", 'when: customer.plan == "pro" && event.amount > 50'))
    for number, (plan, amount) in enumerate([("pro", 60), ("pro", 50), ("free", 60), (None, 60)]):
        profile = {"email": "a@example.com", "attributes": {"plan": plan} if plan else {}}
        await trigger.deliver(
            a_purchase(number, customer_id=f"c{number}", customer=profile, amount=amount)
        )
    found = await verdicts(trigger)
    assert found == {"scheduled": 1, "not_eligible": 2, "expression_failed": 1}
    (decision,) = (await http.get("/customers/c3/decisions")).json()["decisions"]
    (failed,) = [rule for rule in decision["rules"] if not rule["passed"]]
    assert failed["detail"] == "customer.plan is not known"
    wrong = {"id": "x", "name": "x", "touchpoint": "purchase", "type": "transactional"}
    wrong |= {"survey": "nps", "delay": "1d", "expires_after": "1d", "when": "customer.plam == 1"}
    refused = await http.post("/programs", json=wrong)
    assert refused.status_code == 422
    assert refused.json()["errors"][0]["field"] == "when"
    assert "customer.plan" in refused.json()["errors"][0]["message"]


async def test_row_04_a_segment_is_the_first_whose_expression_holds_when_governance_has_some(
    trigger: Any, rules: Rules
) -> None:
    segments = """\
segments:
  - {name: enterprise, when: customer.mrr > 5000}
  - {name: smb, when: customer.mrr > 0}
"""
    await rules(a_program(), governance=segments)
    for number, mrr in enumerate([6000, 10, None]):
        attributes = {"mrr": mrr}
        profile = {"email": "a@example.com", "segment": "given", "attributes": attributes}
        await trigger.deliver(a_purchase(number, customer_id=f"c{number}", customer=profile))
    scheduled = await trigger.published(registry.SURVEY_SCHEDULED)
    assert [event.segment for event in scheduled] == ["enterprise", "smb", "given"]


async def test_row_05_one_invitation_goes_out_when_events_repeat_or_come_together(
    trigger: Any, rules: Rules
) -> None:
    await rules(a_program(), a_program("ticket", touchpoint="ticket-closed"))
    for _ in range(3):
        await trigger.deliver(a_purchase(), a_purchase())
    await trigger.deliver(a_ticket())
    await trigger.fire()
    assert await asked(trigger) == ["c1"]
    assert await verdicts(trigger) == {"scheduled": 1, "cooldown_any": 1}


ORDER = {"customer_id": "c1", "order_id": "order-1"}


@pytest.mark.parametrize(
    ("undoing", "reason"),
    [
        (an_event(registry.PURCHASE_REFUNDED, occurred_at=START + DAY, **ORDER), "refunded"),
        (
            an_event(registry.PURCHASE_CANCELLED, occurred_at=START + DAY, **ORDER),
            "order_cancelled",
        ),
        (
            an_event(registry.CUSTOMER_CHURNED, customer_id="c1", occurred_at=START + DAY),
            "churned",
        ),
        (an_event(registry.CUSTOMER_ERASED, customer_id="c1", occurred_at=START + DAY), "erased"),
    ],
)
@pytest.mark.parametrize("first", ["cause", "undoing"])
async def test_row_06_nothing_is_sent_when_what_happened_is_undone(
    trigger: Any, rules: Rules, undoing: Event[Payload], reason: str, first: str
) -> None:
    await rules(a_program(delay="7d"))
    for event in [a_purchase(), undoing][:: 1 if first == "cause" else -1]:
        await trigger.deliver(event)
    trigger.clock.advance(8 * DAY)
    await trigger.fire()
    assert await asked(trigger) == []
    if first == "cause":
        (cancelled,) = await trigger.published(registry.SURVEY_CANCELLED)
        assert cancelled.reason == reason
    else:
        (suppressed,) = await trigger.suppressions()
        assert reason in suppressed.reasons


async def test_row_06_a_ticket_that_is_reopened_is_asked_about_when_it_is_closed_for_good(
    trigger: Any, rules: Rules
) -> None:
    await rules(a_program(touchpoint="ticket-closed", delay="1d"))
    reopened = an_event(
        registry.TICKET_REOPENED, customer_id="c1", ticket_id="7", occurred_at=START + HOUR
    )
    closed_again = a_ticket(8, ticket_id="7", occurred_at=START + 2 * HOUR)
    trigger.clock.advance(3 * HOUR)
    await trigger.deliver(a_ticket(7), reopened, closed_again)
    trigger.clock.advance(2 * DAY)
    await trigger.fire()
    assert await verdicts(trigger) == {"reopened": 1, "scheduled": 1}
    assert await asked(trigger) == ["c1"]


async def test_row_06_a_delivery_is_not_asked_about_when_its_order_is_refunded(
    trigger: Any, rules: Rules
) -> None:
    await rules(a_program(touchpoint="delivery-confirmed", delay="7d"))
    await trigger.deliver(a_touchpoint("delivery-confirmed", subject="order:order-1"))
    await trigger.deliver(an_event(registry.PURCHASE_REFUNDED, occurred_at=START + DAY, **ORDER))
    (cancelled,) = await trigger.published(registry.SURVEY_CANCELLED)
    assert cancelled.reason == "refunded"


@pytest.mark.parametrize("closed_by", ["automation", "spam", "merge"])
async def test_row_07_a_ticket_is_skipped_when_no_person_closed_it(
    trigger: Any, rules: Rules, closed_by: str
) -> None:
    await rules(a_program(touchpoint="ticket-closed"))
    await trigger.deliver(a_ticket(closed_by=closed_by))
    assert await verdicts(trigger) == {"ticket_closed_by_automation": 1}


async def test_row_08_every_decision_is_kept_and_published_when_several_programs_listen(
    trigger: Any, rules: Rules, http: httpx2.AsyncClient
) -> None:
    await rules(a_program("a"), a_program("b", 'when: customer.plan == "pro"'))
    await trigger.deliver(a_purchase(), a_purchase(2))
    kept = (await http.get("/customers/c1/decisions")).json()["decisions"]
    published = [
        *(e.decision_id for e in await trigger.published(registry.SURVEY_SCHEDULED)),
        *(
            f"{event.touchpoint_id}:{suppression.program_id}"
            for event in await trigger.published(registry.SURVEY_SUPPRESSED)
            for suppression in event.suppressions
        ),
    ]
    assert sorted(d["decision_id"] for d in kept) == sorted(published)
    assert len(kept) == 4


async def test_row_09_decisions_say_why_when_they_are_asked_for(
    trigger: Any, rules: Rules, http: httpx2.AsyncClient
) -> None:
    await rules(a_program())
    await trigger.deliver(a_purchase(1), a_purchase(2))
    second, first = (await http.get("/customers/c1/decisions")).json()["decisions"]
    assert first["outcome"] == "scheduled"
    assert all(rule["passed"] for rule in first["rules"])
    failed = {rule["rule"] for rule in second["rules"] if not rule["passed"]}
    assert failed == {"cooldown_any", "cooldown_type", "cooldown_program"} == {*second["reasons"]}


async def test_row_09_a_dry_run_says_what_would_happen_when_nothing_was_sent(
    trigger: Any, rules: Rules, http: httpx2.AsyncClient
) -> None:
    await rules(a_program())
    event = {
        "specversion": "1.0",
        "id": "never-sent",
        "source": "/shop",
        "type": "purchase.completed.v1",
        "data": {"customer_id": "c1", "order_id": "1", "occurred_at": START.isoformat()},
    }
    answer = (await http.post("/programs/asks/dry-run", json={"event": event})).json()
    assert answer["scheduled"] == 0
    assert answer["suppressed"] == {"no_email": 1}
    event["data"] |= {"customer": {"email": "c1@example.com"}}
    answer = (await http.post("/programs/asks/dry-run", json={"event": event})).json()
    assert answer["scheduled"] == 1
    assert await trigger.published() == []
    assert (await http.get("/customers/c1/decisions")).json()["decisions"] == []


async def test_row_10_a_rotating_quarter_is_everybody_once_a_year_when_four_have_passed(
    trigger: Any, rules: Rules
) -> None:
    sample = "sample: {share: 25%, rotate: quarter}"
    await rules(
        a_program("asks", sample, "cooldown: 0s"),
        governance="cooldowns: {any: 0s, transactional: 0s}",
    )
    for quarter in range(4):
        at = trigger.clock.now()
        await trigger.deliver(
            *(
                a_purchase(1000 * quarter + n, customer_id=f"c{n}", occurred_at=at)
                for n in range(200)
            )
        )
        await trigger.fire()
        trigger.clock.advance(92 * DAY)
    assert Counter(await asked(trigger)) == {f"c{n}": 1 for n in range(200)}


async def test_row_11_a_cadence_asks_everybody_once_a_period_when_time_passes(
    trigger: Any, rules: Rules
) -> None:
    program = (
        a_program("twice", delay="0d..150d")
        .replace("touchpoint: purchase", "cadence: twice-yearly")
        .replace("transactional", "relational")
    )
    for n in range(120):
        profile = {"email": f"c{n}@example.com"}
        await trigger.deliver(
            an_event(
                registry.CUSTOMER_UPDATED, customer_id=f"c{n}", occurred_at=START, customer=profile
            )
        )
    await rules(program, a_program("purchase"))
    await trigger.deliver(a_purchase(customer_id="c7"))
    for _ in range(95):
        trigger.clock.advance(DAY)
        while await trigger.fire():
            pass
    requested = await trigger.published(registry.SURVEY_REQUESTED)
    relational = Counter(r.customer_id for r in requested if r.program_id == "twice")
    assert relational == {f"c{n}": 1 for n in range(120)}
    first, second = (r.requested_at for r in requested if r.customer_id == "c7")
    assert second - first >= 30 * DAY, "under the same governance"


async def test_row_12_nothing_is_sent_when_a_program_is_paused_or_a_shadow(
    trigger: Any, rules: Rules, http: httpx2.AsyncClient
) -> None:
    await rules(a_program(delay="1d"))
    await trigger.deliver(a_purchase(1, customer_id="c1"))
    await act(http, "asks", "pause")
    await trigger.deliver(a_purchase(2, customer_id="c2"))
    trigger.clock.advance(2 * DAY)
    await trigger.fire()
    await act(http, "asks", "shadow")
    await trigger.deliver(
        *(a_purchase(n, customer_id="c3", occurred_at=trigger.clock.now()) for n in (3, 4))
    )
    trigger.clock.advance(2 * DAY)
    await trigger.fire()
    assert await asked(trigger) == []
    (cancelled,) = await trigger.published(registry.SURVEY_CANCELLED)
    assert cancelled.reason == "paused"
    assert await verdicts(trigger) == {
        "scheduled": 1,
        "paused": 1,
        "shadow": 1,
        "cooldown_any": 1,
    }
    await act(http, "asks", "activate")
    await trigger.deliver(a_purchase(5, customer_id="c3", occurred_at=trigger.clock.now()))
    trigger.clock.advance(2 * DAY)
    await trigger.fire()
    assert await asked(trigger) == ["c3"], "what the shadow would have sent stands in nobody's way"


async def test_row_13_each_clock_must_pass_when_surveys_follow_each_other(
    trigger: Any, rules: Rules
) -> None:
    governance = "cooldowns: {any: 10d, transactional: 20d, relational: 5d, program: 30d}"
    other = a_program("other", touchpoint="ticket-closed")
    relational = a_program("relational", touchpoint="visited").replace(
        "transactional", "relational"
    )
    await rules(a_program("asks"), other, relational, governance=governance)
    await trigger.deliver(a_purchase(1))
    await trigger.fire()
    for number, (days, make) in enumerate(
        [(9, a_touchpoint), (11, a_touchpoint), (19, a_ticket), (31, a_purchase)], start=2
    ):
        trigger.clock.advance(START + days * DAY - trigger.clock.now())
        at = {"occurred_at": trigger.clock.now()}
        event = make("visited", number, **at) if make is a_touchpoint else make(number, **at)
        await trigger.deliver(event)
        await trigger.fire()
    suppressed = [e.reasons for e in await trigger.suppressions()]
    assert suppressed == [("cooldown_any",), ("cooldown_any", "cooldown_type")]
    assert len(await asked(trigger)) == 3


async def test_row_13_cooldowns_are_looked_at_again_when_an_outage_made_one_late(
    trigger: Any, rules: Rules
) -> None:
    governance = "cooldowns: {any: 10d, transactional: 10d, program: 10d}"
    await rules(a_program(delay="1d"), governance=governance)
    await trigger.deliver(a_purchase(1))
    trigger.clock.advance(8 * DAY)  # the timer of the first fires a week late
    await trigger.fire()
    trigger.clock.advance(2 * DAY)
    await trigger.deliver(a_purchase(2, occurred_at=trigger.clock.now()))
    assert await verdicts(trigger) == {"scheduled": 1, "cooldown_any": 1}


async def test_row_14_an_invitation_waits_when_its_program_defers(
    trigger: Any, rules: Rules
) -> None:
    waits = a_program("waits", "on_throttle: defer", touchpoint="ticket-closed")
    governance = "cooldowns: {any: 10d, transactional: 10d}"
    await rules(a_program("asks"), waits, governance=governance)
    await trigger.deliver(a_purchase())
    await trigger.fire()
    await trigger.deliver(a_ticket())
    _, later = await trigger.published(registry.SURVEY_SCHEDULED)
    assert later.send_at == START + 10 * DAY
    trigger.clock.advance(10 * DAY)
    await trigger.fire()
    assert await asked(trigger) == ["c1", "c1"]


async def test_row_15_the_slot_is_free_again_when_the_invitation_bounced(
    trigger: Any, rules: Rules
) -> None:
    await rules(a_program())
    await trigger.deliver(a_purchase(1))
    await trigger.fire()
    (requested,) = await trigger.published(registry.SURVEY_REQUESTED)
    bounced = {
        "customer_id": "c1",
        "invitation_id": requested.invitation_id,
        "program_id": "asks",
        "touchpoint": "purchase",
        "channel": "email",
        "reason": "550",
        "bounced_at": START,
    }
    await trigger.deliver(an_event(registry.INVITATION_BOUNCED, **bounced))
    await trigger.deliver(a_purchase(2))
    assert await verdicts(trigger) == {"scheduled": 2}


async def test_row_16_nobody_is_asked_at_night_when_their_zone_is_known(
    trigger: Any, rules: Rules
) -> None:
    governance = """\
quiet_hours: {from: "20:00", to: "09:00"}
cooldowns: {any: 0s, transactional: 0s, program: 0s}
"""
    sms = a_program("sms", "channels: [sms]", touchpoint="ticket-closed", delay="0s..7d")
    await rules(a_program(delay="0s..7d"), sms, governance=governance)
    zones = ("Asia/Tokyo", "America/Los_Angeles", "Europe/Berlin", "Nowhere/Else")
    for number in range(80):
        zone = zones[number % 4]
        profile = {"email": "a@example.com", "phone": "+4915112345678", "timezone": zone}
        await trigger.deliver(a_purchase(number, customer_id=f"c{number}", customer=profile))
        await trigger.deliver(a_ticket(number, customer_id=f"c{number}", customer=profile))
    scheduled = await trigger.published(registry.SURVEY_SCHEDULED)
    assert len(scheduled) == 160
    for event in scheduled:
        zone = zones[int(event.key[1:]) % 4]
        local = event.send_at.astimezone(ZoneInfo("UTC" if "Nowhere" in zone else zone))
        assert 9 <= local.hour < 20, (event.program_id, zone, local)


async def test_row_17_no_more_than_the_quota_and_the_budget_go_out_when_many_are_due(
    trigger: Any, rules: Rules
) -> None:
    quotas = ("quotas: {smb: 3}", "on_throttle: defer")
    await rules(a_program("asks", *quotas), governance="daily_budget: 5")
    for number in range(20):
        segment = "smb" if number < 10 else "enterprise"
        profile = {"email": "a@example.com", "segment": segment}
        await trigger.deliver(a_purchase(number, customer_id=f"c{number}", customer=profile))
    sent_by_day = []
    for _ in range(6):
        while await trigger.fire():
            pass
        sent_by_day.append(len(await asked(trigger)))
        midnight = datetime.combine(trigger.clock.now().date() + DAY, datetime.min.time(), UTC)
        trigger.clock.advance(midnight + DAY - timedelta(seconds=1) - trigger.clock.now())
    assert sent_by_day[0] == 5
    assert all(after - before <= 5 for before, after in pairwise(sent_by_day))
    assert sent_by_day[-1] == 20
    postponed = Counter(e.reason for e in await trigger.published(registry.SURVEY_POSTPONED))
    assert postponed["quota"] >= 7
    assert postponed["daily_budget"] > 0


async def test_row_22_everybody_keeps_their_variant_when_they_are_asked_again(
    trigger: Any, rules: Rules
) -> None:
    program = a_program("asks", "variants: {short: 1, friendly: 1}", "cooldown: 0s")
    await rules(program, governance="cooldowns: {any: 0s, transactional: 0s}")
    for batch in range(2):
        numbers = range(100 * batch, 100 * batch + 100)
        await trigger.deliver(*(a_purchase(n, customer_id=f"c{n % 100}") for n in numbers))
        await trigger.fire()
    seen: defaultdict[str, set[str]] = defaultdict(set)
    for requested in await trigger.published(registry.SURVEY_REQUESTED):
        seen[requested.customer_id].add(requested.variant)
    assert len(seen) == 100
    assert all(len(variants) == 1 for variants in seen.values())
    found = Counter(variant for variants in seen.values() for variant in variants)
    assert found.keys() == {"short", "friendly"}
    assert min(found.values()) > 30
