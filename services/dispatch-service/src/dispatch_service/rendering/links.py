"""The links that a message carries. The same invitation always gives the same ones."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from dispatch_service.domain.invitation import Invitation
from heardback.security import LinkSigner, short_code

SURVEY_LINK: Final = "survey"
UNSUBSCRIBE_LINK: Final = "unsubscribe"
_NEVER_EXPIRES: Final = datetime(9999, 1, 1, tzinfo=UTC)
"""A way out must work for as long as a message is kept."""


class SurveyLinks:
    """Where an invitation is answered."""

    def __init__(self, *, survey_url: str, link_keys: Sequence[str]) -> None:
        """`link_keys`: the newest first; it signs."""
        self._url = survey_url.rstrip("/")
        self._signer = LinkSigner(link_keys, purpose=SURVEY_LINK)
        self._newest_key = link_keys[0]

    def token(self, invitation: Invitation) -> str:
        """Return the signed token alone."""
        return self._signer.sign(invitation.invitation_id, expires_at=invitation.expires_at)

    def full(self, invitation: Invitation) -> str:
        """Return the link to the survey page; `?score=N` may follow."""
        return self.at(self.token(invitation))

    def at(self, token: str) -> str:
        """Return the link to the survey page of a token."""
        return f"{self._url}/s/{token}"

    def answer(self, token: str) -> str:
        """Return where the widget sends an answer."""
        return f"{self._url}/w/{token}"

    def short(self, invitation: Invitation) -> str:
        """Return the same in few characters, for where each one costs."""
        return f"{self._url}/c/{short_code(self._newest_key, invitation.invitation_id)}"


class WaysOut:
    """Where a customer says "no more"."""

    def __init__(self, *, preferences_url: str, link_keys: Sequence[str]) -> None:
        """`link_keys`: the newest first; it signs."""
        self._url = preferences_url.rstrip("/")
        self._signer = LinkSigner(link_keys, purpose=UNSUBSCRIBE_LINK)

    def link(self, invitation: Invitation) -> str:
        """Return the link out: a page for a GET, one click for a POST (RFC 8058)."""
        token = self._signer.sign(invitation.invitation_id, expires_at=_NEVER_EXPIRES)
        return f"{self._url}/unsubscribe/{token}"
