"""Trying rules out on a task that does not exist, drafts of them included."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

from closeloop_service.domain.matching import Facts
from closeloop_service.domain.planning import first_fit
from closeloop_service.domain.routing import Load
from closeloop_service.domain.rules import Rules
from closeloop_service.rulebook.books import Books
from closeloop_service.rulebook.compiling import compile_rules
from closeloop_service.rulebook.kinds import Kind
from closeloop_service.rulebook.preview import (
    PolicyPreview,
    RoutePreview,
    preview_policy,
    preview_route,
)
from closeloop_service.rulebook.reading import read_data, read_text
from heardback.zones import UTC_ZONE


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A task to try rules on. `at` without a zone is a time on the wall of its policy's calendar.

    `account_owner`: as customer data names them.
    """

    facts: Facts
    at: datetime
    account_owner: str | None = None


def rules_with(books: Books, drafts: Mapping[Kind, str], secrets: Collection[str]) -> Rules:
    """Return the rules that there would be with these texts in force.

    Raises: RulebookFaults.
    """
    for kind, text in drafts.items():
        books = read_data(kind, read_text(text), books, secrets).books
    return compile_rules(books, version=0)


def try_policy(rules: Rules, question: Question) -> PolicyPreview:
    """Say when the task would be due."""
    return preview_policy(rules, question.facts, instant_of(rules, question))


def try_route(rules: Rules, question: Question, loads: Mapping[str, Load]) -> RoutePreview:
    """Say who would get the task."""
    at, owner = instant_of(rules, question), question.account_owner
    return preview_route(rules, question.facts, at, loads=loads, account_owner=owner)


def instant_of(rules: Rules, question: Question) -> datetime:
    """Return the instant that a question means."""
    if question.at.tzinfo is not None:
        return question.at
    calendar = rules.calendars[first_fit(question.facts, rules).calendar_id]
    return question.at.replace(tzinfo=calendar.hours.zone or UTC_ZONE).astimezone(UTC_ZONE)
