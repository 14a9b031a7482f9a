"""A follow-up as mail: what a person wrote, in the plainest HTML that there is."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from jinja2 import PackageLoader, Template

from dispatch_service.rendering.mail_frame import in_ascii
from heardback.html import environment

_CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """What a person wrote. `text` has line feeds, and ends with one."""

    subject: str
    text: str


def read(content: Mapping[str, Any], *, otherwise: str) -> Written:
    """Return what a message's content says; `otherwise` is the subject where there is none."""
    subject = " ".join(_clean(str(content.get("subject") or "")).split())
    text = _clean(str(content.get("text") or "")).strip()
    return Written(subject=subject or otherwise, text=f"{text}\n")


def html(written: Written, *, locale: str) -> str:
    """Return the HTML part: the same paragraphs and lines."""
    paragraphs = [part.split("\n") for part in re.split(r"\n{2,}", written.text.strip())]
    page = _template().render(subject=written.subject, paragraphs=paragraphs, locale=locale)
    return in_ascii(f"{page}\n")


def _clean(text: str) -> str:
    return _CONTROL.sub("", "\n".join(text.splitlines()))


@cache
def _template() -> Template:
    mails = environment(PackageLoader("dispatch_service", "templates/mail"))
    return mails.get_template("follow_up.html")
