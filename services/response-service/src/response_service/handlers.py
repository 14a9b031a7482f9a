"""What response-service hears: one function per topic and timer, each within a transaction."""

from collections.abc import Sequence
from typing import Any

from heardback.contracts import registry
from heardback.contracts.payloads import (
    InvitationReminded,
    InvitationSent,
    ReplyReceived,
    SurveyRequested,
)
from heardback.db import Transaction
from heardback.envelope import Event
from heardback.timers import Timer
from heardback.vocabulary import Channel
from response_service import metrics
from response_service.commands import hearing
from response_service.commands.taking_back import first_looks, judge_again
from response_service.domain.invitation import Invitation
from response_service.store import invitations
from response_service.store.surveys import KnownSurveys


class Handlers:
    """The handlers, with what they need: the keys of short links, and the surveys."""

    def __init__(self, *, link_keys: Sequence[str], surveys: KnownSurveys) -> None:
        self._link_keys = link_keys
        self._surveys = surveys

    async def on_survey_events(self, tx: Transaction, events: Sequence[Event[Any]]) -> None:
        """Learn of the invitations that are requested, so that their links can be answered."""
        requested = [e for e in events if isinstance(e.data, SurveyRequested)]
        asked = {e.data.invitation_id: _invitation(e) for e in requested}
        texted = [
            asked[e.data.invitation_id]
            for e in requested
            if Channel.SMS in (e.data.channel, *e.data.channels)
        ]
        await hearing.learn(tx, list(asked.values()), texted, self._link_keys)

    async def on_delivery_events(self, tx: Transaction, events: Sequence[Event[Any]]) -> None:
        """Follow the channel of what was sent, and take replies as answers."""
        told = [told for e in events if (told := _told(e, tx)) is not None]
        if told:
            await hearing.hear(tx, told, self._surveys)

    async def on_early(self, tx: Transaction, timers: Sequence[Timer]) -> None:
        """Look again for invitations of which something was told before they came."""
        told = sorted(map(hearing.told_in, timers), key=lambda one: one.at)
        await hearing.hear(tx, told, self._surveys)

    async def on_opened(self, tx: Transaction, timers: Sequence[Timer]) -> None:
        """Say which invitations a person has opened, now that a scanner would have shown itself.

        And take the answers of those back that have.
        """
        # From when they fell due: a timer that is late must find the looks that it is about.
        until = {timer.key: timer.due_at for timer in timers}
        asked = await invitations.lock(tx.connection, sorted(until))
        await self._surveys.fetch(tx.connection, asked.values())
        await judge_again(tx, asked, self._surveys, until=until)
        asked = {key: i for key, i in asked.items() if i.opened_at is None}
        looks = await first_looks(tx, asked, self._surveys, until=until)
        for key in sorted(await invitations.mark_opened(tx.connection, looks)):
            invitation = asked[key]
            fields = {
                "customer_id": invitation.customer_id,
                "invitation_id": key,
                "program_id": invitation.program_id,
                "touchpoint": invitation.touchpoint,
                "segment": invitation.segment,
                "opened_at": looks[key],
            }
            trace = invitation.traceparent
            tx.emit_fields(registry.INVITATION_OPENED, fields, traceparent=trace)
        metrics.LOOKS.add(len(asked) - len(looks), {"by": "scanner"})
        metrics.LOOKS.add(len(looks), {"by": "person"})


def _told(event: Event[Any], tx: Transaction) -> hearing.Told | None:
    data = event.data
    if isinstance(data, ReplyReceived):
        return hearing.reply(data, tx.now)
    if isinstance(data, InvitationSent | InvitationReminded):
        return hearing.Told(
            told_id=f"{data.invitation_id} {data.message_id}",
            invitation_id=data.invitation_id,
            channel=data.channel,
            text=None,
            at=data.sent_at,
            since=tx.now,
        )
    return None


def _invitation(event: Event[SurveyRequested]) -> Invitation:
    asked = event.data
    return Invitation(
        invitation_id=asked.invitation_id,
        customer_id=asked.customer_id,
        program_id=asked.program_id,
        touchpoint=asked.touchpoint,
        survey_id=asked.survey_id,
        survey_version=asked.survey_version,
        variant=asked.variant,
        segment=asked.segment,
        channel=asked.channel,
        recipient=asked.recipient.model_dump(),
        occurred_at=asked.occurred_at,
        expires_at=asked.expires_at,
        traceparent=event.traceparent,
    )
