"""The text message: the question, a short link, and how to say no; in as few parts as it takes."""

from collections.abc import Sequence
from typing import Final

from dispatch_service.adapters.interface import Parcel
from dispatch_service.domain.message import Kind
from dispatch_service.rendering import follow_up
from dispatch_service.rendering.links import SurveyLinks
from dispatch_service.rendering.wording import TEST_MARK, texts_of, values_of, words_for
from heardback.gsm import Encoding, measure

MOST_SEGMENTS: Final = 2
"""What the ready-made surveys keep to. Longer texts are sent all the same: somebody wrote them."""

_SIMPLER: Final = str.maketrans(
    {
        "\u00a0": " ",
        "\u202f": " ",
        "\u2009": " ",
        "\u2010": "-",
        "\u2011": "-",
        "\u2013": "-",
        "\u2014": "-",
        "\u2018": "'",
        "\u2019": "'",
        "\u201a": "'",
        "\u201c": '"',
        "\u201d": '"',
        "\u201e": '"',
        "\u00ab": '"',
        "\u00bb": '"',
        "\u2026": "...",
    }
)


class SmsComposer:
    """Makes the text of a parcel."""

    def __init__(self, *, company: str, survey_url: str, link_keys: Sequence[str]) -> None:
        self._company = company
        self._links = SurveyLinks(survey_url=survey_url, link_keys=link_keys)

    def compose(self, parcel: Parcel) -> str:
        """Return the text; `heardback.gsm.measure` tells in how many parts it is sent.

        The first message says how to stop; a reminder says that it is one where there is room.
        """
        mark = TEST_MARK if parcel.is_test else ""
        if parcel.message.kind is Kind.FOLLOW_UP:
            return simpler(mark + follow_up.read(parcel.message.content, otherwise="").text.strip())
        texts = texts_of(parcel)
        values = values_of(parcel.invitation, texts, company=self._company)
        question = mark + texts.sms.render({**values, "link": self._links.short(parcel.invitation)})
        if parcel.message.kind is Kind.INVITATION:
            return simpler(f"{question}\n{words_for(texts)['sms.stop']}")
        reminder = simpler(f"{texts.reminder.render(values)} {question}")
        return reminder if measure(reminder).segments <= MOST_SEGMENTS else simpler(question)


def simpler(text: str) -> str:
    """Return a text with plain quotes, dashes and spaces where these make it GSM-7."""
    plain = text.translate(_SIMPLER)
    return plain if measure(plain).encoding is Encoding.GSM_7 else text
