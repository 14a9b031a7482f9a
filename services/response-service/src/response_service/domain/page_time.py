"""When a page was made, signed: the form carries it, so that we know how long an answer took."""

import base64
import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

_TIME_BYTES: Final = 6
_SIGNATURE_BYTES: Final = 6
_LENGTH: Final = (_TIME_BYTES + _SIGNATURE_BYTES) * 4 // 3


def sign_time(now: datetime, invitation_id: str, *, secret: bytes) -> str:
    """Return 16 characters that say when the page of this invitation was made."""
    told = int(now.timestamp() * 1000).to_bytes(_TIME_BYTES, "big")
    return base64.urlsafe_b64encode(told + _sign(told, invitation_id, secret)).decode()


def read_time(text: str, invitation_id: str, *, secrets: Sequence[bytes]) -> datetime | None:
    """Return when the page was made; None: this was not made by us, or for another invitation."""
    if len(text) != _LENGTH:
        return None
    try:
        raw = base64.urlsafe_b64decode(text)
    except ValueError:
        return None
    told, signature = raw[:_TIME_BYTES], raw[_TIME_BYTES:]
    if not any(signature == _sign(told, invitation_id, secret) for secret in secrets):
        return None
    return datetime.fromtimestamp(int.from_bytes(told, "big") / 1000, UTC)


def _sign(told: bytes, invitation_id: str, secret: bytes) -> bytes:
    about = told + invitation_id.encode()
    return hashlib.blake2b(
        about, key=secret[:64], digest_size=_SIGNATURE_BYTES, person=b"page time"
    ).digest()
