"""What was asked, sent and answered, for the customer's story and for who writes to them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any, Final

from closeloop_service.store import conversations, customers
from closeloop_service.store.conversations import ANSWERED, TOUCHPOINT, Line
from heardback.bulk import Row
from heardback.contracts.payloads import (
    CustomerPayload,
    FollowUpSent,
    InvitationBounced,
    InvitationDropped,
    InvitationSent,
    RecipientUnsubscribed,
    ResponseQuarantined,
    ResponseRecorded,
    SurveyRequested,
    SurveyScheduled,
    SurveySuppressed,
    SurveySuppressedV1,
)
from heardback.db import Transaction
from heardback.envelope import Event
from heardback.vocabulary import TASK_RESOLVED


@dataclass(frozen=True, slots=True, kw_only=True)
class _Telling:
    """How a kind of event is told: the line's `what`, its key, its time, and what else it says."""

    what: str
    key: Callable[[Any], str]
    at: str
    facts: Sequence[str]
    fixed: Mapping[str, Any] = field(default_factory=dict)
    more: Callable[[Any], Mapping[str, Any]] = lambda _data: {}

    def line(self, data: Any) -> Line:
        return Line(
            customer_id=data.customer_id,
            what=self.what,
            key=self.key(data),
            occurred_at=getattr(data, self.at),
            details={
                **{name: getattr(data, name) for name in self.facts},
                **self.fixed,
                **self.more(data),
            },
        )


_ABOUT: Final = ("program_id", "touchpoint")
_ON_SURVEYS: Final[Mapping[type[CustomerPayload], _Telling]] = {
    SurveyScheduled: _Telling(
        what=TOUCHPOINT,
        key=attrgetter("touchpoint_id"),
        at="decided_at",
        facts=(*_ABOUT, "invitation_id", "send_at"),
        fixed={"scheduled": True},
    ),
    SurveySuppressed: _Telling(
        what=TOUCHPOINT,
        key=attrgetter("touchpoint_id"),
        at="decided_at",
        facts=("touchpoint",),
        fixed={"scheduled": False},
        # The first program stands for all: that nobody asked is what the story is about.
        more=lambda data: data.suppressions[0].model_dump(include={"program_id", "reasons"}),
    ),
    SurveySuppressedV1: _Telling(
        what=TOUCHPOINT,
        key=attrgetter("touchpoint_id"),
        at="decided_at",
        facts=(*_ABOUT, "reasons"),
        fixed={"scheduled": False},
    ),
}
_ON_DELIVERIES: Final[Mapping[type[CustomerPayload], _Telling]] = {
    InvitationSent: _Telling(
        what="sent",
        key=lambda data: f"{data.invitation_id}/{data.channel}",
        at="sent_at",
        facts=(*_ABOUT, "invitation_id", "channel"),
    ),
    InvitationBounced: _Telling(
        what="bounced",
        key=lambda data: f"{data.invitation_id}/{data.channel}",
        at="bounced_at",
        facts=(*_ABOUT, "invitation_id", "channel", "next_channel", "reason"),
    ),
    InvitationDropped: _Telling(
        what="dropped",
        key=attrgetter("invitation_id"),
        at="dropped_at",
        facts=(*_ABOUT, "invitation_id", "reason"),
    ),
    RecipientUnsubscribed: _Telling(
        what="unsubscribed",
        key=lambda data: f"{data.invitation_id}/{data.scope}",
        at="unsubscribed_at",
        facts=("program_id", "invitation_id", "scope", "scoped_to", "reason"),
    ),
    FollowUpSent: _Telling(
        what="written",
        key=attrgetter("follow_up_id"),
        at="sent_at",
        facts=("follow_up_id", "invitation_id", "channel"),
    ),
}
_ON_ANSWERS: Final[Mapping[type[CustomerPayload], _Telling]] = {
    ResponseRecorded: _Telling(
        what=ANSWERED,
        key=attrgetter("response_id"),
        at="answered_at",
        facts=(
            *_ABOUT,
            *("response_id", "invitation_id", "channel", "revision"),
            *("scale", "score", "category", "comment"),
        ),
    ),
    # Its words are suspect, and so is whose they are: they come back when it is released.
    ResponseQuarantined: _Telling(
        what=ANSWERED,
        key=attrgetter("response_id"),
        at="quarantined_at",
        facts=(*_ABOUT, "response_id", "invitation_id", "channel", "revision"),
        fixed={"quarantined": True},
    ),
}


async def on_surveys(tx: Transaction, events: Sequence[Event[Any]]) -> None:
    """Keep what is asked of whom, and whether it was decided to ask at all."""
    said = await _said(tx, events, (*_ON_SURVEYS, SurveyRequested))
    await conversations.keep_asked(
        tx.connection, [row for data in said if (row := _asked(data)) is not None]
    )
    await conversations.add_lines(tx.connection, _lines(_ON_SURVEYS, said))


async def on_deliveries(tx: Transaction, events: Sequence[Event[Any]]) -> None:
    """Keep what went out, and by which channel."""
    said = await _said(tx, events, tuple(_ON_DELIVERIES))
    sent = [data for data in said if isinstance(data, InvitationSent)]
    await conversations.keep_sent(
        tx.connection, ({**_invitation(data), "channel": data.channel} for data in sent)
    )
    await conversations.add_lines(tx.connection, _lines(_ON_DELIVERIES, said))


async def on_answers(tx: Transaction, events: Sequence[Event[Any]]) -> None:
    """Keep what customers answered, in the newest revision."""
    said = await _said(tx, events, tuple(_ON_ANSWERS))
    await conversations.add_lines(tx.connection, _lines(_ON_ANSWERS, said))


async def _said(
    tx: Transaction, events: Sequence[Event[Any]], kinds: tuple[type[CustomerPayload], ...]
) -> list[Any]:
    """Return what these kinds of events say, but for customers of whom nothing may be kept."""
    said = [event.data for event in events if isinstance(event.data, kinds)]
    if not said:
        return []
    erased = await customers.erased_of(tx.connection, {data.customer_id for data in said})
    return [data for data in said if data.customer_id not in erased]


def _lines(tellings: Mapping[type[CustomerPayload], _Telling], said: Sequence[Any]) -> list[Line]:
    return [tellings[type(data)].line(data) for data in said if type(data) in tellings]


def _task_of(data: SurveyScheduled) -> str | None:
    """Return the task whose recovery question is scheduled, if it is one."""
    if data.touchpoint != TASK_RESOLVED or data.subject is None:
        return None
    return data.subject.removeprefix("task:")


def _invitation(data: Any) -> Row:
    names = ("invitation_id", "customer_id", "program_id", "touchpoint")
    return {name: getattr(data, name) for name in names}


def _asked(data: CustomerPayload) -> Row | None:
    if isinstance(data, SurveyScheduled):
        task_id = _task_of(data)
        return None if task_id is None else {**_invitation(data), "task_id": task_id}
    if not isinstance(data, SurveyRequested):
        return None
    return {
        **_invitation(data),
        "channel": data.channel,
        "recipient": data.recipient.model_dump(),
        "locale": data.recipient.locale,
        "requested_at": data.requested_at,
    }
