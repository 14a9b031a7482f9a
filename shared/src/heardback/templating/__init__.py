"""Texts that people write for customers: Liquid within bounds, checked before anybody reads one.

A `Vocabulary` says what the texts of one kind may name; `compile_template` checks a text against
it, and `template.render(words)` is what a customer reads.
"""

from heardback.templating.complaints import BadTemplate
from heardback.templating.template import (
    FILTERS,
    LONGEST_RENDERED,
    LONGEST_SOURCE,
    Template,
    Vocabulary,
    compile_template,
)

__all__ = [
    "FILTERS",
    "LONGEST_RENDERED",
    "LONGEST_SOURCE",
    "BadTemplate",
    "Template",
    "Vocabulary",
    "compile_template",
]
