"""Whoever comes, in whatever order: what counts is what a person said last."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import count
from typing import Any

from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st
from sqlalchemy import text

from heardback import timers
from heardback.db import Database
from heardback.envelope import Event
from heardback.ids import TimeOrderedIds
from heardback.testing.clock import ManualClock
from response_service import queries
from response_service.commands import deciding
from response_service.commands.looking import Look, Looking
from response_service.commands.submitting import Submission, Submitting
from response_service.domain.client import Client, Kind
from response_service.domain.quarantine import NewerAnswerCounts, State
from response_service.handlers import Handlers
from response_service.store.surveys import KnownSurveys

from .score_board import ScoreBoard

LINKS = list(range(11))
SCORES = st.integers(0, 10)
ANSWERS = st.tuples(
    st.just("answer"),
    st.sampled_from([b"phone", b"desk"]),
    SCORES,
    st.sampled_from(["", "Why."]),
)
BURSTS = st.tuples(
    st.just("burst"),
    st.permutations(LINKS),
    st.sets(SCORES, max_size=4),
    st.sampled_from([0.1, 3.0, 30.0]),
)
ACTIONS = st.one_of(
    ANSWERS,
    ANSWERS,
    BURSTS,
    st.tuples(st.just("program"), SCORES),
    st.tuples(st.just("wait"), st.sampled_from([1, 45, 120, 900])),
    st.tuples(st.just("release"), st.integers(0, 5)),
    st.tuples(st.just("discard"), st.integers(0, 5)),
    st.tuples(st.just("same again"), st.integers(2, 3)),
)


def a_client(key: bytes, kind: Kind = Kind.BROWSER) -> Client:
    return Client(key=key, address="", kind=kind, has_fetch_metadata=True, fetches_ahead=False)


@dataclass
class Story:
    """One invitation, what comes to it, and what a person has said last as we know."""

    database: Database
    clock: ManualClock
    invitation_id: str
    said: tuple[int, str | None] | None = None
    said_at: datetime | None = None
    last: Submission | None = None
    surveys: KnownSurveys = field(default_factory=KnownSurveys)
    scanners: Any = field(default_factory=lambda: count())

    async def act(self, action: tuple[Any, ...]) -> None:
        name, *rest = action
        await getattr(self, f"_{name.replace(' ', '_')}")(*rest)
        self.clock.advance(timedelta(seconds=1))

    async def _answer(self, who: bytes, score: int, comment: str) -> None:
        client = a_client(who)
        # By the link that they have; they change their mind on the page.
        await self._look(client, len(who))
        self.clock.advance(timedelta(seconds=6))
        await self._submit(client, score, comment, seconds=6)
        self.said, self.said_at = (score, comment or None), self.clock.now()

    async def _burst(self, order: list[int], presses: set[int], pause: float) -> None:
        client = a_client(b"bot%d" % next(self.scanners))
        for score in order:
            await self._look(client, score)
            if score in presses:
                await self._submit(client, score, "", seconds=pause)
            self.clock.advance(timedelta(seconds=pause))

    async def _program(self, score: int) -> None:
        await self._submit(a_client(b"curl", Kind.PROGRAM), score, "", seconds=None)

    async def _wait(self, seconds: int) -> None:
        self.clock.advance(timedelta(seconds=seconds))
        async with self.database.transaction() as tx:
            due = await timers.claim_due(tx.connection, now=tx.now, limit=100)
            await Handlers(link_keys=[], surveys=self.surveys).on_opened(tx, due)

    async def _same_again(self, times: int) -> None:
        if self.last is not None and self.last.client.kind is Kind.BROWSER and self.said:
            await Submitting(self.database, self.surveys)([self.last] * times)
            self.said_at = self.clock.now() if self._is_news(self.last) else self.said_at
            self.said = (int(self.last.score or ""), self.last.comment or None)

    def _is_news(self, submission: Submission) -> bool:
        return self.said != (int(submission.score or ""), submission.comment or None)

    async def _release(self, number: int) -> None:
        suspect = await self._suspect(number)
        if suspect is None:
            return
        try:
            async with self.database.transaction() as tx:
                await deciding.release(tx, suspect.quarantine_id, by="Ada", surveys=self.surveys)
        except NewerAnswerCounts:
            assert self.said_at is not None and self.said_at > suspect.answered_at
            return
        if self.said != (suspect.answer.score, suspect.answer.comment):
            self.said_at = suspect.answered_at
        self.said = (suspect.answer.score, suspect.answer.comment)

    async def _discard(self, number: int) -> None:
        suspect = await self._suspect(number)
        if suspect is not None:
            async with self.database.transaction() as tx:
                await deciding.discard(tx, suspect.quarantine_id, by="Ada")

    async def _suspect(self, number: int) -> Any:
        async with self.database.read() as connection:
            listed = await queries.quarantine(connection, State.HELD)
        mine = [one for one in listed if one.suspect.invitation_id == self.invitation_id]
        return mine[number].suspect if number < len(mine) else None

    async def _look(self, client: Client, score: int) -> None:
        looking = Looking(self.database, self.surveys, opened_after=timedelta(seconds=30))
        await looking([Look(invitation_id=self.invitation_id, score=score, client=client)])

    async def _submit(
        self, client: Client, score: int, comment: str, *, seconds: float | None
    ) -> None:
        submission = Submission(
            invitation_id=self.invitation_id,
            score=str(score),
            comment=comment,
            client=client,
            seconds=seconds,
        )
        if client.key in (b"phone", b"desk"):
            self.last = submission
        await Submitting(self.database, self.surveys)([submission])


@settings(
    max_examples=100,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(actions=st.lists(ACTIONS, min_size=1, max_size=9))
async def test_last_word_of_a_person_counts_in_any_order(
    actions: list[tuple[Any, ...]],
    database: Database,
    clock: ManualClock,
    take: Callable[..., Awaitable[None]],
    requested: Callable[..., Event[Any]],
    published: Callable[[Database], Awaitable[list[Event[Any]]]],
) -> None:
    invitation_id = TimeOrderedIds().new()
    await take(database, requested(invitation_id=invitation_id))
    story = Story(database=database, clock=clock, invitation_id=invitation_id)
    note(f"{actions=}")
    for action in actions:
        await story.act(action)
    events = [e for e in await published(database) if e.data.invitation_id == invitation_id]
    board = ScoreBoard(events)
    answer = board.answers.get(invitation_id)
    assert (answer and (answer.score, answer.comment)) == story.said
    gone = [e for e in events if getattr(e.data, "reasons", ()) and e.data.revision is not None]
    assert board.alerts[invitation_id] <= 1 + len(gone)
    assert board.alerts[invitation_id] or story.said is None or story.said[0] > 6
    history = await history_of(database, invitation_id)
    told = [e.data for e in events if e.type.name in KEPT]
    assert all(history[data.revision] == data.score for data in told)
    assert list(history) == list(range(1, len(history) + 1))


KEPT = ("response.recorded.v1", "response.revised.v1")


async def history_of(database: Database, invitation_id: str) -> dict[int, int]:
    statement = text("""
        SELECT revision, score FROM response_revision WHERE invitation_id = :id ORDER BY revision
    """)
    async with database.read() as connection:
        rows = await connection.execute(statement, {"id": invitation_id})
        return {row.revision: row.score for row in rows}
