"""What a form asks, signed: its page can be made again with it while nothing can be looked up."""

import base64
import hashlib
from collections.abc import Sequence
from functools import lru_cache
from hmac import compare_digest
from typing import Final

import msgspec

from heardback.vocabulary import Scale

_SIGNATURE_BYTES: Final = 9
_LONGEST: Final = 1_000


class Asks(msgspec.Struct, frozen=True, kw_only=True):
    """A version of a survey, as one customer reads it. `locale`: the customer's own, if known."""

    survey_id: str
    version: int
    scale: Scale
    locale: str | None
    variant: str | None


@lru_cache(maxsize=1024)
def sign_asks(asks: Asks, *, secret: bytes) -> str:
    """Return it as the text of a hidden field."""
    told = msgspec.json.encode(asks)
    return base64.urlsafe_b64encode(_sign(told, secret) + told).decode()


def read_asks(text: str, *, secrets: Sequence[bytes]) -> Asks | None:
    """Return what a form asks; None: this was not made by us."""
    if not text or len(text) > _LONGEST:
        return None
    try:
        raw = base64.urlsafe_b64decode(text)
    except ValueError:
        return None
    signature, told = raw[:_SIGNATURE_BYTES], raw[_SIGNATURE_BYTES:]
    if not any(compare_digest(signature, _sign(told, secret)) for secret in secrets):
        return None
    return msgspec.json.decode(told, type=Asks)


def _sign(told: bytes, secret: bytes) -> bytes:
    return hashlib.blake2b(
        told, key=secret[:64], digest_size=_SIGNATURE_BYTES, person=b"form asks"
    ).digest()
