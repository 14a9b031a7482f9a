"""Expressions in CEL, the Common Expression Language, over the typed fields.

The language is the standard one with three differences. Numbers and whole numbers compare with
each other, so that `event.amount > 50` needs no point. What could cost much is left out: loops,
patterns (the library compiles them at each evaluation: up to 8 s), joining strings and lists (so
that nothing grows), and time zones (the library keeps every name that it is given). And nothing
escapes the types: there is no `dyn`.
Source: github.com/google/cel-spec, langdef.md.
"""

import json
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Final

from cel_expr_python import cel

from trigger_service.cel_faults import explain, no_field, place_of, type_words
from trigger_service.domain.expression import Failed, InvalidExpression, Predicate
from trigger_service.domain.fields import KNOWN, Fields, FieldType

LONGEST: Final = 2_000
"""Characters of an expression."""

_CEL_TYPES: Final = {
    FieldType.STRING: cel.Type.STRING,
    FieldType.NUMBER: cel.Type.DOUBLE,
    FieldType.BOOLEAN: cel.Type.BOOL,
    FieldType.TIME: cel.Type.TIMESTAMP,
}
_MIXED: Final = (("double", "int"), ("int", "double"))
_ORDERED: Final = (
    *((name, name) for name in ("bool", "bytes", "double", "duration", "int", "string")),
    ("timestamp", "timestamp"),
    ("uint", "uint"),
    *_MIXED,
)
_COMPARISONS: Final = {
    **dict.fromkeys(("_<_", "_<=_", "_>_", "_>=_"), _ORDERED),
    **dict.fromkeys(("_==_", "_!=_"), (("~A", "~A"), *_MIXED)),
    "@in": (
        ("~A", "list<~A>"),
        ("~A", "map<~A, ~B>"),
        ("double", "list<int>"),
        ("int", "list<double>"),
    ),
}
"""The comparisons, each with the types it takes; evaluating, the library compares any numbers."""

_LEFT_OUT: Final = {
    "dyn": (),
    "matches": (),
    "_+_": ("add_bytes", "add_list", "add_string"),
    "getDate": ("timestamp_to_day_of_month_1_based_with_tz",),
    "getDayOfMonth": ("timestamp_to_day_of_month_with_tz",),
    "getDayOfWeek": ("timestamp_to_day_of_week_with_tz",),
    "getDayOfYear": ("timestamp_to_day_of_year_with_tz",),
    "getFullYear": ("timestamp_to_year_with_tz",),
    "getHours": ("timestamp_to_hours_with_tz",),
    "getMilliseconds": ("timestamp_to_milliseconds_with_tz",),
    "getMinutes": ("timestamp_to_minutes_with_tz",),
    "getMonth": ("timestamp_to_month_with_tz",),
    "getSeconds": ("timestamp_to_seconds_tz",),
    **dict.fromkeys(_COMPARISONS, ()),
}
"""The standard functions that are not as in the library, each with its overloads; none: all."""

_STRING: Final = r"""(?:"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*')"""
_NO_CODE: Final = r"""//[^\n]*|\"{3}[\s\S]*?\"{3}|'{3}[\s\S]*?'{3}|""" + _STRING
_KNOWN_NAME: Final = re.compile(rf"""["']([a-z0-9_.]+)["']\s+in\s+{KNOWN}\b|{_STRING}""")
_CONSTANT_TIME: Final = re.compile(rf"{_NO_CODE}|\b((timestamp|duration)\(\s*{_STRING}\s*\))")
_EXAMPLES: Final = {"timestamp": '"2026-01-31T00:00:00Z"', "duration": '"36h"'}

# What the evaluator says: that a field is missing; else its first words, which hold no value.
_MISSING: Final = re.compile(r'No value with name "([a-z0-9_.]+)"')
_VALUELESS: Final = re.compile(r"[A-Z_]+: ([A-Za-z]+(?: (?:u?int64|[A-Za-z]+)\b)*)")
_LONGEST_REASON: Final = 150
_NO_ANSWER: Final = "the expression gives no answer for what is known"


@lru_cache(maxsize=256)
def compile_expression(source: str, fields: Fields) -> Predicate:
    """Return the predicate that `source` writes in terms of `fields`.

    Raises: InvalidExpression.
    """
    if not source.strip():
        raise InvalidExpression('this is empty; write one such as customer.plan == "pro"')
    if len(source) > LONGEST:
        raise InvalidExpression(f"this is longer than {LONGEST:,} characters; make it shorter")
    environment = _environment(fields)
    try:
        compiled = environment.compile(source)
    except (RuntimeError, TypeError) as error:
        raise InvalidExpression(explain(str(error), source, fields.types)) from None
    if compiled.return_type() != cel.Type.BOOL:
        given = type_words(compiled.return_type().name().lower())
        msg = f'this gives a {given}, not true or false; compare it, as in customer.plan == "pro"'
        raise InvalidExpression(msg)
    _check_known_names(source, fields)
    _check_constant_times(environment, source)
    # Every field that the source can possibly mention; the library copies all that it is given.
    mentioned = (n for n in (*fields.types, KNOWN) if n.rpartition(".")[2] in source)
    return _Compiled(compiled, frozenset(mentioned))


class _Compiled:
    """An expression that the library has compiled."""

    def __init__(self, compiled: cel.Expression, names: frozenset[str]) -> None:
        self.names = names
        self._evaluate = compiled.eval

    def __call__(self, values: Mapping[str, object], /) -> bool | Failed:
        try:
            data = {name: values[name] for name in self.names if name in values}
            answer = self._evaluate(None, data).value()
        except Exception:  # a value that the library cannot take; its text may hold the value
            return Failed(detail=_NO_ANSWER)
        if answer is True or answer is False:
            return bool(answer)
        return Failed(detail=_why(str(answer)))


def _why(text: str) -> str:
    if missing := _MISSING.search(text):
        return f"{missing[1]} is not known"
    words = _VALUELESS.match(text)
    return words[1][:_LONGEST_REASON] if words else _NO_ANSWER


@lru_cache(maxsize=8)
def _environment(fields: Fields) -> cel.Env:
    left_out = [
        {"name": name} | ({"overloads": [{"id": id_} for id_ in overloads]} if overloads else {})
        for name, overloads in _LEFT_OUT.items()
    ]
    functions = [
        {"name": name, "overloads": [_overload(name, types) for types in operands]}
        for name, operands in _COMPARISONS.items()
    ]
    config = {
        "stdlib": {"disable_macros": True, "exclude_functions": left_out},
        "functions": functions,
    }
    variables = {name: _CEL_TYPES[type_] for name, type_ in fields.types.items()}
    return cel.NewEnv(
        config=cel.NewEnvConfigFromYaml(json.dumps(config)),  # JSON is YAML, too
        variables={**variables, KNOWN: cel.Type.List(cel.Type.STRING)},
    )


def _overload(name: str, types: tuple[str, str]) -> dict[str, str]:
    operator = name.replace("<", r"\<").replace(">", r"\>")
    operands = ", ".join(types)
    return {
        "id": f"{name}({operands})",
        "signature": f"{operator}({operands})",
        "return": "bool",
    }


def _check_known_names(source: str, fields: Fields) -> None:
    """Refuse to ask whether something is known that is no field; it never would be."""
    for found in _KNOWN_NAME.finditer(source):
        name = found[1]
        if name and name not in fields.types:
            place = place_of(source, found.start(1))
            raise InvalidExpression(f"{place}: {no_field(name, fields.types)}")


def _check_constant_times(environment: cel.Env, source: str) -> None:
    """Refuse a written time that is none; evaluated, it would fail for every customer."""
    for found in _CONSTANT_TIME.finditer(source):
        call, function = found.groups()
        if call and _fails(environment, call):
            msg = f"{call} is no {function}; write {function}({_EXAMPLES[function]})"
            raise InvalidExpression(f"{place_of(source, found.start())}: {msg}")


def _fails(environment: cel.Env, call: str) -> bool:
    try:
        return isinstance(environment.compile(call).eval().value(), str)
    except RuntimeError:  # what looks like a call stands in a string of another kind
        return False
