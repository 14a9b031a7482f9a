"""Conversations on a real Postgres: over channels, with reminders, until somebody answers."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text

from dispatch_service import delivery, handlers, store, surveys
from dispatch_service.cards import Shelf
from dispatch_service.domain.message import Outcome
from dispatch_service.domain.suppression import Reason, Suppression
from dispatch_service.rendering.composers import Composers
from dispatch_service.suppression import suppress
from heardback.contracts import registry
from heardback.db import Database
from heardback.envelope import Event
from heardback.surveys import newest_ready_made
from heardback.testing.builders import an_event
from heardback.testing.clock import START, ManualClock
from heardback.timers import Timer
from heardback.vocabulary import Channel, Scope

from .driving import LEASE, a_result, claim, fire, row_of, rows_of, send, settle

Make = Callable[..., Event[Any]]
Take = Callable[..., Awaitable[None]]
Published = Callable[[Database], Awaitable[list[Event[Any]]]]
DAY = timedelta(days=1)
PHONE = "+12025550123"


@pytest.fixture
def talk(requested: Make) -> Make:
    """Make the request for a conversation by mail, then text, with two reminders."""

    def make(number: int = 1, **data: Any) -> Event[Any]:
        fields = {
            "channels": ("email", "sms"),
            "recipient": {"email": f"c{number}@example.com", "phone": PHONE, "name": "Ada"},
            "reminders": 2,
            "reminder_after_seconds": 3 * 86_400,
            "fallback_after_seconds": 5 * 86_400,
        }
        return requested(number, **{**fields, **data})

    return make


def answered(invitation_id: str, **data: Any) -> Event[Any]:
    fields = {
        "customer_id": "c1",
        "response_id": invitation_id,
        "invitation_id": invitation_id,
        "program_id": "post-purchase",
        "touchpoint": "purchase",
        "survey_id": "nps",
        "channel": "email",
        "revision": 1,
        "score": 9,
        "category": "promoter",
        "answered_at": START + DAY,
    }
    return an_event(registry.RESPONSE_RECORDED, **{**fields, **data})


def opened(invitation_id: str) -> Event[Any]:
    return an_event(
        registry.INVITATION_OPENED,
        customer_id="c1",
        invitation_id=invitation_id,
        program_id="post-purchase",
        touchpoint="purchase",
        opened_at=START + DAY,
    )


async def hear(database: Database, *events: Event[Any]) -> None:
    async with database.transaction() as tx:
        await handlers.on_response_events(tx, events)


async def names(published: Published, database: Database) -> list[str]:
    return [event.type.family for event in await published(database)]


async def test_reminders_follow_and_stop_when_there_were_enough(
    database: Database, talk: Make, take: Take, published: Published, clock: ManualClock
) -> None:
    await take(database, talk(fallback_after_seconds=None))
    await send(database)
    for number in (1, 2):
        clock.advance(3 * DAY - timedelta(microseconds=1))
        assert await fire(database) == 0
        clock.advance(timedelta(microseconds=1))
        assert await fire(database) == 1
        (one,) = await send(database)
        assert one.message.number == number
    clock.advance(3 * DAY)
    assert await fire(database) == 0
    events = await published(database)
    assert [event.type.family for event in events] == [
        "invitation.sent",
        "invitation.reminded",
        "invitation.reminded",
    ]
    assert [event.data.number for event in events[1:]] == [1, 2]


async def test_no_reminder_follows_when_the_customer_answered(
    database: Database, talk: Make, take: Take, clock: ManualClock
) -> None:
    asked = talk()
    await take(database, asked)
    await send(database)
    await hear(database, answered(asked.data.invitation_id))
    assert await rows_of(database, "timer") == []
    clock.advance(4 * DAY)
    assert await fire(database) == 0


async def test_reminder_in_the_queue_is_dropped_when_the_answer_comes_first(
    database: Database, talk: Make, take: Take, published: Published, clock: ManualClock
) -> None:
    asked = talk()
    await take(database, asked)
    await send(database)
    clock.advance(3 * DAY)
    await fire(database)
    await hear(database, answered(asked.data.invitation_id))
    assert await claim(database) == []
    assert (await row_of(database, "message", kind="reminder")).drop_reason == "answered"
    assert await names(published, database) == ["invitation.sent"]


@pytest.mark.parametrize("how", ["in doubt", "interrupted", "interrupted, then away"])
async def test_mail_is_told_as_sent_when_it_is_answered_though_nobody_heard_of_it(
    database: Database,
    requested: Make,
    take: Take,
    published: Published,
    clock: ManualClock,
    how: str,
) -> None:
    asked = requested(reminders=1)
    await take(database, asked)
    (begun,) = await claim(database)
    if how == "in doubt":
        doubtful = a_result(begun, Outcome.DEFERRED, in_doubt=True, retry_at=clock.now() + LEASE)
        await settle(database, doubtful)
    elif how == "interrupted, then away":
        clock.advance(LEASE)
        (again,) = await claim(database)
        away = a_result(again, Outcome.AWAY, retry_at=clock.now() + LEASE)
        await settle(database, away)
    await hear(database, answered(asked.data.invitation_id))
    clock.advance(LEASE)
    assert await claim(database) == []
    (event,) = await published(database)
    assert (event.type.name, event.data.sent_at) == ("invitation.sent.v1", clock.now())
    assert (await row_of(database, "invitation")).state == "sent"
    row = await row_of(database, "message")
    assert (row.state, row.drop_reason, row.due_at) == ("sent", None, None)


async def test_mail_is_dropped_when_it_is_answered_and_was_never_taken(
    database: Database, requested: Make, take: Take, published: Published, clock: ManualClock
) -> None:
    asked = requested()
    await take(database, asked)
    (begun,) = await claim(database)
    refused = a_result(begun, Outcome.DEFERRED, retry_at=clock.now() + LEASE)
    await settle(database, refused)
    await hear(database, answered(asked.data.invitation_id))
    clock.advance(LEASE)
    assert await claim(database) == []
    assert [event.type.name for event in await published(database)] == ["invitation.dropped.v1"]


async def test_no_reminder_follows_when_the_answer_is_heard_before_we_recorded_the_mail(
    database: Database, talk: Make, take: Take, clock: ManualClock
) -> None:
    asked = talk()
    await take(database, asked)
    (one,) = await claim(database)
    await hear(database, answered(asked.data.invitation_id))
    await settle(database, a_result(one))
    clock.advance(6 * DAY)
    await fire(database)
    assert await claim(database) == []
    assert await claim(database, Channel.SMS) == []


async def test_no_reminder_follows_when_the_way_out_was_seen(
    database: Database, talk: Make, take: Take, clock: ManualClock
) -> None:
    asked = talk()
    await take(database, asked)
    await send(database)
    async with database.transaction() as tx:
        await handlers.way_out_seen(tx, asked.data.invitation_id)
    assert await rows_of(database, "timer") == []
    assert (await row_of(database, "invitation")).way_out_seen_at == clock.now()


async def test_next_channel_is_tried_when_nothing_was_opened(
    database: Database, talk: Make, take: Take, published: Published, clock: ManualClock
) -> None:
    await take(database, talk(reminders=0))
    await send(database)
    clock.advance(5 * DAY)
    assert await fire(database) == 1
    (text,) = await send(database, Channel.SMS)
    assert (text.message.address, text.message.kind) == (PHONE, "invitation")
    assert [e.data.channel for e in await published(database)] == ["email", "sms"]
    clock.advance(5 * DAY)
    assert await fire(database) == 0, "there is no third channel"


async def test_mail_is_not_followed_up_by_text_when_it_was_opened(
    database: Database, talk: Make, take: Take, clock: ManualClock
) -> None:
    asked = talk(reminders=0)
    await take(database, asked)
    await send(database)
    await hear(database, opened(asked.data.invitation_id))
    clock.advance(6 * DAY)
    assert await fire(database) == 0


async def test_old_channel_is_silent_when_the_conversation_moved(
    database: Database, talk: Make, take: Take, clock: ManualClock
) -> None:
    await take(database, talk())
    await send(database)
    clock.advance(5 * DAY)  # both are due: the reminder is older
    await fire(database)
    assert [one.message.channel for one in await send(database, Channel.SMS)] == []
    assert await claim(database) == []
    clock.advance(timedelta(seconds=6))
    assert len(await send(database, Channel.SMS)) == 1
    timers = await rows_of(database, "timer")
    assert [timer.kind for timer in timers] == ["reminder"]


async def test_timers_wait_for_the_opening_when_the_hours_forbid(
    database: Database, talk: Make, take: Take, clock: ManualClock
) -> None:
    hours = {"timezone": "UTC", "channels": {"sms": {"spans": [["09:00", "12:00"]]}}}
    await take(database, talk(hours=hours, reminders=0))
    await send(database)
    clock.advance(5 * DAY + timedelta(hours=3))
    await fire(database)
    assert await rows_of(database, "message", channel="sms") == []
    (timer,) = await rows_of(database, "timer")
    assert START + 6 * DAY <= timer.due_at < START + 6 * DAY + timedelta(hours=1)
    clock.advance(DAY)
    await fire(database)
    assert await rows_of(database, "message", channel="sms") == [], "the hours are over again"


async def test_next_channel_is_tried_at_once_when_the_address_refuses(
    database: Database, talk: Make, take: Take, published: Published
) -> None:
    await take(database, talk())
    await send(database, outcome=Outcome.BOUNCED)
    (text,) = await send(database, Channel.SMS)
    assert text.message.message_id.endswith(":sms")
    bounced, sent = await published(database)
    assert (bounced.type.family, bounced.data.channel, bounced.data.next_channel) == (
        "invitation.bounced",
        "email",
        "sms",
    )
    assert (sent.data.channel, sent.type.family) == ("sms", "invitation.sent")


async def test_bounce_is_final_when_no_channel_is_left(
    database: Database, talk: Make, take: Take, published: Published
) -> None:
    await take(database, talk())
    await send(database, outcome=Outcome.BOUNCED)
    await send(database, Channel.SMS, outcome=Outcome.BOUNCED)
    _, last = await published(database)
    assert (last.data.channel, last.data.next_channel) == ("sms", None)
    assert (await row_of(database, "invitation")).state == "bounced"


async def test_next_channel_is_tried_once_when_a_callback_says_so_later(
    database: Database, talk: Make, take: Take, published: Published
) -> None:
    asked = talk()
    await take(database, asked)
    await send(database)
    for _ in range(2):
        async with database.transaction() as tx:
            await handlers.bounce(tx, [asked.data.invitation_id], "mailbox gone")
    assert len(await send(database, Channel.SMS)) == 1
    assert await names(published, database) == [
        "invitation.sent",
        "invitation.bounced",
        "invitation.sent",
    ]
    kinds = {timer.kind for timer in await rows_of(database, "timer")}
    assert kinds == {"reminder"}, "that of the text; the mail's are gone"


async def test_bounce_stands_when_it_is_heard_before_we_recorded_the_mail(
    database: Database, talk: Make, take: Take, published: Published
) -> None:
    asked = talk(channels=("email",))
    await take(database, asked)
    (one,) = await claim(database)
    async with database.transaction() as tx:
        assert await handlers.bounce(tx, [asked.data.invitation_id], "gone") == 1
    await settle(database, a_result(one))
    assert await names(published, database) == ["invitation.bounced"]


async def test_next_channel_is_tried_when_an_address_bounced_before(
    database: Database, talk: Make, take: Take, published: Published
) -> None:
    async with database.transaction() as tx:
        entry = Suppression(address="c1@example.com", reason=Reason.BOUNCE, suppressed_at=START)
        await suppress(tx, [entry])
    await take(database, talk())
    assert await claim(database) == []
    assert len(await send(database, Channel.SMS)) == 1
    assert await names(published, database) == ["invitation.sent"]


async def test_nothing_is_sent_when_both_channels_are_stopped(
    database: Database, talk: Make, take: Take, published: Published
) -> None:
    async with database.transaction() as tx:
        stops = [
            Suppression(
                customer_id="c1",
                scope=Scope.CHANNEL,
                scoped_to=channel,
                reason=Reason.STOP,
                suppressed_at=START,
            )
            for channel in ("email", "sms")
        ]
        await suppress(tx, stops)
    await take(database, talk())
    assert await claim(database) == []
    assert await claim(database, Channel.SMS) == []
    (event,) = await published(database)
    assert (event.type.family, event.data.reason) == ("invitation.dropped", "suppressed")


async def test_cancelled_invitation_is_not_sent_again_when_it_was_on_the_wire(
    database: Database, talk: Make, cancelled: Make, take: Take, published: Published
) -> None:
    await take(database, talk())
    (one,) = await claim(database)
    await take(database, cancelled())
    await settle(database, a_result(one, Outcome.DEFERRED, retry_at=START))
    assert await claim(database) == []
    (event,) = await published(database)
    assert (event.type.family, event.data.reason) == ("invitation.dropped", "cancelled")


def follow_up(invitation_id: str, **data: Any) -> Event[Any]:
    fields = {
        "customer_id": "c1",
        "follow_up_id": "follow-up-1",
        "invitation_id": invitation_id,
        "program_id": "post-purchase",
        "subject": "About your order",
        "text": "We are sorry.",
        "requested_at": START,
    }
    return an_event(registry.FOLLOW_UP_REQUESTED, **{**fields, **data})


async def ask_follow_up(database: Database, *events: Event[Any]) -> None:
    async with database.transaction() as tx:
        await handlers.on_follow_up_events(tx, events)


async def test_follow_up_goes_where_the_conversation_is(
    database: Database, talk: Make, take: Take, published: Published, clock: ManualClock
) -> None:
    asked = talk(reminders=0)
    await take(database, asked)
    await send(database)
    clock.advance(5 * DAY)
    await fire(database)
    await send(database, Channel.SMS)
    request = follow_up(asked.data.invitation_id)
    await ask_follow_up(database, request, request)
    (one,) = await send(database, Channel.SMS)
    assert (one.message.message_id, one.message.content["text"]) == (
        "follow-up-1",
        "We are sorry.",
    )
    last = (await published(database))[-1]
    assert (last.type.family, last.data.follow_up_id, last.data.channel) == (
        "follow_up.sent",
        "follow-up-1",
        "sms",
    )


async def test_follow_up_is_sent_when_the_customer_wants_no_more_surveys(
    database: Database, talk: Make, take: Take, published: Published
) -> None:
    asked = talk()
    await take(database, asked)
    await send(database)
    async with database.transaction() as tx:
        entry = Suppression(
            customer_id="c1",
            address="c1@example.com",
            reason=Reason.UNSUBSCRIBED,
            suppressed_at=START,
        )
        await suppress(tx, [entry])
    await ask_follow_up(database, follow_up(asked.data.invitation_id))
    assert len(await send(database)) == 1


@pytest.mark.parametrize(
    ("request_", "reason"),
    [
        (follow_up("00000000-0000-7000-8000-00000000dead"), "unknown_invitation"),
        (
            follow_up(
                "00000000-0000-7000-8000-000000000001", expires_at=START - timedelta(seconds=1)
            ),
            "too_late",
        ),
    ],
)
async def test_owner_is_told_when_a_follow_up_can_not_be_sent(
    database: Database,
    talk: Make,
    take: Take,
    published: Published,
    request_: Event[Any],
    reason: str,
) -> None:
    await take(database, talk())
    await send(database)
    await ask_follow_up(database, request_)
    assert await claim(database) == []
    last = (await published(database))[-1]
    assert (last.type.family, last.data.reason) == ("follow_up.failed", reason)


async def test_owner_is_told_when_the_address_refuses_a_follow_up(
    database: Database, talk: Make, take: Take, published: Published
) -> None:
    asked = talk()
    await take(database, asked)
    await send(database)
    await ask_follow_up(database, follow_up(asked.data.invitation_id))
    await send(database, outcome=Outcome.BOUNCED)
    last = (await published(database))[-1]
    assert (last.type.family, last.data.reason) == ("follow_up.failed", "said the provider")


async def test_reply_is_about_what_was_texted_last(
    database: Database, talk: Make, take: Take, published: Published, clock: ManualClock
) -> None:
    texted = {"channels": ("sms",), "channel": "sms"}
    await take(database, talk(1, **texted), talk(2, customer_id="c1", now=START + DAY, **texted))
    await send(database, Channel.SMS)
    async with database.transaction() as tx:
        # The second one still waits behind the first.
        about = await handlers.reply(tx, PHONE, "9 great service", "SM1")
        assert await handlers.reply(tx, "+12025550199", "9", "SM2") is None
    assert about == "00000000-0000-7000-8000-000000000001"
    (received,) = [e for e in await published(database) if e.type.family == "reply.received"]
    assert (received.data.text, received.data.reply_id, received.data.channel) == (
        "9 great service",
        "SM1",
        "sms",
    )
    clock.advance(15 * DAY)
    async with database.transaction() as tx:
        assert await handlers.reply(tx, PHONE, "9", "SM3") is None


async def test_channels_are_counted_when_their_order_is_learnt(
    database: Database, talk: Make, take: Take
) -> None:
    asked = talk(1, learn_channels=True, channels=("email",))
    await take(database, asked, talk(2, learn_channels=True, channels=("email",)))
    await send(database)
    await hear(database, answered(asked.data.invitation_id))
    await hear(database, answered(asked.data.invitation_id, revision=2, score=10))
    row = await row_of(database, "channel_score")
    assert (row.segment, row.channel, row.asked, row.answered) == ("gold", "email", 2, 1)


async def test_message_waits_when_its_survey_version_has_not_arrived(
    database: Database, talk: Make, take: Take, clock: ManualClock
) -> None:
    await take(database, talk(survey_version=7))
    assert await claim(database) == []
    document = dict(newest_ready_made("nps").document)
    event = an_event(
        registry.SURVEY_VERSION_PUBLISHED,
        survey_id="nps",
        version=7,
        document=document,
        published_at=START,
    )
    async with database.transaction() as tx:
        await handlers.on_survey_version_events(tx, [event, event])
    clock.advance(timedelta(seconds=5))
    assert len(await claim(database)) == 1
    async with database.read() as connection:
        await (known := surveys.Surveys()).load(connection, [("nps", 7)])
    assert (found := known.known("nps", 7)) is not None and found.version == 7


async def test_newest_survey_version_is_pinned_when_none_was_named(
    database: Database, talk: Make, take: Take
) -> None:
    document = dict(newest_ready_made("nps").document)
    versions = [
        an_event(
            registry.SURVEY_VERSION_PUBLISHED,
            survey_id="nps",
            version=number,
            document=document,
            published_at=START,
        )
        for number in (1, 2)
    ]
    async with database.transaction() as tx:
        await handlers.on_survey_version_events(tx, versions)
    await take(database, talk(), talk(2, survey_id="unknown"))
    pinned = {row.survey_id: row.survey_version for row in await rows_of(database, "invitation")}
    assert pinned == {"nps": 2, "unknown": None}
    assert len(await claim(database)) == 2


async def test_webhook_is_skipped_when_no_endpoint_fits(
    database: Database, talk: Make, take: Take
) -> None:
    await take(database, talk(channel="webhook", channels=("webhook", "email")))
    assert (await row_of(database, "invitation")).channels == ["email"]


async def test_order_holds_when_what_was_held_up_is_looked_at_late(
    database: Database, talk: Make, take: Take, clock: ManualClock
) -> None:
    """The first settles before it is noted that the second waits for it: nobody wakes that one."""
    await take(database, *(talk(n, customer_id="c1") for n in (1, 2, 3)))
    (first,) = await claim(database)
    await settle(database, a_result(first))
    second = "00000000-0000-7000-8000-000000000002"
    async with database.transaction() as tx:
        late = text("UPDATE message SET due_at = :later WHERE message_id = :id")
        later = tx.now + timedelta(seconds=5)
        await tx.connection.execute(late, {"id": second, "later": later})
    assert await claim(database) == [], "the third waits for the second"
    clock.advance(timedelta(seconds=5))
    assert [one.message.message_id for one in await send(database)] == [second]


async def test_what_waits_for_its_hours_holds_up_nothing(
    database: Database, talk: Make, take: Take
) -> None:
    at_night = {"timezone": "UTC", "channels": {"email": {"spans": [["21:00", "23:00"]]}}}
    asked = talk(1, hours=at_night)
    await take(database, asked, talk(2, customer_id="c1"))
    assert await claim(database) == []
    (one,) = await claim(database)
    assert one.message.message_id == "00000000-0000-7000-8000-000000000002"


async def test_bounce_is_told_once_when_the_reminder_bounces_too(
    database: Database, talk: Make, take: Take, published: Published, clock: ManualClock
) -> None:
    asked = talk(channels=("email",))
    await take(database, asked)
    await send(database)
    clock.advance(3 * DAY)
    await fire(database)
    (reminder,) = await claim(database)
    async with database.transaction() as tx:
        await handlers.bounce(tx, [asked.data.invitation_id], "gone")
    await settle(database, a_result(reminder, Outcome.BOUNCED))
    assert await names(published, database) == ["invitation.sent", "invitation.bounced"]
    assert (await row_of(database, "invitation")).state == "bounced"


async def put_off(database: Database, *, tries: int, by: timedelta) -> None:
    """Let the first message wait, as if a provider had said so."""
    async with database.transaction() as tx:
        late = text("UPDATE message SET tries = :tries, due_at = :due WHERE message_id LIKE '%1'")
        await tx.connection.execute(late, {"tries": tries, "due": tx.now + by})


@pytest.mark.parametrize(
    ("tries", "by", "goes_out"),
    [
        (1, timedelta(minutes=10), True),
        (1, timedelta(seconds=50), False),
        (0, timedelta(minutes=10), False),
    ],
)
async def test_what_is_put_off_for_long_holds_up_nothing(
    database: Database, talk: Make, take: Take, tries: int, by: timedelta, goes_out: bool
) -> None:
    await take(database, talk(1), talk(2, customer_id="c1"))
    await put_off(database, tries=tries, by=by)
    assert len(await claim(database)) == goes_out


async def test_follow_up_is_held_up_by_nothing_but_what_is_being_sent(
    database: Database, talk: Make, take: Take, clock: ManualClock
) -> None:
    asked = talk(1)
    await take(database, asked)
    await send(database)
    await take(database, talk(2, customer_id="c1"), talk(3, customer_id="c1"))
    (second,) = await claim(database)
    await ask_follow_up(database, follow_up(asked.data.invitation_id))
    assert await claim(database) == [], "one is on its way just now"
    await settle(database, a_result(second, Outcome.DEFERRED, retry_at=clock.now() + DAY))
    clock.advance(timedelta(seconds=6))
    assert "follow-up-1" in {one.message.message_id for one in await claim(database)}


async def test_only_what_got_an_answer_counts_as_tried(
    database: Database, talk: Make, take: Take, clock: ManualClock
) -> None:
    await take(database, talk())
    for outcome in (Outcome.RELEASED, Outcome.AWAY, Outcome.DEFERRED):
        (one,) = await claim(database)
        again = a_result(one, outcome, retry_at=clock.now(), in_doubt=outcome is Outcome.AWAY)
        await settle(database, again)
    (one,) = await claim(database)
    assert (one.number, one.tries, one.doubts) == (4, 1, 1)


async def test_channel_without_a_provider_is_passed_over_by_what_waits_in_it(
    database: Database, talk: Make, take: Take, published: Published, clock: ManualClock
) -> None:
    texted = {"channel": "sms", "channels": ("sms", "email")}
    await take(database, talk(1, **texted), talk(2, customer_id="c1", **texted))
    asked = talk(3, customer_id="c1", channel="sms", channels=("sms",))
    await take(database, asked)
    assert await turn_away(database) == 0, "another replica may lead out"
    clock.advance(timedelta(minutes=1))
    assert await turn_away(database) == 3
    assert await names(published, database) == ["invitation.dropped"]
    assert len(await claim(database)) == 1, "the next channel, in order"


async def turn_away(database: Database) -> int:
    async with database.transaction() as tx:
        return await delivery.turn_away(tx, Channel.SMS, limit=10)


async def test_follow_up_fails_when_its_channel_leads_nowhere(
    database: Database, talk: Make, take: Take, published: Published, clock: ManualClock
) -> None:
    asked = talk(channel="sms", channels=("sms",))
    await take(database, asked)
    await send(database, Channel.SMS)
    await ask_follow_up(database, follow_up(asked.data.invitation_id))
    clock.advance(timedelta(minutes=1))
    assert await turn_away(database) == 1
    async with database.transaction() as tx:
        late = [follow_up(asked.data.invitation_id, follow_up_id="f2")]
        await handlers.on_follow_up_events(tx, late, served={Channel.EMAIL})
    *_, first, second = await published(database)
    assert (first.data.reason, second.data.reason) == ("no_channel", "no_channel")


async def test_fallback_passes_over_what_leads_nowhere(
    database: Database, talk: Make, take: Take, clock: ManualClock
) -> None:
    await take(database, talk(reminders=0, channels=("email", "sms", "in_app")))
    await send(database)
    clock.advance(5 * DAY)
    (timer,) = [
        Timer(kind=row.kind, key=row.key, due_at=row.due_at, payload={})
        for row in await rows_of(database, "timer")
    ]
    async with database.transaction() as tx:
        await handlers.on_fallbacks_due(tx, [timer], served={Channel.EMAIL, Channel.IN_APP})
    assert (await row_of(database, "invitation")).channel == "in_app"


async def test_nothing_more_is_said_when_what_was_sent_is_cancelled(
    database: Database,
    talk: Make,
    take: Take,
    cancelled: Make,
    published: Published,
    clock: ManualClock,
) -> None:
    await take(database, talk())
    await send(database)
    clock.advance(3 * DAY)
    await fire(database)
    assert (await row_of(database, "message", kind="reminder")).state == "queued"
    await take(database, cancelled())
    assert (await row_of(database, "message", kind="reminder")).drop_reason == "cancelled"
    assert await rows_of(database, "timer") == []
    row = await row_of(database, "invitation")
    assert (row.state, row.drop_reason) == ("sent", "cancelled")
    assert await names(published, database) == ["invitation.sent"]


async def test_reply_is_about_the_later_text_when_the_older_request_was_sent_last(
    database: Database, talk: Make, take: Take
) -> None:
    """The first moved to texts later than the second was texted."""
    texted = {"channel": "sms", "channels": ("sms",)}
    await take(database, talk(1, channels=("email", "sms"), now=START))
    await take(database, talk(2, customer_id="c2", now=START + DAY, **texted))
    await send(database, Channel.SMS)
    await send(database, outcome=Outcome.BOUNCED)
    await send(database, Channel.SMS)
    async with database.transaction() as tx:
        about = await handlers.reply(tx, PHONE, "9", "SM1")
    assert about == "00000000-0000-7000-8000-000000000001"


async def test_bounce_of_the_last_channel_is_not_told_when_another_one_was_reached(
    database: Database, talk: Make, take: Take, published: Published, clock: ManualClock
) -> None:
    await take(database, talk(reminders=0))
    await send(database)
    clock.advance(5 * DAY)
    await fire(database)
    await send(database, Channel.SMS, outcome=Outcome.BOUNCED)
    assert await names(published, database) == ["invitation.sent"], "the slot is taken"
    row = await row_of(database, "invitation")
    assert (row.state, row.channel) == ("sent", "email")


async def test_what_providers_say_is_stored_cut_and_clean(
    database: Database, talk: Make, take: Take
) -> None:
    await take(database, talk())
    (one,) = await claim(database)
    said = a_result(one, detail="\0\ud800" * 900, reference="r\0" * 900)
    await settle(database, said)
    assert len((await row_of(database, "message")).reference) == 200
    assert (await row_of(database, "attempt")).detail == "?" * 300


async def test_card_is_gone_when_what_it_asks_about_is_cancelled(
    database: Database, talk: Make, take: Take, cancelled: Make, composers: Composers
) -> None:
    await take(database, talk(channel="in_app", channels=("in_app",)))
    await send(database, Channel.IN_APP)
    shelf = Shelf(composers.cards.compose)
    assert len((await shelf.of(database, ["c1"]))["c1"]) == 1
    await take(database, cancelled())
    assert not (await shelf.of(database, ["c1"])).get("c1")


async def test_timers_and_answers_lock_in_the_same_order(
    database: Database, talk: Make, take: Take
) -> None:
    asked = talk()
    await take(database, asked)
    await send(database)
    async with database.transaction() as firing:
        await firing.cancel_timers("reminder", [asked.data.invitation_id])
        hearing = asyncio.create_task(hear(database, answered(asked.data.invitation_id)))
        await asyncio.sleep(0.3)
        async with asyncio.timeout(5):
            await store.lock_conversations(firing.connection, [asked.data.invitation_id])
    await asyncio.wait_for(hearing, 5)
    assert await rows_of(database, "timer") == []
