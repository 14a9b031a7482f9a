"""Simulated customers: what happens to them, and how they really feel.

All of a customer follows from the seed and the customer's number, whatever the timing: two runs
with the same seed plant the same truth.
"""

import random
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from itertools import count
from typing import Final

from heardback.vocabulary import Category, category_of
from heardback_local.comments import write_comment, write_relief

_ECHO_AFTER: Final = 10  # customers; a repeat comes a little later, not at once
_TYPICAL_THINK_SECONDS: Final = 1.0
_ANSWER_AGAIN: Final = 0.8
_RELIEVED: Final = 0.8


class Happening(StrEnum):
    """What may happen to a customer."""

    PURCHASE = "purchase"
    TICKET_CLOSED = "ticket-closed"
    TICKET_CLOSED_BY_AUTOMATION = "ticket-closed-by-automation"
    ONBOARDING_COMPLETE = "onboarding-complete"

    @property
    def asks(self) -> bool:
        """Whether it is a reason to ask at all."""
        return self is not Happening.TICKET_CLOSED_BY_AUTOMATION

    @property
    def told(self) -> str:
        """What is said of the customer."""
        return _TOLD[self]


_TOLD: Final = {
    Happening.PURCHASE: "buys something",
    Happening.TICKET_CLOSED: "gets a support ticket solved",
    Happening.TICKET_CLOSED_BY_AUTOMATION: "has a ticket closed by automation; nobody will ask",
    Happening.ONBOARDING_COMPLETE: "finishes onboarding",
}
_MIX: Final = {
    Happening.PURCHASE: 55,
    Happening.TICKET_CLOSED: 25,
    Happening.TICKET_CLOSED_BY_AUTOMATION: 5,
    Happening.ONBOARDING_COMPLETE: 15,
}
_MOOD: Final = {
    Happening.PURCHASE: 0.0,
    Happening.TICKET_CLOSED: -1.2,
    Happening.TICKET_CLOSED_BY_AUTOMATION: 0.0,
    Happening.ONBOARDING_COMPLETE: 0.4,
}
_FIRST_NAMES: Final = (
    "Amara", "Ben", "Chiara", "Dmitri", "Elif", "Fatou", "Grace", "Hugo", "Ines", "Jun",
    "Katarzyna", "Liam", "Mina", "Noah", "Olga", "Priya", "Quentin", "Rosa", "Søren", "Tomás",
)  # fmt: skip
_LAST_NAMES: Final = (
    "Adeyemi", "Berg", "Costa", "Diaz", "Evans", "Fischer", "García", "Haddad", "Ito", "Jansen",
    "Kowalska", "Lopez", "Moreau", "Nguyen", "O’Brien", "Petrova", "Rossi", "Singh", "Tanaka",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a customer says when asked. `submits_twice`: an impatient double click."""

    score: int
    comment: str | None
    submits_twice: bool

    @property
    def category(self) -> Category:
        return category_of(self.score)

    def __str__(self) -> str:
        said = f": “{self.comment}”" if self.comment else ""
        return f"answers {self.score}{said}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Customer:
    """One simulated customer; `answer` is None for one who never reacts to a mail.

    `repeats`: the same thing happens twice. `think_seconds` is what a typical customer takes times
    this customer's own pace.
    """

    number: int
    name: str
    happening: Happening
    repeats: bool
    answer: Answer | None
    think_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Play:
    """One event to publish: the first thing that happens to a customer, or its repeat."""

    customer: Customer
    is_repeat: bool = False


def make_customer(seed: int, number: int) -> Customer:
    """Return customer `number` of this seed."""
    chance = random.Random(f"{seed}:{number}")  # noqa: S311  # a simulation, not a secret
    happening = chance.choices(list(_MIX), weights=list(_MIX.values()))[0]
    name = f"{chance.choice(_FIRST_NAMES)} {chance.choice(_LAST_NAMES)}"
    loyalty = min(1.0, max(0.0, chance.gauss(0.84, 0.2)))
    return Customer(
        number=number,
        name=name,
        happening=happening,
        repeats=chance.random() < 0.1,
        answer=_answer(loyalty, happening, chance),
        think_seconds=_TYPICAL_THINK_SECONDS * chance.lognormvariate(0, 0.6),
    )


def answer_after_help(seed: int, customer: Customer) -> Answer | None:
    """Return what somebody says who was heard back: most are relieved, a few are not."""
    chance = random.Random(f"{seed}:{customer.number}:helped")  # noqa: S311  # as above
    before = customer.answer
    if before is None or chance.random() > _ANSWER_AGAIN:
        return None
    if chance.random() > _RELIEVED:
        comment = write_comment(before.category, chance)
        return Answer(score=before.score, comment=comment, submits_twice=False)
    return Answer(
        score=chance.choice((8, 9, 9, 10)), comment=write_relief(chance), submits_twice=False
    )


def plays(seed: int, customers: int | None = None) -> Iterator[Play]:
    """Yield what happens, in order; without a number of customers it never ends."""
    echoes: deque[Customer] = deque()
    for number in count(1) if customers is None else range(1, customers + 1):
        customer = make_customer(seed, number)
        yield Play(customer=customer)
        if customer.repeats:
            echoes.append(customer)
        if echoes and echoes[0].number + _ECHO_AFTER <= number:
            yield Play(customer=echoes.popleft(), is_repeat=True)
    for customer in echoes:
        yield Play(customer=customer, is_repeat=True)


def _answer(loyalty: float, happening: Happening, chance: random.Random) -> Answer | None:
    """Return the answer of somebody of this loyalty (0–1); strong feelings answer more often."""
    score = round(10 * loyalty + _MOOD[happening] + chance.gauss(0, 1))
    score = min(10, max(0, score))
    strength = abs(score - 7) / 7
    answers = chance.random() < 0.45 + 0.35 * strength
    comments = chance.random() < 0.35 + 0.4 * strength
    comment = write_comment(category_of(score), chance)
    submits_twice = chance.random() < 0.05
    if not answers:
        return None
    return Answer(score=score, comment=comment if comments else None, submits_twice=submits_twice)
