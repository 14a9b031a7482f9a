"""The mail of a survey without what differs from customer to customer: made once, filled often."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Any, Final

import css_inline
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import escape

from dispatch_service.rendering.wording import constant_values, words_for
from heardback.surveys import Survey, Template, Texts
from heardback.vocabulary import Scale

_FOLDER: Final = "templates/mail"
_OURS: Final = ("greeting", "survey_link", "way_out")
_THEIRS: Final = ("about", "question", "lowest", "highest", "purpose", "reminder")
_SLOT: Final = re.compile("@@(" + "|".join((*_OURS, *_THEIRS)) + ")@@")
_BUTTON_WIDTH: Final = {Scale.NPS: 43, Scale.CSAT: 104, Scale.CES: 72}
"""In Outlook, which takes no widths from a style; the same pixels as in style.css."""

_LONG_LINE: Final = re.compile(r"(.{500}[^ \n]*) ")
_MOST_KEPT: Final = 512


@dataclass(frozen=True, slots=True, kw_only=True)
class MailFrame:
    """Both parts as formats, with a slot for each text that is not the same for everybody."""

    texts: Texts
    subject: Template
    text: str
    html: str
    slots: tuple[tuple[str, Template], ...]

    def fill(self, values: Mapping[str, Any], ours: Mapping[str, str]) -> tuple[str, str]:
        """Return the text and the HTML part. `ours`: the greeting and the links."""
        said = {**ours, **{name: template.render(values) for name, template in self.slots}}
        return self.text % said, self.html % {name: markup(value) for name, value in said.items()}


class MailFrames:
    """Makes frames when they are first asked for, and keeps them."""

    def __init__(self, *, company: str) -> None:
        self._company = company
        self._kept: dict[tuple[int, bool, bool], MailFrame] = {}
        self._html = _environment(autoescape=True).get_template("invitation.html")
        self._text = _environment(autoescape=False).get_template("invitation.txt")
        style = resources.files("dispatch_service") / _FOLDER / "style.css"
        self._inliner = css_inline.CSSInliner(
            extra_css=style.read_text("utf-8"), keep_style_tags=True, load_remote_stylesheets=False
        )

    def of(
        self, survey: Survey, texts: Texts, *, is_reminder: bool = False, is_test: bool = False
    ) -> MailFrame:
        """Return the frame for texts of a survey."""
        # A survey makes its texts once, so they are known by what they are, not by what they say.
        key = (id(texts), is_reminder, is_test)
        frame = self._kept.get(key)
        if frame is None or frame.texts is not texts:
            if len(self._kept) >= _MOST_KEPT:
                self._kept.clear()
            frame = self._kept[key] = self._make(
                survey, texts, is_reminder=is_reminder, is_test=is_test
            )
        return frame

    def _make(self, survey: Survey, texts: Texts, *, is_reminder: bool, is_test: bool) -> MailFrame:
        said, slots = self._constants_and_slots(texts)
        notices = [words_for(texts)["mail.test"]] * is_test + [said["reminder"]] * is_reminder
        words = self._words(survey, texts, said) | {"notice": " ".join(notices)}
        html = self._inliner.inline(self._html.render(words))
        return MailFrame(
            texts=texts,
            subject=texts.reminder_subject if is_reminder else texts.subject,
            text=_as_format(self._text.render(words) + "\n"),
            html=_as_format(_folded(in_ascii(html.replace(' data-css-inline="ignore"', "")))),
            slots=tuple(slots.items()),
        )

    def _constants_and_slots(self, texts: Texts) -> tuple[dict[str, str], dict[str, Template]]:
        """Return what goes into the frame, slots included, and what fills those."""
        templates: dict[str, Template] = {name: getattr(texts, name) for name in _THEIRS}
        slots = {name: text for name, text in templates.items() if not text.is_constant}
        values = constant_values(texts, company=self._company)
        said = {name: text.render(values) for name, text in templates.items()}
        return said | {name: f"@@{name}@@" for name in (*_OURS, *slots)}, slots

    def _words(self, survey: Survey, texts: Texts, said: Mapping[str, str]) -> dict[str, Any]:
        words = words_for(texts)
        is_rtl = texts.direction == "rtl"
        low, high = survey.scale.scores[0], survey.scale.scores[-1]
        return {
            **said,
            "company": self._company,
            "locale": texts.locale,
            "direction": texts.direction,
            "start": "right" if is_rtl else "left",
            "end": "left" if is_rtl else "right",
            "scale": survey.scale,
            "width": _BUTTON_WIDTH[survey.scale],
            "low": low,
            "high": high,
            "sent_by": words.say("mail.sent_by", company=self._company),
            "words": words,
        }


def markup(text: str) -> str:
    """Return `text` as it stands in the HTML part: in ASCII, which needs no encoding."""
    return in_ascii(str(escape(text)))


def in_ascii(html: str) -> str:
    """Return HTML with character references for whatever is not ASCII."""
    return html if html.isascii() else html.encode("ascii", "xmlcharrefreplace").decode()


def _folded(html: str) -> str:
    """Return HTML in lines that need no encoding: any space of it may as well be a line feed."""
    return _LONG_LINE.sub(r"\1\n", html).rstrip() + "\n"


def _as_format(content: str) -> str:
    return _SLOT.sub(r"%(\1)s", content.replace("%", "%%"))


def _environment(*, autoescape: bool) -> Environment:
    return Environment(
        autoescape=autoescape,  # noqa: S701  # not for the text part, which is no markup
        loader=PackageLoader("dispatch_service", _FOLDER),
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
