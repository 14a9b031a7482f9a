"""Conversations and stories, whatever comes late, twice or in another order."""

from datetime import timedelta
from itertools import permutations

import pytest

from closeloop_service.queries import story
from closeloop_service.tables import INVITATION, STORY
from heardback.contracts import registry
from heardback.testing.clock import START
from heardback.testing.statements import counted

from .conftest import said

HOUR = timedelta(hours=1)


async def told(database, customer_id="c1", limit=100):
    async with database.read() as connection:
        return await story.of_customer(connection, customer_id, limit=limit)


async def test_invitation_is_known_when_it_was_requested(hear, rows):
    await hear(said(registry.SURVEY_SCHEDULED), said(registry.SURVEY_REQUESTED))
    (asked,) = await rows(INVITATION)
    assert (asked.channel, asked.locale, asked.recipient["name"]) == ("email", "de", "Ada")
    assert (asked.task_id, asked.requested_at) == (None, START)


async def test_recovery_question_names_its_task(hear, rows):
    about = {"touchpoint": "task-resolved", "subject": "task:task-7"}
    await hear(said(registry.SURVEY_SCHEDULED, **about))
    await hear(said(registry.SURVEY_REQUESTED, touchpoint="task-resolved"))
    (asked,) = await rows(INVITATION)
    assert (asked.task_id, asked.channel) == ("task-7", "email")


async def test_rows_are_locked_in_one_order_when_a_batch_says_several_things(hear, rows, database):
    """Deliveries write them at the same time, in the order of their ids, and would wait in turn."""
    about = {"touchpoint": "task-resolved", "subject": "task:task-7"}
    with counted(database) as sent:
        await hear(
            said(registry.SURVEY_SCHEDULED, invitation_id="i2", **about),
            said(registry.SURVEY_REQUESTED, invitation_id="i1"),
            said(registry.SURVEY_REQUESTED, invitation_id="i2"),
        )
    assert sum("INTO invitation" in statement for statement in sent) == 1
    first, second = await rows(INVITATION)
    assert (first.task_id, second.task_id, second.channel) == (None, "task-7", "email")


async def test_no_row_is_written_when_another_survey_is_scheduled(hear, rows):
    await hear(said(registry.SURVEY_SCHEDULED, subject="order:1"))
    assert await rows(INVITATION) == []


BATCHES = [
    (
        said(registry.SURVEY_SCHEDULED, touchpoint="task-resolved", subject="task:task-7"),
        said(registry.SURVEY_SUPPRESSED, touchpoint="task-resolved"),
        said(registry.SURVEY_REQUESTED, touchpoint="task-resolved"),
    ),
    (
        said(registry.INVITATION_SENT, touchpoint="task-resolved"),
        said(registry.INVITATION_BOUNCED, touchpoint="task-resolved"),
        said(registry.INVITATION_SENT, touchpoint="task-resolved", channel="sms"),
    ),
    (
        said(registry.RESPONSE_RECORDED, touchpoint="task-resolved"),
        said(registry.RESPONSE_RECORDED, touchpoint="task-resolved", revision=2, score=9),
    ),
]


@pytest.mark.parametrize("order", list(permutations(range(3))))
async def test_same_is_kept_when_topics_come_in_any_order_and_twice(hear, rows, order):
    for index in (*order, *order):
        await hear(*BATCHES[index])
    (asked,) = await rows(INVITATION)
    assert (asked.task_id, asked.channel, asked.recipient["email"]) == (
        "task-7", "sms", "ada@example.com",
    )  # fmt: skip
    lines = [(line.what, line.key) for line in await rows(STORY)]
    assert lines == [
        ("answered", "response-1"),
        ("bounced", "i1/email"),
        ("sent", "i1/email"),
        ("sent", "i1/sms"),
        ("touchpoint", "touchpoint-1"),
    ]
    answer, *_, touchpoint = await rows(STORY)
    assert (answer.details["score"], answer.details["revision"]) == (9, 2)
    assert touchpoint.details["scheduled"] is True


async def test_older_revision_changes_nothing_when_it_comes_late(hear, database):
    await hear(said(registry.RESPONSE_RECORDED, revision=2, score=9, category="promoter"))
    await hear(said(registry.RESPONSE_RECORDED))
    (line,) = await told(database)
    assert (line.details["score"], line.details["category"]) == (9, "promoter")


@pytest.mark.parametrize("suppressed", [registry.SURVEY_SUPPRESSED, registry.SURVEY_SUPPRESSED_V1])
@pytest.mark.parametrize("together", [True, False])
async def test_touchpoint_says_why_when_nobody_asks(hear, database, together, suppressed):
    no = said(suppressed)
    yes = said(registry.SURVEY_SCHEDULED)
    await hear(no)
    assert (await told(database))[0].details["reasons"] == ["cooldown"]
    await hear(*((yes, no) if together else (yes,)))
    (line,) = await told(database)
    assert (line.what, line.details["scheduled"], line.details["touchpoint"]) == (
        "touchpoint", True, "purchase",
    )  # fmt: skip


async def test_words_are_hidden_until_release_when_an_answer_is_suspect(hear, database):
    await hear(said(registry.RESPONSE_RECORDED))
    await hear(said(registry.RESPONSE_QUARANTINED))
    (line,) = await told(database)
    assert line.details["quarantined"] is True
    assert "comment" not in line.details
    await hear(said(registry.RESPONSE_RECORDED))
    (line,) = await told(database)
    assert (line.details["comment"], "quarantined" in line.details) == ("It came late.", False)


async def test_answer_that_never_counted_is_shown_as_suspect(hear, database):
    await hear(said(registry.RESPONSE_QUARANTINED, revision=None, category=None))
    (line,) = await told(database)
    assert (line.details["revision"], line.details["quarantined"]) == (None, True)


async def test_story_has_the_newest_first_when_it_is_longer_than_asked_for(hear, database):
    await hear(
        said(registry.INVITATION_SENT),
        said(registry.INVITATION_DROPPED, invitation_id="i2", dropped_at=START + HOUR),
        said(registry.FOLLOW_UP_SENT, sent_at=START + 2 * HOUR),
        said(registry.RECIPIENT_UNSUBSCRIBED, unsubscribed_at=START + 3 * HOUR),
        said(registry.INVITATION_SENT, "c2", invitation_id="i3"),
    )
    lines = [line.what for line in await told(database, limit=3)]
    assert lines == ["unsubscribed", "written", "dropped"]
