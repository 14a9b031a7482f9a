"""What becomes of an answer: it opens a task, joins one, reopens one, or is shown as it is now."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from closeloop_service.domain.clock import ClockState
from closeloop_service.domain.commands import Cancel, Reopen, Verify
from closeloop_service.domain.decision import Decision, Said, changed, joined, say
from closeloop_service.domain.history import Entry
from closeloop_service.domain.moving import decide
from closeloop_service.domain.planning import plan, timers_of
from closeloop_service.domain.rules import AlertKind, Opens, Rules
from closeloop_service.domain.task import Answer, Task, TaskState
from closeloop_service.domain.telling import about
from heardback.contracts import registry
from heardback.contracts.payloads import Recipient
from heardback.vocabulary import Category, Channel, Outcome, SlaClock

_THANK: Final = "They think better of it now; thank them, and ask what changed it."


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """What a customer said, and what is known of them: all that a task is made of.

    `alert_id`: the alert's, or the response's where no alert was raised. `heard_at`: since then
    they wait.
    """

    alert_id: str
    category: Category
    answer: Answer
    program_id: str
    touchpoint: str
    segment: str | None
    locale: str | None
    value: float | None
    recipient: Recipient
    invitation_id: str | None
    channel: Channel | None
    heard_at: datetime
    traceparent: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Around:
    """The customer's tasks that an answer may be a matter of.

    `known`: the one that the answer opened or joined; `asked`: the one whose recovery question it
    answers; `waiting`: a detractor's that is active; `active`: any that is.
    """

    known: Task | None = None
    asked: Task | None = None
    waiting: Task | None = None
    active: Task | None = None


def alert(
    heard: Heard, around: Around, rules: Rules, now: datetime, *, new_id: Callable[[], str]
) -> Decision | None:
    """Return what a detractor's alert does that was not heard before; None: nothing new."""
    known = around.known
    if known is not None and known.category is Category.DETRACTOR:
        if known.active and known.answer.response_id != heard.answer.response_id:
            return _join(known, heard, now)
        if known.active:
            return answer_again(known, heard.answer, rules, now, category=heard.category)
        return _answer_reopens(known, heard, rules, now, joins=False)
    if around.asked is not None and not around.asked.active:
        return _answer_reopens(around.asked, heard, rules, now, joins=True)
    if around.waiting is not None:
        return _join(around.waiting, heard, now)
    return open_task(new_id(), heard, rules, now)


def other(
    heard: Heard, around: Around, rules: Rules, now: datetime, *, new_id: Callable[[], str]
) -> Decision | None:
    """Return what another answer does; None: nothing.

    Passives' and promoters' open lighter tasks where their playbooks say so.
    """
    if around.known is not None:
        return answer_again(around.known, heard.answer, rules, now, category=heard.category)
    # What a recovery question says is the matter of its own task.
    if around.asked is not None or not _opens(heard, rules):
        return None
    if around.active is not None:
        details = {"score": heard.answer.score, "response_id": heard.answer.response_id}
        note = heard.answer.comment or ""
        entry = Entry(what="answered_elsewhere", note=note, details=details)
        return Decision(task=changed(around.active), entries=(entry,))
    return open_task(new_id(), heard, rules, now)


def answer_again(
    task: Task, answer: Answer, rules: Rules, now: datetime, *, category: Category
) -> Decision | None:
    """Show the newer answer on the task; None: it is not newer, or not the one that it shows.

    A task stays, whatever they think now. One that was cancelled is opened again for a detractor:
    it was taken for none.
    """
    if answer.response_id != task.answer.response_id or answer.revision <= task.answer.revision:
        return None
    details = {"score": answer.score, "before": task.answer.score}
    better = category is not Category.DETRACTOR and task.category is Category.DETRACTOR
    note = _THANK if better else ""
    shown = replace(task, answer=answer)
    entry = Entry(what="revised", note=note, details=details)
    if task.state is TaskState.CANCELLED and category is Category.DETRACTOR:
        reopened = decide(shown, Reopen(reason="the customer answered again"), rules, now)
        return replace(reopened, entries=(entry, *reopened.entries))
    return Decision(task=changed(shown), entries=(entry,))


def take_back(task: Task, response_id: str, rules: Rules, now: datetime) -> Decision:
    """Return the task after an answer that counts no more; nothing else may be left of it."""
    only = task.answers == 1 and task.answer.response_id == response_id
    if task.active and only and task.contacted_at is None:
        return decide(task, Cancel(reason="the answer was taken back"), rules, now)
    entry = Entry(what="taken_back", details={"response_id": response_id})
    return Decision(task=changed(task), entries=(entry,), timers=timers_of(task, rules))


def open_task(task_id: str, heard: Heard, rules: Rules, now: datetime) -> Decision:
    """Open a task. Its clocks run from when it was heard: the customer waits since then."""
    opened_at = min(heard.heard_at, now)
    clock = ClockState(started_at=opened_at)
    planned = plan(_new(task_id, heard, opened_at, clock), rules)
    answer = planned.answer
    opened = say(
        planned,
        registry.TASK_OPENED,
        opened_at,
        alert_id=planned.alert_id,
        score=answer.score,
        policy_id=planned.policy_id,
        first_response_due_at=planned.clocks[SlaClock.FIRST_RESPONSE].due_at,
        resolution_due_at=planned.clocks[SlaClock.RESOLUTION].due_at,
    )
    alert = about(
        planned,
        AlertKind.OPENED,
        f"opened/{task_id}",
        title="Somebody waits to be heard back",
        due_at=planned.due_at,
    )
    details = {"score": answer.score, "policy": planned.policy_id}
    return Decision(
        task=planned,
        entries=(Entry(what="opened", details=details),),
        events=(opened,),
        alerts=(alert,),
        timers=timers_of(planned, rules),
    )


def _join(task: Task, heard: Heard, now: datetime) -> Decision:
    after = changed(task, answer=heard.answer, answers=task.answers + 1)
    entry, event = _joined(after, heard, now)
    return Decision(task=after, entries=(entry,), events=(event,))


def _answer_reopens(
    task: Task, heard: Heard, rules: Rules, now: datetime, *, joins: bool
) -> Decision:
    """Open the task again; if nothing was known yet of what came of it, now it is."""
    shown = replace(task, answer=heard.answer, answers=task.answers + joins)
    verified = []
    if task.state is TaskState.RESOLVED:
        still = Verify(outcome=Outcome.UNCHANGED, score=heard.answer.score)
        verified = [decide(shown, still, rules, now)]
        shown = verified[0].task
    why = Reopen(reason="the customer is still unhappy")
    reopened = decide(shown, why, rules, now)
    if joins:
        entry, event = _joined(reopened.task, heard, now)
        entries, events = (entry, *reopened.entries), (event, *reopened.events)
        reopened = replace(reopened, entries=entries, events=events)
    return joined([*verified, reopened])


def _joined(task: Task, heard: Heard, now: datetime) -> tuple[Entry, Said]:
    answer = heard.answer
    facts = {"alert_id": heard.alert_id, "response_id": answer.response_id, "score": answer.score}
    entry = Entry(what="joined", note=answer.comment or "", details=facts)
    return entry, say(task, registry.TASK_JOINED, now, **facts)


def _opens(heard: Heard, rules: Rules) -> bool:
    playbook = rules.playbooks.by_category.get(heard.category)
    if playbook is None:
        return False
    if playbook.opens is Opens.COMMENTED:
        return bool((heard.answer.comment or "").strip())
    return playbook.opens is Opens.ALWAYS


def _new(task_id: str, heard: Heard, opened_at: datetime, clock: ClockState) -> Task:
    return Task(
        task_id=task_id,
        alert_id=heard.alert_id,
        category=heard.category,
        customer_id=heard.answer.customer_id,
        program_id=heard.program_id,
        touchpoint=heard.touchpoint,
        segment=heard.segment,
        locale=heard.locale,
        value=heard.value,
        recipient=heard.recipient,
        invitation_id=heard.invitation_id,
        channel=heard.channel,
        answer=heard.answer,
        answers=1,
        state=TaskState.OPEN,
        owner=None,
        team=None,
        unrouted=None,
        opened_at=opened_at,
        acknowledged_at=None,
        contacted_at=None,
        resolved_at=None,
        clocks={SlaClock.FIRST_RESPONSE: clock, SlaClock.RESOLUTION: clock},
        pauses=(),
        wait_until=None,
        policy_id="",
        rules_version=0,
        escalation_level=0,
        steps_done=frozenset(),
        root_cause=None,
        resolutions=0,
        outcome=None,
        version=1,
        traceparent=heard.traceparent,
    )
