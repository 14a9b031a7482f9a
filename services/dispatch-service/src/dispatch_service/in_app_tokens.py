"""Tokens with which a customer's browser asks for its cards.

They are sealed, not only signed: a token stands in addresses, and a customer's id may be a mail
address. A token is good for a day, so that one which leaks does not stay good.
"""

import base64
import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from heardback.errors import Unauthorized

LIFE: Final = timedelta(hours=24)
_SECONDS: Final = int(LIFE.total_seconds())


class TokenRefused(Unauthorized):
    """This token is none of ours, or its day is over: ask for a new one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """Who holds a token, and until when."""

    customer_id: str
    expires_at: datetime


class CustomerTokens:
    """Seals and opens tokens."""

    def __init__(self, keys: Sequence[str]) -> None:
        """`keys`: the newest first. It seals; all of them open."""
        self._box = MultiFernet([Fernet(_derived(key)) for key in keys])

    def make(self, customer_id: str, *, now: datetime) -> str:
        """Return a token, URL-safe, about 140 characters for an id of 36."""
        sealed = self._box.encrypt_at_time(customer_id.encode(), int(now.timestamp()))
        return sealed.decode().rstrip("=")

    def open(self, token: str, *, now: datetime) -> Holder:
        """Return who holds a token.

        Raises: TokenRefused.
        """
        padded = token + "=" * (-len(token) % 4)
        try:
            opened = self._box.decrypt_at_time(padded, _SECONDS, int(now.timestamp()))
            made_at = datetime.fromtimestamp(self._box.extract_timestamp(padded), UTC)
        except (InvalidToken, ValueError):
            raise TokenRefused from None
        return Holder(customer_id=opened.decode(), expires_at=made_at + LIFE)


def _derived(key: str) -> bytes:
    digest = hmac.digest(key.encode(), b"heardback.in-app", "sha256")
    return base64.urlsafe_b64encode(digest)
