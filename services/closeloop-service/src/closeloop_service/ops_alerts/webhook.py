"""A system of ours: a signed call, whose id stays the same over every attempt.

Source: Standard Webhooks 1.0.
"""

from datetime import UTC
from typing import Final

import orjson
from standardwebhooks import Webhook
from standardwebhooks.webhooks import EmptyWebhookSecretError

from closeloop_service.domain.rules import AlertTarget
from closeloop_service.ops_alerts.interface import (
    JSON,
    Adapter,
    Call,
    Letter,
    TargetUnusable,
    web_address,
)
from closeloop_service.store.alert_messages import What

_TYPES: Final = {What.DIGEST: "ops.digest", What.ALERTS: "ops.alerts"}


def compose(letter: Letter, target: AlertTarget, secret: str) -> Call:
    """Write a message as JSON, and sign it."""
    content = letter.content
    body = {
        "type": _TYPES.get(letter.what, f"ops.{letter.what}"),
        "timestamp": letter.made_at.isoformat(),
        "data": {
            "message_id": letter.message_id,
            "title": content.title,
            "severity": content.severity,
            "team": content.team,
            "facts": [{"label": label, "text": said} for label, said in content.facts],
            "items": [
                {"title": item.title, "text": item.text, "url": letter.url(item.path)}
                for item in content.items
            ],
            "more": content.more,
            "url": letter.url(content.path),
            "acknowledge_url": letter.acknowledge_url,
        },
    }
    sent = orjson.dumps(body)
    headers = {
        **JSON,
        "webhook-id": letter.message_id,
        "webhook-timestamp": str(int(letter.now.timestamp())),
        "webhook-signature": _signature(letter, secret, sent.decode()),
    }
    return Call(url=web_address(target.url or "", of="the url"), headers=headers, content=sent)


def _signature(letter: Letter, secret: str, sent: str) -> str:
    try:
        return Webhook(secret).sign(letter.message_id, letter.now.astimezone(UTC), sent)
    except (ValueError, EmptyWebhookSecretError):
        msg = "the secret of a webhook target signs: write it as whsec_ and base64"
        raise TargetUnusable(msg) from None


ADAPTER: Final = Adapter(compose=compose, knows_repeats=True)
