"""The SMTP side: takes any mail for anybody, from anybody, with any password."""

import asyncio
from functools import partial

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, Session

from heardback.clock import Clock
from heardback_local.mailbox.messages import parse_mail
from heardback_local.mailbox.store import Store


class _Handler:
    """aiosmtpd's handler: a mail is accepted once it is in the store."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802  # aiosmtpd's name
        content = envelope.content or b""
        await self._store.add(
            partial(
                parse_mail,
                content if isinstance(content, bytes) else content.encode(),
                recipients=[str(recipient) for recipient in envelope.rcpt_tos],
                sender=str(envelope.mail_from or ""),
                received_at=self._clock.now(),
            )
        )
        return "250 OK, kept in the mailbox"


async def serve_smtp(store: Store, clock: Clock, host: str, port: int) -> asyncio.Server:
    """Listen for mail until the returned server is closed."""
    handler = _Handler(store, clock)
    loop = asyncio.get_running_loop()
    return await loop.create_server(
        lambda: SMTP(
            handler,
            hostname="mailbox.example.com",
            enable_SMTPUTF8=True,
            authenticator=_welcome,
            auth_require_tls=False,
            loop=loop,
        ),
        host,
        port,
    )


def _welcome(*_: object) -> AuthResult:
    return AuthResult(success=True)
