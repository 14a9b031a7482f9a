"""The mail: two parts with signed links, and headers that let its reader out.

Source: RFC 8058 (one-click unsubscribe), RFC 5322 (identification and threading), RFC 3834
(automatic mails), and Gmail's Feedback-ID.
"""

import re
from collections.abc import Sequence
from datetime import datetime
from email.utils import format_datetime, getaddresses
from functools import lru_cache
from hashlib import blake2b
from typing import Final
from urllib.parse import quote

from dispatch_service.adapters.interface import Parcel
from dispatch_service.adapters.smtp import Mail
from dispatch_service.domain.message import Kind
from dispatch_service.rendering import follow_up
from dispatch_service.rendering.links import SurveyLinks, WaysOut
from dispatch_service.rendering.mail_frame import MailFrames
from dispatch_service.rendering.mime import alternative, mailbox, text_header
from dispatch_service.rendering.wording import (
    TEST_MARK,
    seemly_name,
    texts_of,
    values_of,
    words_for,
)
from heardback.vocabulary import Channel

_LONGEST_SUBJECT: Final = 200
_FEEDBACK_SENDER: Final = "heardback"
_OUR_ADDRESS: Final = re.compile(
    r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]{1,64}@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*"
)
_NOT_IN_FEEDBACK: Final = re.compile(r"[^A-Za-z0-9_.-]+")


class MailComposer:
    """Makes the mail of a parcel; the same parcel always gives the same bytes."""

    def __init__(
        self,
        *,
        company: str,
        mail_from: str,
        survey_url: str,
        preferences_url: str,
        link_keys: Sequence[str],
        reply_to: str | None = None,
    ) -> None:
        name, self.sender = _mailbox_in("mail_from", mail_from)
        self.domain = self.sender.rpartition("@")[2]
        self._company = company
        self._from = mailbox(name or company, self.sender)
        self._reply_to = (
            {"Reply-To": mailbox(*_mailbox_in("mail_reply_to", reply_to))} if reply_to else {}
        )
        self._survey_links = SurveyLinks(survey_url=survey_url, link_keys=link_keys)
        self._ways_out = WaysOut(preferences_url=preferences_url, link_keys=link_keys)
        self._frames = MailFrames(company=company)

    def message_id(self, message_id: str) -> str:
        """Return the Message-ID of a message, stable over every attempt."""
        return f"<{quote(message_id.replace(':', '.'), safe='')}@{self.domain}>"

    def compose(self, parcel: Parcel) -> Mail:
        """Return the mail as it goes on the wire."""
        content = (
            self._follow_up(parcel)
            if parcel.message.kind is Kind.FOLLOW_UP
            else self._survey_mail(parcel)
        )
        return Mail(sender=self.sender, recipient=parcel.message.address, content=content)

    def _survey_mail(self, parcel: Parcel) -> bytes:
        invitation, texts = parcel.invitation, texts_of(parcel)
        is_reminder = parcel.message.kind is Kind.REMINDER
        frame = self._frames.of(
            parcel.survey, texts, is_reminder=is_reminder, is_test=parcel.is_test
        )
        values = values_of(invitation, texts, company=self._company)
        words, name = words_for(texts), values["customer"]["name"] or ""
        way_out = self._ways_out.link(invitation)
        text, html = frame.fill(
            values,
            {
                "greeting": words.say("mail.greeting", name=name)
                if name
                else words["mail.greeting_nameless"],
                "survey_link": self._survey_links.full(invitation),
                "way_out": way_out,
            },
        )
        headers = {
            **self._headers(parcel, subject=frame.subject.render(values), name=name),
            **_mailing_headers(parcel, way_out),
        }
        return alternative(headers, text=text, html=html, boundary=_boundary(parcel))

    def _follow_up(self, parcel: Parcel) -> bytes:
        """Return a mail from one person to another: answers are welcome, nothing else is in it."""
        texts = texts_of(parcel)
        written = follow_up.read(
            parcel.message.content,
            otherwise=words_for(texts).say("mail.follow_up_subject", company=self._company),
        )
        headers = self._headers(
            parcel, subject=written.subject, name=seemly_name(parcel.invitation.name)
        )
        return alternative(
            headers,
            text=written.text,
            html=follow_up.html(written, locale=texts.locale),
            boundary=_boundary(parcel),
        )

    def _headers(self, parcel: Parcel, *, subject: str, name: str) -> dict[str, str]:
        message, mark = parcel.message, TEST_MARK if parcel.is_test else ""
        return {
            "From": self._from,
            "To": mailbox(name, message.address),
            **self._reply_to,
            "Subject": text_header(f"{mark}{subject[:_LONGEST_SUBJECT] or self._company}"),
            "Date": _date(parcel.now.replace(microsecond=0)),
            "Message-ID": self.message_id(message.message_id),
            **self._thread(parcel),
            "Heardback-Invitation": message.invitation_id,
            "Heardback-Message": (message_id := text_header(message.message_id)),
            # Postmark makes up a Message-ID of its own and tells us this one only when asked to.
            "X-PM-KeepID": "true",
            "X-PM-Metadata-heardback-message": message_id,
        }

    def _thread(self, parcel: Parcel) -> dict[str, str]:
        """Return the headers that put a mail below the one that it follows.

        That one has the invitation's own id, or another where mail was not the first channel.
        """
        if parcel.message.kind is Kind.INVITATION:
            return {}
        first = self.message_id(parcel.message.invitation_id)
        fallback = self.message_id(f"{parcel.message.invitation_id}:{Channel.EMAIL}")
        return {"In-Reply-To": first, "References": f"{fallback}\n {first}"}


def _mailbox_in(setting: str, text: str) -> tuple[str, str]:
    """Return the name and the address that a setting names.

    Raises: ValueError, which says what is wrong.
    """
    found = getaddresses([text])
    if len(found) == 1 and text.isprintable():
        name, address = found[0]
        # What stands around an address without brackets is read as a part of it.
        if address in text and _OUR_ADDRESS.fullmatch(address):
            return name, address
    msg = f"{setting} must be one address, with or without a name, in one line: {text!r} is not"
    raise ValueError(msg)


def _mailing_headers(parcel: Parcel, way_out: str) -> dict[str, str]:
    """Return what tells programs that a machine sent this, and how to be spared it."""
    return {
        "List-Unsubscribe": f"<{way_out}>",
        "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
        "Feedback-ID": _feedback_id(parcel),
        "Auto-Submitted": "auto-generated",
        # Exchange knows only this one: no answers from those who are out of office.
        "X-Auto-Response-Suppress": "OOF, AutoReply",
    }


def _feedback_id(parcel: Parcel) -> str:
    """Return by what Gmail groups complaints: program, survey and kind, then who sends."""
    invitation, survey = parcel.invitation, parcel.survey
    parts = (invitation.program_id, f"{survey.survey_id}.{survey.version}", parcel.message.kind)
    seemly = [_NOT_IN_FEEDBACK.sub("-", part)[:60] for part in parts]
    return ":".join((*seemly, _FEEDBACK_SENDER))


def _boundary(parcel: Parcel) -> str:
    """Return what separates the parts: always the same for a message, and guessed by nobody."""
    return f"=_{blake2b(parcel.message.message_id.encode(), digest_size=16).hexdigest()}"


@lru_cache(maxsize=64)
def _date(at: datetime) -> str:
    return format_datetime(at)
