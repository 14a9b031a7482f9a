"""What counts as an answer, and what an answer changes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heardback.testing.clock import START
from heardback.vocabulary import Category, Scale
from response_service.domain.answer import (
    LONGEST_COMMENT,
    Answer,
    Change,
    CommentTooLong,
    Decision,
    Response,
    Revision,
    ScoreMissing,
    decide,
    read_comment,
    read_drivers,
    read_score,
    take_back,
)


def held(
    score: int,
    comment: str | None = None,
    *,
    alerted: bool = False,
    client: bytes | None = b"me",
    gone: bool = False,
) -> Response:
    return Response(
        response_id="r1",
        revision=3,
        answer=Answer(score=score, comment=comment),
        alert_id="a1" if alerted else None,
        answered_at=START,
        client=client,
        taken_back_at=START if gone else None,
    )


@pytest.mark.parametrize(
    ("score", "category", "alert"),
    [
        (0, Category.DETRACTOR, True),
        (6, Category.DETRACTOR, True),
        (7, Category.PASSIVE, False),
        (8, Category.PASSIVE, False),
        (9, Category.PROMOTER, False),
        (10, Category.PROMOTER, False),
    ],
)
def test_first_answer_alerts_when_its_score_is(score: int, category: Category, alert: bool) -> None:
    answer = Answer(score=score)
    assert answer.category is category
    assert decide(None, answer) == Decision(change=Change.RECORDED, revision=1, alert=alert)


@pytest.mark.parametrize(
    ("before", "answer", "change", "revision", "alert"),
    [
        (held(9), Answer(score=9), Change.NONE, 3, False),
        (held(3), Answer(score=3), Change.NONE, 3, False),
        (held(9, "good"), Answer(score=9), Change.REVISED, 4, False),
        (held(9), Answer(score=9, comment="good"), Change.REVISED, 4, False),
        (held(7), Answer(score=6), Change.REVISED, 4, True),
        (held(7, alerted=True), Answer(score=6), Change.REVISED, 4, False),
        (held(3, alerted=True), Answer(score=10), Change.REVISED, 4, False),
        (held(3, alerted=True), Answer(score=2), Change.REVISED, 4, False),
    ],
)
def test_another_answer_changes_when_it_differs(
    before: Response, answer: Answer, change: Change, revision: int, alert: bool
) -> None:
    assert decide(before, answer, b"me") == Decision(change=change, revision=revision, alert=alert)


@pytest.mark.parametrize(
    ("before", "client", "change", "revision"),
    [
        (held(9), b"another", Change.CONFIRMED, 4),
        (held(9), None, Change.CONFIRMED, 4),
        (held(9, client=None), b"another", Change.NONE, 3),
        (held(9, gone=True), b"another", Change.RECORDED, 4),
        (held(2, gone=True, alerted=True), b"me", Change.RECORDED, 4),
    ],
)
def test_same_answer_changes_only_the_history_when_it_comes_from(
    before: Response, client: bytes | None, change: Change, revision: int
) -> None:
    expected = Decision(change=change, revision=revision, alert=False)
    assert decide(before, Answer(score=9), client) == expected


def test_owners_are_alerted_when_nobody_was_before_the_answer_was_taken_back() -> None:
    assert not decide(held(2, gone=True, alerted=True), Answer(score=1)).alert
    assert decide(held(9, gone=True), Answer(score=1)).alert


def revision(number: int, client: bytes | None, *, taken_back: bool = False) -> Revision:
    return Revision(
        revision=number,
        answer=Answer(score=number),
        client=client,
        answered_at=START,
        taken_back=taken_back,
    )


@pytest.mark.parametrize(
    ("clients", "gone", "restored"),
    [
        ([b"me"], (), 1),
        ([b"bot"], (1,), None),
        ([b"me", b"bot"], (2,), 1),
        ([b"bot", b"me"], (1,), 2),
        ([b"me", b"bot", b"pot", b"bot"], (2, 3, 4), 1),
        ([None, b"bot"], (2,), 1),
        ([b"bot", b"pot"], (1, 2), None),
    ],
)
def test_last_answer_of_a_person_stands_when_scanners_are_taken_back(
    clients: list[bytes | None], gone: tuple[int, ...], restored: int | None
) -> None:
    history = [revision(number, client) for number, client in enumerate(clients, 1)]
    taking = take_back(history, {b"bot", b"pot"}, since=START)
    assert taking.gone == gone
    assert (taking.restored.revision if taking.restored else None) == restored


def test_what_was_taken_back_stays_so_when_others_are_taken_back() -> None:
    history = [revision(1, b"old", taken_back=True), revision(2, b"bot")]
    taking = take_back(history, {b"bot"}, since=START)
    assert (taking.gone, taking.restored) == ((2,), None)


@pytest.mark.parametrize(
    ("scale", "first", "last"), [(Scale.NPS, 0, 10), (Scale.CSAT, 1, 5), (Scale.CES, 1, 7)]
)
def test_score_is_read_when_it_is_on_the_scale(scale: Scale, first: int, last: int) -> None:
    read = []
    for number in range(12):
        try:
            read.append(read_score(str(number), scale))
        except ScoreMissing:
            continue
    assert read == list(range(first, last + 1))


def test_drivers_are_read_when_they_are_asked_for_and_fit() -> None:
    form = {"support": "4", "price": "9", "other": "3", "speed": "", "look": 5, "feel": None}
    asked = ("support", "price", "speed", "look", "feel", "absent")
    assert read_drivers(form, asked) == {"support": 4, "look": 5}


@given(st.lists(st.integers(0, 10), min_size=1, max_size=12))
def test_owners_are_alerted_at_most_once_whatever_a_customer_answers(scores: list[int]) -> None:
    response: Response | None = None
    alerts = 0
    for score in scores:
        decision = decide(response, Answer(score=score))
        alerts += decision.alert
        alerted = decision.alert or (response is not None and response.alert_id is not None)
        response = Response(
            response_id="r1",
            revision=decision.revision,
            answer=Answer(score=score),
            alert_id="a1" if alerted else None,
            answered_at=START,
        )
    assert alerts == (min(scores) <= 6)


@pytest.mark.parametrize("text", [None, "", "11", "-1", "1.5", "٣", " 7", "07", "7\n", "NaN"])
def test_score_is_missing_when_the_text_is(text: str | None) -> None:
    with pytest.raises(ScoreMissing):
        read_score(text)


def test_score_is_read_when_it_is_from_0_to_10() -> None:
    assert [read_score(str(n)) for n in range(11)] == list(range(11))


@pytest.mark.parametrize(
    ("text", "comment"),
    [
        ("", None),
        (" \r\n ", None),
        ("a\r\nb\rc", "a\nb\nc"),
        ("nul\x00 bell\x07", "nul bell"),
        ("lone \ud83d surrogate", "lone  surrogate"),
        ("Großartig 🎈 שלום", "Großartig 🎈 שלום"),
        ("x" * LONGEST_COMMENT, "x" * LONGEST_COMMENT),
    ],
)
def test_comment_is_cleaned_when_it_is(text: str, comment: str | None) -> None:
    assert read_comment(text) == comment


def test_comment_is_refused_when_it_is_too_long() -> None:
    with pytest.raises(CommentTooLong) as refusal:
        read_comment("🎈" * (LONGEST_COMMENT + 2))
    assert refusal.value.excess == 2


@given(st.text(max_size=200))
def test_comment_stays_the_same_when_it_is_read_again(text: str) -> None:
    once = read_comment(text)
    assert read_comment(once or "") == once
