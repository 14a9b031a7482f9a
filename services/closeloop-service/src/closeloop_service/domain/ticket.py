"""The text of a ticket: what a product team sees of an improvement, and what it must not."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import astuple, dataclass
from datetime import date
from typing import Final

from closeloop_service.domain.improvement import Improvement

MOST_QUOTES_SHOWN: Final = 5
LONGEST_QUOTE: Final = 400
"""Characters."""

_ADDRESS: Final = re.compile(r"[^\s@<>]+@[^\s@<>]+\.[^\s@<>]+")
_LINK: Final = re.compile(r"(?:\b[a-z][a-z0-9+.-]*://|www\.)\S+", re.IGNORECASE)
_WEB_PAGE: Final = re.compile(r"https?://[!-~]{1,2000}", re.IGNORECASE)
_NUMBER: Final = re.compile(r"\+?\d(?:[\s()./-]*\d){6,}")
_SPACE: Final = re.compile(r"\s+")
_SHORTEST_NAME: Final = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class TicketText:
    """What a ticket says. `quotes` are those that may leave Heardback, cleaned.

    `key` is what our ticket is found by. `link`: where the improvement is in Heardback; none: its
    address is not known.
    """

    key: str
    improvement_id: str
    theme_id: str
    title: str
    responses: int
    detractors: int
    customers: int
    reporters: int
    revenue_at_risk: float | None
    currency: str | None
    owner: str | None
    since: date
    due_on: date
    quotes: tuple[str, ...]
    link: str | None

    @property
    def digest(self) -> str:
        """What tells one text from another."""
        return hashlib.sha256(repr(astuple(self)).encode()).hexdigest()[:32]

    @property
    def facts(self) -> tuple[str, ...]:
        """The counts and dates, a line each."""
        lines = [
            f"Answers: {self.responses:,}, of which {self.detractors:,} from detractors",
            f"Customers: {self.customers:,}",
            f"Since: {self.since:%d %B %Y}",
            f"To ship by: {self.due_on:%d %B %Y}",
        ]
        if self.revenue_at_risk is not None:
            money = f"{self.revenue_at_risk:,.0f} {self.currency or ''}".strip()
            lines.insert(2, f"Revenue at risk: {money} a year")
        if self.owner is not None:
            lines.append(f"Owner: {self.owner}")
        return tuple(lines)


INTRODUCTION: Final = (
    "Customers told us about this in their answers. Heardback keeps this description up to date; "
    "please write your own notes as comments."
)


def closing(text: TicketText) -> str:
    """Return what closing the ticket does."""
    who = "the customer" if text.reporters == 1 else f"the {text.reporters:,} customers"
    told = f"{who} who reported it will be told that it is fixed" if text.reporters else ""
    done = f"When it is live, close it as done{': ' + told if told else ''}."
    return f"{done} Close it as won't do, and nobody is told."


def ticket_text(
    improvement: Improvement, names: Mapping[str, str], *, key: str, link: str | None
) -> TicketText:
    """Return what a ticket says of `improvement`. `names`: of the customers who are quoted."""
    quotes = [
        cleaned(quote.text, names.get(quote.customer_id))
        for quote in improvement.quotes
        if quote.consent
    ]
    return TicketText(
        key=key,
        improvement_id=improvement.improvement_id,
        theme_id=improvement.theme_id,
        title=_SPACE.sub(" ", improvement.title).strip() or improvement.theme_id,
        responses=improvement.responses,
        detractors=improvement.detractors,
        customers=improvement.customers,
        reporters=improvement.reporters,
        revenue_at_risk=improvement.revenue_at_risk,
        currency=improvement.currency,
        owner=improvement.owner,
        since=improvement.since.date(),
        due_on=improvement.due_at.date(),
        quotes=tuple(quote for quote in quotes if quote)[:MOST_QUOTES_SHOWN],
        link=link,
    )


def cleaned(text: str, name: str | None) -> str:
    """Return a customer's words without addresses, numbers, links and the customer's own name."""
    words = _ADDRESS.sub("[address]", _LINK.sub("[link]", text))
    words = _NUMBER.sub("[number]", words)
    for part in (name or "").split():
        bare = part.strip(".,")
        if len(bare) >= _SHORTEST_NAME:
            words = re.sub(rf"\b{re.escape(bare)}\b", "[name]", words, flags=re.IGNORECASE)
    words = _SPACE.sub(" ", words).strip()
    if len(words) <= LONGEST_QUOTE:
        return words
    return words[: LONGEST_QUOTE - 1].rsplit(" ", 1)[0] + "…"


def link_to(url: str | None) -> str | None:
    """Return where a tracker says that a ticket is; None: that is no page of the web."""
    return url if url is not None and _WEB_PAGE.fullmatch(url) else None


def ticket_key(improvement_id: str, number: int) -> str:
    """Return what our ticket is known by in the tracker: another ticket has another key."""
    return improvement_id if number == 1 else f"{improvement_id}-{number}"
