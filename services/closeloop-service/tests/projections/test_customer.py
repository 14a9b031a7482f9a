"""What holds of a customer, whatever comes late, twice or in any order."""

from datetime import timedelta
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from closeloop_service.domain.customer import MOST_ATTRIBUTES, Customer, customer_after
from heardback.contracts import registry
from heardback.testing.clock import START

from .conftest import profile, said

DAY = timedelta(days=1)
NOW = START + 100 * DAY


def after(*events):
    customer = Customer(customer_id="c1")
    for event in events:
        customer = customer_after(customer, event.data, now=NOW)
    return customer


def test_newest_profile_holds_when_an_older_one_comes_late():
    new = profile(at=START + DAY, name="Ada", segment="gold", attributes={"plan": "pro"})
    old = profile(at=START, name="Aida", email="a@example.com", attributes={"plan": "free", "n": 1})
    customer = after(new, old)
    assert (customer.name, customer.email, customer.segment) == ("Ada", "a@example.com", "gold")
    assert customer.attributes == {"plan": "pro", "n": 1}
    assert customer == after(old, new)


def test_version_says_what_is_newer_when_both_have_one():
    first = profile(at=START + DAY, version=1, name="Aida")
    second = profile(at=START, version=2, name="Ada")
    assert after(first, second).name == after(second, first).name == "Ada"


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_last_of_churn_and_return_holds_when_they_come_in_any_order(order):
    events = [
        said(registry.CUSTOMER_CHURNED, occurred_at=START),
        said(registry.CUSTOMER_RETURNED, occurred_at=START + DAY),
        said(registry.CUSTOMER_CHURNED, occurred_at=START + 2 * DAY),
    ]
    assert after(*(events[index] for index in order)).has_churned
    assert not after(events[1], events[0]).has_churned


def test_nothing_is_known_when_the_customer_was_erased():
    customer = after(profile(name="Ada"), said(registry.CUSTOMER_ERASED), profile(name="Ada"))
    assert customer == Customer(customer_id="c1", erased_at=START)


def test_future_holds_from_now_when_an_event_claims_to_be_from_it():
    assert after(profile(at=NOW + DAY, name="Ada")).occurred_at == NOW


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 300)), max_size=12))
def test_newest_profile_holds_in_any_order(told):
    events = [
        profile(at=START + day * DAY, name=f"{day}", attributes={f"a{number}": day})
        for day, number in told
    ]
    customer = after(*events)
    assert customer == after(*events, *events[-1:])
    assert len(customer.attributes) <= MOST_ATTRIBUTES
    if told:
        newest = max(day for day, _ in told)
        assert customer.name == f"{newest}"
        for number in {number for day, number in told if day == newest}:
            assert customer.attributes[f"a{number}"] == newest
