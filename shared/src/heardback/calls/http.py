"""A call to another system over HTTP: bounded in time and in size, and never an exception.

It stands on httpcore and not on httpx because only the former lets us choose whom it connects to,
and because it follows no redirect, reads no environment and unpacks nothing by itself.
"""

import asyncio
import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from email.utils import parsedate_to_datetime
from functools import cache
from typing import Any, Final

import httpcore2

from heardback.retrying import describe

_CONNECT_SECONDS: Final = 5.0
_CLOSE_SECONDS: Final = 0.5
_IDLE_SECONDS: Final = 30.0
_MOST_BYTES: Final = 65_536
_MOST_SECONDS: Final = 86_400.0
_SENDABLE: Final = re.compile(r"([!-~]([\t -~]*[!-~])?)?")
_HEADERS: Final = {"User-Agent": "Heardback/1", "Accept-Encoding": "identity"}
_FAILURES: Final = (
    httpcore2.NetworkError,
    httpcore2.TimeoutException,
    httpcore2.ProtocolError,
    httpcore2.ProxyError,
    httpcore2.UnsupportedProtocol,
    httpcore2.ConnectionNotAvailable,
    OSError,
    TimeoutError,
    ValueError,  # a host name that can't be one
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came back. `headers` have lower-case names; `body` is cut where it is too long."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def retry_after_seconds(self, now: datetime) -> float | None:
        """Return how long we are asked to wait; None: nothing is said that can be read."""
        asked = self.headers.get("retry-after", "").strip()
        seconds: float
        if asked.isascii() and asked.isdigit():
            seconds = float(asked[:9])
        else:
            try:
                seconds = (parsedate_to_datetime(asked) - now).total_seconds()
            except (ValueError, TypeError, OverflowError):
                return None
        return min(max(seconds, 0.0), _MOST_SECONDS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Silence:
    """Nothing came back. `in_doubt`: the request had begun to leave."""

    detail: str
    in_doubt: bool


class Caller:
    """One kept connection; used by one task."""

    def __init__(
        self,
        *,
        timeout_seconds: float,
        backend: httpcore2.AsyncNetworkBackend | None = None,
        tls: ssl.SSLContext | None = None,
        most_bytes: int = _MOST_BYTES,
    ) -> None:
        """`timeout_seconds`: for one call, connecting included. `tls`: whom to trust.

        `most_bytes`: of a body; what is longer is cut.
        """
        self._timeout_seconds = timeout_seconds
        self._most_bytes = most_bytes
        self._pool = httpcore2.AsyncConnectionPool(
            ssl_context=tls or _trust(),
            max_connections=1,
            keepalive_expiry=_IDLE_SECONDS,
            network_backend=backend,
        )
        self._handed_over = False
        self._heard: Answer | None = None

    async def post(
        self, url: str, *, headers: Mapping[str, str], content: bytes
    ) -> Answer | Silence:
        """Send `content`; whatever happens is the result."""
        return await self.request("POST", url, headers=headers, content=content)

    async def request(
        self, method: str, url: str, *, headers: Mapping[str, str], content: bytes = b""
    ) -> Answer | Silence:
        """Make a call; whatever happens is the result."""
        self._handed_over, self._heard = False, None
        for name, value in headers.items():
            if not can_be_sent(value):
                # The library's own words quote the value, and that may be a secret.
                detail = f"the header {name} has a character that can't be sent"
                return Silence(detail=detail, in_doubt=False)
        try:
            async with asyncio.timeout(self._timeout_seconds):
                return await self._exchange(method, url, headers, content)
        except _FAILURES as error:
            return self._broken_off(error)

    async def close(self) -> None:
        """Hang up."""
        try:
            async with asyncio.timeout(_CLOSE_SECONDS):
                await self._pool.aclose()
        except _FAILURES:
            return  # there is nothing left to close

    def _broken_off(self, error: Exception) -> Answer | Silence:
        """Return what was heard until then: a body that breaks off does not undo the status."""
        return self._heard or Silence(detail=describe(error), in_doubt=self._handed_over)

    async def _exchange(
        self, method: str, url: str, headers: Mapping[str, str], content: bytes
    ) -> Answer:
        connecting = min(_CONNECT_SECONDS, self._timeout_seconds)
        async with self._pool.stream(
            method,
            url,
            headers=list({**_HEADERS, **headers}.items()),
            content=content,
            extensions={"timeout": {"connect": connecting}, "trace": self._trace},
        ) as response:
            known = {name.decode("latin-1").lower(): value for name, value in response.headers}
            self._heard = Answer(
                status=response.status,
                headers={name: value.decode("latin-1") for name, value in known.items()},
                body=b"",
            )
            return replace(self._heard, body=await _read(response, self._most_bytes))

    async def _trace(self, event: str, _info: Mapping[str, Any]) -> None:
        if event.endswith("send_request_headers.started"):
            self._handed_over = True


def can_be_sent(value: str) -> bool:
    """Tell whether a header takes `value`: printable ASCII, without spaces around it."""
    return _SENDABLE.fullmatch(value) is not None


async def _read(response: httpcore2.Response, most_bytes: int) -> bytes:
    """Read no more than we would look at."""
    body = bytearray()
    async for chunk in response.aiter_stream():
        body += chunk
        if len(body) >= most_bytes:
            break
    return bytes(body[:most_bytes])


@cache
def _trust() -> ssl.SSLContext:
    """Return whom we trust; reading the certificates takes a while."""
    return httpcore2.default_ssl_context()
