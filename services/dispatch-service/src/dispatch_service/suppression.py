"""What can be done to the suppression list, each within a transaction.

What waits to be sent needs no look here: it is checked against the list when it is claimed.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from dispatch_service import suppression_store as store
from dispatch_service.domain.suppression import (
    CUSTOMERS_OWN,
    SAID_OF_TEXTS,
    WEIGHT,
    Addressee,
    Key,
    Reason,
    Suppression,
    in_force,
    scoped_to,
)
from heardback.contracts import registry
from heardback.contracts.payloads import RecipientResubscribed, RecipientUnsubscribed
from heardback.db import Transaction
from heardback.errors import Invalid, NotFound
from heardback.vocabulary import Channel, Scope

_SAID: Final[Mapping[Reason, Literal["unsubscribed", "complaint", "stop"]]] = {
    Reason.UNSUBSCRIBED: "unsubscribed",
    Reason.COMPLAINT: "complaint",
    Reason.STOP: "stop",
}


class UnknownInvitation(NotFound):
    """There is no such invitation."""


class NoSuchChoice(Invalid):
    """An invitation without a program type can't be stopped by type."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Departure:
    """A customer who wants to hear less, within `scope`."""

    addressee: Addressee
    scope: Scope = Scope.ALL
    reason: Literal[Reason.UNSUBSCRIBED, Reason.COMPLAINT, Reason.STOP] = Reason.UNSUBSCRIBED
    note: str | None = None


async def suppress(tx: Transaction, entries: Sequence[Suppression]) -> set[Key]:
    """Put entries on the list; return those that are new, or say more than what was there."""
    return await store.put(tx.connection, entries)


async def leave(tx: Transaction, departures: Sequence[Departure]) -> int:
    """Put customers on the list and publish it; return how many were not there already.

    Raises: NoSuchChoice.
    """
    lightest_first = sorted(departures, key=lambda departure: WEIGHT[departure.reason])
    entries = [_entry(tx, departure) for departure in lightest_first]
    changed = await store.put(tx.connection, entries)
    left = {entry.key: who for entry, who in zip(entries, lightest_first, strict=True)}
    for key in sorted(changed):
        _publish_departure(tx, left[key], scope_is_to=key[3])
    return len(changed)


async def come_back(tx: Transaction, addressee: Addressee, *, scope: Scope | None = None) -> int:
    """Take back what customers said that keeps this one from being asked like this again.

    With a `scope`: only what was said about it. Returns how much was taken back.
    """
    mine = in_force(await store.about_addressee(tx.connection, addressee), addressee)
    keys = [
        entry.key
        for entry in mine
        if entry.reason in CUSTOMERS_OWN and scope in (None, entry.scope)
    ]
    return await lift(tx, keys, instead=addressee)


async def welcome_back(tx: Transaction, phone: str, addressee: Addressee | None) -> int:
    """Take back what customers said at a phone about texts, and nothing else."""
    about = Scope.CHANNEL, Channel.SMS
    keys = [
        entry.key
        for entry in await store.about(tx.connection, address=phone)
        if entry.reason in SAID_OF_TEXTS and (entry.scope, entry.scoped_to) == about
    ]
    return await lift(tx, keys, instead=addressee)


async def lift(tx: Transaction, keys: Collection[Key], *, instead: Addressee | None = None) -> int:
    """Take entries off the list and publish it; return how many were on it.

    `instead`: who acts; stands for the customer of an entry that names none.
    """
    gone = await store.lift(tx.connection, keys)
    for lifted in sorted(gone, key=lambda lifted: lifted.entry.key):
        _publish_return(tx, lifted, instead)
    return len(gone)


def _entry(tx: Transaction, departure: Departure) -> Suppression:
    addressee, scope = departure.addressee, departure.scope
    to = scoped_to(scope, addressee)
    if to is None:
        raise NoSuchChoice(invitation_id=addressee.invitation_id)
    return Suppression(
        customer_id=addressee.customer_id,
        address=addressee.address,
        scope=scope,
        scoped_to=to,
        reason=departure.reason,
        invitation_id=addressee.invitation_id,
        note=departure.note,
        suppressed_at=tx.now,
    )


def _publish_departure(tx: Transaction, departure: Departure, *, scope_is_to: str) -> None:
    addressee = departure.addressee
    payload = RecipientUnsubscribed(
        customer_id=addressee.customer_id,
        invitation_id=addressee.invitation_id,
        program_id=addressee.program_id,
        scope=departure.scope,
        scoped_to=scope_is_to or None,
        reason=_SAID[departure.reason],
        unsubscribed_at=tx.now,
    )
    tx.emit(registry.RECIPIENT_UNSUBSCRIBED, payload, traceparent=addressee.traceparent)


def _publish_return(tx: Transaction, lifted: store.Lifted, instead: Addressee | None) -> None:
    """Publish the return of a customer whose departure was published."""
    entry = lifted.entry
    if entry.reason not in CUSTOMERS_OWN:
        return
    if entry.customer_id and entry.invitation_id and lifted.program_id:
        who = entry.customer_id, entry.invitation_id, lifted.program_id
    elif instead is not None and entry.customer_id in ("", instead.customer_id):
        who = instead.customer_id, instead.invitation_id, instead.program_id
    else:
        return
    payload = RecipientResubscribed(
        customer_id=who[0],
        invitation_id=who[1],
        program_id=who[2],
        scope=entry.scope,
        scoped_to=entry.scoped_to or None,
        resubscribed_at=tx.now,
    )
    tx.emit(registry.RECIPIENT_RESUBSCRIBED, payload, traceparent=lifted.traceparent)
