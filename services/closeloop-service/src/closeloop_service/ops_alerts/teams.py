"""Microsoft Teams, by the webhook of a workflow: an Adaptive Card.

Source: Microsoft, "Create incoming webhooks with Workflows" (the envelope, 28 KB at most, Adaptive
Cards only), "Adaptive Cards schema 1.4". What customers said stands in runs of text, which know no
markup.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Final

import orjson

from closeloop_service.domain.grouping import MessageText
from closeloop_service.domain.rules import AlertTarget
from closeloop_service.ops_alerts.interface import JSON, Adapter, Call, Letter, cut, web_address

_MOST_BYTES: Final = 28 * 1024


def compose(letter: Letter, _target: AlertTarget, secret: str) -> Call:
    """Write a message as a card, with as many items as it takes."""
    url = web_address(secret, of="the secret of a Teams target")
    content = letter.content
    while len(body := _body(letter, content)) > _MOST_BYTES and content.items:
        content = replace(content, items=content.items[:-1], more=content.more + 1)
    return Call(url=url, headers=JSON, content=body)


def _body(letter: Letter, content: MessageText) -> bytes:
    actions = [_open("Open the board", letter.url(content.path))]
    if letter.acknowledge_url is not None:
        actions.insert(0, _open("Acknowledge", letter.acknowledge_url))
    card = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "msteams": {"width": "Full"},
        "fallbackText": cut(content.title, 200),
        "body": list(_elements(letter, content)),
        "actions": actions,
    }
    attachment = {
        "contentType": "application/vnd.microsoft.card.adaptive",
        "contentUrl": None,
        "content": card,
    }
    return orjson.dumps({"type": "message", "attachments": [attachment]})


def _elements(letter: Letter, content: MessageText) -> Iterator[dict[str, Any]]:
    yield _text(_run(content.title, size="large", weight="bolder"))
    for label, said in content.facts:
        yield _text(_run(f"{label}: ", weight="bolder"), _run(said))
    for item in content.items:
        link = {"type": "Action.OpenUrl", "url": letter.url(item.path)}
        title = _run(item.title, weight="bolder", selectAction=link)
        yield {**_text(title), "separator": True, "spacing": "small"}
        yield {**_text(_run(item.text)), "spacing": "none"}
    if content.more > 0:
        yield _text(_run(f"and {content.more:,} more", isSubtle=True))


def _text(*runs: dict[str, Any]) -> dict[str, Any]:
    return {"type": "RichTextBlock", "inlines": list(runs)}


def _run(text: str, **look: Any) -> dict[str, Any]:
    return {"type": "TextRun", "text": cut(text, 400), **look}


def _open(title: str, url: str) -> dict[str, Any]:
    return {"type": "Action.OpenUrl", "title": title, "url": url}


ADAPTER: Final = Adapter(compose=compose, knows_repeats=False)
