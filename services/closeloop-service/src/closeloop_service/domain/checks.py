"""Whether a command says what is needed, by the rules in force."""

from collections.abc import Sequence
from datetime import datetime

from closeloop_service.domain.commands import (
    Assign,
    Command,
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
    TaskTaken,
    WaitOutOfBounds,
)
from closeloop_service.domain.planning import policy_of
from closeloop_service.domain.rules import Playbooks, Rules, SlaPolicy
from closeloop_service.domain.task import Task
from heardback.vocabulary import Channel


def check(task: Task, command: Command, rules: Rules, now: datetime, *, knowingly: bool) -> None:
    """Refuse a command that makes no sense for the task. `knowingly`: it names the version.

    Raises: TaskTaken, RootCauseUnknown, ContactChannelUnknown, CompensationUnknown, StepUnknown,
    WaitOutOfBounds.
    """
    match command:
        case Assign(actor=actor, owner=owner):
            taken = task.owner is not None and task.owner != owner
            if taken and actor == owner and not knowingly:
                raise TaskTaken(task_id=task.task_id, owner=task.owner)
        case Step(step_id=step_id):
            _check_step(task, step_id, rules)
        case Wait(until=until):
            _check_wait(until, policy_of(task, rules), now)
        case Contact() | Resolve() | Compensate():
            _check_word(command, rules.playbooks)
        case _:
            pass


def longest_wait(policy: SlaPolicy, now: datetime) -> datetime | None:
    """Return until when a wait may last that begins now; None: no bound."""
    return None if policy.pause_at_most is None else now + policy.pause_at_most


def _check_step(task: Task, step_id: str, rules: Rules) -> None:
    playbook = rules.playbooks.by_category.get(task.category)
    known = [step.step_id for step in playbook.steps] if playbook else []
    if step_id not in known:
        raise StepUnknown(step_id=step_id, known=known)


def _check_wait(until: datetime | None, policy: SlaPolicy, now: datetime) -> None:
    latest_at = longest_wait(policy, now)
    if until is None:
        return
    if until <= now or (latest_at is not None and until > latest_at):
        raise WaitOutOfBounds(until=until, latest_at=latest_at)


def _check_word(command: Contact | Resolve | Compensate, playbooks: Playbooks) -> None:
    match command:
        case Contact(channel=channel):
            # A message that was sent is contact too, whatever else the playbooks name.
            if channel not in tuple(Channel) and _unknown(channel, playbooks.contact_channels):
                raise ContactChannelUnknown(channel=channel, known=[*playbooks.contact_channels])
        case Resolve(root_cause=root_cause):
            if _unknown(root_cause, playbooks.root_causes):
                raise RootCauseUnknown(root_cause=root_cause, known=[*playbooks.root_causes])
        case Compensate(kind=kind):
            if _unknown(kind, playbooks.compensations):
                raise CompensationUnknown(kind=kind, known=[*playbooks.compensations])


def _unknown(word: str, known: Sequence[str]) -> bool:
    """Tell whether a word is none of those to choose from; where there are none, any will do."""
    return bool(known) and word not in known
