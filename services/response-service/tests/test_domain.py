"""What counts as an answer, and what an answer changes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heardback.testing.clock import START
from heardback.vocabulary import Category
from response_service.domain.answer import (
    LONGEST_COMMENT,
    Answer,
    Change,
    CommentTooLong,
    Decision,
    Response,
    ScoreMissing,
    decide,
    read_comment,
    read_score,
)
from response_service.domain.survey import NPS, interaction, survey_of


def held(score: int, comment: str | None = None, *, alerted: bool = False) -> Response:
    return Response(
        response_id="r1",
        revision=3,
        answer=Answer(score=score, comment=comment),
        alert_id="a1" if alerted else None,
        answered_at=START,
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
    assert decide(before, answer) == Decision(change=change, revision=revision, alert=alert)


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


def test_survey_has_words_for_each_category_when_asked() -> None:
    assert set(NPS.follow_ups) == set(NPS.thanks) == set(Category)
    assert survey_of("nps") is NPS
    assert interaction("delivery-confirmed") == "your delivery confirmed"
