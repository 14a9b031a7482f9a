"""The links in messages, and those of calendar feeds: signed, so that nobody guesses one."""

import hmac
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final
from urllib.parse import quote, urlencode

from itsdangerous import Signer

from heardback.security import LinkSigner, LinkTampered

VALID: Final = timedelta(days=7)
"""How long the link of a message can be used."""


class Links:
    """Makes and reads links. Without a key there are none."""

    def __init__(self, board_url: str, keys: Sequence[str]) -> None:
        """`board_url`: where people reach the board. `keys`: the newest first.

        Raises: ValueError when a key is shorter than 16 characters.
        """
        self.board_url: Final = board_url.rstrip("/")
        self._messages = LinkSigner(keys, purpose="alert") if keys else None
        self._feeds = [Signer(key, salt="heardback.due-feed") for key in keys]

    def acknowledge(self, message_id: str, made_at: datetime) -> str | None:
        """Return where a message is acknowledged; the same for the same message."""
        if self._messages is None:
            return None
        token = self._messages.sign(message_id, expires_at=made_at + VALID)
        return f"{self.board_url}/alerts/{token}"

    def read(self, token: str, now: datetime) -> str:
        """Return the message that a link is of.

        Raises: LinkTampered, LinkExpired.
        """
        if self._messages is None:
            raise LinkTampered
        return self._messages.read(token, now=now)

    def feed(self, owner: str) -> str | None:
        """Return where an owner's calendar is; it holds until the key is taken out of use."""
        if not self._feeds:
            return None
        key = self._feeds[0].get_signature(owner).decode()
        return f"{self.board_url}/owners/{quote(owner, safe='')}/due.ics?{urlencode({'key': key})}"

    def check_feed(self, owner: str, key: str) -> None:
        """See that a key is the one of that owner's calendar.

        Raises: LinkTampered.
        """
        # As text: base64 would be read whatever is strewn into it.
        good = [signer.get_signature(owner) for signer in self._feeds]
        if not any(hmac.compare_digest(key.encode(), signature) for signature in good):
            raise LinkTampered
