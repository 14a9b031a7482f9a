"""A page that is rendered once; what differs from customer to customer is put in afterwards."""

from collections.abc import Mapping
from typing import Final

from markupsafe import Markup, escape

_MARK: Final = "\0"


def slot(name: str) -> Markup:
    """Return the place for `name` in a template. Texts never hold the character that marks it."""
    return Markup(f"{_MARK}{name}{_MARK}")  # noqa: S704  # the names are ours


class Skeleton:
    """A rendered template with slots."""

    def __init__(self, html: str) -> None:
        """`html`: what a template made of `slot`s renders to."""
        parts = html.split(_MARK)
        self._parts: Final = [part.encode() for part in parts]
        self._places: Final[dict[str, list[int]]] = {}
        for place in range(1, len(parts), 2):
            self._places.setdefault(parts[place], []).append(place)
            self._parts[place] = b""

    def fill(self, values: Mapping[str, str]) -> bytes:
        """Return the page; what is no `Markup` is escaped, a slot without a value stays empty."""
        parts = self._parts.copy()
        for name, value in values.items():
            for place in self._places.get(name, ()):
                parts[place] = escape(value).encode()
        return b"".join(parts)
