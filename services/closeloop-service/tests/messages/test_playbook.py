"""What an owner should do next."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from closeloop_service.domain.clock import ClockState
from closeloop_service.domain.playbook import Since, next_action, progress, steps_after
from closeloop_service.domain.rules import Opens, Playbook, Step
from closeloop_service.domain.task import Move, Task, TaskState
from closeloop_service.domain.writing import Message, MessageState
from heardback.testing.clock import START
from heardback.vocabulary import Category, SlaClock

from .tasks import a_task

PLAYBOOKS = {
    Category.DETRACTOR: ("acknowledge", "listen", "act", "follow_up"),
    Category.PASSIVE: ("ask", "help", "roadmap"),
    Category.PROMOTER: ("thank", "review", "referral"),
}
MOVES = {"acknowledge": Move.ACKNOWLEDGE, "listen": Move.CONTACT, "follow_up": Move.RESOLVE}
SPECIAL = {
    "answer",
    "call_now",
    "contact_anew",
    "ask_again",
    "thank",
    "thank_and_close",
    "contact",
    "close",
    "reach_another_way",
}


def playbook(category: Category = Category.DETRACTOR) -> Playbook:
    steps = tuple(
        Step(step_id=name, title=name, done_by=MOVES.get(name)) for name in PLAYBOOKS[category]
    )
    return Playbook(category=category, opens=Opens.ALWAYS, steps=steps, templates={})


def next_id(task: Task, category: Category = Category.DETRACTOR, **options: Any) -> str | None:
    step = next_action(task, playbook(category), START, **options)
    return None if step is None else step.step_id


@pytest.mark.parametrize("category", Category)
def test_first_step_of_the_group_comes_first(category: Category) -> None:
    score = {"detractor": 2, "passive": 7, "promoter": 10}[category.value]
    task = a_task(category=category, score=score)
    assert next_id(task, category) == PLAYBOOKS[category][0]


def test_steps_follow_each_other_as_they_are_done() -> None:
    task = a_task(state=TaskState.CONTACTED, contacted_at=START)
    seen = []
    for step in PLAYBOOKS[Category.DETRACTOR]:
        seen.append(next_id(task))
        task = replace(task, steps_done=task.steps_done | {step})
    assert seen == list(PLAYBOOKS[Category.DETRACTOR])
    assert next_id(task) == "close"
    assert next_id(replace(task, state=TaskState.ACKNOWLEDGED)) == "contact"


def test_step_is_done_by_its_move_or_ticked_off() -> None:
    task = a_task(steps_done=frozenset({"act"}))
    assert [done for _, done in progress(task, playbook())] == [False, False, True, False]
    done = steps_after(task, playbook(), Move.CONTACT)
    assert done == {"act", "listen"}
    assert steps_after(task, None, Move.CONTACT) == {"act"}


def test_task_that_opens_again_keeps_what_was_ticked_off_only() -> None:
    everything = frozenset(PLAYBOOKS[Category.DETRACTOR])
    task = a_task(state=TaskState.REOPENED, steps_done=everything)
    assert steps_after(task, playbook(), Move.REOPEN) == {"act"}
    assert steps_after(task, playbook(), Move.REPLY) == {"act"}
    assert steps_after(task, playbook(), Move.NOTE) == everything


def test_customer_who_wrote_back_comes_before_the_playbook() -> None:
    clocks = {SlaClock.NEXT_RESPONSE: ClockState(started_at=START)}
    task = a_task(state=TaskState.CONTACTED, contacted_at=START, clocks=clocks)
    assert next_id(task) == "answer"
    stopped = {SlaClock.NEXT_RESPONSE: ClockState(started_at=START, stopped_at=START)}
    assert next_id(replace(task, clocks=stopped)) == "acknowledge"


def test_customer_who_was_never_contacted_in_time_is_called_now() -> None:
    late = ClockState(started_at=START, due_at=START, breached=True)
    assert next_id(a_task(clocks={SlaClock.FIRST_RESPONSE: late})) == "call_now"
    in_touch = replace(late, stopped_at=START)
    assert next_id(a_task(clocks={SlaClock.FIRST_RESPONSE: in_touch})) == "acknowledge"


def test_message_that_did_not_arrive_says_what_to_do_instead() -> None:
    message = Message(
        follow_up_id="f1",
        task_id="t1",
        customer_id="c1",
        actor="Ana",
        template_id=None,
        subject=None,
        text="Sorry!",
        requested_at=START,
        state=MessageState.FAILED,
        reason="suppressed",
        settled_at=START,
    )
    step = next_action(a_task(), playbook(), START, since=Since(undelivered=message))
    assert step is not None
    assert step.step_id == "reach_another_way"
    assert "asked for no more messages" in step.advice


def test_nothing_is_to_be_done_while_it_is_the_customers_turn() -> None:
    later = START + timedelta(hours=1)
    waiting = a_task(state=TaskState.WAITING, contacted_at=START, wait_until=later)
    assert next_id(waiting) is None
    assert next_id(replace(waiting, wait_until=START)) == "ask_again"
    over = replace(waiting, state=TaskState.CONTACTED, wait_until=None)
    assert next_id(over, since=Since(wait_ran_out=True)) == "ask_again"


def test_customer_who_raised_the_score_is_thanked() -> None:
    assert next_id(a_task(score=8)) == "thank"
    assert next_id(a_task(score=9, state=TaskState.CONTACTED)) == "thank_and_close"
    assert next_id(a_task(score=6)) == "acknowledge"
    assert next_id(a_task(category=Category.PASSIVE, score=3), Category.PASSIVE) == "ask"


def test_task_that_opened_again_begins_with_a_new_contact() -> None:
    assert next_id(a_task(state=TaskState.REOPENED)) == "contact_anew"


@pytest.mark.parametrize("state", [TaskState.RESOLVED, TaskState.VERIFIED, TaskState.CANCELLED])
def test_nothing_is_to_be_done_once_it_is_closed(state: TaskState) -> None:
    late = ClockState(started_at=START, due_at=START, breached=True)
    assert next_id(a_task(state=state, clocks={SlaClock.FIRST_RESPONSE: late})) is None


@given(
    state=st.sampled_from(TaskState),
    score=st.integers(0, 10),
    done=st.frozensets(st.sampled_from(PLAYBOOKS[Category.DETRACTOR])),
    breached=st.booleans(),
    replied=st.booleans(),
)
def test_open_task_always_has_something_to_do(
    state: TaskState, score: int, done: frozenset[str], breached: bool, replied: bool
) -> None:
    clocks = {
        SlaClock.FIRST_RESPONSE: ClockState(started_at=START, due_at=START, breached=breached)
    }
    if replied:
        clocks[SlaClock.NEXT_RESPONSE] = ClockState(started_at=START)
    task = a_task(state=state, score=score, steps_done=done, clocks=clocks)
    step = next_action(task, playbook(), START)
    if not task.active:
        assert step is None
    elif task.state is not TaskState.WAITING:
        assert step is not None
        assert step.title
        own = step.step_id in PLAYBOOKS[Category.DETRACTOR]
        assert own != (step.step_id in SPECIAL)
        assert own or step.done_by is not None
