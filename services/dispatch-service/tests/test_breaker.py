"""While a provider is away, one probe at a time goes first."""

from datetime import timedelta

from dispatch_service.sending.breaker import Breaker
from heardback.testing.clock import START


def test_breaker_pauses_longer_when_the_provider_stays_away() -> None:
    breaker, now = Breaker(), START
    pauses = []
    for _ in range(10):
        breaker.failed(now)
        breaker.failed(now)  # what was under way at the same time
        pauses.append(breaker.pause_seconds(now))
        now += timedelta(seconds=pauses[-1])
    assert 0.5 <= pauses[0] <= 1
    assert 30 <= pauses[-1] <= 60
    assert breaker.tripped and breaker.pause_seconds(now) == 0


def test_breaker_pauses_as_long_as_asked_when_the_provider_says_so() -> None:
    breaker = Breaker()
    breaker.failed(START, at_least_seconds=120)
    assert breaker.pause_seconds(START) == 120


def test_breaker_is_reset_when_the_provider_answers() -> None:
    breaker = Breaker()
    breaker.failed(START)
    breaker.worked()
    assert not breaker.tripped
    assert breaker.pause_seconds(START) == 0
