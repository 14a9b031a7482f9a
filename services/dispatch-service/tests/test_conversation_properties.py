"""Whatever happens in whatever order: nobody is nagged, and every conversation ends."""

import random
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from dispatch_service.domain.conversation import (
    Move,
    Step,
    WaitingFor,
    answered,
    fall_back,
    lose,
    opened,
    remind,
    taken,
    timers_after,
    way_out,
)
from dispatch_service.domain.invitation import FINAL, DropReason, Invitation, InvitationState
from dispatch_service.domain.message import Kind, Message
from dispatch_service.domain.planning import plan
from dispatch_service.domain.suppression import Reason, Suppression
from dispatch_service.domain.turn import SEND, Dropped, Due, PutOff, after_drop, turn
from heardback.testing.clock import START
from heardback.vocabulary import Channel

from .conversation_builders import an_invitation

CHANNELS: Final = (Channel.EMAIL, Channel.SMS, Channel.IN_APP)
BETA: Final = random.Random(1).betavariate


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    message: Message
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    message: Message
    then: Invitation


class Conversation(RuleBasedStateMachine):
    """A world with one customer: what the database, the loops and the provider would do."""

    invitation: Invitation

    @initialize(
        channels=st.lists(st.sampled_from(CHANNELS), min_size=1, unique=True).map(tuple),
        reminders=st.integers(0, 3),
        days=st.integers(1, 4),
        fallback=st.one_of(st.none(), st.integers(1, 5)),
    )
    def begin(
        self, channels: tuple[Channel, ...], reminders: int, days: int, fallback: int | None
    ) -> None:
        asked = an_invitation(
            channels=channels,
            reminders=reminders,
            reminder_after_seconds=days * 86_400,
            fallback_after_seconds=fallback and fallback * 86_400,
        )
        made = plan(asked, open_channels=CHANNELS, records={}, beta=BETA)
        assert made.message is not None
        self.now = START
        self.invitation = made.invitation
        self.queue: dict[str, Message] = {made.message.message_id: made.message}
        self.wire: dict[str, Begun] = {}
        self.said: list[Said] = []
        self.timers: dict[WaitingFor, datetime] = {}
        self.bounced: set[str] = set()
        self.known = {made.message.message_id}

    def follow(self, step: Step) -> None:
        """Do what `moves.save_steps` does."""
        self.invitation = step.invitation
        opens = step.message is not None and step.message.kind is Kind.INVITATION
        if opens or step.invitation.state in FINAL:
            self.timers.clear()
        if step.message is not None:
            assert step.message.message_id not in self.known, "an id is used once"
            self.known.add(step.message.message_id)
            self.queue[step.message.message_id] = step.message

    @rule(stopped=st.sampled_from([None, Channel.EMAIL, Channel.SMS]))
    def claim(self, stopped: Channel | None) -> None:
        entries = []
        if stopped is not None:
            address = {Channel.EMAIL: "ada@example.com", Channel.SMS: "+12025550123"}[stopped]
            entries = [Suppression(address=address, reason=Reason.BOUNCE, suppressed_at=START)]
        for message in list(self.queue.values()):
            due = Due(message=message, invitation=self.invitation)
            verdict = turn(due, now=self.now, suppressions=entries, has_survey=True)
            assert not isinstance(verdict, PutOff)
            del self.queue[message.message_id]
            if verdict is SEND:
                self._begin(message)
            elif isinstance(verdict, Dropped):
                self.follow(after_drop(message, self.invitation, verdict))

    def _begin(self, message: Message) -> None:
        then, key = self.invitation, message.message_id
        assert then.answered_at is None, f"{key} is begun after the answer"
        assert then.way_out_seen_at is None, f"{key} is begun after the way out was seen"
        assert then.state not in FINAL, f"{key} is begun after the end"
        assert message.channel is then.channel, f"{key} is begun in an old channel"
        assert self.now < message.deadline_at, f"{key} is begun too late"
        self.wire[key] = Begun(message=message, then=then)

    @rule(days=st.integers(1, 4))
    def all_goes_well(self, days: int) -> None:
        """Everything is sent as it comes, for days: the way that most conversations take."""
        self.claim(stopped=None)
        for key in sorted(self.wire):
            self._sent(key)
        self.time_passes(hours=24 * days)

    @precondition(lambda self: self.wire)
    @rule(data=st.data(), outcome=st.sampled_from(["sent", "sent", "bounced", "back"]))
    def provider_answers(self, data: st.DataObject, outcome: str) -> None:
        key = data.draw(st.sampled_from(sorted(self.wire)))
        if outcome == "sent":
            self._sent(key)
            return
        message = self.wire.pop(key).message
        if outcome == "back":
            self.queue[key] = message
        else:
            self.bounced.add(key)
            self.follow(lose(self.invitation, message.channel, Move.BOUNCED))

    def _sent(self, key: str) -> None:
        begun = self.wire.pop(key)
        message, then = begun.message, begun.then
        self.said.append(Said(message=message, at=self.now))
        self.timers.update(timers_after(taken(then, message), message, self.now))
        if message.kind is Kind.INVITATION:
            self.invitation = taken(self.invitation, message)

    @precondition(lambda self: self.said)
    @rule(data=st.data())
    def callback_bounces(self, data: st.DataObject) -> None:
        said = data.draw(st.sampled_from(self.said))
        key = said.message.message_id
        if key not in self.bounced:
            self.bounced.add(key)
            self.follow(lose(self.invitation, said.message.channel, Move.BOUNCED))

    @rule(hours=st.integers(1, 60))
    def time_passes(self, hours: int) -> None:
        self.now += timedelta(hours=hours)
        for kind, decide in ((WaitingFor.REMINDER, remind), (WaitingFor.FALLBACK, fall_back)):
            if kind in self.timers and self.timers[kind] <= self.now:
                del self.timers[kind]
                step = decide(self.invitation, self.now)
                if step.message is not None:
                    self.follow(step)

    # One rule for all that quiets a conversation, or most of them would be over at once.
    @rule(what=st.sampled_from(["opens", "answers", "looks for the way out", "is not asked"]))
    def customer(self, what: str) -> None:
        if what == "opens":
            self.invitation = opened(self.invitation, self.now)
            self.timers.pop(WaitingFor.FALLBACK, None)
        elif what == "is not asked":
            self._cancel()
        else:
            change = answered if what == "answers" else way_out
            self.invitation = change(self.invitation, self.now)
            self.timers.clear()

    def _cancel(self) -> None:
        if self.invitation.state is not InvitationState.WAITING:
            return
        waiting = [m for m in self.queue.values() if m.kind is Kind.INVITATION]
        if waiting:
            del self.queue[waiting[0].message_id]
            dropped = Dropped(reason=DropReason.CANCELLED)
            self.follow(after_drop(waiting[0], self.invitation, dropped))
        else:
            self.invitation = replace(self.invitation, drop_reason=DropReason.CANCELLED)

    @invariant()
    def nobody_is_nagged(self) -> None:
        reminders = [said for said in self.said if said.message.kind is Kind.REMINDER]
        assert len(reminders) <= self.invitation.reminders
        keys = [said.message.message_id for said in self.said]
        assert len(keys) == len(set(keys)), "nothing is said twice"

    @invariant()
    def one_channel_is_used_at_a_time(self) -> None:
        opening = [b for b in self.wire.values() if b.message.kind is Kind.INVITATION]
        waiting = [m for m in self.queue.values() if m.kind is Kind.INVITATION]
        assert len(opening) + len(waiting) <= 1
        begun = [said.message.channel for said in self.said]
        order = list(dict.fromkeys(begun))
        opened_in = [s.message.channel for s in self.said if s.message.kind is Kind.INVITATION]
        assert order == opened_in, "a channel is opened once, before anything else is said in it"

    @invariant()
    def nothing_waits_past_the_end(self) -> None:
        assert all(due_at < self.invitation.expires_at for due_at in self.timers.values())

    def teardown(self) -> None:
        """Every conversation ends: when its time is over nothing waits any more."""
        if not hasattr(self, "queue"):
            return
        for key in sorted(self.wire):
            self.queue[key] = self.wire.pop(key).message
        self.now = self.invitation.expires_at
        self.time_passes(hours=1)
        self.claim(stopped=None)
        self.claim(stopped=None)
        assert not self.queue and not self.wire
        assert not self.timers
        assert self.invitation.state is not InvitationState.WAITING


TestConversation = Conversation.TestCase
TestConversation.settings = settings(max_examples=1_000, stateful_step_count=30)
