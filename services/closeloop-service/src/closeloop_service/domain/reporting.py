"""What reporters are told once an improvement has shipped: the texts, and what they may name."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from uuid import UUID, uuid5

from heardback.locales import chain
from heardback.templating import Template, Vocabulary, compile_template

VARIABLES: Final = {
    "company": "in whose name you write",
    "customer.name": "what to call the customer; may be empty",
    "improvement": "what has shipped, by its title",
}
"""Every variable, and what it says."""

LONGEST_SUBJECT: Final = 200
LONGEST_TEXT: Final = 10_000
"""Characters; as the contract of `follow_up.requested` has them."""

_NAMESPACE: Final = UUID("6f1d3c52-0f0c-5f0e-9a5d-1b1f6f2f8c11")
_CONSTANT: Final = frozenset({"company", "improvement"})
_SUBJECT: Final = Vocabulary(variables=VARIABLES, constant=_CONSTANT)
_TEXT: Final = Vocabulary(variables=VARIABLES, constant=_CONSTANT, has_lines=True)


def subject_template(source: str) -> Template:
    """Return the template of a subject, which is one line.

    Raises: BadTemplate, with what to do.
    """
    return compile_template(source, _SUBJECT)


def text_template(source: str) -> Template:
    """Return the template of a text, which has lines.

    Raises: BadTemplate, with what to do.
    """
    return compile_template(source, _TEXT)


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """What a reporter is told."""

    subject: str | None
    text: str


def words_for(
    told: Mapping[str, tuple[str, str]],
    improvement: str,
    *,
    name: str | None,
    locale: str | None,
    company: str,
) -> Words:
    """Return what a reporter is told, in the locale that is nearest to theirs.

    Shapes: `told` is the rules' own: a subject and a text by locale, at least one.
    """
    nearest = next((one for one in (*chain(locale), "en") if one in told), next(iter(told)))
    subject, text = told[nearest]
    words = {"company": company, "customer": {"name": name or ""}, "improvement": improvement}
    line = subject_template(subject).render(words)[:LONGEST_SUBJECT]
    return Words(subject=line or None, text=text_template(text).render(words)[:LONGEST_TEXT])


def follow_up_id_of(improvement_id: str, customer_id: str) -> str:
    """Return the id under which a reporter is told: the same however often it is made."""
    return str(uuid5(_NAMESPACE, f"{improvement_id}/{customer_id}"))
