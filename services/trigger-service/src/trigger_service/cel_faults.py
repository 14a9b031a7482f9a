"""What is wrong with an expression, in plain words: where, and what to write instead."""

import re
from collections.abc import Iterable
from difflib import get_close_matches
from typing import Final

_MOST: Final = 150
"""Characters of what is quoted."""

_TYPE_WORDS: Final = {
    "bool": "boolean",
    "double": "number",
    "int": "whole number",
    "null_type": "null",
    "timestamp": "time",
}
_INSTEAD: Final = {
    "has": 'has() looks into nothing here; write "customer.plan" in known',
    "matches": "there are no patterns; write contains, startsWith, endsWith or in",
    **dict.fromkeys(
        ("all", "exists", "existsOne", "exists_one", "filter", "map"),
        'there are no loops; write in ["a", "b"], or || between comparisons',
    ),
}
"""What to write for a function that others know CEL to have."""

_OPERATORS: Final = {"=": "==", "&": "&&", "|": "||", "and": "&&", "or": "||", "not": "!"}

_FAULT: Final = re.compile(r"ERROR: <input>:(\d+):(\d+): (.*)")
_UNDECLARED: Final = re.compile(r"undeclared reference to '(.+)' \(in container ''\)")
_NO_OVERLOAD: Final = re.compile(r"found no matching overload for '(.+)' applied to '(.+)'")
_UNEXPECTED: Final = re.compile(
    r"Syntax error: (?:(?:mismatched|extraneous) input '(.+)' expecting"
    r"|no viable alternative at input '(.+)')"
)
_UNREADABLE: Final = re.compile(r"Syntax error: token recognition error at: '(.*)'")
_NO_PARTS: Final = re.compile(r"expression of type '(.+)' cannot be the operand of a select")
_ABSENT: Final = re.compile(r"Syntax error: missing (.+) at")


def explain(text: str, source: str, fields: Iterable[str]) -> str:
    """Return what `text`, the library's complaint about `source`, means to its author."""
    faults = [
        (_offset(source, int(line), int(column)), what)
        for line, column, what in _FAULT.findall(text)
    ]
    if not faults:
        if "recursion" in text:
            return "this is nested too deeply; split it, for instance into segments"
        return "this cannot be read; write it anew"
    # A loop is reported after the variables that it would have declared.
    offset, what = next((f for f in faults if _called(*f, source) in _INSTEAD), faults[0])
    if called := _called(offset, what, source):
        advice = _INSTEAD.get(called, f"there is no {called[:_MOST]}() that takes this")
        return f"{place_of(source, max(source.rfind(called, 0, offset), 0))}: {advice}"
    if undeclared := _UNDECLARED.search(what):
        name = undeclared[1][:_MOST]
        start = max(source.rfind(name, 0, offset + len(name)), 0)
        return f"{place_of(source, start)}: {no_field(name, fields)}"
    return f"{place_of(source, offset)}: {_plain(what)}"


def place_of(source: str, offset: int) -> str:
    """Return where `offset` is in `source`, as people count."""
    before = source[:offset]
    line, column = before.count("\n") + 1, offset - before.rfind("\n")
    return f"line {line}, column {column}" if "\n" in source.strip() else f"column {column}"


def type_words(text: str) -> str:
    """Return `text` with types called as in the declaration of fields."""
    return re.sub(r"\w+", lambda word: _TYPE_WORDS.get(word[0], word[0]), text)


def _offset(source: str, line: int, column: int) -> int:
    return sum(len(text) + 1 for text in source.split("\n")[: line - 1]) + column - 1


def _called(offset: int, what: str, source: str) -> str:
    """Return the function that is missing; for one, the library points at its bracket."""
    undeclared = _UNDECLARED.search(what)
    return undeclared[1] if undeclared and source[offset : offset + 1] == "(" else ""


def no_field(name: str, fields: Iterable[str]) -> str:
    """Return what to tell somebody who wrote `name`, which is none of `fields`."""
    if name in ("customer", "event"):
        return f"{name} is no field by itself; write one such as {name}.plan"
    group, dot, short = name.rpartition(".")
    by_group = sorted(fields, key=lambda field: not field.startswith(f"{group}."))
    near = get_close_matches(short, {field.rpartition(".")[2] for field in by_group}, cutoff=0.7)
    meant = [field for field in by_group if field.rpartition(".")[2] in near][:3]
    question = f"; did you mean {' or '.join(meant)}?" if meant else "."
    if not dot:
        return f'there is no field {name}{question} Put a text in quotes: "{name}"'
    return f"there is no field {name}{question} Declare a new one under fields: in governance.yaml"


def _plain(what: str) -> str:
    if overload := _NO_OVERLOAD.search(what):
        return _no_overload(*overload.groups())
    if unexpected := _UNEXPECTED.search(what):
        return _unexpected(unexpected[1] or unexpected[2])
    if unreadable := _UNREADABLE.search(what):
        return _unreadable(unreadable[1])
    if no_parts := _NO_PARTS.search(what):
        return f"a {type_words(no_parts[1])} has no fields of its own; end before this point"
    if absent := _ABSENT.search(what):
        return f"{absent[1]} is missing here"
    return what.removeprefix("Syntax error: ")[:_MOST]


def _no_overload(function: str, types: str) -> str:
    operator = function.strip("_@").replace("_", " ")
    words = type_words(types)
    plain = f"{operator} does not go with {words}"
    if "null" in words:
        return f'{plain}; to ask whether a field is known, write "customer.plan" in known'
    if {"double", "int"} <= set(re.findall(r"\w+", types)):
        return f"{plain}; write whole numbers with a point, as in 2.0"
    return plain


def _unexpected(text: str) -> str:
    if text == "<EOF>":
        return "the end comes too early; something is missing here"
    instead = _OPERATORS.get(text.lower())
    return f"{text[:_MOST]} does not belong here" + (f"; write {instead}" if instead else "")


def _unreadable(text: str) -> str:
    if text[:1] in ("'", '"'):
        return "this text has no closing quote, or a backslash that means nothing"
    instead = _OPERATORS.get(text.strip()[:1])
    return f"{text[:_MOST].strip()} means nothing" + (f"; write {instead}" if instead else "")
