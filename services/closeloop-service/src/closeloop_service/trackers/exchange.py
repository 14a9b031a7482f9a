"""Calls of a tracker's API, and what its answers mean."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

import orjson

from closeloop_service.trackers.interface import Fault, FaultKind
from heardback.calls.http import Answer, Caller, Silence

_LONGEST_DETAIL: Final = 300
_EXHAUSTED: Final = "0"


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """One tracker's API: where it is, and what each call carries.

    `now` is when the round began: waits are measured from it.
    """

    caller: Caller
    base_url: str
    headers: Mapping[str, str]
    now: datetime

    async def call(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        headers: Mapping[str, str] | None = None,
    ) -> Answer | Fault:
        """Make a call and return an answer from 200 to 399; `path` may be a whole URL."""
        heard = await self.send(method, path, body, headers=headers)
        if isinstance(heard, Answer) and heard.status < 400:
            return heard
        return fault_of(heard, self.now)

    async def change(self, method: str, path: str, body: Mapping[str, Any]) -> Fault | None:
        """Change what was read just now: a 403 says nothing of the key then, but of the change."""
        heard = await self.send(method, path, body)
        if isinstance(heard, Answer) and 200 <= heard.status < 300:
            return None
        fault = fault_of(heard, self.now)
        forbidden = isinstance(heard, Answer) and heard.status == 403
        if forbidden and fault.kind is FaultKind.KEY_REFUSED:
            return replace(fault, kind=FaultKind.REFUSED)
        return fault

    async def send(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        headers: Mapping[str, str] | None = None,
    ) -> Answer | Silence:
        """Make a call and return whatever comes back."""
        url = path if "://" in path else f"{self.base_url.rstrip('/')}{path}"
        sent = {"Accept": "application/json", **self.headers, **(headers or {})}
        if body is not None:
            sent["Content-Type"] = "application/json"
        content = b"" if body is None else orjson.dumps(body)
        return await self.caller.request(method, url, headers=sent, content=content)


def fault_of(heard: Answer | Silence, now: datetime) -> Fault:
    """Return what a failed call means."""
    if isinstance(heard, Silence):
        return Fault(kind=FaultKind.AWAY, detail=heard.detail, in_doubt=heard.in_doubt)
    kind = _kind(heard)
    wait = _seconds_to_wait(heard, now) if kind in (FaultKind.BUSY, FaultKind.AWAY) else None
    return Fault(
        kind=kind,
        detail=f"HTTP {heard.status}: {message_in(heard)}"[:_LONGEST_DETAIL],
        retry_after_seconds=wait,
        in_doubt=kind is FaultKind.AWAY,
    )


def json_of(answer: Answer) -> Any:
    """Return the body; None: it is no JSON."""
    try:
        return orjson.loads(answer.body)
    except orjson.JSONDecodeError:
        return None


def unreadable(answer: Answer) -> Fault:
    """Return the fault that an answer is which says yes, but not what we need."""
    detail = f"HTTP {answer.status}: the answer can't be read"
    return Fault(kind=FaultKind.AWAY, detail=detail, in_doubt=True)


def message_in(answer: Answer) -> str:
    """Return what the tracker says is wrong, in its own words."""
    words = "; ".join(dict.fromkeys(_messages(json_of(answer))))
    return words or "no reason is given"


def _kind(answer: Answer) -> FaultKind:
    if answer.status == 429 or (answer.status == 403 and _is_limited(answer)):
        return FaultKind.BUSY
    if answer.status in (401, 403):
        return FaultKind.KEY_REFUSED
    if answer.status in (404, 410):
        return FaultKind.GONE
    if answer.status >= 500 or answer.status == 408:
        return FaultKind.AWAY
    return FaultKind.REFUSED


def _is_limited(answer: Answer) -> bool:
    """GitHub says 403 both to a key that may not and to one that asks too often.

    Source: GitHub, "Rate limits for the REST API".
    """
    exhausted = answer.headers.get("x-ratelimit-remaining") == _EXHAUSTED
    secondary = "rate limit" in message_in(answer).lower()
    return exhausted or secondary or "retry-after" in answer.headers


def _seconds_to_wait(answer: Answer, now: datetime) -> float | None:
    asked = answer.retry_after_seconds(now)
    if asked is not None:
        return asked
    if answer.headers.get("x-ratelimit-remaining") != _EXHAUSTED:
        return None
    reset = answer.headers.get("x-ratelimit-reset", "")
    return max(0.0, float(reset) - now.timestamp()) if reset.isascii() and reset.isdigit() else None


def _messages(body: Any) -> Iterator[str]:
    """Find the messages in the shapes that the trackers write.

    Shapes: `{"message", "errors": [{"field", "code"}]}`, `{"errors": [{"message"}]}`,
    `{"errorMessages": […], "errors": {field: message}}`.
    """
    if not isinstance(body, dict):
        return
    if isinstance(body.get("message"), str):
        yield body["message"]
    yield from (text for text in body.get("errorMessages") or () if isinstance(text, str))
    errors = body.get("errors")
    if isinstance(errors, dict):
        yield from (f"{field}: {text}" for field, text in errors.items())
    elif isinstance(errors, list):
        yield from (_message(error) for error in errors)


def _message(error: Any) -> str:
    if not isinstance(error, dict):
        return str(error)
    if isinstance(error.get("message"), str):
        return str(error["message"])
    return " ".join(str(error[name]) for name in ("field", "code") if name in error)
