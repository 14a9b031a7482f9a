"""What trackers call us with: whether it is from them, and which tickets it is about.

A call only has us look at the ticket, by the tracker's API: so one that is repeated, or that comes
after a newer one, does no harm. The status itself is taken from those alone that can't be read.
"""

import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import orjson
from standardwebhooks.webhooks import EmptyWebhookSecretError, Webhook

from closeloop_service.domain.improvement import TicketStatus
from closeloop_service.domain.ticket import link_to
from heardback.errors import Invalid, Unauthorized

_LINEAR_SECONDS: Final = 60.0
_DELAY_SECONDS: Final = 300.0
_LONGEST_TIMESTAMP: Final = 11
_LONGEST_SECRET: Final = 200


class NotFromTracker(Unauthorized):
    """The call is not signed as the tracker signs; see to it that both have the same secret."""


class HookUnreadable(Invalid):
    """The call can't be read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HookCall:
    """A call as it came. `headers` have lower-case names."""

    headers: Mapping[str, str]
    query: Mapping[str, str]
    body: bytes
    received_at: datetime

    def json(self) -> dict[str, Any]:
        """Return the body.

        Raises: HookUnreadable.
        """
        try:
            said = orjson.loads(self.body)
        except orjson.JSONDecodeError:
            raise HookUnreadable from None
        if not isinstance(said, dict):
            raise HookUnreadable
        return said


@dataclass(frozen=True, slots=True, kw_only=True)
class HookHeard:
    """What a call says. `handshake`: a secret to keep and to say back.

    `status` and `url`: what is said of the one ticket, where it can't be read.
    """

    tickets: tuple[str, ...] = ()
    handshake: str | None = None
    status: TicketStatus | None = None
    url: str | None = None


def jira(call: HookCall, secrets: Sequence[str]) -> HookHeard:
    """Read a call of Jira.

    Source: Atlassian, "Webhooks", secure admin webhooks (`X-Hub-Signature`).
    """
    _check_hex(call, secrets, header="x-hub-signature", prefix="sha256=")
    issue: Any = call.json().get("issue")
    known = isinstance(issue, dict) and issue.get("id")
    return HookHeard(tickets=(str(issue["id"]),) if known else ())


def github(call: HookCall, secrets: Sequence[str]) -> HookHeard:
    """Read a call of GitHub.

    Source: GitHub, "Validating webhook deliveries".
    """
    _check_hex(call, secrets, header="x-hub-signature-256", prefix="sha256=")
    said = call.json()
    issue: Any = said.get("issue")
    repository: Any = said.get("repository")
    if call.headers.get("x-github-event") != "issues":
        return HookHeard()
    try:
        return HookHeard(tickets=(f"{repository['full_name']}#{issue['number']}",))
    except (TypeError, KeyError):
        raise HookUnreadable from None


def linear(call: HookCall, secrets: Sequence[str]) -> HookHeard:
    """Read a call of Linear, which is not older than a minute.

    Source: Linear, "Webhooks".
    """
    _check_hex(call, secrets, header="linear-signature")
    said = call.json()
    sent_at = said.get("webhookTimestamp")
    if not isinstance(sent_at, int | float):
        raise NotFromTracker
    if abs(call.received_at.timestamp() - sent_at / 1000) > _LINEAR_SECONDS:
        raise NotFromTracker
    data = said.get("data")
    if said.get("type") != "Issue" or not isinstance(data, dict) or "id" not in data:
        return HookHeard()
    return HookHeard(tickets=(str(data["id"]),))


def asana(call: HookCall, secrets: Sequence[str]) -> HookHeard:
    """Read a call of Asana. The first one brings the secret that signs the others.

    Anybody could bring one, so the address that Asana is given ends in `?key=` and the first of
    `secrets`, which is ours; the others are those that Asana brought.
    Source: Asana, "Webhooks".
    """
    ours, *theirs = secrets
    brought = call.headers.get("x-hook-secret")
    if brought is not None:
        key = call.query.get("key", "").encode()
        if len(brought) > _LONGEST_SECRET or not hmac.compare_digest(key, ours.encode()):
            raise NotFromTracker
        return HookHeard(handshake=brought)
    _check_hex(call, theirs, header="x-hook-signature")
    events = call.json().get("events")
    resources = [event.get("resource") for event in events or () if isinstance(event, dict)]
    gids = [
        str(resource["gid"])
        for resource in resources
        if isinstance(resource, dict) and resource.get("resource_type") == "task"
    ]
    return HookHeard(tickets=tuple(dict.fromkeys(gids)))


def webhook(call: HookCall, secrets: Sequence[str]) -> HookHeard:
    """Read a call of any other tracker, not older than five minutes.

    Shapes: `{"type": "ticket.status", "data": {"ticket": …, "status": "done", "url": …}}`, where
    `ticket` is the one that we told it.
    Source: Standard Webhooks 1.0.
    """
    if not any(_is_signed(call, secret) for secret in secrets):
        raise NotFromTracker
    data: Any = call.json().get("data")
    try:
        ticket, status = data["ticket"], TicketStatus(data["status"])
        url = data.get("url")
    except (TypeError, KeyError, ValueError):
        message = f"data.status is one of {', '.join(TicketStatus)}"
        raise HookUnreadable(errors=[{"field": "data", "message": message}]) from None
    return HookHeard(
        tickets=(str(ticket),), status=status, url=link_to(url) if isinstance(url, str) else None
    )


def _is_signed(call: HookCall, secret: str) -> bool:
    sent_at = call.headers.get("webhook-timestamp", "")
    if not sent_at.isascii() or not sent_at.isdigit():
        return False
    at = datetime.fromtimestamp(int(sent_at[:_LONGEST_TIMESTAMP]), UTC)
    if abs((call.received_at - at).total_seconds()) > _DELAY_SECONDS:
        return False
    try:
        message_id, body = call.headers.get("webhook-id", ""), call.body.decode()
        expected = Webhook(secret).sign(message_id, at, body).encode()
    except (EmptyWebhookSecretError, ValueError):
        return False
    given = call.headers.get("webhook-signature", "").encode().split(b" ")
    return any(hmac.compare_digest(one, expected) for one in given)


def _check_hex(call: HookCall, secrets: Sequence[str], *, header: str, prefix: str = "") -> None:
    """See that a header is the body's HMAC by one of the secrets, in hexadecimal.

    Raises: NotFromTracker.
    """
    given = call.headers.get(header, "").encode()
    expected = (
        f"{prefix}{hmac.new(secret.encode(), call.body, 'sha256').hexdigest()}".encode()
        for secret in secrets
    )
    if not any(hmac.compare_digest(given, one) for one in expected):
        raise NotFromTracker
