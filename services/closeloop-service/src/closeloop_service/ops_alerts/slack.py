"""Slack, by an incoming webhook: Block Kit.

Source: Slack, "Sending messages using incoming webhooks", "Formatting text for app surfaces",
"Block Kit: Reference". A message has at most 50 blocks; ours has at most 14.
"""

from collections.abc import Iterator
from typing import Any, Final

import orjson

from closeloop_service.domain.rules import AlertTarget
from closeloop_service.ops_alerts.interface import JSON, Adapter, Call, Letter, cut, web_address

_HEADER: Final = 150
_SECTION: Final = 3000
_FALLBACK: Final = 1000
_ESCAPES: Final = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})


def compose(letter: Letter, _target: AlertTarget, secret: str) -> Call:
    """Write a message as blocks; the text beside them is what notifications show."""
    content = letter.content
    first = "".join(f": {item.text}" for item in content.items[:1])
    body = {
        "text": _plain(f"{content.title}{first}", _FALLBACK),
        "blocks": list(_blocks(letter)),
        "unfurl_links": False,
        "unfurl_media": False,
    }
    url = web_address(secret, of="the secret of a Slack target")
    return Call(url=url, headers=JSON, content=orjson.dumps(body))


def _blocks(letter: Letter) -> Iterator[dict[str, Any]]:
    content = letter.content
    title = {"type": "plain_text", "text": cut(content.title, _HEADER), "emoji": False}
    yield {"type": "header", "text": title}
    if content.facts:
        facts = (f"*{_plain(label, 100)}:* {_plain(said, 400)}" for label, said in content.facts)
        yield _section(cut("\n".join(facts), _SECTION))
    for item in content.items:
        link = f"<{letter.url(item.path)}|{_plain(item.title, 120)}>"
        yield _section(f"{link}\n{_plain(item.text, 400)}")
    if content.more > 0:
        yield {"type": "context", "elements": [_text(f"and {content.more:,} more")]}
    links = [f"<{letter.url(content.path)}|Open the board>"]
    if letter.acknowledge_url is not None:
        links.insert(0, f"*<{letter.acknowledge_url}|Acknowledge>*")
    yield _section(" · ".join(links))


def _section(text: str) -> dict[str, Any]:
    return {"type": "section", "text": _text(text)}


def _text(text: str) -> dict[str, Any]:
    # Else Slack makes links and mentions of plain words: `@channel` of a customer wakes everybody.
    return {"type": "mrkdwn", "text": text, "verbatim": True}


def _plain(text: str, longest: int) -> str:
    """Return text that shows as it is: no mention, no link, no bold of a customer's making."""
    shown = cut(text, longest).translate(_ESCAPES)
    # A word joiner after what would mark words up; Slack has no way to write these as they are.
    return "".join(f"{c}\u2060" if c in "*_~`" else c for c in shown)


ADAPTER: Final = Adapter(compose=compose, knows_repeats=False)
