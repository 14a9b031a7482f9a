"""One composer for each channel, all of them with the same links."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from dispatch_service.rendering.card import CardComposer
from dispatch_service.rendering.mail import MailComposer
from dispatch_service.rendering.sms import SmsComposer
from dispatch_service.rendering.webhook import WebhookComposer


@dataclass(frozen=True, slots=True, kw_only=True)
class Composers:
    """What makes messages. `cards` are for the channel `in_app`."""

    mail: MailComposer
    sms: SmsComposer
    cards: CardComposer
    webhook: WebhookComposer

    @classmethod
    def of(
        cls,
        *,
        company: str,
        mail_from: str,
        reply_to: str | None = None,
        survey_url: str,
        preferences_url: str,
        link_keys: Sequence[str],
    ) -> Self:
        """Return the composers of a house. `link_keys`: the newest first.

        Raises: ValueError when `mail_from` is no address.
        """
        cards = CardComposer(
            company=company,
            survey_url=survey_url,
            preferences_url=preferences_url,
            link_keys=link_keys,
        )
        return cls(
            mail=MailComposer(
                company=company,
                mail_from=mail_from,
                reply_to=reply_to,
                survey_url=survey_url,
                preferences_url=preferences_url,
                link_keys=link_keys,
            ),
            sms=SmsComposer(company=company, survey_url=survey_url, link_keys=link_keys),
            cards=cards,
            webhook=WebhookComposer(cards),
        )
