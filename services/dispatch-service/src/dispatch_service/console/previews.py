"""What a message looks like to whoever gets it, read back from what would be sent."""

import email
import re
from collections.abc import Sequence
from dataclasses import dataclass
from email import policy
from email.message import EmailMessage
from enum import StrEnum
from typing import Final

import orjson

from dispatch_service.adapters.interface import Parcel
from dispatch_service.rendering.composers import Composers
from dispatch_service.rendering.sms import MOST_SEGMENTS
from heardback.gsm import Measure, measure
from heardback.vocabulary import Channel

MOST_BYTES: Final = 30_000
"""What a mail of ours should not exceed; at about 100,000 mail programs cut it."""

_PREFERENCE: Final = re.compile(r"@media \(prefers-color-scheme: dark\)")


class Scheme(StrEnum):
    """The colours that a reader has chosen."""

    LIGHT = "light"
    DARK = "dark"


@dataclass(frozen=True, slots=True, kw_only=True)
class MailPreview:
    """A mail, read as a mail program reads it."""

    subject: str
    headers: Sequence[tuple[str, str]]
    size: int
    text: str
    html: str

    @property
    def is_large(self) -> bool:
        """Whether it is larger than a mail of ours should be."""
        return self.size > MOST_BYTES

    def html_in(self, scheme: Scheme) -> str:
        """Return the HTML part as seen by a reader who prefers these colours."""
        return _PREFERENCE.sub(
            "@media all" if scheme is Scheme.DARK else "@media not all", self.html
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class TextPreview:
    """A text message."""

    text: str
    length: Measure

    @property
    def is_long(self) -> bool:
        """Whether it takes more parts than ours should."""
        return self.length.segments > MOST_SEGMENTS


@dataclass(frozen=True, slots=True, kw_only=True)
class DataPreview:
    """What another program is given."""

    json: str


Preview = MailPreview | TextPreview | DataPreview


def preview(composers: Composers, parcel: Parcel) -> Preview:
    """Return what `parcel` looks like in its channel."""
    match parcel.message.channel:
        case Channel.EMAIL:
            return read_mail(composers.mail.compose(parcel).content)
        case Channel.SMS:
            text = composers.sms.compose(parcel)
            return TextPreview(text=text, length=measure(text))
        case Channel.WEBHOOK:
            return DataPreview(json=_as_json(composers.webhook.compose(parcel)))
        case _:
            return DataPreview(json=_as_json(composers.cards.compose(parcel)))


def read_mail(content: bytes) -> MailPreview:
    """Return what stands in a mail."""
    mail = email.message_from_bytes(content, policy=policy.default)
    return MailPreview(
        subject=str(mail["Subject"]),
        headers=[(name, str(value)) for name, value in mail.items()],
        size=len(content),
        text=_part(mail, "plain"),
        html=_part(mail, "html"),
    )


def _part(mail: EmailMessage, kind: str) -> str:
    body = mail.get_body((kind,))
    assert body is not None, "our mails have both parts"
    return str(body.get_content()).replace("\r\n", "\n")


def _as_json(data: object) -> str:
    return orjson.dumps(data, option=orjson.OPT_INDENT_2).decode()
