"""One line to the mail provider: a connection that is kept open from mail to mail."""

import asyncio
from dataclasses import dataclass
from typing import Final, Literal

from aiosmtplib import (
    SMTP,
    SMTPDataError,
    SMTPException,
    SMTPRecipientRefused,
    SMTPResponseException,
    SMTPSenderRefused,
    SMTPServerDisconnected,
)

from dispatch_service.domain.invitation import Outcome
from heardback.retrying import describe

_CLOSING: Final = 421
_PERMANENT: Final = range(500, 600)


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """Where mail is handed in, and how."""

    host: str
    port: int
    username: str | None
    password: str | None
    tls: Literal["none", "starttls", "implicit"]
    timeout_seconds: float
    greeting_name: str

    def client(self) -> SMTP:
        """Return a client that is not connected yet."""
        return SMTP(
            hostname=self.host,
            port=self.port,
            username=self.username,
            password=self.password,
            local_hostname=self.greeting_name,
            timeout=self.timeout_seconds,
            use_tls=self.tls == "implicit",
            start_tls=self.tls == "starttls",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
    """A mail as it goes on the wire."""

    sender: str
    recipient: str
    content: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """How a mail ended. `in_doubt`: the provider may have taken it without our hearing so."""

    outcome: Outcome
    detail: str
    in_doubt: bool = False


class Line:
    """Sends one mail at a time; used by one task."""

    def __init__(self, provider: Provider) -> None:
        self._provider = provider
        self._client = provider.client()
        self._handed_over = False

    async def send(self, mail: Mail) -> Reply:
        """Send `mail`; every way in which it can end is a reply, none an exception."""
        self._handed_over = False
        try:
            async with asyncio.timeout(self._provider.timeout_seconds):
                reply = await self._converse(mail)
        except (SMTPException, OSError, TimeoutError) as error:
            reply = self._failure(error)
        if reply.outcome is Outcome.AWAY:
            self._client.close()
        return reply

    async def close(self) -> None:
        """Say goodbye."""
        if self._client.is_connected:
            try:
                async with asyncio.timeout(1):
                    await self._client.quit()
            except (SMTPException, OSError, TimeoutError):
                self._client.close()

    async def _converse(self, mail: Mail) -> Reply:
        await self._begin(mail)
        try:
            await self._client.rcpt(mail.recipient)
            self._handed_over = True
            response = await self._client.data(mail.content)
        except (SMTPRecipientRefused, SMTPDataError) as refusal:
            self._handed_over = False
            if refusal.code != _CLOSING and self._client.is_connected:
                await self._client.rset()
            return _refused(refusal)
        return Reply(outcome=Outcome.SENT, detail=_clean(response.message))

    async def _begin(self, mail: Mail) -> None:
        """Open a mail; a line that was closed while it was idle is opened again, once."""
        if self._client.is_connected:
            try:
                await self._client.mail(mail.sender)
            except SMTPServerDisconnected:
                self._client.close()
            except SMTPSenderRefused as refusal:
                if refusal.code != _CLOSING:
                    raise
                self._client.close()
            else:
                return
        await self._client.connect()
        await self._client.mail(mail.sender)

    def _failure(self, error: Exception) -> Reply:
        detail = f"{error.code} {error.message}" if isinstance(error, SMTPResponseException) else ""
        return Reply(
            outcome=Outcome.AWAY,
            detail=_clean(detail or describe(error)),
            in_doubt=self._handed_over,
        )


def _refused(refusal: SMTPResponseException) -> Reply:
    """Read a refusal that is about this mail: for good (5xx), for now (4xx), or a goodbye."""
    outcome = Outcome.BOUNCED if refusal.code in _PERMANENT else Outcome.DEFERRED
    if refusal.code == _CLOSING:
        outcome = Outcome.AWAY
    return Reply(outcome=outcome, detail=_clean(f"{refusal.code} {refusal.message}"))


def _clean(text: str) -> str:
    """Return what a provider said as text that can be stored."""
    return text.encode(errors="replace").decode().replace("\0", "")[:300]
