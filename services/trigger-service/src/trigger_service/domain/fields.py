"""The typed fields that expressions look at, and their values at one touchpoint."""

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from math import isfinite
from typing import Final

from msgspec import Struct

from heardback.contracts.payloads import Scalar

LONGEST_STRING: Final = 1_000
"""Characters. A longer string counts as unknown, so that no expression is slow to evaluate."""

KNOWN: Final = "known"
"""Under this name stand the names of all fields that are known."""

_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,62}")
_LANGUAGE_WORDS: Final = frozenset({"false", "in", "null", "true"})
_SIGNED_UP_AT: Final = "customer.signed_up_at"
_TENURE_DAYS: Final = "customer.tenure_days"


class FieldType(StrEnum):
    """What a field holds; a time is an instant, written in ISO 8601 with its offset from UTC."""

    STRING = "string"
    NUMBER = "number"
    BOOLEAN = "boolean"
    TIME = "time"


STANDARD_CUSTOMER: Final[Mapping[str, FieldType]] = {
    "segment": FieldType.STRING,
    "locale": FieldType.STRING,
    "timezone": FieldType.STRING,
    "plan": FieldType.STRING,
    "region": FieldType.STRING,
    "country": FieldType.STRING,
    "ltv": FieldType.NUMBER,
    "mrr": FieldType.NUMBER,
    "signed_up_at": FieldType.TIME,
    "tenure_days": FieldType.NUMBER,
}
"""The fields of a customer that need no declaration. None of them says how to reach anybody."""

STANDARD_EVENT: Final[Mapping[str, FieldType]] = {
    "touchpoint": FieldType.STRING,
    "amount": FieldType.NUMBER,
    "currency": FieldType.STRING,
    "items": FieldType.NUMBER,
    "topic": FieldType.STRING,
    "agent": FieldType.STRING,
    "closed_by": FieldType.STRING,
    "category": FieldType.STRING,
    "root_cause": FieldType.STRING,
    "plan": FieldType.STRING,
    "source": FieldType.STRING,
}
"""The fields of an event that need no declaration."""

_Readers = Mapping[str, tuple[str, Callable[[object], object]]]


class Reader(Struct, frozen=True, kw_only=True):
    """Reads the values of some fields; by a field's short name, its full one and how to read it."""

    customer: _Readers
    event: _Readers
    tells_known: bool

    def values(
        self,
        *,
        customer: Mapping[str, Scalar],
        event: Mapping[str, Scalar],
        occurred_at: datetime,
    ) -> dict[str, object]:
        """Return the value of every field that is known at `occurred_at`, and the names of these.

        Shapes: `{"customer.plan": "pro", …, "known": ["customer.plan", …]}`. A value that is not
        of its field's type is as good as none. `customer.tenure_days` counts whole days since
        `customer.signed_up_at`; it is taken as given only where the latter is not known.
        """
        values: dict[str, object] = {}
        for given, readers in ((customer, self.customer), (event, self.event)):
            for name, (full_name, read) in readers.items():
                if (typed := read(given.get(name))) is not None:
                    values[full_name] = typed
        signed_up_at = values.get(_SIGNED_UP_AT)
        if isinstance(signed_up_at, datetime):
            values[_TENURE_DAYS] = float((occurred_at - signed_up_at).days)
        if self.tells_known:
            values[KNOWN] = list(values)
        return values


@dataclass(frozen=True, slots=True, kw_only=True)
class Fields:
    """All fields: the standard ones, and those that `customer` and `event` add to them.

    Raises: ValueError that names every declaration at fault, and says what to do.
    """

    customer: Mapping[str, FieldType] = field(default_factory=dict)
    event: Mapping[str, FieldType] = field(default_factory=dict)
    types: Mapping[str, FieldType] = field(init=False, repr=False, compare=False)
    _customer: _Readers = field(init=False, repr=False, compare=False)
    _event: _Readers = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        faults = [
            *_faults("customer", self.customer, STANDARD_CUSTOMER),
            *_faults("event", self.event, STANDARD_EVENT),
        ]
        if faults:
            raise ValueError("; ".join(faults))
        customer = {**STANDARD_CUSTOMER, **self.customer}
        event = {**STANDARD_EVENT, **self.event}
        types = {f"customer.{name}": type_ for name, type_ in customer.items()}
        types |= {f"event.{name}": type_ for name, type_ in event.items()}
        object.__setattr__(self, "types", types)
        object.__setattr__(self, "_customer", _readers("customer", customer))
        object.__setattr__(self, "_event", _readers("event", event))

    def __hash__(self) -> int:
        return hash((frozenset(self.customer.items()), frozenset(self.event.items())))

    def reader(self, names: Collection[str]) -> Reader:
        """Return what reads the fields with these full names; all of them where `known` is one."""
        wanted = {*self.types, KNOWN} if KNOWN in names else {*names}
        if _TENURE_DAYS in wanted:
            wanted.add(_SIGNED_UP_AT)
        customer, event = (
            {short: of for short, of in readers.items() if of[0] in wanted}
            for readers in (self._customer, self._event)
        )
        return Reader(customer=customer, event=event, tells_known=KNOWN in wanted)


def _faults(
    group: str, added: Mapping[str, FieldType], standard: Mapping[str, FieldType]
) -> Iterator[str]:
    for name, type_ in added.items():
        if not _NAME.fullmatch(name):
            yield f"{group}.{name}: write a-z, 0-9 and _, beginning with a letter"
        elif name in _LANGUAGE_WORDS:
            yield f"{group}.{name}: this is a word of the expression language; name it otherwise"
        elif (given := standard.get(name, type_)) is not type_:
            yield (
                f"{group}.{name}: this is a standard field and a {given}, not a {type_};"
                f" leave it out, or give yours another name"
            )


def _readers(group: str, types: Mapping[str, FieldType]) -> _Readers:
    return {name: (f"{group}.{name}", _READ[type_]) for name, type_ in types.items()}


def _string(value: object) -> str | None:
    return value if type(value) is str and len(value) <= LONGEST_STRING else None


def _number(value: object) -> float | None:
    if type(value) is int:
        try:
            return float(value)
        except OverflowError:
            return None
    return value if type(value) is float and isfinite(value) else None


def _boolean(value: object) -> bool | None:
    return value if isinstance(value, bool) else None


def _time(value: object) -> datetime | None:
    if not isinstance(value, str):
        return None
    try:
        at = datetime.fromisoformat(value)
    except ValueError:
        return None
    return None if at.tzinfo is None else at


_READ: Final[Mapping[FieldType, Callable[[object], object]]] = {
    FieldType.STRING: _string,
    FieldType.NUMBER: _number,
    FieldType.BOOLEAN: _boolean,
    FieldType.TIME: _time,
}
