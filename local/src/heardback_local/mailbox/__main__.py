"""Run the mailbox: `python -m heardback_local.mailbox`, configured by the environment."""

import asyncio
import signal
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn

from heardback.clock import SystemClock
from heardback.ids import TimeOrderedIds
from heardback_local.mailbox.app import build_app
from heardback_local.mailbox.replies import Replies
from heardback_local.mailbox.settings import MailboxSettings
from heardback_local.mailbox.smtp import serve_smtp
from heardback_local.mailbox.store import Store


class _Server(uvicorn.Server):
    """uvicorn that only stops at a signal; its own handling would end the process there and then,
    before the store is closed.
    """

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.handle_exit, number, None)
        yield


async def run(settings: MailboxSettings) -> None:
    """Serve SMTP and HTTP until SIGTERM or SIGINT."""
    clock, ids = SystemClock(), TimeOrderedIds()
    replies = None
    if settings.sms_reply_url is not None:
        replies = Replies(settings.sms_reply_url, auth_token=settings.sms_auth_token, ids=ids)
    store = await Store.open(settings.mailbox_file)
    smtp = await serve_smtp(store, clock, settings.http_host, settings.smtp_port)
    web = _Server(
        uvicorn.Config(
            build_app(store, clock, ids, replies),
            host=settings.http_host,
            port=settings.http_port,
            log_level="warning",
            timeout_graceful_shutdown=3,
        )
    )
    try:
        await web.serve()
    finally:
        smtp.close()
        await smtp.wait_closed()
        await store.close()


if __name__ == "__main__":
    asyncio.run(run(MailboxSettings()))
