"""What is known of surveys: the version that is asked by, and what a program has no texts for."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import httpx2
import pytest

from heardback.contracts import registry
from heardback.contracts.payloads import Payload
from heardback.envelope import Event
from heardback.hours import hours_of
from heardback.testing.builders import a_purchase, an_event
from heardback.testing.clock import START
from heardback.vocabulary import Channel, ProgramType
from trigger_service.faults import Fault
from trigger_service.known_surveys import load_warnings

from . import console_builders as build
from .domain_builders import a_document

DAY = timedelta(days=1)
ALWAYS = "event.touchpoint == 'purchase'"
EDIT = "/console/programs/large-order/edit"


@pytest.fixture
async def http(trigger: Any) -> AsyncIterator[httpx2.AsyncClient]:
    transport = httpx2.ASGITransport(app=build.make_app(trigger.database))
    async with httpx2.AsyncClient(transport=transport, base_url="http://console.example") as http:
        yield http


def published(version: int, survey_id: str = "purchase-nps", **document: Any) -> Event[Payload]:
    return an_event(
        registry.SURVEY_VERSION_PUBLISHED,
        id=f"{survey_id}-{version}",
        survey_id=survey_id,
        version=version,
        document={"id": survey_id, **document},
        published_at=START,
    )


def _purchase(trigger: Any, number: int) -> Event[Payload]:
    return a_purchase(number, customer_id=f"c{number}", occurred_at=trigger.clock.now())


async def asked(trigger: Any, number: int = 1) -> Any:
    """Return the request that a purchase leads to."""
    await trigger.deliver(_purchase(trigger, number))
    trigger.clock.advance(10 * DAY)
    await trigger.fire()
    return (await trigger.published(registry.SURVEY_REQUESTED))[-1]


async def warnings(trigger: Any, **fields: Any) -> list[Fault]:
    document = a_document(survey="purchase-nps", **fields)
    async with trigger.database.read() as connection:
        return await load_warnings(connection, document)


async def test_newest_version_is_asked_by_when_several_were_published(trigger: Any) -> None:
    assert (await asked(trigger)).survey_version is None
    await trigger.deliver(published(2), published(3), published(1), published(7, "other"))
    await trigger.deliver(published(2))
    assert (await asked(trigger, 2)).survey_version == 3
    await trigger.deliver(published(4))
    assert (await asked(trigger, 3)).survey_version == 4


async def test_request_says_how_to_go_on_when_nothing_comes_back(trigger: Any) -> None:
    fields: dict[str, Any] = {
        "channels": ["email", "sms"],
        "learn_channels": True,
        "fallback_after": "2d",
        "reminders": {"count": 2, "after": "36h"},
        "send_hours": {"from": "09:00", "to": "17:00", "days": ["mon", "thu"]},
    }
    await build.write(trigger.database, when=ALWAYS, **fields)
    await build.set_state(trigger.database, "large-order", "active")
    request = await asked(trigger)
    assert request.program_id == "large-order"
    assert request.program_type is ProgramType.TRANSACTIONAL
    assert (request.learn_channels, request.fallback_after_seconds) == (True, 2 * 86_400)
    assert (request.reminders, request.reminder_after_seconds) == (2, 36 * 3600)
    hours, zone = hours_of(request.hours, Channel.SMS)
    assert (zone.key, hours.weekdays) == ("UTC", {0, 3})
    assert len(hours.spans) == 3  # of the program, without the night, of the law


async def test_request_asks_for_nothing_more_when_the_program_does_not(trigger: Any) -> None:
    await build.write(trigger.database, when=ALWAYS)
    await build.set_state(trigger.database, "large-order", "active")
    request = await asked(trigger)
    assert (request.reminders, request.reminder_after_seconds) == (0, None)
    assert (request.learn_channels, request.fallback_after_seconds) == (False, None)


async def test_hours_are_by_the_clock_of_the_recipient_when_it_is_known(trigger: Any) -> None:
    profile = {"email": "c1@example.com", "timezone": "Asia/Tokyo"}
    await trigger.deliver(a_purchase(customer=profile))
    trigger.clock.advance(11 * DAY)
    await trigger.fire()
    (request,) = await trigger.published(registry.SURVEY_REQUESTED)
    assert request.hours.timezone == "Asia/Tokyo"
    assert set(request.hours.channels) == {Channel.EMAIL}


@pytest.mark.parametrize("locale", ["de", "de-AT", "en-GB", None])
async def test_nothing_is_to_be_said_when_the_survey_has_the_texts(
    trigger: Any, locale: str | None
) -> None:
    texts = {"texts": {"en": {}, "de": {}}, "variants": {"short": {}, "long": {}}}
    await trigger.deliver(published(1, **texts))
    assert await warnings(trigger, locale=locale, variants={"short": 1, "long": 1}) == []


async def test_nothing_can_be_said_when_the_survey_is_not_known(trigger: Any) -> None:
    await trigger.deliver(published(1, "other"))
    assert await warnings(trigger, locale="fr") == []


@pytest.mark.parametrize("document", [{"texts": {"en": {}, "fr": {}}, "variants": {"a": {}}}, {}])
async def test_program_is_warned_of_when_a_version_lacks_its_texts(
    trigger: Any, document: dict[str, Any]
) -> None:
    await trigger.deliver(published(1, texts={"de": {}}, variants={"a": {}, "b": {}}))
    assert await warnings(trigger, locale="de", variants={"a": 1, "b": 1}) == []
    await trigger.deliver(published(2, **document))
    paths = [
        fault.field for fault in await warnings(trigger, locale="de", variants={"a": 1, "b": 1})
    ]
    assert paths == ["locale", *(["variants.b"] if document else ["variants.a", "variants.b"])]


async def test_warning_is_shown_and_nothing_refused_when_a_text_is_missing(
    trigger: Any, http: httpx2.AsyncClient
) -> None:
    await trigger.deliver(published(1, texts={"en": {}}))
    await build.write(trigger.database, survey="purchase-nps", variants={"short": 1, "long": 1})
    said = "variants.short: the survey purchase-nps has no texts for"
    assert said in build.words_of((await http.get("/console/programs/large-order")).text)
    text = build.typed((await http.get(EDIT)).text)
    checked = await http.post(EDIT, data={"text": text, "version": "2", "do": "check"})
    assert checked.status_code == 200
    assert said in build.words_of(checked.text)
