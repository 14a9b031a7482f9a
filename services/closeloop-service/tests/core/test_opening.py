"""What becomes of what a customer says: a task, a part of one, or a change of one."""

from dataclasses import replace

import pytest

from closeloop_service.domain import opening
from closeloop_service.domain.opening import Around
from closeloop_service.domain.task import Answer, TaskState
from heardback.testing.clock import START
from heardback.vocabulary import Category, Scale, SlaClock

from .cases import HOUR, a_task, heard, some_rules

RULES = some_rules()
NOW = START + HOUR
CLOSED = [TaskState.RESOLVED, TaskState.VERIFIED, TaskState.CANCELLED]
OPEN = [state for state in TaskState if state not in CLOSED]


def alert(said, **around):
    return opening.alert(said, Around(**around), RULES, NOW, new_id=lambda: "new")


def other(said, **around):
    return opening.other(said, Around(**around), RULES, NOW, new_id=lambda: "new")


def test_alert_opens_a_task_with_its_clocks_when_nobody_waits():
    decision = alert(heard())
    assert (decision.task.task_id, decision.task.state) == ("new", TaskState.OPEN)
    ((event_type, fields),) = decision.events
    event_type.payload.model_validate(fields)
    assert fields["first_response_due_at"] == START + 4 * HOUR
    assert {(t.kind, t.key) for t in decision.timers} == {
        (kind, f"new/{which}")
        for kind in ("sla_warning", "sla_breach")
        for which in (SlaClock.FIRST_RESPONSE, SlaClock.RESOLUTION)
    }


@pytest.mark.parametrize("state", OPEN)
def test_second_alert_joins_the_task_that_waits(state):
    task = a_task(state)
    decision = alert(heard(2, score=0), waiting=task)
    assert decision.task == replace(
        task, answer=heard(2, score=0).answer, answers=2, version=task.version + 1
    )
    assert [entry.what for entry in decision.entries] == ["joined"]
    assert [kind.family for kind, _ in decision.events] == ["task.joined"]


@pytest.mark.parametrize("state", [TaskState.RESOLVED, TaskState.VERIFIED])
def test_unhappy_answer_to_the_recovery_question_opens_the_task_again(state):
    task = a_task(state)
    decision = alert(heard(2), asked=task)
    assert decision.task.state is TaskState.REOPENED
    assert (decision.task.answer.response_id, decision.task.answers) == ("r2", 2)
    # Nothing is left open of what came of it: the fix did not help.
    known = ["task.verified"] if state is TaskState.RESOLVED else []
    assert [kind.family for kind, _ in decision.events] == [*known, "task.joined", "task.reopened"]


def test_answer_to_the_recovery_question_joins_what_waits_when_the_task_is_open_again():
    task = a_task(TaskState.REOPENED)
    decision = alert(heard(2), asked=task, waiting=task)
    assert [kind.family for kind, _ in decision.events] == ["task.joined"]


@pytest.mark.parametrize("state", CLOSED)
def test_new_alert_of_an_answer_opens_its_closed_task_again(state):
    decision = alert(heard(1, revision=2), known=a_task(state))
    assert decision.task.state is TaskState.REOPENED
    assert decision.task.answers == 1


@pytest.mark.parametrize("state", OPEN)
def test_alert_of_words_that_are_known_changes_nothing(state):
    assert alert(heard(1), known=a_task(state)) is None


@pytest.mark.parametrize("state", OPEN)
def test_revision_is_shown_on_the_task(state):
    decision = other(heard(1, revision=3, score=5), known=a_task(state))
    assert (decision.task.answer.score, decision.task.state) == (5, state)
    assert [entry.what for entry in decision.entries] == ["revised"]


def test_revision_for_the_better_keeps_the_task_and_says_what_to_do():
    said = heard(1, revision=2, score=9, category=Category.PROMOTER)
    decision = other(said, known=a_task(TaskState.ASSIGNED))
    assert decision.task.state is TaskState.ASSIGNED
    assert "thank them" in decision.entries[0].note


def test_task_that_was_cancelled_is_opened_again_when_its_detractor_answers_again():
    decision = other(heard(1, revision=2), known=a_task(TaskState.CANCELLED))
    assert decision.task.state is TaskState.REOPENED
    assert [entry.what for entry in decision.entries] == ["revised", "reopened"]


def test_revision_changes_nothing_when_the_task_shows_a_newer_answer():
    task = alert(heard(2), waiting=a_task()).task
    assert other(heard(1, revision=2, score=6), known=task) is None


def test_alert_opens_a_task_of_its_own_when_its_answer_had_opened_a_lighter_one():
    lighter = replace(a_task(), category=Category.PASSIVE)
    assert alert(heard(1, revision=2), known=lighter, active=lighter).task.task_id == "new"


@pytest.mark.parametrize(
    ("category", "score", "comment", "opens"),
    [
        (Category.PASSIVE, 7, "No dark mode.", True),
        (Category.PASSIVE, 7, None, False),
        (Category.PASSIVE, 7, "  ", False),
        (Category.PROMOTER, 10, "Lovely.", False),
    ],
)
def test_lighter_task_is_opened_when_the_playbook_says_so(category, score, comment, opens):
    decision = other(heard(category=category, score=score, comment=comment))
    assert (decision is not None) == opens


def test_answer_of_another_group_is_noted_on_the_task_that_waits():
    task = a_task(TaskState.ASSIGNED)
    decision = other(heard(2, category=Category.PASSIVE, score=7), active=task)
    assert decision.task == replace(task, version=task.version + 1)
    assert [entry.what for entry in decision.entries] == ["answered_elsewhere"]


def test_happy_answer_to_the_recovery_question_is_no_new_task():
    said = heard(2, category=Category.PASSIVE, score=8)
    assert other(said, asked=a_task(TaskState.RESOLVED)) is None


@pytest.mark.parametrize("state", list(TaskState))
def test_task_is_cancelled_when_its_only_answer_is_taken_back_before_the_contact(state):
    task = a_task(state)
    decision = opening.take_back(task, "r1", RULES, NOW)
    if task.active and task.contacted_at is None:
        assert decision.task.state is TaskState.CANCELLED
        assert decision.timers == ()
    else:
        assert decision.task.state is state
        assert [entry.what for entry in decision.entries] == ["taken_back"]


@pytest.mark.parametrize("response_id", ["r1", "r2"])
def test_task_stays_when_another_answer_is_left(response_id):
    task = alert(heard(2), waiting=a_task()).task
    decision = opening.take_back(task, response_id, RULES, NOW)
    assert decision.task.state is TaskState.OPEN
    assert len(decision.timers) == 4


def test_answer_on_another_scale_is_heard_as_well():
    answer = Answer(
        response_id="r", customer_id="c", revision=1, scale=Scale.CES, score=1, comment=None
    )
    assert alert(replace(heard(), answer=answer)).task.answer == answer
