"""Signed links: one invitation each, expiring, with keys that rotate; and the keys of machines.

A token holds the invitation's id and its expiry, 21 bytes, and a signature: no personal data.
"""

import base64
import binascii
import hashlib
import hmac
import re
import secrets
import uuid
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final

from itsdangerous import BadSignature, Signer
from itsdangerous.signer import SigningAlgorithm

from heardback.errors import Permanent

_ID_BYTES: Final = 16
_LINKS_KEPT: Final = 16_384
_BASE58: Final = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
"""No 0, O, I or l: a code that somebody types is read without doubt."""
_CODE_LENGTH: Final = 10
_TOKEN: Final = re.compile(r"[A-Za-z0-9_-]{28}\.[A-Za-z0-9_-]{26}[AEIMQUYcgkosw048]")
"""The one way to write a token: base64 is read whatever is strewn into it or left in its last bits.
"""
_API_KEY: Final = re.compile(r"[A-Za-z0-9._-]{1,60}:[0-9a-f]{64}")


class LinkTampered(Permanent):
    """The link is not one that we made."""


class LinkExpired(Permanent):
    """The link was ours, and its time is over."""

    invitation_id: str


class _Sha1(SigningAlgorithm):
    """The library's own HMAC-SHA1, in one call: a third of the time."""

    def get_signature(self, key: bytes, value: bytes) -> bytes:
        """Return the signature of `value`."""
        return hmac.digest(key, value, "sha1")


class _Signer(Signer):
    """Derives each key once, and not anew for each link."""

    def __init__(self, keys: Sequence[str], *, salt: str) -> None:
        super().__init__(keys, salt=salt, key_derivation="hmac", algorithm=_Sha1())
        self._derived: dict[str | bytes, bytes] = {}

    def derive_key(self, secret_key: str | bytes | None = None) -> bytes:
        """Return what signs in place of a key; the newest one's, if none is named."""
        key = self.secret_keys[-1] if secret_key is None else secret_key
        if key not in self._derived:
            self._derived[key] = super().derive_key(key)
        return self._derived[key]


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
        self._signer = _Signer(oldest_first, salt=f"heardback.{purpose}")
        # Who looks at a page answers a moment later, by the same link.
        self._open: Final = lru_cache(maxsize=_LINKS_KEPT)(self._verify)

    def sign(self, invitation_id: str, *, expires_at: datetime) -> str:
        """Return the token for an invitation (a UUID), URL-safe, about 56 characters."""
        expiry = int(expires_at.timestamp()).to_bytes(5, "big")
        raw = uuid.UUID(invitation_id).bytes + expiry
        return self._signer.sign(base64.urlsafe_b64encode(raw).rstrip(b"=")).decode()

    def read(self, token: str, *, now: datetime) -> str:
        """Return the invitation's id.

        Raises: LinkTampered (answer as if nothing were known), LinkExpired (say that it is over).
        """
        invitation_id, expires_at = self._open(token)
        if now >= expires_at:
            raise LinkExpired(invitation_id=invitation_id)
        return invitation_id

    def _verify(self, token: str) -> tuple[str, datetime]:
        """Return what a token holds. Raises: LinkTampered, which is kept of none."""
        if not _TOKEN.fullmatch(token):
            raise LinkTampered
        try:
            encoded = self._signer.unsign(token)
            raw = base64.urlsafe_b64decode(encoded + b"=" * (-len(encoded) % 4))
        except (BadSignature, binascii.Error, UnicodeEncodeError):
            raise LinkTampered from None
        expires_at = datetime.fromtimestamp(int.from_bytes(raw[_ID_BYTES:], "big"), UTC)
        return str(uuid.UUID(bytes=raw[:_ID_BYTES])), expires_at


def short_code(key: str, invitation_id: str) -> str:
    """Return the code of an invitation's short link, for text messages: 10 characters of base58.

    It is made of a link key, so that who doesn't have the key can't guess one (58 bits).
    """
    digest = hmac.digest(key.encode(), f"heardback.short.{invitation_id}".encode(), "sha256")
    number, code = int.from_bytes(digest, "big"), ""
    for _ in range(_CODE_LENGTH):
        number, place = divmod(number, len(_BASE58))
        code += _BASE58[place]
    return code


class ApiKeys:
    """The keys of trusted systems, known by their hashes alone."""

    def __init__(self, names: Mapping[str, str]) -> None:
        """`names`: who has each key, by its SHA-256 in hexadecimal; one may have several."""
        self._names: Final = dict(names)

    @classmethod
    def parse(cls, text: str) -> "ApiKeys":
        """Return the keys that a setting lists: `name:hash`, separated by commas.

        Raises: ValueError, which says which part of it is wrong.
        """
        parts = [part.strip() for part in text.split(",") if part.strip()]
        for number, part in enumerate(parts, 1):
            if not _API_KEY.fullmatch(part):
                msg = f"API keys: part {number} is not `name:hash` as `heardback api-key` prints it"
                raise ValueError(msg)
        pairs = [part.split(":") for part in parts]
        return cls({digest: name for name, digest in pairs})

    def name_of(self, key: str) -> str | None:
        """Return whose key this is; None: nobody's."""
        # What is compared are hashes of what was sent: timing tells nothing about a key.
        return self._names.get(api_key_hash(key))


def new_api_key() -> tuple[str, str]:
    """Return a new key, which its owner keeps, and its hash, which the settings keep."""
    key = f"hb_{secrets.token_urlsafe(32)}"
    return key, api_key_hash(key)


def api_key_hash(key: str) -> str:
    """Return what the settings keep of a key."""
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()
