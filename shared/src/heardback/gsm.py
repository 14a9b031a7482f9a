"""How many parts a text message is sent, and paid, in.

Source: 3GPP TS 23.038 (the alphabet and its extension table), TS 23.040 (parts of a long message).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

_BASIC: Final = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_EXTENSION: Final = frozenset("\f^{}\\[~]|€")
"""Each of these takes two places: an escape goes before it."""


class Encoding(StrEnum):
    """How the characters travel."""

    GSM_7 = "gsm-7"
    UCS_2 = "ucs-2"


_ALONE: Final = {Encoding.GSM_7: 160, Encoding.UCS_2: 70}
_IN_PARTS: Final = {Encoding.GSM_7: 153, Encoding.UCS_2: 67}
"""Each part of a long message begins with a header of six bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """The length of a text message. `units`: places of 7 bits, or of 16."""

    encoding: Encoding
    units: int
    segments: int


def measure(text: str) -> Measure:
    """Return how long a text is. One character outside the alphabet makes all of it UCS-2."""
    widths = [_gsm_width(character) for character in text]
    encoding = Encoding.GSM_7 if all(widths) else Encoding.UCS_2
    if encoding is Encoding.UCS_2:
        widths = [2 if ord(character) > 0xFFFF else 1 for character in text]
    units = sum(widths)
    alone = units <= _ALONE[encoding]
    segments = 1 if alone else _parts(widths, room=_IN_PARTS[encoding])
    return Measure(encoding=encoding, units=units, segments=segments)


def _gsm_width(character: str) -> int:
    """Return how many places a character takes, 0 when the alphabet lacks it."""
    return 1 if character in _BASIC else 2 if character in _EXTENSION else 0


def _parts(widths: Iterable[int], *, room: int) -> int:
    """Count the parts; neither an escape nor a surrogate pair is torn apart."""
    parts, used = 1, 0
    for width in widths:
        if used + width > room:
            parts, used = parts + 1, 0
        used += width
    return parts
