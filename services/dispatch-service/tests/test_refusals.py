"""What follows when a message is refused for good: for the conversation, and for the address."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from dispatch_service import handlers
from dispatch_service.domain.message import Outcome
from heardback.contracts import registry
from heardback.db import Database
from heardback.envelope import Event
from heardback.testing.builders import an_event
from heardback.testing.clock import START
from heardback.vocabulary import Channel

from .driving import a_result, claim, row_of, rows_of, settle

Make = Callable[..., Event[Any]]
Take = Callable[..., Awaitable[None]]
Published = Callable[[Database], Awaitable[list[Event[Any]]]]
PHONE = "+12025550123"
BY_TEXT: dict[str, Any] = {
    "channel": "sms",
    "channels": ("sms", "email"),
    "recipient": {"email": "c1@example.com", "phone": PHONE, "name": "Ada"},
}


@pytest.mark.parametrize("is_good", [True, False])
async def test_next_channel_is_tried_and_the_address_kept_when_it_is_good(
    database: Database, requested: Make, take: Take, published: Published, is_good: bool
) -> None:
    await take(database, requested(**BY_TEXT))
    (one,) = await claim(database, Channel.SMS)
    await settle(database, a_result(one, Outcome.BOUNCED, address_is_good=is_good))
    assert (await row_of(database, "invitation")).channel == "email"
    listed = [(row.address, row.reason) for row in await rows_of(database, "suppression")]
    assert listed == ([] if is_good else [(PHONE, "bounce")])
    (bounced,) = await published(database)
    assert (bounced.data.channel, bounced.data.next_channel) == ("sms", "email")


async def test_owner_is_told_and_the_address_kept_when_a_follow_up_can_not_be_sent(
    database: Database, requested: Make, take: Take, published: Published
) -> None:
    asked = requested(**BY_TEXT)
    await take(database, asked)
    await settle(database, a_result((await claim(database, Channel.SMS))[0]))
    request = an_event(
        registry.FOLLOW_UP_REQUESTED,
        follow_up_id="follow-up-1",
        customer_id="c1",
        invitation_id=asked.data.invitation_id,
        program_id="post-purchase",
        subject="About the late parcel",
        text="I am sorry. Anna",
        requested_at=START,
    )
    async with database.transaction() as tx:
        await handlers.on_follow_up_events(tx, [request])
    (one,) = await claim(database, Channel.SMS)
    await settle(database, a_result(one, Outcome.BOUNCED, address_is_good=True))
    last = (await published(database))[-1]
    assert (last.type.family, last.data.reason) == ("follow_up.failed", "said the provider")
    assert await rows_of(database, "suppression") == []
