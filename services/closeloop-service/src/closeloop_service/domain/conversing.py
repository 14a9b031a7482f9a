"""What dispatch tells of a task's conversation: a message went out or failed, a customer replied.

It may come late, twice, or after the task has moved on; each case has its outcome here.
"""

import re
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from closeloop_service.domain.commands import Contact, Reply
from closeloop_service.domain.decision import Decision, changed
from closeloop_service.domain.history import Entry
from closeloop_service.domain.moving import decide
from closeloop_service.domain.rules import AlertKind, Rules
from closeloop_service.domain.task import TRANSITIONS, Move, Task, TaskState
from closeloop_service.domain.telling import about
from closeloop_service.domain.writing import Message
from heardback.contracts.payloads import FollowUpSent, ReplyReceived
from heardback.vocabulary import SlaClock

_CLOSED: Final = frozenset({TaskState.RESOLVED, TaskState.VERIFIED})
# Once answered, a number counts where nothing follows; before, where it begins.
_ONLY_A_SCORE: Final = re.compile(r"\W*\d{1,2}(?:\s*/\s*\d{1,2})?\W*")
_BEGINS_WITH_A_SCORE: Final = re.compile(r"\W*\d.*", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """The task that a conversation is about. `asked_again`: it is the recovery question's."""

    task_id: str
    asked_again: bool = False


def on_sent(
    task: Task, message: Message, sent: FollowUpSent, rules: Rules, now: datetime
) -> Decision:
    """Return the task after a provider took a message: it is contact, from when it was sent.

    Not when the task is closed by now, nor when the customer has written since: then it only goes
    down in the history.
    """
    details = {"follow_up_id": message.follow_up_id, "channel": sent.channel}
    awaited = task.clocks.get(SlaClock.NEXT_RESPONSE)
    is_older = (
        awaited is not None and awaited.stopped_at is None and sent.sent_at < awaited.started_at
    )
    if is_older or (task.state, Move.CONTACT) not in TRANSITIONS:
        return _noted(task, Entry(what="message_sent", actor=message.actor, details=details))
    command = Contact(actor=message.actor, channel=sent.channel.value, at=sent.sent_at)
    return _detailed(decide(task, command, rules, now), "contacted", details)


def on_failed(task: Task, message: Message) -> Decision:
    """Return the task after its message failed: its owner is told, in whatever state it is.

    A contact that it counted as stays one: the clock stopped when a provider took it.
    """
    details = {"follow_up_id": message.follow_up_id, "reason": message.reason}
    why = message.why or ""
    noted = _noted(task, Entry(what="message_failed", note=why, details=details))
    alert = about(
        noted.task,
        AlertKind.MESSAGE_FAILED,
        f"message_failed/{message.follow_up_id}",
        title="A message did not reach the customer",
        note=why,
    )
    told = replace(alert, people=(task.owner or message.actor,))
    return replace(noted, alerts=(told,))


def on_reply(
    task: Task, reply: ReplyReceived, subject: About, rules: Rules, now: datetime
) -> Decision | None:
    """Return the task after its customer wrote; None: it is what opened the task.

    Whoever was not contacted yet, or only gives a score, answers the survey: that is the answer's
    matter, and goes down in the history here.
    """
    if reply.received_at <= task.opened_at:
        return None
    details = {"channel": reply.channel, "reply_id": reply.reply_id}
    is_answer = task.state in _CLOSED and _is_score(reply.text, subject)
    can_reply = (task.state, Move.REPLY) in TRANSITIONS
    if task.contacted_at is None or is_answer or not can_reply:
        return _noted(task, Entry(what="replied", note=reply.text, details=details))
    command = Reply(channel=reply.channel.value, text=reply.text)
    return _detailed(decide(task, command, rules, now), "replied", details)


def _is_score(text: str, subject: About) -> bool:
    pattern = _BEGINS_WITH_A_SCORE if subject.asked_again else _ONLY_A_SCORE
    return pattern.fullmatch(text) is not None


def _noted(task: Task, entry: Entry) -> Decision:
    return Decision(task=changed(task), entries=(entry,))


def _detailed(decision: Decision, what: str, details: dict[str, Any]) -> Decision:
    entries = tuple(
        replace(entry, details={**entry.details, **details}) if entry.what == what else entry
        for entry in decision.entries
    )
    return replace(decision, entries=entries)
