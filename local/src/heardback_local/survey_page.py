"""Reading mails and survey pages as a customer's browser does."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Final
from urllib.parse import parse_qs, urlsplit

_TEXT_LINK: Final = re.compile(r"https?://[^\s<>\"']+")


def score_links(*, text: str, html: str) -> dict[int, str]:
    """Return the links of a mail by the score that each stands for; the HTML part counts first."""
    collector = _Links()
    collector.feed(html)
    found: dict[int, str] = {}
    for link in [*collector.links, *_TEXT_LINK.findall(text)]:
        scores = parse_qs(urlsplit(link).query).get("score", [])
        if len(scores) == 1 and scores[0].isdigit():
            found.setdefault(int(scores[0]), link)
    return found


@dataclass(slots=True)
class SurveyForm:
    """The form of a survey page: what it sends, and where to.

    `fields` are the values that would be sent if it were submitted untouched; `choices` are the
    values of each group of radio buttons, `texts` the names of its text areas.
    """

    action: str = ""
    method: str = "get"
    fields: dict[str, str] = field(default_factory=dict)
    choices: dict[str, list[str]] = field(default_factory=dict)
    texts: list[str] = field(default_factory=list)

    @property
    def preselected(self) -> str | None:
        """The score that the page shows as chosen."""
        return self.fields.get("score")

    def filled(self, *, score: int, comment: str | None) -> dict[str, str]:
        """Return what is sent when a customer chooses `score` and perhaps writes.

        Raises: KeyError when the form has no such choice, or no place to write.
        """
        if str(score) not in self.choices["score"]:
            raise KeyError(score)
        sent = {**self.fields, "score": str(score)}
        if comment is not None:
            if "comment" not in self.texts:
                raise KeyError("comment")
            sent["comment"] = comment
        return sent


def survey_form(html: str) -> SurveyForm | None:
    """Return the form of the page that asks for a score, None when it has none."""
    parser = _Forms()
    parser.feed(html)
    return next((form for form in parser.forms if "score" in form.choices), None)


class _Links(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "a":
            self.links.append(dict(attrs).get("href") or "")


class _Forms(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.forms: list[SurveyForm] = []
        self._text_area: str | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = {name: value or "" for name, value in attrs}
        if tag == "form":
            method = named.get("method", "get").lower()
            self.forms.append(SurveyForm(action=named.get("action", ""), method=method))
        elif tag == "input" and self.forms and named.get("name"):
            self._input(self.forms[-1], named)
        elif tag == "textarea" and self.forms and named.get("name"):
            self._text_area = named["name"]
            self.forms[-1].texts.append(named["name"])
            self.forms[-1].fields[named["name"]] = ""

    def handle_data(self, data: str) -> None:
        if self._text_area is not None:
            self.forms[-1].fields[self._text_area] += data

    def handle_endtag(self, tag: str) -> None:
        if tag == "textarea" and self._text_area is not None:
            fields = self.forms[-1].fields
            # HTML: a line end right after the opening tag is not part of the text.
            fields[self._text_area] = fields[self._text_area].removeprefix("\n")
            self._text_area = None

    def _input(self, form: SurveyForm, named: Mapping[str, str]) -> None:
        kind, name = named.get("type", "text").lower(), named["name"]
        if kind == "radio":
            form.choices.setdefault(name, []).append(named.get("value", "on"))
        if kind in ("radio", "checkbox") and "checked" not in named:
            return
        if kind not in ("submit", "button", "image", "reset", "file"):
            form.fields[name] = named.get("value", "")
