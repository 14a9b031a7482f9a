"""PagerDuty: Events API v2. A task is an incident, under one key from its first alert to its end.

Source: PagerDuty, "Send an Alert Event" (summary 1,024 characters, key 255, routing key 32),
"Events API v2 Overview" (512 KB; 429 and 5xx are retried). The same key twice is one alert.
"""

from typing import Any, Final
from urllib.parse import urlsplit

import orjson

from closeloop_service.domain.rules import AlertTarget
from closeloop_service.ops_alerts.interface import (
    JSON,
    Adapter,
    Call,
    Letter,
    TargetUnusable,
    cut,
    web_address,
)
from closeloop_service.store.alert_messages import What

_US: Final = "https://events.pagerduty.com"
_PATH: Final = "/v2/enqueue"
_SUMMARY: Final = 1024
_KEY_LENGTH: Final = 32
_ACTIONS: Final = {
    What.ALERTS: "trigger",
    What.DIGEST: "trigger",
    What.ACKNOWLEDGE: "acknowledge",
    What.RESOLVE: "resolve",
}


def compose(letter: Letter, target: AlertTarget, secret: str) -> Call:
    """Write an event: what opens an incident says what it is about, the others only its key."""
    if len(secret) != _KEY_LENGTH or not secret.isalnum():
        msg = "the secret of a PagerDuty target is its routing key: 32 letters and digits"
        raise TargetUnusable(msg)
    event: dict[str, Any] = {
        "routing_key": secret,
        "event_action": _ACTIONS[letter.what],
        "dedup_key": letter.incident or letter.message_id,
    }
    if letter.what in (What.ALERTS, What.DIGEST):
        event |= _opening(letter)
    return Call(url=_address(target), headers=JSON, content=orjson.dumps(event))


def _opening(letter: Letter) -> dict[str, Any]:
    content = letter.content
    first = f": {content.items[0].text}" if len(content.items) == 1 else ""
    links = [{"href": letter.url(content.path), "text": "Open the board"}]
    if letter.acknowledge_url is not None:
        links.insert(0, {"href": letter.acknowledge_url, "text": "Acknowledge in Heardback"})
    named = [
        {"title": item.title, "text": item.text, "url": letter.url(item.path)}
        for item in content.items
    ]
    payload: dict[str, Any] = {
        "summary": cut(f"{content.title}{first}", _SUMMARY),
        "source": urlsplit(letter.board_url).hostname or "heardback",
        "severity": content.severity,
        "timestamp": letter.made_at.isoformat(),
        "component": "closeloop",
        "class": letter.what,
        "custom_details": {**dict(content.facts), "named": named, "more": content.more},
    }
    if content.team is not None:
        payload["group"] = content.team
    return {
        "payload": payload,
        "client": "Heardback",
        "client_url": letter.url(content.path),
        "links": links,
    }


def _address(target: AlertTarget) -> str:
    url = web_address(target.url or _US, of="the url of the target").rstrip("/")
    return url if url.endswith(_PATH) else f"{url}{_PATH}"


ADAPTER: Final = Adapter(compose=compose, knows_repeats=True)
