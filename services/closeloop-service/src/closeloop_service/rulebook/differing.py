"""What differs between two versions of a rulebook, thing by thing."""

from collections.abc import Mapping
from typing import Any, Final

from closeloop_service.rulebook.reading import as_json, read_text
from heardback.differences import Difference, differences

_NAMES: Final = ("id", "name")
_ORDER: Final = "(order)"
"""No policy, step or member is called so."""


def differing(before: str, after: str) -> list[Difference]:
    """Return what differs between two texts that were valid once.

    Policies, steps and members are told apart by their names; `(order)` is the one they stand in.
    """
    return differences(*(_by_name(as_json(read_text(text))) for text in (before, after)))


def _by_name(value: Any) -> Any:
    """Return a value with its lists of named things as fields, so that each differs by itself."""
    if isinstance(value, Mapping):
        return {name: _by_name(inner) for name, inner in value.items()}
    field = next((name for name in _NAMES if _are_named(value, name)), None)
    if field is None:
        return value
    things = {str(thing[field]): _by_name(thing) for thing in value}
    return {**things, _ORDER: list(things)}


def _are_named(value: Any, field: str) -> bool:
    if not isinstance(value, list) or not value:
        return False
    return all(isinstance(thing, Mapping) and field in thing for thing in value)
