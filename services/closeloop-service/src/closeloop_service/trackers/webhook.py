"""Any other tracker: a system of the customer's own is told, and tells us the status.

The secret signs. A repeat has the same id, by which the receiver knows it. Its answer may name the
ticket: `{"ticket": "T-1", "url": "https://…"}`.
Source: Standard Webhooks 1.0.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Self

import orjson
from standardwebhooks.webhooks import EmptyWebhookSecretError, Webhook

from closeloop_service.domain.rules import Tracker
from closeloop_service.domain.ticket import TicketText
from closeloop_service.trackers.exchange import fault_of, json_of
from closeloop_service.trackers.interface import Fault, FaultKind, Reading, TicketRef, Unchanged
from heardback.calls.http import Answer, Caller

_OPENED: Final = "improvement.opened"
_CHANGED: Final = "improvement.changed"


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookTracker:
    """An address that is told of improvements."""

    caller: Caller
    url: str
    secret: str
    now: datetime

    @classmethod
    def of(cls, tracker: Tracker, secret: str, caller: Caller, now: datetime) -> Self:
        """Return the client of a tracker."""
        return cls(caller=caller, url=tracker.base_url or "", secret=secret, now=now)

    async def create(self, text: TicketText) -> TicketRef | Fault:
        """Tell of a new improvement."""
        answer = await self._tell(_OPENED, text, message_id=text.key)
        if isinstance(answer, Fault):
            return answer
        said = json_of(answer)
        said = said if isinstance(said, dict) else {}
        name, url = said.get("ticket"), said.get("url")
        return TicketRef(
            ticket=text.key,
            name=name[:200] if isinstance(name, str) and name else text.key,
            url=url if isinstance(url, str) else None,
        )

    async def find(self, key: str, since: datetime) -> TicketRef | Fault | None:
        """Find nothing: whether a repeat is one is known by its id, to the receiver."""
        del key, since
        return None

    async def update(self, ref: TicketRef, text: TicketText) -> Fault | None:
        """Tell of an improvement that changed."""
        del ref
        message_id = f"{text.key}-{text.digest[:12]}"
        answer = await self._tell(_CHANGED, text, message_id=message_id)
        return answer if isinstance(answer, Fault) else None

    async def read(self, ref: TicketRef, etag: str | None) -> Reading | Unchanged | Fault:
        """Read nothing: the receiver calls us."""
        del ref, etag
        return Unchanged()

    async def _tell(self, kind: str, text: TicketText, *, message_id: str) -> Answer | Fault:
        body = orjson.dumps(
            {"type": kind, "timestamp": self.now.isoformat(), "data": _members(text)}
        )
        try:
            signature = Webhook(self.secret).sign(message_id, self.now, body.decode())
        except (EmptyWebhookSecretError, ValueError):
            detail = "the secret can't sign; write it as whsec_ and base64"
            return Fault(kind=FaultKind.KEY_REFUSED, detail=detail)
        headers = {
            "Content-Type": "application/json",
            "webhook-id": message_id,
            "webhook-timestamp": str(int(self.now.timestamp())),
            "webhook-signature": signature,
        }
        heard = await self.caller.post(self.url, headers=headers, content=body)
        if isinstance(heard, Answer) and 200 <= heard.status < 300:
            return heard
        return fault_of(heard, self.now)


def _members(text: TicketText) -> dict[str, Any]:
    return {
        "improvement_id": text.improvement_id,
        "theme_id": text.theme_id,
        "ticket": text.key,
        "title": text.title,
        "responses": text.responses,
        "detractors": text.detractors,
        "customers": text.customers,
        "reporters": text.reporters,
        "revenue_at_risk": text.revenue_at_risk,
        "currency": text.currency,
        "owner": text.owner,
        "since": text.since.isoformat(),
        "due_on": text.due_on.isoformat(),
        "quotes": list(text.quotes),
        "link": text.link,
    }
