"""Page times, rate limits, replies, and where a suspect answer may go."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heardback.testing.clock import START
from heardback.vocabulary import Scale
from response_service.domain import rate
from response_service.domain.answer import Answer, Response
from response_service.domain.page_time import read_time, sign_time
from response_service.domain.quarantine import (
    AlreadyDecided,
    NewerAnswerCounts,
    State,
    Suspect,
    may_release,
    move,
)
from response_service.domain.rate import RateLimit, Variety
from response_service.domain.reply import read_reply

NEW, OLD = b"new-secret", b"old-secret"


def test_page_time_is_read_when_it_is_ours() -> None:
    told = sign_time(START, "i1", secret=OLD)
    assert len(told) == 16
    assert read_time(told, "i1", secrets=[NEW, OLD]) == START
    assert read_time(told, "i2", secrets=[NEW, OLD]) is None
    assert read_time(told, "i1", secrets=[NEW]) is None


@given(st.text(max_size=20))
def test_page_time_is_none_when_anything_else_is_sent(text: str) -> None:
    assert read_time(text, "i1", secrets=[NEW]) is None


def test_requests_pass_when_they_are_within_the_limit() -> None:
    limit = RateLimit("3/minute")
    waits = [limit.take("a", START + timedelta(seconds=n)) for n in range(4)]
    assert waits[:3] == [0, 0, 0] and 1 <= waits[3] <= 60
    assert limit.take("b", START) == 0
    assert limit.take("a", START + timedelta(seconds=60)) > 0
    assert limit.take("a", START + timedelta(seconds=119)) == 0
    assert limit.take("a", START + timedelta(hours=1)) == 0


def test_everything_passes_when_there_is_no_limit() -> None:
    limit = RateLimit("")
    assert all(limit.take("a", START) == 0 for _ in range(1000))


@given(st.lists(st.floats(0, 20), max_size=300))
def test_no_window_has_many_more_than_the_limit_whatever_comes(gaps: list[float]) -> None:
    limit, at, passed = RateLimit("10/minute"), START, []
    for gap in gaps:
        at += timedelta(seconds=gap)
        if not limit.take("a", at):
            passed.append(at)
    for begin in passed:
        assert sum(begin <= t < begin + timedelta(seconds=60) for t in passed) <= 20


@given(st.lists(st.floats(0, 40), min_size=1, max_size=100))
def test_next_one_passes_when_it_waits_as_it_is_told(gaps: list[float]) -> None:
    limit, at = RateLimit("3/minute"), START
    for gap in gaps:
        at += timedelta(seconds=gap)
        wait = limit.take("a", at)
        if wait:
            assert 1 <= wait <= 61
            at += timedelta(seconds=wait)
            assert limit.take("a", at) == 0


def test_memory_is_bounded_when_everybody_is_new(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rate, "_MOST_KEYS", 10)
    limit, variety = RateLimit("3/minute"), Variety()
    for number in range(100):
        assert limit.take(str(number), START) == 0
        variety.note(str(number).encode(), "a", START)
    assert len(limit._counts) <= 10 and len(variety._now) <= 10


@pytest.mark.parametrize("text", ["0/minute", "x", "5/day", "5", "-1/second", "5/minute "])
def test_limit_is_refused_when_it_is_none(text: str) -> None:
    with pytest.raises(ValueError, match="300/minute"):
        RateLimit(text)


def test_other_invitations_are_counted_when_one_client_answers_many() -> None:
    variety = Variety()
    assert [variety.note(b"me", thing, START) for thing in "aabca"] == [0, 0, 1, 2, 2]
    assert variety.note(b"you", "a", START) == 0
    assert variety.note(b"me", "d", START + timedelta(seconds=60)) == 3
    assert variety.note(b"me", "d", START + timedelta(seconds=200)) == 0


@pytest.mark.parametrize(
    ("text", "score", "comment"),
    [
        ("9 great service", 9, "great service"),
        ("9", 9, None),
        ("10", 10, None),
        ("10/10 would buy again", 10, "would buy again"),
        ("9/10!", 9, None),
        ("9 out of 10, thanks", 9, "thanks"),
        ("0 - never again", 0, "never again"),
        ("Score: 7. Slow.", 7, "Slow."),
        ("Note 8 très bien", 8, "très bien"),
        ("  3\nLate and cold", 3, "Late and cold"),
        ('"6"', 6, None),
        ("9\ufe0f\u20e3 super", 9, "super"),
        ("\N{KEYCAP TEN} yes", 10, "yes"),
        ("٩ ممتاز", 9, "ممتاز"),
        ("９", 9, None),
        ("11", None, "11"),
        ("100", None, "100"),
        ("9.5", None, "9.5"),
        ("9,5 nearly", None, "9,5 nearly"),
        ("9:30 is too early", None, "9:30 is too early"),
        ("7-8", None, "7-8"),
        ("7 – 8", None, "7 – 8"),
        ("90%", None, "90%"),
        ("5€ too much", None, "5€ too much"),
        ("9/5", None, "9/5"),
        ("great service", None, "great service"),
        ("I'd say 9", None, "I'd say 9"),
        ("9/100", None, "9/100"),
        ("10 minutes waiting", None, "10 minutes waiting"),
        ("10-minute wait", None, "10-minute wait"),
        ("2 Wochen gewartet", None, "2 Wochen gewartet"),
        ("5 jours de retard", None, "5 jours de retard"),
        ("٣ أيام من الانتظار", None, "٣ أيام من الانتظار"),
        ("1st class", None, "1st class"),
        ("2nd time", None, "2nd time"),
        ("10x better", None, "10x better"),
        ("3 times!", None, "3 times!"),
        ("2 of 3 parcels came", None, "2 of 3 parcels came"),
        ("5 stars", None, "5 stars"),
        ("9 timely", 9, "timely"),
        ("9-great", 9, "great"),
        ("-3", None, "-3"),
        ("", None, None),
        ("   ", None, None),
    ],
)
def test_reply_is_read_when_it_says(text: str, score: int | None, comment: str | None) -> None:
    reply = read_reply(text, Scale.NPS)
    assert (reply.score, reply.comment) == (score, comment)


@pytest.mark.parametrize(("text", "score"), [("6", None), ("5", 5), ("0", None), ("4/5", 4)])
def test_reply_has_no_score_when_it_is_off_the_scale(text: str, score: int | None) -> None:
    assert read_reply(text, Scale.CSAT).score == score


@pytest.mark.parametrize("text", ["5 stars", "5 Sterne!", "5 étoiles", "5 ⭐⭐⭐⭐⭐", "5/5"])
def test_stars_are_the_score_when_there_are_five(text: str) -> None:
    reply = read_reply(text, Scale.CSAT)
    assert (reply.score, reply.comment) == (5, None)


@pytest.mark.parametrize(
    ("text", "score", "comment"),
    [
        ("9", 9, None),
        ("9!", 9, None),
        ("9/10 by now", 9, "by now"),
        ("2 parcels came", None, "2 parcels came"),
        ("4 - the second one broke", None, "4 - the second one broke"),
    ],
)
def test_words_stay_words_when_they_answered_before(
    text: str, score: int | None, comment: str | None
) -> None:
    reply = read_reply(text, Scale.NPS, answered=True)
    assert (reply.score, reply.comment) == (score, comment)


@given(st.text(max_size=300))
def test_reply_is_read_without_a_fault_whatever_it_says(text: str) -> None:
    reply = read_reply(text, Scale.NPS)
    assert reply.score is None or reply.score in range(11)


def suspect(state: State = State.HELD) -> Suspect:
    return Suspect(
        quarantine_id="q1",
        invitation_id="i1",
        customer_id="c1",
        answer=Answer(score=3),
        reasons=(),
        answered_at=START,
        quarantined_at=START,
        client=b"me",
        state=state,
    )


@pytest.mark.parametrize(
    ("state", "to", "allowed"),
    [
        (State.HELD, State.RELEASED, True),
        (State.HELD, State.DISCARDED, True),
        (State.DISCARDED, State.RELEASED, True),
        (State.RELEASED, State.RELEASED, False),
        (State.RELEASED, State.DISCARDED, False),
        (State.DISCARDED, State.DISCARDED, False),
    ],
)
def test_suspect_moves_when_nobody_has_decided(state: State, to: State, allowed: bool) -> None:
    if allowed:
        move(suspect(state), to)
    else:
        with pytest.raises(AlreadyDecided):
            move(suspect(state), to)


@pytest.mark.parametrize(
    ("minutes", "gone", "allowed"), [(-1, False, True), (1, False, False), (1, True, True)]
)
def test_suspect_is_released_when_no_newer_answer_counts(
    minutes: int, gone: bool, allowed: bool
) -> None:
    held = Response(
        response_id="i1",
        revision=1,
        answer=Answer(score=9),
        alert_id=None,
        answered_at=START + timedelta(minutes=minutes),
        taken_back_at=START if gone else None,
    )
    may_release(suspect(), None)
    if allowed:
        may_release(suspect(), held)
    else:
        with pytest.raises(NewerAnswerCounts):
            may_release(suspect(), held)
