"""Who is not asked any more, and what that covers; pure."""

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Final

from dispatch_service.domain.message import Kind
from heardback.vocabulary import Channel, ProgramType, Scope


class Reason(StrEnum):
    """Why somebody is on the list."""

    MANUAL = "manual"  # one of us put them there
    UNSUBSCRIBED = "unsubscribed"
    STOP = "stop"
    BOUNCE = "bounce"
    COMPLAINT = "complaint"


WEIGHT: Final = {reason: number for number, reason in enumerate(Reason)}
"""Of two things that a customer says at once the heavier one counts."""

ABOUT_THE_ADDRESS: Final = frozenset({Reason.STOP, Reason.BOUNCE, Reason.COMPLAINT})
"""What also stops a follow-up to the address: there a person writes to one who complained to us."""

CUSTOMERS_OWN: Final = frozenset({Reason.UNSUBSCRIBED, Reason.STOP, Reason.COMPLAINT})
"""What customers said themselves, and can take back."""

SAID_OF_TEXTS: Final = frozenset({Reason.UNSUBSCRIBED, Reason.STOP})
"""What a START takes back: a complaint is not about texts alone."""

REPLACES: Final = {
    Reason.MANUAL: frozenset[Reason](),
    Reason.UNSUBSCRIBED: frozenset[Reason](),
    Reason.STOP: frozenset({Reason.UNSUBSCRIBED}),
    Reason.COMPLAINT: frozenset({Reason.UNSUBSCRIBED, Reason.STOP}),
    Reason.BOUNCE: frozenset(Reason) - {Reason.BOUNCE},
}
"""Which reasons give way to which in one entry. What only we lift never gives way to what customers
take back themselves."""

Key = tuple[str, str, str, str]
"""Customer, address, scope, what the scope is to: there is one entry for each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Addressee:
    """Whom an invitation is for, and where the conversation about it is."""

    invitation_id: str
    customer_id: str
    program_id: str
    program_type: ProgramType | None = None
    channel: Channel
    email: str | None = None
    phone: str | None = None
    locale: str | None = None
    traceparent: str | None = None

    @property
    def address(self) -> str:
        """Where the conversation reaches them; nothing where the channel has no address."""
        found = {Channel.EMAIL: self.email, Channel.SMS: self.phone}.get(self.channel)
        return canonical(found or "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Suppression:
    """One entry of the list: neither the customer elsewhere, nor another one at the address.

    An empty `customer_id` or `address` says nothing; `scoped_to` is empty for the scope `all`.
    """

    customer_id: str = ""
    address: str = ""
    scope: Scope = Scope.ALL
    scoped_to: str = ""
    reason: Reason
    invitation_id: str | None = None
    note: str | None = None
    suppressed_at: datetime

    @property
    def key(self) -> Key:
        """What makes it one entry."""
        return self.customer_id, self.address, self.scope.value, self.scoped_to


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What is to be said, as far as the list is concerned."""

    kind: Kind
    customer_id: str
    address: str
    channel: Channel
    program_id: str
    program_type: ProgramType | None = None


def covers(entry: Suppression, target: Target) -> bool:
    """Tell whether an entry keeps something from being said."""
    at_the_address = bool(entry.address) and entry.address == canonical(target.address)
    if target.kind is Kind.FOLLOW_UP:
        return at_the_address and entry.reason in ABOUT_THE_ADDRESS
    to_the_customer = bool(entry.customer_id) and entry.customer_id == target.customer_id
    if not (at_the_address or to_the_customer):
        return False
    return entry.scope is Scope.ALL or entry.scoped_to == _in_scope(entry.scope, target)


def beside(entry: Suppression, standing: Reason) -> tuple[Suppression, ...]:
    """Return what keeps an entry's meaning when another one stands in its place, for `standing`.

    One that names a customer and an address means the same as two that name one each. When the
    customer takes theirs back, or we lift ours, the other's word stays.
    """
    is_said_by_the_same = (entry.reason in CUSTOMERS_OWN) == (standing in CUSTOMERS_OWN)
    if is_said_by_the_same or not (entry.customer_id and entry.address):
        return ()
    return replace(entry, address=""), replace(entry, customer_id="")


def scoped_to(scope: Scope, addressee: Addressee) -> str | None:
    """Return what a scope is to, for those who choose it; None: there is no such choice."""
    match scope:
        case Scope.ALL:
            return ""
        case Scope.PROGRAM:
            return addressee.program_id
        case Scope.CHANNEL:
            return addressee.channel.value
        case Scope.TYPE:
            return addressee.program_type.value if addressee.program_type else None


def in_force(entries: list[Suppression], addressee: Addressee) -> list[Suppression]:
    """Return the entries that keep an addressee from being asked like this again."""
    target = Target(
        kind=Kind.INVITATION,
        customer_id=addressee.customer_id,
        address=addressee.address,
        channel=addressee.channel,
        program_id=addressee.program_id,
        program_type=addressee.program_type,
    )
    return [entry for entry in entries if covers(entry, target)]


def canonical(address: str) -> str:
    """Return an address as the list keeps it: case says nothing."""
    return address.strip().lower()


def _in_scope(scope: Scope, target: Target) -> str | None:
    return {
        Scope.TYPE: target.program_type.value if target.program_type else None,
        Scope.PROGRAM: target.program_id,
        Scope.CHANNEL: target.channel.value,
    }.get(scope)
