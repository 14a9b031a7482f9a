"""Signed links: one invitation each, expiring, with keys that rotate.

A token holds the invitation's id and its expiry, 21 bytes, and a signature: no personal data.
"""

import base64
import binascii
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from itsdangerous import BadSignature, Signer

from heardback.errors import Permanent

_ID_BYTES: Final = 16


class LinkTampered(Permanent):
    """The link is not one that we made."""


class LinkExpired(Permanent):
    """The link was ours, and its time is over."""

    invitation_id: str


class LinkSigner:
    """Signs and reads the links of one purpose; a token for one purpose is none for another."""

    def __init__(self, keys: Sequence[str], *, purpose: str) -> None:
        """`keys`: the newest first. It signs; all of them verify, so live links survive a rotation.

        Raises: ValueError when there is no key of at least 16 characters.
        """
        if not keys or any(len(key) < 16 for key in keys):
            msg = "link keys: at least one, each of at least 16 characters"
            raise ValueError(msg)
        oldest_first = list(reversed(keys))
        self._signer = Signer(oldest_first, salt=f"heardback.{purpose}", key_derivation="hmac")

    def sign(self, invitation_id: str, *, expires_at: datetime) -> str:
        """Return the token for an invitation (a UUID), URL-safe, about 56 characters."""
        expiry = int(expires_at.timestamp()).to_bytes(5, "big")
        raw = uuid.UUID(invitation_id).bytes + expiry
        return self._signer.sign(base64.urlsafe_b64encode(raw).rstrip(b"=")).decode()

    def read(self, token: str, *, now: datetime) -> str:
        """Return the invitation's id.

        Raises: LinkTampered (answer as if nothing were known), LinkExpired (say that it is over).
        """
        try:
            encoded = self._signer.unsign(token)
            raw = base64.urlsafe_b64decode(encoded + b"=" * (-len(encoded) % 4))
        except (BadSignature, binascii.Error, UnicodeEncodeError):
            raise LinkTampered from None
        invitation_id = str(uuid.UUID(bytes=raw[:_ID_BYTES]))
        if now >= datetime.fromtimestamp(int.from_bytes(raw[_ID_BYTES:], "big"), UTC):
            raise LinkExpired(invitation_id=invitation_id)
        return invitation_id
