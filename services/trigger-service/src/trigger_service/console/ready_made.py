"""The ready-made programs, as texts to start a new one from."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from itertools import count, takewhile
from typing import Final

from heardback.yaml_text import read_yaml
from trigger_service.program_files import GOVERNANCE
from trigger_service.settings import READY_MADE_PROGRAMS

BLANK: Final = """\
# What asks whom, when and how. Lines that begin with # are for you; they are not kept.
id: my-program
name: What people call it
touchpoint: purchase        # what has to happen
type: transactional
survey: my-survey
delay: 1d..3d
expires_after: 7d
"""
_STATE: Final = re.compile(r"^state:.*\n", re.MULTILINE)
_ID: Final = re.compile(r"^id:[ \t]*([a-z0-9-]+)", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """A text to start from. `about`: its first comment."""

    key: str
    name: str
    about: str
    text: str


@cache
def templates() -> tuple[Template, ...]:
    """Return the ready-made programs."""
    paths = sorted(READY_MADE_PROGRAMS.glob("*.yaml"))
    texts = {p.stem: p.read_text(encoding="utf-8") for p in paths if p.name != GOVERNANCE}
    return tuple(
        Template(
            key=key, name=read_yaml(text)[0]["name"], about=_about(text), text=_STATE.sub("", text)
        )
        for key, text in texts.items()
    )


def text_for(key: str, taken: Iterable[str]) -> str:
    """Return the text to begin with, under an id that no program has; unknown key: a short one."""
    text = next((template.text for template in templates() if template.key == key), BLANK)
    return _ID.sub(lambda found: f"id: {_free(found[1], set(taken))}", text, count=1)


def _free(name: str, taken: set[str]) -> str:
    if name not in taken:
        return name
    return next(new for n in count(2) if (new := f"{name}-{n}") not in taken)


def _about(text: str) -> str:
    """Return the first comment's first paragraph."""
    comment = takewhile(lambda line: line.startswith("# "), text.splitlines())
    return " ".join(line.removeprefix("# ") for line in comment)
