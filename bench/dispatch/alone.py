"""The peer: aiosmtplib alone sends mails that are ready, over as many connections as dispatch."""

import asyncio
import os
from pathlib import Path

import uvloop
from aiosmtplib import SMTP


async def main() -> None:
    """Send `BENCH_MAILS` mails, in turn those of the folder, to a server that takes them."""
    folder, port = Path(os.environ["BENCH_FOLDER"]), int(os.environ["HEARDBACK_SMTP_PORT"])
    mails = [path.read_bytes() for path in sorted(folder.iterdir())]
    left = iter(range(int(os.environ["BENCH_MAILS"])))

    async def send() -> None:
        async with SMTP(hostname="127.0.0.1", port=port, start_tls=False) as client:
            for number in left:
                await client.mail("feedback@example.com")
                await client.rcpt(f"customer-{number}@example.com")
                await client.data(mails[number % len(mails)])

    await asyncio.gather(*(send() for _ in range(int(os.environ["HEARDBACK_SMTP_CONNECTIONS"]))))
    await asyncio.Event().wait()  # stays to be looked at


if __name__ == "__main__":
    uvloop.run(main())
