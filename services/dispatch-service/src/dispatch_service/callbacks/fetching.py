"""Fetch one small thing from a provider: a certificate, a confirmation."""

from collections.abc import Awaitable, Callable
from typing import Final

import httpx2

from heardback.errors import Retryable

Fetch = Callable[[str], Awaitable[bytes]]
"""Returns what stands under a URL. Raises: FetchFailed."""
_SECONDS: Final = 5.0
_MOST_BYTES: Final = 65_536


class FetchFailed(Retryable):
    """What a provider points to can't be fetched just now."""

    url: str


async def fetch(url: str) -> bytes:
    """Return what stands under `url`, which the caller has checked; redirects are not followed.

    Raises: FetchFailed.
    """
    try:
        async with (
            httpx2.AsyncClient(timeout=_SECONDS, follow_redirects=False) as client,
            client.stream("GET", url) as response,
        ):
            response.raise_for_status()
            body = bytearray()
            async for chunk in response.aiter_bytes():
                body += chunk
                if len(body) > _MOST_BYTES:
                    raise FetchFailed(url=url)
    except httpx2.HTTPError:
        raise FetchFailed(url=url) from None
    return bytes(body)
