"""Commands that make no sense by the rules are refused, with what would."""

from datetime import timedelta

import pytest

from closeloop_service.domain.commands import (
    Compensate,
    Contact,
    Resolve,
    Step,
    Wait,
)
from closeloop_service.domain.errors import (
    CompensationUnknown,
    ContactChannelUnknown,
    RootCauseUnknown,
    StepUnknown,
    WaitOutOfBounds,
)
from closeloop_service.domain.moving import decide
from closeloop_service.domain.task import TaskState
from heardback.testing.clock import START
from heardback.vocabulary import SlaClock

from .cases import a_task, some_rules

RULES = some_rules()
FIRST, NEXT, RESOLUTION = SlaClock.FIRST_RESPONSE, SlaClock.NEXT_RESPONSE, SlaClock.RESOLUTION


@pytest.mark.parametrize(
    ("state", "command", "error", "known"),
    [
        ("contacted", Resolve(actor="A", root_cause="moon"), RootCauseUnknown, "late delivery"),
        ("open", Contact(actor="A", channel="pigeon"), ContactChannelUnknown, "phone"),
        ("open", Compensate(actor="A", kind="gold"), CompensationUnknown, "voucher"),
        ("open", Step(actor="A", step_id="dance"), StepUnknown, "listen"),
    ],
)
def test_word_is_refused_with_those_that_there_are_when_the_rules_have_no_such(
    state, command, error, known
):
    with pytest.raises(error) as refused:
        decide(a_task(TaskState(state)), command, RULES, START)
    assert known in refused.value.known


def test_message_that_was_sent_is_contact_whatever_words_the_playbooks_have():
    decide(a_task(), Contact(actor="Ana", channel="sms"), RULES, START)


@pytest.mark.parametrize(
    ("until", "is_fine"),
    [
        (None, True),
        (START, False),
        (START + timedelta(microseconds=1), True),
        (START + timedelta(days=7), True),
        (START + timedelta(days=7, microseconds=1), False),
    ],
)
def test_wait_is_bounded_by_now_and_the_policy(until, is_fine):
    task = a_task(TaskState.CONTACTED)
    wait = Wait(actor="Ana", until=until)
    if is_fine:
        decided = decide(task, wait, RULES, START)
        assert decided.task.wait_until == (until or START + timedelta(days=7))
        assert [t.kind for t in decided.timers] == ["wait_over"]
    else:
        with pytest.raises(WaitOutOfBounds):
            decide(task, wait, RULES, START)
