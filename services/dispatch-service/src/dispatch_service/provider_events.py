"""What follows from what providers say: who is not written to again, and what takes another way."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

from dispatch_service import callback_store, handlers, suppression
from dispatch_service.addresses import usable_address, usable_phone
from dispatch_service.callback_store import Found, short_id
from dispatch_service.domain.provider_event import NOT_ARRIVED, EventKind, ProviderEvent
from dispatch_service.domain.suppression import Reason, Suppression, canonical
from dispatch_service.suppression import Departure
from heardback.db import Transaction
from heardback.vocabulary import Channel, Scope

_NO_REASON: Final = "no reason given"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Heard:
    """An event, and the message that it is about, where we know it."""

    event: ProviderEvent
    found: Found | None

    @property
    def address(self) -> str | None:
        """The address as we keep it; one that is no address can't be suppressed."""
        if self.found is not None:
            return canonical(self.found.address)
        usable = usable_phone if self.event.channel is Channel.SMS else usable_address
        address = usable(self.event.address)
        return canonical(address) if address else None


async def take(
    tx: Transaction, provider: str, events: Sequence[ProviderEvent]
) -> list[ProviderEvent]:
    """Have the effects of what a provider says, once; return what of it was new."""
    if not events:
        return []
    shortened = [replace(event, event_id=short_id(event.event_id)) for event in events]
    unheard = await callback_store.insert_unheard(tx, provider, [e.event_id for e in shortened])
    new = list({event.event_id: event for event in shortened if event.event_id in unheard}.values())
    heard = await _find(tx, new)
    await suppression.leave(tx, [left for one in heard if (left := _departure(one))])
    await suppression.suppress(tx, [entry for one in heard if (entry := _entry(tx, one))])
    await _try_another_way(tx, heard)
    return new


async def _find(tx: Transaction, events: Sequence[ProviderEvent]) -> list[_Heard]:
    # What was delivered or is under way has no effect: no need to know which message it is.
    matter = [e for e in events if e.kind not in (EventKind.DELIVERED, EventKind.SOFT)]
    if not matter:
        return []
    ids = {message_id for event in matter for message_id in event.message_ids}
    references = {event.reference for event in matter if event.reference}
    found = await callback_store.messages(
        tx.connection, ids=sorted(ids), references=sorted(references)
    )
    by_id = {one.message_id: one for one in found}
    by_reference = {one.reference: one for one in found if one.reference}
    return [_Heard(event=event, found=_about(event, by_id, by_reference)) for event in matter]


def _about(
    event: ProviderEvent, by_id: Mapping[str, Found], by_reference: Mapping[str, Found]
) -> Found | None:
    mine = next((by_id[one] for one in event.message_ids if one in by_id), None)
    return mine or by_reference.get(event.reference or "")


def _departure(heard: _Heard) -> Departure | None:
    """Return who leaves, of those whom we know."""
    if heard.found is None or heard.found.addressee is None:
        return None
    reason = _reason(heard.event)
    if reason is None:
        return None
    addressee = replace(heard.found.addressee, channel=heard.found.channel)
    scope = Scope.CHANNEL if reason is Reason.STOP else Scope.ALL
    note = heard.event.detail or None
    return Departure(addressee=addressee, scope=scope, reason=reason, note=note)


def _reason(
    event: ProviderEvent,
) -> Literal[Reason.UNSUBSCRIBED, Reason.COMPLAINT, Reason.STOP] | None:
    if event.kind is EventKind.COMPLAINT:
        return Reason.COMPLAINT
    if event.kind is EventKind.UNSUBSCRIBE:
        return Reason.STOP if event.channel is Channel.SMS else Reason.UNSUBSCRIBED
    return None


def _entry(tx: Transaction, heard: _Heard) -> Suppression | None:
    """Return what is said about an address alone: it refuses, or nobody knows whose it is."""
    reason = Reason.BOUNCE if heard.event.kind is EventKind.HARD else _reason(heard.event)
    if reason is None or heard.address is None or _departure(heard) is not None:
        return None
    to_texts = reason is Reason.STOP
    return Suppression(
        address=heard.address,
        scope=Scope.CHANNEL if to_texts else Scope.ALL,
        scoped_to=Channel.SMS.value if to_texts else "",
        reason=reason,
        invitation_id=_invitation_id(heard),
        note=heard.event.detail or None,
        suppressed_at=tx.now,
    )


def _invitation_id(heard: _Heard) -> str | None:
    addressee = heard.found.addressee if heard.found else None
    return addressee.invitation_id if addressee else None


async def _try_another_way(tx: Transaction, heard: Sequence[_Heard]) -> None:
    """Let what did not arrive go out over the next channel, where there is one."""
    lost: dict[str, list[str]] = {}
    for one in heard:
        if one.found is not None and one.event.kind in NOT_ARRIVED:
            lost.setdefault(one.event.detail or _NO_REASON, []).append(one.found.message_id)
    for reason, message_ids in sorted(lost.items()):
        await handlers.bounce(tx, sorted(set(message_ids)), reason)
