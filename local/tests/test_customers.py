"""Simulated customers follow from the seed alone."""

from collections import Counter
from datetime import UTC, datetime

from heardback.envelope import decode, encode
from heardback.vocabulary import Category
from heardback_local.customers import Happening, answer_after_help, make_customer, plays
from heardback_local.simulated_events import Run, event_of

NOW = datetime(2026, 3, 2, tzinfo=UTC)


def test_customers_are_the_same_when_the_seed_is() -> None:
    assert list(plays(7, 200)) == list(plays(7, 200))
    assert make_customer(7, 150) == make_customer(7, 150)


def test_customers_differ_when_the_seed_does() -> None:
    assert [make_customer(7, n) for n in range(20)] != [make_customer(8, n) for n in range(20)]


def test_every_kind_is_planted_when_there_are_a_few_hundred() -> None:
    happened = list(plays(1, 300))
    answers = [play.customer.answer for play in happened if not play.is_repeat]
    groups = Counter(answer.category for answer in answers if answer)
    assert {play.customer.happening for play in happened} == set(Happening)
    assert set(groups) == set(Category)
    assert 0.3 < groups.total() / len(answers) < 0.8
    assert any(answer and answer.comment for answer in answers)
    assert any(answer and answer.submits_twice for answer in answers)


def test_each_repeat_comes_once_after_its_first_when_customers_repeat() -> None:
    happened = list(plays(1, 300))
    firsts = [play.customer.number for play in happened if not play.is_repeat]
    repeats = [play.customer.number for play in happened if play.is_repeat]
    assert firsts == list(range(1, 301))
    assert sorted(repeats) == [n for n in firsts if make_customer(1, n).repeats]
    for number in repeats:
        own = [play.is_repeat for play in happened if play.customer.number == number]
        assert own == [False, True]


def test_events_fit_the_contract_and_name_their_run_when_published() -> None:
    run = Run("ab12")
    for play in plays(1, 60):
        event = event_of(run, play, at=NOW)
        message = encode(event)
        assert decode(event.type.topic, message.value, message.headers) == event
        assert event.source == run.source
    assert run.number_of(run.email(42)) == 42
    assert Run("ab1").number_of(run.email(42)) is None


def test_most_customers_are_content_when_they_were_heard_back() -> None:
    unhappy = [
        customer
        for number in range(1, 1_000)
        if (customer := make_customer(1, number)).answer is not None
        and customer.answer.category is Category.DETRACTOR
    ]
    said = [answer_after_help(1, customer) for customer in unhappy]
    assert said == [answer_after_help(1, customer) for customer in unhappy]
    answers = [answer for answer in said if answer is not None]
    content = [answer for answer in answers if answer.category is not Category.DETRACTOR]
    assert 0.6 < len(answers) / len(unhappy) < 0.95
    assert 0.6 < len(content) / len(answers) < 0.95
