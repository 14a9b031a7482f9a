"""Mail over SMTP: connections that are kept open from mail to mail."""

import asyncio
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

from aiosmtplib import (
    SMTP,
    SMTPDataError,
    SMTPException,
    SMTPRecipientRefused,
    SMTPResponse,
    SMTPResponseException,
    SMTPSenderRefused,
    SMTPServerDisconnected,
    SMTPStatus,
)

from dispatch_service.adapters.interface import HandOver, Parcel, Reply
from dispatch_service.domain.message import Outcome
from heardback.retrying import describe
from heardback.vocabulary import Channel

_CLOSING: Final = 421
_NO_SUCH_MAILBOX: Final = (550, 551, 553)
_ENHANCED: Final = re.compile(r"5\.(\d{1,3})\.(\d{1,3})(?=\s|$)")
_NOT_THERE: Final = {
    "1": frozenset({"1", "2", "3", "6", "10"}),  # others: ambiguous, or about the sender (7, 8)
    "2": frozenset({"1"}),  # disabled; others: full, too long
}
"""Of addresses and mailboxes, the details that say that this one takes nothing, ever."""
_ABOUT_OTHER_THINGS: Final = ("3", "5", "6", "7")  # the system, the protocol, the content, policy
_ABOUT_US: Final = re.compile(
    r"black-?\s?list|block-?\s?list|\bblocked\b|\bspam|reputation|\brelay|\bsender\b", re.IGNORECASE
)
"""How servers without enhanced codes say that it is us whom they refuse."""
_PLAIN: Final = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]+@[A-Za-z0-9.-]+")
"""Addresses that stand in a command as they are."""
_ADDRESS: Final = re.compile(r"[^\s<>()\[\]\"',;:]+@[^\s<>()\"',;:]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
    """A mail as it goes on the wire: every line of `content` ends with CR and LF."""

    sender: str
    recipient: str
    content: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class SmtpRoute:
    """Where mail is handed in, and how. `ca_file`: who vouches for the server, if not everybody.

    `answer_seconds`: how long we wait for the answer to a mail, which many a server only gives once
    it has looked at the content; none: as long as for anything else.
    """

    host: str
    port: int
    username: str | None = None
    password: str | None = None
    tls: Literal["none", "starttls", "implicit"] = "starttls"
    ca_file: str | None = None
    timeout_seconds: float = 20
    answer_seconds: float | None = None
    greeting_name: str = "localhost"

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
            cert_bundle=self.ca_file,
        )


class SmtpAdapter:
    """One SMTP provider."""

    channel: Final = Channel.EMAIL
    is_idempotent: Final = False

    def __init__(
        self,
        name: str,
        *,
        route: SmtpRoute,
        at_once: int,
        compose: Callable[[Parcel], Mail],
    ) -> None:
        self.name: Final = name
        self.at_once: Final = at_once
        self.at_most_seconds: Final = route.answer_seconds or route.timeout_seconds
        self._route = route
        self._compose = compose

    def compose(self, parcel: Parcel) -> Mail:
        """Return the mail."""
        return self._compose(parcel)

    def open_line(self) -> "SmtpLine":
        """Return a line that is not connected yet."""
        return SmtpLine(self._route)


async def _at_once() -> bool:
    return True


class SmtpLine:
    """Sends one mail at a time; used by one task."""

    def __init__(self, route: SmtpRoute) -> None:
        self._timeout_seconds = route.timeout_seconds
        self._answer_seconds = route.answer_seconds or route.timeout_seconds
        self._client = route.client()
        self._handed_over = False

    async def send(self, load: Mail) -> Reply:
        """Send a mail; every way in which it can end is a reply, none an exception."""
        return await self.send_after(load, _at_once)

    async def send_after(self, load: Mail, hand_over: HandOver) -> Reply:
        """Send a mail whose content leaves only after `hand_over`."""
        self._handed_over = False
        try:
            reply = await self._offer(load) or await self._hand_over(load, hand_over)
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

    async def _offer(self, mail: Mail) -> Reply | None:
        """Say from whom and to whom; None: the provider is ready for the content."""
        async with asyncio.timeout(self._timeout_seconds):
            await self._begin(mail)
            try:
                await self._name_recipient(mail.recipient)
            except SMTPRecipientRefused as refusal:
                return await self._refused(refusal)
        return None

    async def _hand_over(self, mail: Mail, hand_over: HandOver) -> Reply:
        wanted = await hand_over()
        async with asyncio.timeout(self._answer_seconds if wanted else self._timeout_seconds):
            if not wanted:
                await self._client.rset()
                return Reply(outcome=Outcome.RELEASED, detail="not handed over")
            self._handed_over = True
            try:
                response = await self._send_content(mail.content)
            except SMTPDataError as refusal:
                self._handed_over = False
                return await self._refused(refusal)
        return Reply(outcome=Outcome.SENT, detail=_clean(response.message))

    async def _refused(self, refusal: SMTPResponseException) -> Reply:
        if refusal.code != _CLOSING and self._client.is_connected:
            await self._client.rset()
        return _read(refusal)

    async def _begin(self, mail: Mail) -> None:
        """Open a mail; a line that was closed while it was idle is opened again, once."""
        if self._client.is_connected:
            try:
                await self._name_sender(mail.sender)
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

    # The library's own way takes each address and each line apart, and has a clock for each answer:
    # a quarter of the time of a mail. Here is one clock for all, and lines end as they should.

    async def _name_sender(self, sender: str) -> None:
        if not _PLAIN.fullmatch(sender):
            await self._client.mail(sender)
            return
        said = await self._client.execute_command(b"MAIL FROM:<%b>" % sender.encode(), timeout=None)
        if said.code != SMTPStatus.completed:
            raise SMTPSenderRefused(said.code, said.message, sender)

    async def _name_recipient(self, recipient: str) -> None:
        if not _PLAIN.fullmatch(recipient):
            await self._client.rcpt(recipient)
            return
        said = await self._client.execute_command(
            b"RCPT TO:<%b>" % recipient.encode(), timeout=None
        )
        if said.code not in (SMTPStatus.completed, SMTPStatus.will_forward):
            raise SMTPRecipientRefused(said.code, said.message, recipient)

    async def _send_content(self, content: bytes) -> SMTPResponse:
        said = await self._client.execute_command(b"DATA", timeout=None)
        if said.code == SMTPStatus.start_input:
            wire = self._client.protocol
            if wire is None:
                raise SMTPServerDisconnected("Connection lost")
            wire.write(_with_end(content))
            said = await wire.read_response()
            if said.code == SMTPStatus.completed:
                return said
        raise SMTPDataError(said.code, said.message)

    def _failure(self, error: Exception) -> Reply:
        detail = f"{error.code} {error.message}" if isinstance(error, SMTPResponseException) else ""
        return Reply(
            outcome=Outcome.AWAY,
            detail=_nameless(detail or describe(error)),
            in_doubt=self._handed_over,
        )


def _with_end(content: bytes) -> bytes:
    """Return the lines of a mail with the dot that ends them; dots at their starts are doubled.

    Source: RFC 5321, 4.5.2.
    """
    lines = content.replace(b"\r\n.", b"\r\n..")
    return b"%b%b.\r\n" % (b"." if lines.startswith(b".") else b"", lines)


def _read(refusal: SMTPResponseException) -> Reply:
    """Read a refusal that is about this mail: for good, for now, or a goodbye."""
    outcome = Outcome.DEFERRED
    if refusal.code == _CLOSING:
        outcome = Outcome.AWAY
    elif _is_about_recipient(refusal):
        outcome = Outcome.BOUNCED
    return Reply(outcome=outcome, detail=_nameless(f"{refusal.code} {refusal.message}"))


def _is_about_recipient(refusal: SMTPResponseException) -> bool:
    """Tell whether the mailbox is not there: only then will it refuse whatever we say, for good.

    A refusal of the sender, of the content or by policy says nothing about the address, and a full
    mailbox is emptied. Providers give the basic code for all of these; the enhanced one decides.
    It stands at the very beginning: what looks like one further on may be a part of an IP address.
    Source: RFC 5321, 4.2.3; RFC 2034, 4; RFC 3463, 3.2 and 3.3; RFC 7505, 4.2 (5.1.10).
    """
    if refusal.code not in range(500, 600):
        return False
    says_so = isinstance(refusal, SMTPRecipientRefused) and refusal.code in _NO_SUCH_MAILBOX
    enhanced = _ENHANCED.match(refusal.message)
    if enhanced is None:
        return says_so and not _ABOUT_US.search(refusal.message)
    subject, detail = enhanced.groups()
    if subject in _NOT_THERE:
        return detail in _NOT_THERE[subject]
    return says_so and subject not in _ABOUT_OTHER_THINGS


def _nameless(text: str) -> str:
    """Return what a provider said without whom it is about: it ends in logs and events."""
    return _clean(_ADDRESS.sub("…", text))


def _clean(text: str) -> str:
    """Return what a provider said as text that can be stored."""
    return text.encode(errors="replace").decode().replace("\0", "")[:300]
