"""What owners write to customers: from a template to words, and what became of a message."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from closeloop_service.domain.errors import MessageInvalid, NoConversation, TemplateUnknown
from closeloop_service.domain.rules import MessageTemplate, Playbook
from closeloop_service.domain.task import Task
from closeloop_service.domain.ticket import cleaned
from heardback.locales import chain
from heardback.templating import Template, Vocabulary, compile_template
from heardback.vocabulary import Channel

VARIABLES: Final = {
    "company": "in whose name you write",
    "customer.name": "what to call the customer; may be empty",
    "owner": "who writes",
    "touchpoint": "what happened, by its name, such as purchase",
    "score": "what the customer gave",
    "comment": "what the customer said, in their words; may be empty",
    "root_cause": "what caused it, once somebody said; may be empty",
}
"""Every variable of a message, and what it says."""
LONGEST_SUBJECT: Final = 200
LONGEST_TEXT: Final = 10_000
"""Characters; as the contract of `follow_up.requested` has them."""
SETTLED_WITHIN: Final = timedelta(days=1)
"""A message of which nothing is heard for so long is shown as one to ask about."""

_LONGEST_QUOTE: Final = 500
_CONSTANT: Final = frozenset({"company"})
_SUBJECT: Final = Vocabulary(variables=VARIABLES, constant=_CONSTANT)
_TEXT: Final = Vocabulary(variables=VARIABLES, constant=_CONSTANT, has_lines=True)
_WITHOUT_CONVERSATION: Final = frozenset({Channel.DIRECT, Channel.WEBHOOK})


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """A message in words. No subject: the channel has none, or says its own."""

    subject: str | None
    text: str


class MessageState(StrEnum):
    """How far a message came."""

    REQUESTED = "requested"
    SENT = "sent"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """What somebody wrote to a task's customer. `reason`: why it failed, as dispatch said it."""

    follow_up_id: str
    task_id: str
    customer_id: str
    actor: str
    template_id: str | None
    subject: str | None
    text: str
    requested_at: datetime
    state: MessageState = MessageState.REQUESTED
    reason: str | None = None
    settled_at: datetime | None = None

    @property
    def why(self) -> str | None:
        """Why it failed and what to do, in words; None: it did not."""
        return None if self.state is not MessageState.FAILED else say_failure(self.reason)

    def is_unheard_of(self, now: datetime) -> bool:
        """Tell whether nothing was heard of it for so long that somebody should ask."""
        waits = self.state is MessageState.REQUESTED
        return waits and now >= self.requested_at + SETTLED_WITHIN

    def trouble(self, now: datetime) -> str | None:
        """Return what went wrong with it and what to do, in words; None: nothing did so far."""
        return _UNHEARD_OF if self.is_unheard_of(now) else self.why


def sent(message: Message, at: datetime) -> Message:
    """Return the message after a provider took it; the same when that is no news.

    What failed stays so: a provider may take a message first and tell later that it bounced.
    """
    if message.state is not MessageState.REQUESTED:
        return message
    return replace(message, state=MessageState.SENT, settled_at=at)


def failed(message: Message, at: datetime, reason: str) -> Message:
    """Return the message after it failed, before or after a provider took it; only once."""
    if message.state is MessageState.FAILED:
        return message
    return replace(message, state=MessageState.FAILED, reason=reason, settled_at=at)


def say_failure(reason: str | None) -> str:
    """Return why a message did not reach the customer and what to do, in words.

    `reason` is dispatch's: a word of its own, or what the provider said.
    """
    known = _FAILURES.get(reason or "")
    if known is not None:
        return known
    # It goes where alerts go, and providers like to name the address.
    said = f" The provider said: {cleaned(reason, None)}" if reason else ""
    return f"The customer's address refused it. Phone them, then log the contact.{said}"


def subject_template(source: str) -> Template:
    """Return the template of a subject, which is one line.

    Raises: BadTemplate, with what to do.
    """
    return compile_template(source, _SUBJECT)


def text_template(source: str) -> Template:
    """Return the template of a message's text, which has lines.

    Raises: BadTemplate, with what to do.
    """
    return compile_template(source, _TEXT)


def render(
    template: MessageTemplate,
    task: Task,
    *,
    owner: str,
    company: str = "",
    locale: str | None = None,
) -> Written:
    """Return what a template says to a task's customer, for its owner to read before it is sent.

    `locale`: the one to write in; else the customer's, as near as the template has it.
    """
    subject, text = template.texts[locale_of(template, locale or task.locale)]
    words = words_of(task, owner=owner, company=company)
    rendered = subject_template(subject).render(words)[:LONGEST_SUBJECT]
    return Written(subject=rendered or None, text=text_template(text).render(words))


def draft(
    task: Task, playbook: Playbook | None, template_id: str, *, owner: str, company: str = ""
) -> Written:
    """Return what one of the playbook's templates says to a task's customer.

    Raises: TemplateUnknown, with those that there are.
    """
    templates = playbook.templates if playbook else {}
    if template_id not in templates:
        raise TemplateUnknown(template_id=template_id, known=list(templates))
    return render(templates[template_id], task, owner=owner, company=company)


def locale_of(template: MessageTemplate, locale: str | None) -> str:
    """Return the locale in which a template is closest to that one: its own, English, the first."""
    wanted = (*chain(locale), "en")
    return next((one for one in wanted if one in template.texts), next(iter(template.texts)))


def words_of(task: Task, *, owner: str, company: str) -> Mapping[str, Any]:
    """Return what the variables of a message stand for; what is not known is None.

    To Liquid an empty text is true: `{% if comment %}` asks whether there is one.
    """
    return {
        "company": company or None,
        "customer": {"name": task.recipient.name or None},
        "owner": owner,
        "touchpoint": task.touchpoint,
        "score": str(task.answer.score),
        "comment": (task.answer.comment or "")[:_LONGEST_QUOTE] or None,
        "root_cause": task.root_cause or None,
    }


def check_message(task: Task, written: Written) -> None:
    """Refuse what can't be sent.

    Raises: NoConversation, MessageInvalid; both say what to do instead.
    """
    if not has_conversation(task):
        raise NoConversation(task_id=task.task_id)
    errors = []
    if not written.text.strip():
        errors.append({"field": "text", "message": "write what you want to say"})
    for field, value, longest in (
        ("text", written.text, LONGEST_TEXT),
        ("subject", written.subject or "", LONGEST_SUBJECT),
    ):
        if len(value) > longest:
            message = f"write at most {longest:,} characters; these are {len(value):,}"
            errors.append({"field": field, "message": message})
        if "\0" in value:
            errors.append({"field": field, "message": "there is a character in it to delete"})
    if errors:
        raise MessageInvalid(errors=errors)


def has_conversation(task: Task) -> bool:
    """Tell whether the customer can be written to where they were asked."""
    return task.invitation_id is not None and task.channel not in {None, *_WITHOUT_CONVERSATION}


_UNHEARD_OF: Final = (
    "Nothing was heard of it for a day. It may still arrive; do not count on it, and phone them."
)
_CALL: Final = "Phone them, then log the contact."
_FAILURES: Final[Mapping[str, str]] = {
    "no_channel": f"No channel of this conversation reaches the customer any more. {_CALL}",
    "unknown_invitation": f"The conversation is not known to dispatch any more. {_CALL}",
    "no_address": f"There is no address to send it to. {_CALL}",
    "too_late": f"It could not be sent in time, so it was not sent at all. {_CALL}",
    "suppressed": (
        "The address bounced, complained or asked for no more messages, so nothing is sent to it. "
        "Reach the customer another way that they agreed to, then log the contact."
    ),
    "cancelled": f"It was cancelled before it was sent. {_CALL}",
}
"""By dispatch's reasons not to send a follow-up. Others are a provider's own words."""
