import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trigger_service.cel import LONGEST, compile_expression
from trigger_service.domain.expression import Failed, InvalidExpression
from trigger_service.domain.fields import (
    KNOWN,
    LONGEST_STRING,
    STANDARD_CUSTOMER,
    STANDARD_EVENT,
    Fields,
    FieldType,
)

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
FIELDS = Fields(
    customer={"vip": FieldType.BOOLEAN, "renews_at": FieldType.TIME},
    event={"seats": FieldType.NUMBER},
)
CUSTOMER = {"plan": "pro", "region": "eu", "ltv": 1200.0, "signed_up_at": "2026-01-01T10:00:00Z"}
EVENT = {"amount": 60.0, "touchpoint": "purchase"}


def known(
    customer: Mapping[str, Any] = CUSTOMER, event: Mapping[str, Any] = EVENT
) -> dict[str, object]:
    return FIELDS.reader([KNOWN]).values(customer=customer, event=event, occurred_at=NOW)


# Fields


def test_values_hold_what_is_known_and_its_names_when_the_types_are_right() -> None:
    values = known({"plan": "pro", "ltv": 7, "vip": True, "pet": "cat"}, {"amount": 60.5})

    assert values == {
        "customer.plan": "pro",
        "customer.ltv": 7.0,
        "customer.vip": True,
        "event.amount": 60.5,
        "known": ["customer.plan", "customer.ltv", "customer.vip", "event.amount"],
    }


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("plan", None),
        ("plan", 7.0),
        ("plan", True),
        ("plan", "x" * (LONGEST_STRING + 1)),
        ("ltv", "1200"),
        ("ltv", True),
        ("ltv", None),
        ("ltv", float("nan")),
        ("ltv", float("inf")),
        ("ltv", 10**400),
        ("vip", "true"),
        ("vip", 1),
        ("signed_up_at", "2026-01-01"),
        ("signed_up_at", "2026-01-01T10:00:00"),
        ("signed_up_at", "yesterday"),
        ("signed_up_at", 1_767_261_600.0),
        ("undeclared", "x"),
    ],
)
def test_value_is_unknown_when_it_is_not_of_its_fields_type(name: str, value: Any) -> None:
    assert known({name: value}, {}) == {"known": []}


@pytest.mark.parametrize(
    ("signed_up_at", "days"),
    [
        ("2026-01-01T12:00:00Z", 120.0),
        ("2026-01-01T12:00:01Z", 119.0),
        ("2026-05-01T14:00:00+02:00", 0.0),
        ("2026-05-01T12:00:01Z", -1.0),
        ("0001-01-01T00:00:00+14:00", 739737.0),
    ],
)
def test_tenure_counts_whole_days_when_the_sign_up_is_known(signed_up_at: str, days: float) -> None:
    given = {"signed_up_at": signed_up_at, "tenure_days": 5.0}
    assert known(given)["customer.tenure_days"] == days


def test_tenure_is_taken_as_given_when_the_sign_up_is_not_known() -> None:
    assert known({"tenure_days": 5.0})["customer.tenure_days"] == 5.0


@pytest.mark.parametrize(
    ("added", "message"),
    [
        (
            {"plan": FieldType.NUMBER},
            (
                "customer.plan: this is a standard field and a string, not a number;"
                " leave it out, or give yours another name"
            ),
        ),
        (
            {"Plan": FieldType.STRING},
            "customer.Plan: write a-z, 0-9 and _, beginning with a letter",
        ),
        ({"a-b": FieldType.STRING}, "customer.a-b: write a-z, 0-9 and _, beginning with a letter"),
        (
            {"in": FieldType.STRING, "x" * 64: FieldType.STRING},
            (
                "customer.in: this is a word of the expression language; name it otherwise;"
                f" customer.{'x' * 64}: write a-z, 0-9 and _, beginning with a letter"
            ),
        ),
    ],
)
def test_fields_are_refused_when_a_declaration_is_wrong(
    added: dict[str, FieldType], message: str
) -> None:
    with pytest.raises(ValueError, match=r"customer\.") as refused:
        Fields(customer=added)

    assert str(refused.value) == message


def test_fields_are_one_when_they_declare_the_same() -> None:
    first, second = (Fields(event={"seats": FieldType.NUMBER}) for _ in range(2))

    assert first == second
    assert compile_expression("event.seats > 3", first) is compile_expression(
        "event.seats > 3", second
    )
    assert Fields(customer={"plan": FieldType.STRING}).types == Fields().types


def test_standard_fields_hold_no_way_to_reach_anybody() -> None:
    assert {"email", "phone", "name"}.isdisjoint({*STANDARD_CUSTOMER, *STANDARD_EVENT})


# What holds


@pytest.mark.parametrize(
    "source",
    [
        'customer.plan == "pro"',
        "customer.plan == 'pro' && event.amount > 50",
        "event.amount > 50.0",
        "event.amount == 60 && 60 == event.amount && event.amount != 61",
        "50 < event.amount && event.amount <= 60 && event.amount >= 60 && event.amount < 60.5",
        "event.amount in [60, 70] && event.amount in [60.0, 70]",
        "event.amount * 2.0 - 20.0 == 100",
        'customer.region in ["eu", "uk"]',
        '{"pro": 50, "team": 100}[customer.plan] < event.amount',
        'customer.plan.startsWith("p") && customer.plan.contains("r") && size(customer.plan) == 3',
        "customer.tenure_days == 120",
        'customer.signed_up_at < timestamp("2026-01-02T00:00:00+02:00")',
        'customer.signed_up_at + duration("24h") == timestamp("2026-01-02T10:00:00Z")',
        "customer.signed_up_at.getMonth() == 0",
        'event.touchpoint == "purchase" ? event.amount > 50 : false',
        '"customer.plan" in known && !("customer.mrr" in known)',
        'customer . plan == "pro"  // as they say: timestamp("soon")',
        'customer.plan != "timestamp(\\"soon\\")"',
        'customer.plan != """a " timestamp("soon") " """',
        "true &&\n  customer.plan == 'pro'",
    ],
)
def test_expression_holds_when_the_values_say_so(source: str) -> None:
    assert compile_expression(source, FIELDS)(known()) is True


@pytest.mark.parametrize(
    "source",
    ['customer.plan == "team"', "event.amount > 60", "!(event.amount > 50)", "event.amount in []"],
)
def test_expression_does_not_hold_when_the_values_say_so(source: str) -> None:
    assert compile_expression(source, FIELDS)(known()) is False


@pytest.mark.parametrize(
    ("source", "answer"),
    [
        ("customer.mrr > 5", Failed(detail="customer.mrr is not known")),
        ("!(customer.mrr > 5)", Failed(detail="customer.mrr is not known")),
        ("customer.mrr > 5 && customer.plan == 'pro'", Failed(detail="customer.mrr is not known")),
        ("customer.plan == 'pro' && customer.vip", Failed(detail="customer.vip is not known")),
        ("customer.mrr > 5 && customer.plan == 'team'", False),
        ("customer.plan == 'team' && customer.mrr > 5", False),
        ("customer.mrr > 5 || customer.plan == 'pro'", True),
        ("customer.plan == 'pro' || customer.mrr > 5", True),
        ('"customer.mrr" in known && customer.mrr > 5', False),
        (
            "customer.renews_at > customer.signed_up_at",
            Failed(detail="customer.renews_at is not known"),
        ),
    ],
)
def test_unknown_field_fails_unless_the_rest_decides(source: str, answer: bool | Failed) -> None:
    assert compile_expression(source, FIELDS)(known()) == answer


@pytest.mark.parametrize(
    ("source", "detail"),
    [
        ("1 / size(customer.plan) == 1 / 0", "divide by zero"),
        ("int(customer.plan) == 1", "cannot convert string to int"),
        ('{"team": true}[customer.plan]', "Key not found in map"),
        ("timestamp(customer.plan) > customer.renews_at", "String to Timestamp conversion failed"),
        ("int(customer.ltv) == 1", "double out of int64 range"),
        ('{"a": 1, "a": 1}["a"] == 1', "the expression gives no answer for what is known"),
    ],
)
def test_failure_says_why_and_tells_nothing_of_the_customer(source: str, detail: str) -> None:
    values = known({"plan": "Hildegard", "ltv": 1e300, "renews_at": "2026-01-01T10:00:00Z"})

    assert compile_expression(source, FIELDS)(values) == Failed(detail=detail)


# What is refused


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("", 'this is empty; write one such as customer.plan == "pro"'),
        (" \n ", 'this is empty; write one such as customer.plan == "pro"'),
        ("x" * 2001, "this is longer than 2,000 characters; make it shorter"),
        (
            "customer.pln == 'pro'",
            (
                "column 1: there is no field customer.pln;"
                " did you mean customer.plan or event.plan?"
                " Declare a new one under fields: in governance.yaml"
            ),
        ),
        (
            "event.amount > 50 &&\n  event.colour == 'red'",
            (
                "line 2, column 3: there is no field event.colour."
                " Declare a new one under fields: in governance.yaml"
            ),
        ),
        (
            "plan == 'pro'",
            (
                "column 1: there is no field plan; did you mean customer.plan or event.plan?"
                ' Put a text in quotes: "plan"'
            ),
        ),
        (
            "customer.plan == pro",
            'column 18: there is no field pro. Put a text in quotes: "pro"',
        ),
        (
            'customer["plan"] == "pro"',
            "column 1: customer is no field by itself; write one such as customer.plan",
        ),
        (
            "customer.plan.name == 'a'",
            "column 14: a string has no fields of its own; end before this point",
        ),
        (
            "customer.plan",
            'this gives a string, not true or false; compare it, as in customer.plan == "pro"',
        ),
        (
            "event.amount * 2 > 5",
            (
                "column 14: * does not go with (number, whole number);"
                " write whole numbers with a point, as in 2.0"
            ),
        ),
        ("customer.plan > 3", "column 15: > does not go with (string, whole number)"),
        ("customer.plan && true", "column 15: && does not go with (string, boolean)"),
        ("!event.amount", "column 1: ! does not go with (number)"),
        ('customer.plan + "x" == "a"', "column 15: + does not go with (string, string)"),
        (
            "customer.plan == null",
            (
                "column 15: == does not go with (string, null);"
                ' to ask whether a field is known, write "customer.plan" in known'
            ),
        ),
        (
            "has(customer.plan)",
            'column 1: has() looks into nothing here; write "customer.plan" in known',
        ),
        (
            'known.exists(x, x == "a")',
            'column 7: there are no loops; write in ["a", "b"], or || between comparisons',
        ),
        (
            'customer.plan.matches("p.*")',
            "column 15: there are no patterns; write contains, startsWith, endsWith or in",
        ),
        ("dyn(event.amount) == 'a'", "column 1: there is no dyn() that takes this"),
        ("true and false", "column 6: and does not belong here; write &&"),
        ("true OR false", "column 6: OR does not belong here; write ||"),
        ("customer.plan = 'pro'", "column 15: = means nothing; write =="),
        ("true & false", "column 6: & means nothing; write &&"),
        ("event.amount >", "column 15: the end comes too early; something is missing here"),
        ("(true", "column 6: ')' is missing here"),
        ("true)", "column 5: ) does not belong here"),
        (
            'customer.plan == "pro',
            "column 18: this text has no closing quote, or a backslash that means nothing",
        ),
        ("99999999999999999999 == 1", "column 1: invalid int literal"),
        (
            "(" * 40 + "true" + ")" * 40,
            "this is nested too deeply; split it, for instance into segments",
        ),
        (
            "1" + " + 1" * 40 + " == 41",
            "this is nested too deeply; split it, for instance into segments",
        ),
        ("customer.plan == '\ud800'", "this cannot be read; write it anew"),
        (
            'customer.signed_up_at > timestamp("2026-01-01")',
            (
                'column 25: timestamp("2026-01-01") is no timestamp;'
                ' write timestamp("2026-01-31T00:00:00Z")'
            ),
        ),
        (
            "event.amount > 5 && duration('7d') > duration('1h')",
            "column 21: duration('7d') is no duration; write duration(\"36h\")",
        ),
    ],
)
def test_expression_is_refused_with_the_place_and_what_to_write(source: str, message: str) -> None:
    with pytest.raises(InvalidExpression) as refused:
        compile_expression(source, FIELDS)

    assert str(refused.value) == message


@pytest.mark.parametrize(
    "getter",
    [
        "getDate",
        "getDayOfMonth",
        "getDayOfWeek",
        "getDayOfYear",
        "getFullYear",
        "getHours",
        "getMilliseconds",
        "getMinutes",
        "getMonth",
        "getSeconds",
    ],
)
def test_time_is_read_in_utc_only(getter: str) -> None:
    assert compile_expression(f"customer.signed_up_at.{getter}() >= 0", FIELDS)(known()) is True
    with pytest.raises(InvalidExpression, match=rf"there is no {getter}\(\) that takes this"):
        compile_expression(f"customer.signed_up_at.{getter}(customer.timezone) >= 0", FIELDS)


@pytest.mark.parametrize(
    "source",
    [
        "[1, 2].all(a, [1, 2].all(b, [1, 2].all(c, true)))",
        "[[1].map(x, x)] == [[1]]",
        "[1].filter(x, true) == [1]",
        "known.exists_one(x, true)",
        "known.existsOne(x, true)",
        "cel.bind(x, 1, x == 1)",
        'matches(customer.plan, "(x+x+)+y")',
        "[1] + [2] == [1, 2]",
        'b"a" + b"b" == b"ab"',
    ],
)
def test_what_could_grow_without_bounds_is_refused(source: str) -> None:
    with pytest.raises(InvalidExpression):
        compile_expression(source, FIELDS)


@pytest.mark.parametrize(
    "term",
    [
        "customer.plan.contains(customer.region)",
        f'customer.plan.contains("{"x" * 400}y")',
        "size(customer.plan) == 7",
        "bytes(customer.plan) != bytes(customer.plan)",
        "double(customer.plan) == 1.0",
        'customer.plan in ["a","b","c","d","e","f","g","h","i","j","k"]',
        "[[1,2,3,4,5,6,7],[1,2,3,4,5,6,7]] == [[1],[2]]",
        '{"a":1,"b":2,"c":3,"d":4}["a"] == 2',
        'timestamp("2026-01-01T00:00:00Z") > timestamp("2026-01-02T00:00:00Z")',
        "customer.signed_up_at.getDayOfYear() == -1",
        "customer.plan in known",
        'google.protobuf.Struct{fields: {"a": google.protobuf.Value{}}} == {"b": 1}',
    ],
)
def test_longest_expression_takes_less_than_milliseconds(term: str) -> None:
    """The limit is far above what it takes (0.3 ms), and below what a pattern took (8 s)."""
    source = "||".join([term] * (LONGEST // (len(term) + 2)))
    predicate = compile_expression(source, FIELDS)
    values = known({**CUSTOMER, "plan": "x" * LONGEST_STRING, "region": "x" * 499 + "y"})

    def seconds() -> float:
        began_at = time.perf_counter()
        predicate(values)
        return time.perf_counter() - began_at

    assert min(seconds() for _ in range(5)) < 0.01


# Anything

TOKENS = st.sampled_from(
    [
        *("customer.plan", "event.amount", "customer.vip", "customer.signed_up_at", "known", "x"),
        *("==", "!=", "<", ">=", "&&", "||", "!", "in", "?", ":", "+", "-", "*", "/", "%", "."),
        *("(", ")", "[", "]", "{", "}", ",", "//", "\n", '"', "'", '"""', "\\", "r", "b"),
        *("1", "2.5", "1u", "true", "null", '"pro"', "timestamp(", "duration(", "size(", "has("),
        *("matches(", "contains(", "exists(", "int(", "string(", "dyn(", "type(", "and", "=", "é"),
    ]
)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.datetimes()


@given(st.text(max_size=200) | st.lists(TOKENS, max_size=25).map(" ".join))
def test_any_text_is_a_predicate_or_invalid(source: str) -> None:
    try:
        predicate = compile_expression(source, FIELDS)
    except InvalidExpression as error:
        assert 10 < len(str(error)) < 600
    else:
        assert isinstance(predicate(known()), bool | Failed)


@given(
    st.sampled_from(
        [
            'customer.plan == "pro" && event.amount > 50',
            "customer.vip || customer.signed_up_at > customer.renews_at",
            "customer.plan in known",
            "int(event.amount) / size(customer.plan) > 0",
            "{customer.plan: customer.vip}[customer.region]",
            'timestamp(customer.plan) + duration("1h") > customer.signed_up_at',
        ]
    ),
    st.dictionaries(
        st.sampled_from([*FIELDS.types, "known"]), SCALARS | st.lists(SCALARS, max_size=3)
    ),
)
def test_predicate_answers_when_the_values_are_anything(
    source: str, values: dict[str, object]
) -> None:
    assert isinstance(compile_expression(source, FIELDS)(values), bool | Failed)


@given(
    st.dictionaries(st.sampled_from([*STANDARD_CUSTOMER, "vip", "renews_at", "other"]), SCALARS),
    st.dictionaries(st.sampled_from([*STANDARD_EVENT, "seats", "other"]), SCALARS),
)
def test_values_are_of_their_types_when_anything_is_given(
    customer: dict[str, Any], event: dict[str, Any]
) -> None:
    values = known(customer, event)
    types = {
        FieldType.STRING: str,
        FieldType.NUMBER: float,
        FieldType.BOOLEAN: bool,
        FieldType.TIME: datetime,
    }

    assert values.pop("known") == list(values)
    assert all(type(value) is types[FIELDS.types[name]] for name, value in values.items())


@given(st.text(alphabet="abcdefghijklmnopqrstuvwxyz", min_size=12, max_size=12))
def test_failure_never_holds_a_value(secret: str) -> None:
    values = known({"plan": secret, "region": secret})
    for source in (
        "{'a': true}[customer.plan]",
        "int(customer.plan) == 1",
        "double(customer.plan) == 1.0",
        "bool(customer.plan)",
        "timestamp(customer.plan) > timestamp(customer.region)",
        "duration(customer.plan) > duration(customer.region)",
        "google.protobuf.Any{type_url: customer.plan} == google.protobuf.Any{type_url: 'a'}",
        "{customer.plan: 1, customer.region: 2}['a'] == 1",
    ):
        answer = compile_expression(source, FIELDS)(values)
        assert isinstance(answer, Failed)
        assert secret not in answer.detail
