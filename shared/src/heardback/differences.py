"""What differs between two documents, field by field."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """A field that differs, by its path, as `send_hours.from`. None: it is not written there."""

    field: str
    before: Any
    after: Any


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Difference]:
    """Return every field that differs, in the order in which the documents name them.

    A list is one value: it differs as a whole.
    """
    return list(_differences(before, after, ()))


def _differences(
    before: Mapping[str, Any], after: Mapping[str, Any], path: tuple[str, ...]
) -> Iterator[Difference]:
    for name in {**before, **after}:
        old, new, here = before.get(name), after.get(name), (*path, name)
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            yield from _differences(old, new, here)
        elif old != new:
            yield Difference(field=".".join(here), before=old, after=new)
