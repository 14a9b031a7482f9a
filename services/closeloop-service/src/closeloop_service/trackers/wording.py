"""The text of a ticket as each tracker writes it: Markdown, plain, and what Atlassian has."""

import re
from collections.abc import Callable
from typing import Any, Final

from closeloop_service.domain.ticket import INTRODUCTION, TicketText, closing

_SPECIAL: Final = re.compile(r"([\\`*_{}\[\]<>#+\-!|~()&])")
_CALLS: Final = re.compile(r"([@#])")
_IN_WIKI: Final = re.compile(r"([*_?\-+^~{}\[\]|!#&])")
_IN_THEIR_WORDS: Final = "In their words"
_SEE: Final = "See it in Heardback"


def markdown(text: TicketText) -> str:
    """Return the description in Markdown.

    What customers say is escaped, and mentions nobody and nothing: an `@` in it is no call.
    """
    parts = [INTRODUCTION, "\n".join(f"- {escaped(line)}" for line in text.facts)]
    if text.quotes:
        quotes = "\n\n".join(f"> {escaped(quote)}" for quote in text.quotes)
        parts.append(f"**{_IN_THEIR_WORDS}**\n\n{quotes}")
    parts.append(closing(text))
    if text.link is not None:
        parts.append(f"[{_SEE}]({text.link})")
    return "\n\n".join(parts)


def plain(text: TicketText) -> str:
    """Return the description without any marks."""
    return _without_marks(text, str)


def wiki(text: TicketText) -> str:
    """Return the description for Jira Data Center, which reads marks of its own in it."""
    return _without_marks(text, _escaped_in_wiki)


def _without_marks(text: TicketText, say: Callable[[str], str]) -> str:
    parts = [INTRODUCTION, "\n".join(say(line) for line in text.facts)]
    if text.quotes:
        quotes = "\n".join(f"“{say(quote)}”" for quote in text.quotes)
        parts.append(f"{_IN_THEIR_WORDS}:\n{quotes}")
    parts.append(closing(text))
    if text.link is not None:
        parts.append(f"{_SEE}: {text.link}")
    return "\n\n".join(parts)


def document(text: TicketText) -> dict[str, Any]:
    """Return the description in the Atlassian Document Format, version 1."""
    facts = [{"type": "listItem", "content": [_paragraph(line)]} for line in text.facts]
    content = [_paragraph(INTRODUCTION), {"type": "bulletList", "content": facts}]
    if text.quotes:
        heading = {"type": "heading", "attrs": {"level": 3}, "content": [_text(_IN_THEIR_WORDS)]}
        content.append(heading)
        content += [{"type": "blockquote", "content": [_paragraph(quote)]} for quote in text.quotes]
    content.append(_paragraph(closing(text)))
    if text.link is not None:
        link = {"type": "link", "attrs": {"href": text.link}}
        content.append({"type": "paragraph", "content": [{**_text(_SEE), "marks": [link]}]})
    return {"type": "doc", "version": 1, "content": content}


def escaped(words: str) -> str:
    """Return words as Markdown shows them as they are."""
    # A joiner of no width: the one way by which a tracker takes no @ for a call to somebody, and
    # no # for another issue. It looks for them after the marks are read.
    return _CALLS.sub("\\1\u2060", _SPECIAL.sub(r"\\\1", words))


def _escaped_in_wiki(words: str) -> str:
    # Two backslashes are a new line there.
    return "&#92;".join(_IN_WIKI.sub(r"\\\1", part) for part in words.split("\\"))


def _paragraph(words: str) -> dict[str, Any]:
    return {"type": "paragraph", "content": [_text(words)]}


def _text(words: str) -> dict[str, Any]:
    return {"type": "text", "text": words}
