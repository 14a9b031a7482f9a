"""Expressions over what is known of a customer and an event: does the rule hold?"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol


class InvalidExpression(ValueError):
    """An expression that can never give an answer; the text says where, and what to write."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """An expression that gave no answer this time.

    `detail` says why in words that are fit to be kept: it holds nothing that is known of anybody.
    """

    detail: str


class Predicate(Protocol):
    """A compiled expression: whether it holds for `values`, as a `Reader` makes them.

    `names`: what it looks at; other values may be left out. It never raises. Whoever must not be
    asked by mistake takes `Failed` for a no.
    """

    names: frozenset[str]

    def __call__(self, values: Mapping[str, object], /) -> bool | Failed: ...
