"""Plays simulated customers against a running stack: events in, mails read, real pages answered."""

import asyncio
import math
from collections import Counter, deque
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice
from time import monotonic
from typing import Any, Final

import httpx2

from heardback.vocabulary import Category
from heardback_local.customers import (
    Answer,
    Customer,
    Play,
    answer_after_help,
    make_customer,
    plays,
)
from heardback_local.pace import Pace
from heardback_local.places import Places
from heardback_local.publisher import Publisher
from heardback_local.simulated_events import Run, event_of
from heardback_local.survey_page import score_links
from heardback_local.truth import Truth, nps
from heardback_local.visitor import VisitFailed, Visitor

_LOOK_SECONDS: Final = 0.25
_MAIL_AT_ONCE: Final = 500
_READING_SECONDS: Final = 2.5
"""Who sends at once what others wrote before is taken for a program, and does not count."""
_MOST_PROBLEMS: Final = 20
_MOST_RECENT: Final = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """What to play. None means without end; `think_scale` 0 answers at once.

    `events_per_second` 0 publishes as fast as the broker takes. `answers_again`: customers also
    answer when they are asked once more, after they were heard back.
    """

    seed: int
    customers: int | None
    events: int | None = None
    duration_seconds: float | None = None
    events_per_second: float = 0
    think_scale: float = 1.0
    patience_seconds: float = 60.0
    answers_again: bool = False


@dataclass(slots=True)
class Progress:
    """What has happened so far, for whoever watches."""

    published: int = 0
    mails: Counter[int] = field(default_factory=Counter)
    opened: int = 0
    answered: Counter[Category] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)
    recent: deque[str] = field(default_factory=lambda: deque(maxlen=_MOST_RECENT))

    @property
    def nps(self) -> float | None:
        return nps(self.answered)

    def complain(self, problem: str) -> None:
        """Keep what went wrong; the first ones say enough."""
        if len(self.problems) < _MOST_PROBLEMS:
            self.problems.append(problem)


class Simulation:
    """One run; `play` returns when every customer who was asked has done what they wanted."""

    def __init__(
        self, run: Run, script: Script, places: Places, client: httpx2.AsyncClient
    ) -> None:
        self.run = run
        self.truth = Truth()
        self.progress = Progress()
        self._script = script
        self._places = places
        self._client = client
        self._visitor = Visitor(client, patience_seconds=script.patience_seconds)
        self._visits: set[asyncio.Task[None]] = set()
        self._moved_at = monotonic()
        self._mail_seen = 0
        self._enough = False

    def enough(self) -> None:
        """Let no more happen; `play` returns when those who were asked are done."""
        self._enough = True

    async def play(self) -> None:
        """Publish, read the mail and answer.

        A stack that stops sending is waited for no longer than `patience_seconds` without a mail.

        Raises: BrokerRefused, httpx2.HTTPError (the mailbox does not answer at the start).
        """
        await self._skip_old_mail()
        reading = asyncio.create_task(self._keep_reading_mail())
        try:
            await self._publish()
            await self._until_all_reacted(reading)
        finally:
            await _cancel(reading, *self._visits)

    async def read_mail(self) -> bool:
        """Take the new mail out of the mailbox; tell whether there may be more.

        Raises: httpx2.HTTPError.
        """
        url = f"{self._places.mailbox}/api/messages"
        query = {"after": self._mail_seen, "limit": _MAIL_AT_ONCE}
        answer = (await self._client.get(url, params=query)).raise_for_status()
        mails = answer.json()["messages"]
        for mail in mails:
            self._mail_seen = mail["id"]
            self._receive(mail)
        return len(mails) == _MAIL_AT_ONCE

    async def _publish(self) -> None:
        script = self._script
        pace = Pace(script.events_per_second)
        end = monotonic() + (script.duration_seconds or math.inf)
        async with Publisher(self._places.kafka) as publisher:
            for play in self._plays():
                await pace.wait()
                if self._enough or monotonic() >= end:
                    break
                await publisher.publish(event_of(self.run, play, at=datetime.now(UTC)))
                self.truth.add(play)
                self.progress.published += 1
                self.progress.recent.append(f"{play.customer.name} {play.customer.happening.told}")
            await publisher.flush()
        self._moved_at = monotonic()

    def _plays(self) -> Iterator[Play]:
        return islice(plays(self._script.seed, self._script.customers), self._script.events)

    async def _until_all_reacted(self, reading: asyncio.Task[None]) -> None:
        while len(self.progress.mails) < self.truth.invited or self._visits:
            if reading.done():
                await reading
            missing = self.truth.invited - len(self.progress.mails)
            if missing and monotonic() - self._moved_at > self._script.patience_seconds:
                self.progress.complain(f"{missing} mails did not come; nothing moves any more")
                return
            await asyncio.sleep(_LOOK_SECONDS)

    async def _skip_old_mail(self) -> None:
        """Start behind what is there: the numbers of mails grow by one."""
        answer = await self._client.get(f"{self._places.mailbox}/api/count")
        self._mail_seen = answer.raise_for_status().json()["count"]

    async def _keep_reading_mail(self) -> None:
        while True:
            with suppress(httpx2.HTTPError):  # the mailbox restarts: look again
                if await self.read_mail():
                    continue
            await asyncio.sleep(_LOOK_SECONDS)

    def _receive(self, mail: Mapping[str, Any]) -> None:
        number = self.run.number_of(mail["to"])
        if number is None:
            return
        self._moved_at = monotonic()
        self.progress.mails[number] += 1
        customer = make_customer(self._script.seed, number)
        again = self.progress.mails[number] > 1
        links = score_links(text=mail["text"], html=mail["html"])
        if again and self._script.answers_again and not links:
            self.progress.recent.append(f"{customer.name} hears from an owner")
            return
        asked = "is asked whether all is well now" if again else "is asked by mail"
        self.progress.recent.append(f"{customer.name} {asked}")
        answer = self._answer_again(customer) if again else customer.answer
        if answer is not None:
            visit = asyncio.create_task(self._visit(customer, answer, links))
            self._visits.add(visit)
            visit.add_done_callback(self._visits.discard)

    def _answer_again(self, customer: Customer) -> Answer | None:
        script = self._script
        return answer_after_help(script.seed, customer) if script.answers_again else None

    async def _visit(self, customer: Customer, answer: Answer, links: Mapping[int, str]) -> None:
        """Think, follow the link of the score, read, fill in the form, send it."""
        await asyncio.sleep(customer.think_seconds * self._script.think_scale)
        link = links.get(answer.score)
        try:
            if link is None:
                mail = f"the mail to {self.run.email(customer.number)}"
                self.progress.complain(f"{mail} has no link for {answer.score}")
                return
            form = await self._visitor.open(link)
            self.progress.opened += 1
            await asyncio.sleep(_READING_SECONDS)
            for _ in range(2 if answer.submits_twice else 1):
                await self._visitor.submit(form, score=answer.score, comment=answer.comment)
            self.progress.answered[answer.category] += 1
            self.progress.recent.append(f"{customer.name} {answer}")
        except (VisitFailed, httpx2.HTTPError) as error:
            self.progress.complain(f"customer {customer.number}: {error}")


async def _cancel(*tasks: asyncio.Task[None]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
