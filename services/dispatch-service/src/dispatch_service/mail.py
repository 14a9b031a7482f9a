"""The mail: text and HTML with signed links, and the headers that let its reader out.

Source: RFC 8058 (one-click unsubscribe), RFC 5322.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from email import policy
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime, parseaddr
from importlib import resources
from typing import Any, Final

import css_inline
from jinja2 import Environment, StrictUndefined, Template

from dispatch_service.domain.invitation import Invitation
from dispatch_service.domain.wording import interaction, occasion
from dispatch_service.smtp import Mail
from heardback.security import LinkSigner

SURVEY_LINK: Final = "survey"
UNSUBSCRIBE_LINK: Final = "unsubscribe"
_NEVER_EXPIRES: Final = datetime(9999, 1, 1, tzinfo=UTC)
"""A way out must work for as long as the mail is kept."""

_LONGEST_LINE: Final = 998
# The standard policy folds long links into encoded words and breaks them.
_POLICY: Final = policy.SMTP.clone(max_line_length=_LONGEST_LINE, cte_type="7bit")
_SLOT: Final = "the-part-goes-here"
_LONGEST_NAME: Final = 60
_UNSEEMLY: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]+")


class Composer:
    """Makes the mail of an invitation; the same invitation always gives the same links and id."""

    def __init__(
        self,
        *,
        company: str,
        mail_from: str,
        survey_url: str,
        preferences_url: str,
        link_keys: Sequence[str],
    ) -> None:
        name, self.sender = parseaddr(mail_from)
        local_part, at, self.domain = self.sender.rpartition("@")
        if not (local_part and at and self.domain):
            msg = f"mail_from must be an address, not {mail_from!r}"
            raise ValueError(msg)
        self._from = Address(name or company, local_part, self.domain)
        self._company = company
        self._survey_url = survey_url.rstrip("/")
        self._preferences_url = preferences_url.rstrip("/")
        self._survey_links = LinkSigner(link_keys, purpose=SURVEY_LINK)
        self._unsubscribe_links = LinkSigner(link_keys, purpose=UNSUBSCRIBE_LINK)
        self._html, self._text = _load_templates()
        self._frame = self._make_frame()

    def message_id(self, invitation_id: str) -> str:
        """Return the Message-ID, stable over every attempt."""
        return f"<{invitation_id}@{self.domain}>"

    def survey_link(self, invitation: Invitation) -> str:
        """Return the link to the survey page; `?score=N` may follow."""
        token = self._survey_links.sign(invitation.invitation_id, expires_at=invitation.expires_at)
        return f"{self._survey_url}/s/{token}"

    def unsubscribe_link(self, invitation: Invitation) -> str:
        """Return the link out."""
        token = self._unsubscribe_links.sign(invitation.invitation_id, expires_at=_NEVER_EXPIRES)
        return f"{self._preferences_url}/unsubscribe/{token}"

    def html(self, invitation: Invitation) -> str:
        """Return the HTML part alone."""
        return self._render_html(self._words(invitation, seemly_name(invitation.name)))

    def compose(self, invitation: Invitation, *, now: datetime) -> Mail:
        """Return the mail as it goes on the wire. The invitation must have an address."""
        assert invitation.email is not None
        name = seemly_name(invitation.name)
        words = self._words(invitation, name)
        local_part, _, domain = invitation.email.rpartition("@")
        headers = {
            "To": str(Address(name, local_part, domain)),
            "Subject": words["subject"],
            "Date": format_datetime(now),
            "Message-ID": self.message_id(invitation.invitation_id),
            "Heardback-Invitation": invitation.invitation_id,
            "List-Unsubscribe": f"<{words['unsubscribe_link']}>",
        }
        content = self._encode(headers, self._text.render(words), self._render_html(words))
        return Mail(sender=self.sender, recipient=invitation.email, content=content)

    def _render_html(self, words: Mapping[str, Any]) -> str:
        """Return the HTML part in ASCII: character references need no encoding on the wire."""
        return self._html.render(words).encode("ascii", "xmlcharrefreplace").decode()

    def _encode(self, headers: Mapping[str, str], text: str, html: str) -> bytes:
        """Return the mail's bytes. What is ASCII needs no encoding: it is put into a ready frame.

        The standard library takes ten times as long, and does so for the other mails only.
        """
        head = "".join(f"{name}: {value}\n" for name, value in headers.items())
        if all(_needs_no_encoding(part) for part in (head, text, html)):
            above, between, below = self._frame
            mail = f"{head}{above}{text}\n{between}{html}\n{below}"
            return mail.replace("\n", "\r\n").encode("ascii")
        return self._message(headers, text, html).as_bytes()

    def _message(self, headers: Mapping[str, str], text: str, html: str) -> EmailMessage:
        message = EmailMessage(_POLICY)
        for name, value in headers.items():
            message[name] = value
        message["From"] = self._from
        message["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(text)
        message.add_alternative(html, subtype="html")
        return message

    def _make_frame(self) -> tuple[str, str, str]:
        """Return a mail of ours without what differs: above, between and below its two parts."""
        mail = self._message({}, f"{_SLOT}\n", f"{_SLOT}\n").as_string(policy=_POLICY)
        above, between, below = mail.replace("\r\n", "\n").split(f"{_SLOT}\n")
        return above, between, below

    def _words(self, invitation: Invitation, name: str) -> dict[str, Any]:
        about = interaction(invitation.touchpoint)
        question = f"how was {about}?"
        return {
            "company": self._company,
            "name": name,
            "subject": f"{name}, {question}" if name else question.capitalize(),
            "occasion": occasion(invitation.touchpoint, invitation.occurred_at),
            "survey_link": self.survey_link(invitation),
            "unsubscribe_link": self.unsubscribe_link(invitation),
        }


def seemly_name(name: str | None) -> str:
    """Return a customer's name as it can stand in a header and a greeting: one line, not long."""
    return " ".join(_UNSEEMLY.sub(" ", name or "").split())[:_LONGEST_NAME].rstrip()


def _needs_no_encoding(text: str) -> bool:
    return text.isascii() and max(map(len, text.split("\n"))) <= _LONGEST_LINE


def _load_templates() -> tuple[Template, Template]:
    """Load both parts; the styles are inlined here, once, and not for each mail."""
    folder = resources.files("dispatch_service") / "templates"
    html = (folder / "invitation.html").read_text(encoding="utf-8")
    inliner = css_inline.CSSInliner(
        keep_style_tags=False, keep_at_rules=True, load_remote_stylesheets=False
    )
    options: dict[str, Any] = {
        "trim_blocks": True,
        "lstrip_blocks": True,
        "undefined": StrictUndefined,
    }
    markup = Environment(autoescape=True, **options)
    plain = Environment(autoescape=False, **options)  # noqa: S701  # the text part is not markup
    text = (folder / "invitation.txt").read_text(encoding="utf-8")
    return markup.from_string(inliner.inline(html)), plain.from_string(text)
