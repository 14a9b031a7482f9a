"""Who a customer is, by event time and version, whatever the order in which events come."""

from datetime import datetime
from itertools import permutations

import pytest

from heardback.contracts.payloads import Profile
from heardback.testing.clock import START
from trigger_service.domain.customer import MOST_ATTRIBUTES, Customer

from .domain_builders import DAY, a_customer

FIRST, SECOND, THIRD = START, START + DAY, START + 2 * DAY
ADA = Customer(customer_id="c1")


@pytest.mark.parametrize(
    ("first", "second", "email"),
    [(FIRST, SECOND, "new"), (SECOND, FIRST, "old"), (FIRST, FIRST, "new")],
)
def test_profile_is_the_newest_by_event_time_when_events_are_out_of_order(
    first: datetime, second: datetime, email: str
) -> None:
    customer = ADA.informed(Profile(email="old"), first)
    customer = customer.informed(Profile(email="new", name="Ada"), second)
    assert (customer.email, customer.name) == (email, "Ada")
    assert customer.profile_at == max(first, second)


@pytest.mark.parametrize(
    ("versions", "times", "email"),
    [
        ((1, 2), (SECOND, FIRST), "new"),
        ((2, 1), (FIRST, SECOND), "old"),
        ((2, 2), (FIRST, SECOND), "old"),
        ((None, 1), (FIRST, SECOND), "new"),
        ((None, 1), (SECOND, FIRST), "old"),
        ((1, None), (FIRST, SECOND), "new"),
        ((1, None), (SECOND, FIRST), "old"),
    ],
)
def test_version_says_which_profile_is_newer_when_both_have_one(
    versions: tuple[int | None, int | None], times: tuple[datetime, datetime], email: str
) -> None:
    customer = ADA.informed(Profile(email="old"), times[0], versions[0])
    assert customer.informed(Profile(email="new"), times[1], versions[1]).email == email


def test_version_is_kept_when_a_newer_profile_has_none() -> None:
    customer = ADA.informed(Profile(email="old"), FIRST, 3).informed(Profile(email="new"), SECOND)
    assert (customer.email, customer.profile_version) == ("new", 3)
    assert customer.informed(Profile(email="older"), THIRD, 2).email == "new"
    assert customer.informed(Profile(email="newer"), FIRST, 4).email == "newer"


def test_attributes_are_joined_when_profiles_say_different_ones() -> None:
    customer = ADA.informed(Profile(attributes={"plan": "pro", "ltv": 1}), SECOND)
    customer = customer.informed(Profile(attributes={"plan": "free", "region": "eu"}), FIRST)
    assert customer.attributes == {"plan": "pro", "ltv": 1, "region": "eu"}
    customer = customer.informed(Profile(attributes={"plan": "team"}), THIRD)
    assert customer.attributes == {"plan": "team", "ltv": 1, "region": "eu"}


def test_nothing_is_forgotten_when_a_newer_profile_does_not_mention_it() -> None:
    customer = a_customer().informed(Profile(name="Ada"), FIRST)
    assert (customer.email, customer.name) == ("c1@example.com", "Ada")


def test_customer_is_the_same_object_when_nothing_is_said_of_them() -> None:
    customer = ADA.informed(Profile(email="x"), SECOND)
    assert customer.informed(None, THIRD) is customer
    assert customer.informed(Profile(email="older"), FIRST) is customer


@pytest.mark.parametrize("order", list(permutations(["left", "back", "left again"])))
@pytest.mark.parametrize("last", ["back", "left again"])
def test_last_event_counts_when_customers_leave_and_return_in_any_order(
    order: tuple[str, ...], last: str
) -> None:
    times = {"left": FIRST, "back": THIRD, "left again": SECOND}
    if last == "left again":
        times |= {"back": SECOND, "left again": THIRD}
    customer = ADA
    for event in (*order, *order):
        at = times[event]
        customer = customer.returned(at) if event == "back" else customer.churned(at)
    assert customer.has_churned is (last == "left again")


def test_customer_stays_forgotten_when_events_come_after_the_erasure() -> None:
    customer = a_customer(name="Ada", attributes={"plan": "pro"}, uses={"a": 1}, segment="smb")
    erased = customer.churned(FIRST).unsubscribed(FIRST).erased(SECOND)
    assert erased == Customer(
        customer_id="c1", churned_at=FIRST, unsubscribed_at=FIRST, erased_at=SECOND
    )
    assert erased.informed(Profile(email="again@example.com"), THIRD, 9) is erased
    assert erased.erased(THIRD).erased_at == SECOND


@pytest.mark.parametrize(
    ("times", "is_out"),
    [
        ({"out": FIRST}, True),
        ({"back": FIRST}, False),
        ({"out": FIRST, "back": SECOND}, False),
        ({"out": SECOND, "back": FIRST}, True),
        ({"out": FIRST, "back": SECOND, "out again": THIRD}, True),
        ({"out": FIRST, "back": FIRST}, True),
    ],
)
def test_way_out_counts_until_it_is_taken_back_when_events_come_in_any_order(
    times: dict[str, datetime], is_out: bool
) -> None:
    for order in permutations(times):
        customer = ADA
        for event in (*order, *order):
            at = times[event]
            customer = customer.resubscribed(at) if event == "back" else customer.unsubscribed(at)
        assert customer.has_unsubscribed is is_out


def test_uses_are_counted_by_program_when_there_are_several() -> None:
    assert ADA.used("a").used("b").used("a").uses == {"a": 2, "b": 1}


def test_attributes_that_became_known_last_are_kept_when_there_are_too_many() -> None:
    many = {f"a{number}": number for number in range(MOST_ATTRIBUTES)}
    customer = ADA.informed(Profile(attributes=many), FIRST)
    customer = customer.informed(Profile(attributes={"plan": "pro"}), SECOND)
    assert len(customer.attributes) == MOST_ATTRIBUTES
    assert customer.attributes["plan"] == "pro"
    assert "a0" not in customer.attributes
