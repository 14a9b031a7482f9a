"""Texts that customers send: a keyword, which is obeyed, or an answer, which is passed on."""

from dataclasses import dataclass, replace

from dispatch_service import callback_store, handlers, queries, suppression, suppression_store
from dispatch_service.domain.keywords import Asked, Keyword, keyword_of
from dispatch_service.domain.suppression import Addressee, Reason, Suppression
from dispatch_service.suppression import Departure
from heardback.db import Transaction
from heardback.vocabulary import Channel, Scope
from heardback.words import words_of


@dataclass(frozen=True, slots=True, kw_only=True)
class IncomingText:
    """A text from a phone. `is_answered`: the provider answers keywords itself."""

    text_id: str
    phone: str
    text: str
    is_answered: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """What became of a text (for the metric), and what to say back, if anything."""

    outcome: str
    answer: str | None = None


async def take_text(
    tx: Transaction, incoming: IncomingText, *, provider: str, company: str
) -> Taken:
    """Obey a keyword or pass an answer on, once."""
    if not await callback_store.insert_unheard(tx, provider, [f"text|{incoming.text_id}"]):
        return Taken(outcome="repeated")
    asked = keyword_of(incoming.text)
    if asked is None:
        return await _pass_on(tx, incoming)
    addressee = await suppression_store.latest_at(tx.connection, incoming.phone)
    await _obey(tx, asked.keyword, incoming.phone, addressee)
    answer = None if incoming.is_answered else _answer(asked, addressee, company)
    return Taken(outcome=asked.keyword.value, answer=answer)


async def _obey(tx: Transaction, keyword: Keyword, phone: str, addressee: Addressee | None) -> None:
    match keyword:
        case Keyword.STOP:
            await stop(tx, phone, addressee)
        case Keyword.START:
            await suppression.welcome_back(tx, phone, addressee)
        case Keyword.HELP:
            return


async def stop(tx: Transaction, phone: str, addressee: Addressee | None) -> None:
    """Send nothing more to a phone, whoever has it; None: nobody whom we know."""
    if addressee is not None:
        # Their latest conversation may be elsewhere; it is by text that they want no more.
        texted = replace(addressee, channel=Channel.SMS)
        who = Departure(addressee=texted, scope=Scope.CHANNEL, reason=Reason.STOP)
        await suppression.leave(tx, [who])
        about = await queries.latest_texted(tx.connection, phone, now=tx.now)
        if about is not None:
            # Or the conversation would go on at once in the next channel.
            await handlers.way_out_seen(tx, about.invitation_id)
        return
    entry = Suppression(
        address=phone,
        scope=Scope.CHANNEL,
        scoped_to=Channel.SMS.value,
        reason=Reason.STOP,
        suppressed_at=tx.now,
    )
    await suppression.suppress(tx, [entry])


async def _pass_on(tx: Transaction, incoming: IncomingText) -> Taken:
    about = await handlers.reply(tx, incoming.phone, incoming.text, incoming.text_id)
    return Taken(outcome="about_nothing" if about is None else "reply")


def _answer(asked: Asked, addressee: Addressee | None, company: str) -> str:
    words = words_of(addressee.locale if addressee and addressee.locale else asked.locale)
    return words.say(f"preferences.text_{asked.keyword.value}", company=company)
