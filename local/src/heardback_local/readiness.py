"""Asking the parts of a stack whether they are ready."""

import ssl
from collections.abc import Sequence
from typing import Final

import httpx2

from heardback.embedded.processes import accepts_connections
from heardback.errors import Retryable
from heardback_local.state import ProcessRecord

# The parts speak plain HTTP: to load the certificates of the world would take longer than to ask.
_NO_CERTIFICATES: Final = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


class NotReady(Retryable):
    """Some parts were not ready in time."""

    why: dict[str, str]


async def why_not_ready(record: ProcessRecord, client: httpx2.AsyncClient) -> str | None:
    """Say what keeps a process from being ready, None when it is."""
    if record.ready_url is None:
        return None if accepts_connections(record.port) else "it does not take connections"
    if record.pid is None:
        return "it does not run"
    try:
        answer = await client.get(record.ready_url, timeout=3)
    except httpx2.HTTPError as error:
        return f"no answer ({type(error).__name__})"
    return None if answer.status_code == httpx2.codes.OK else _failed_checks(answer)


async def why_none_ready(records: Sequence[ProcessRecord]) -> dict[str, str]:
    """Say of each process that is not ready why."""
    async with httpx2.AsyncClient(verify=_NO_CERTIFICATES) as client:
        found = {record.name: await why_not_ready(record, client) for record in records}
    return {name: why for name, why in found.items() if why is not None}


def _failed_checks(answer: httpx2.Response) -> str:
    try:
        checks = answer.json()["checks"]
        failed = [f"{name}: {state}" for name, state in checks.items() if state != "ok"]
    except (ValueError, KeyError, AttributeError):
        failed = []
    return "; ".join(failed) or f"HTTP {answer.status_code}"
