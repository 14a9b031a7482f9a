"""What is wrong with a template, in words that say what to do."""

import re
from collections.abc import Callable
from typing import Final

from liquid.exceptions import LiquidError

_UNCLOSED: Final = "this begins something and does not end it: write {end} after it"


class BadTemplate(ValueError):
    """This is no template that we render; the message says what to do."""


def complain(error: LiquidError | RecursionError) -> BadTemplate:
    """Return what to tell whoever wrote the text."""
    reason = str(error.args[0]) if isinstance(error, LiquidError) and error.args else ""
    for pattern, words in _WORDS:
        if found := pattern.search(reason):
            return BadTemplate(words(found))
    detail = f" ({reason})" if reason else ""
    return BadTemplate(f"this can't be read{detail}; look at what stands in {{{{ }}}} and {{% %}}")


def _unexpected(found: re.Match[str]) -> str:
    tag = found[1]
    if tag.startswith(("end", "els", "when")):
        return f"{tag} does not belong to what is open here; look at the if, unless or case before"
    return f"{tag} is not available; there are if, unless and case"


_WORDS: Final[tuple[tuple[re.Pattern[str], Callable[[re.Match[str]], str]], ...]] = (
    (re.compile(r"unexpected tag '(.*)'"), _unexpected),
    (
        re.compile(r"expected tag (\w+)"),
        lambda found: _UNCLOSED.format(end=f"{{% {found[1]} %}}"),
    ),
    (re.compile(r"expected '([%}]\})'"), lambda found: _UNCLOSED.format(end=found[1])),
    (re.compile(r"nesting limit"), lambda _: "conditions stand too deep in others; say it simply"),
    (re.compile(r"missing expression"), lambda _: "a condition is missing; write what to compare"),
)
