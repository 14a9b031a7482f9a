"""Webhooks: a system of the customer's own is told, and shows the survey itself.

Source: Standard Webhooks 1.0. The same message keeps its id over every attempt, so a receiver that
knows it already drops it; the timestamp and the signatures are of the attempt.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Protocol

import orjson
import structlog
from sqlalchemy.exc import SQLAlchemyError
from standardwebhooks import Webhook

from dispatch_service.adapters.interface import Parcel, Reply
from dispatch_service.domain.message import Outcome
from dispatch_service.domain.webhook import Endpoint, seconds_to_wait
from heardback.calls.guard import GuardedBackend, Network
from heardback.calls.http import Answer, Caller, Silence
from heardback.retrying import describe
from heardback.vocabulary import Channel

TIMEOUT_SECONDS: Final = 15.0
_log = structlog.get_logger(__name__)
_GONE: Final = 410
_AT_ONCE_SECONDS: Final = 1.0
_WHILE_FAILING: Final = 2
"""So many lines wait for an endpoint that fails: the others are for those that answer."""
_OTHERS_FIRST: Final = Reply(
    outcome=Outcome.RELEASED, detail="others go first", retry_after_seconds=300
)
_OUTAGE: Final = (SQLAlchemyError, OSError, TimeoutError)


class Endpoints(Protocol):
    """What is known of the endpoints, and what is learnt of them by sending."""

    async def of_program(self, program_id: str) -> Endpoint | None:
        """Return the one endpoint that is told about a program."""

    async def worked(self, endpoint: Endpoint) -> None:
        """Note that it took something."""

    async def failed(self, endpoint: Endpoint) -> None:
        """Note that it did not, and disable it if it has not for days."""

    async def gone(self, endpoint: Endpoint) -> None:
        """Disable an endpoint that says that it wants nothing more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """What an endpoint is told. `number` counts the attempts that got an answer, from 1."""

    message_id: str
    program_id: str
    body: bytes
    sent_at: datetime
    number: int = 1


class WebhookLine:
    """Tells one thing at a time, to whichever endpoint it is for."""

    def __init__(
        self, endpoints: Endpoints, caller: Caller, *, busy: Counter[str] | None = None
    ) -> None:
        """`busy`: how many lines wait for each endpoint just now, over all lines."""
        self._endpoints = endpoints
        self._caller = caller
        self._busy = Counter() if busy is None else busy

    async def send(self, load: Notice) -> Reply:
        """Send; every way in which it can end is a reply, none an exception."""
        try:
            endpoint = await self._endpoints.of_program(load.program_id)
        except _OUTAGE as error:
            return Reply(outcome=Outcome.AWAY, detail=describe(error))
        if endpoint is None:
            return Reply(outcome=Outcome.BOUNCED, detail="no endpoint is open for this program")
        if (
            endpoint.failing_since is not None
            and self._busy[endpoint.endpoint_id] >= _WHILE_FAILING
        ):
            return _OTHERS_FIRST
        self._busy[endpoint.endpoint_id] += 1
        try:
            answer = await deliver(self._caller, endpoint, load)
        finally:
            self._busy[endpoint.endpoint_id] -= 1
        try:
            await self._note(endpoint, answer)
        except _OUTAGE as error:
            # What the endpoint said stands; it will be noted the next time.
            _log.warning("not_noted", endpoint=endpoint.endpoint_id, error=describe(error))
        return _reply(load, answer)

    async def close(self) -> None:
        """Hang up."""
        await self._caller.close()

    async def _note(self, endpoint: Endpoint, answer: Answer | Silence) -> None:
        if _is_taken(answer):
            await self._endpoints.worked(endpoint)
        elif _is_gone(answer):
            await self._endpoints.gone(endpoint)
        else:
            await self._endpoints.failed(endpoint)


class WebhookAdapter:
    """All endpoints together; what one of them does holds up no other."""

    name: Final = "webhook"
    channel: Final = Channel.WEBHOOK
    is_idempotent: Final = True
    at_most_seconds: Final = TIMEOUT_SECONDS

    def __init__(
        self,
        endpoints: Endpoints,
        *,
        compose: Callable[[Parcel], Mapping[str, Any]],
        allowed: Sequence[Network] = (),
        connections: int = 8,
    ) -> None:
        """`allowed`: networks of our own that may be called; `compose` makes a parcel's body."""
        self._endpoints = endpoints
        self._compose = compose
        self._allowed = allowed
        self._busy: Counter[str] = Counter()
        self.at_once: Final = connections

    def compose(self, parcel: Parcel) -> Notice:
        """Return what a line sends; pure, and the same for the same parcel."""
        return Notice(
            message_id=parcel.message.message_id,
            program_id=parcel.invitation.program_id,
            body=orjson.dumps(self._compose(parcel)),
            sent_at=parcel.now,
            number=parcel.number,
        )

    def open_line(self) -> WebhookLine:
        """Return a line that is not connected yet."""
        return WebhookLine(self._endpoints, open_caller(self._allowed), busy=self._busy)


def open_caller(allowed: Sequence[Network], *, timeout_seconds: float = TIMEOUT_SECONDS) -> Caller:
    """Return what calls endpoints, and nobody in our own network."""
    return Caller(timeout_seconds=timeout_seconds, backend=GuardedBackend(allowed))


async def deliver(caller: Caller, endpoint: Endpoint, notice: Notice) -> Answer | Silence:
    """Tell an endpoint, signed with each of its secrets."""
    return await caller.post(endpoint.url, headers=_signed(endpoint, notice), content=notice.body)


def _signed(endpoint: Endpoint, notice: Notice) -> Mapping[str, str]:
    text = notice.body.decode()
    signatures = (
        Webhook(secret).sign(notice.message_id, notice.sent_at.astimezone(UTC), text)
        for secret in endpoint.signing(notice.sent_at)
    )
    return {
        "Content-Type": "application/json",
        "webhook-id": notice.message_id,
        "webhook-timestamp": str(int(notice.sent_at.timestamp())),
        "webhook-signature": " ".join(signatures),
    }


def _reply(load: Notice, answer: Answer | Silence) -> Reply:
    """Return how it ended, or when to try again by the schedule."""
    if isinstance(answer, Silence):
        return _try_again(load, answer.detail, asked=None, in_doubt=answer.in_doubt)
    # Of the body nothing is kept: it may be anything.
    detail = f"HTTP {answer.status}"
    if _is_taken(answer):
        return Reply(outcome=Outcome.SENT, detail=detail)
    if _is_gone(answer):
        # The next attempt finds another endpoint, or none.
        return Reply(outcome=Outcome.DEFERRED, detail=detail, retry_after_seconds=_AT_ONCE_SECONDS)
    asked = answer.retry_after_seconds(load.sent_at)
    return _try_again(load, detail, asked=asked, in_doubt=False)


def _try_again(load: Notice, detail: str, *, asked: float | None, in_doubt: bool) -> Reply:
    wait = seconds_to_wait(load.number, asked)
    if wait is None:
        detail = f"given up after {load.number} attempts: {detail}"
        return Reply(outcome=Outcome.BOUNCED, detail=detail, in_doubt=in_doubt)
    return Reply(
        outcome=Outcome.DEFERRED, detail=detail, in_doubt=in_doubt, retry_after_seconds=wait
    )


def _is_taken(answer: Answer | Silence) -> bool:
    return isinstance(answer, Answer) and 200 <= answer.status < 300


def _is_gone(answer: Answer | Silence) -> bool:
    return isinstance(answer, Answer) and answer.status == _GONE
