"""The board's pages and forms as a browser without script meets them, and the feed."""

import re

import httpx2
import pytest

from closeloop_service.domain.decisions import Acknowledge, Contact, Resolve

ANA = Acknowledge(actor="Ana")


@pytest.fixture
async def http(served):
    transport = httpx2.ASGITransport(app=served.app)
    async with httpx2.AsyncClient(transport=transport, base_url="http://board.example") as client:
        yield client


@pytest.fixture
async def task_id(closeloop, an_alert) -> str:
    await closeloop.hear(an_alert())
    return (await closeloop.tasks())[0].task_id


async def test_page_says_what_it_waits_for_when_empty(http):
    page = await http.get("/")
    assert "Nobody is waiting." in page.text
    assert "default-src 'none'" in page.headers["content-security-policy"]


async def test_page_shows_the_most_urgent_first_when_there_are_tasks(http, closeloop, an_alert):
    await closeloop.hear(an_alert(1))
    await closeloop.pass_time(hours=1)
    await closeloop.hear(an_alert(2, alerted_at=closeloop.clock.now()))
    page = (await http.get("/")).text
    assert page.index("Ada 1") < page.index("Ada 2")
    assert "3 h 00 m" in page


@pytest.mark.parametrize(
    ("alert", "shown"),
    [
        ({"score": 2}, "2 of 10"),
        ({"score": 2, "scale": "csat"}, "2 of 5, CSAT"),
        ({"score": 3, "scale": "ces"}, "3 of 7, CES"),
    ],
)
async def test_score_is_shown_with_its_scale(http, closeloop, an_alert, alert, shown):
    await closeloop.hear(an_alert(**alert))
    task_id = (await closeloop.tasks())[0].task_id
    for path in ("/", f"/board/tasks/{task_id}"):
        page = re.sub(r"<[^>]+>", "", (await http.get(path)).text)
        assert shown in page
    assert (await http.get(f"/tasks/{task_id}")).json()["scale"] == alert.get("scale", "nps")


async def test_hostile_words_stay_words_when_shown(http, closeloop, an_alert):
    await closeloop.hear(an_alert(comment="<script>alert(1)</script>"))
    task_id = (await closeloop.tasks())[0].task_id
    for path in ("/", f"/board/tasks/{task_id}"):
        assert "<script>alert" not in (await http.get(path)).text


async def test_filter_holds_when_in_the_url(http, closeloop, an_alert):
    await closeloop.hear(an_alert(1), an_alert(2))
    assert "Ada 1" not in (await http.get("/", params={"q": "Ada 2"})).text
    assert "No task fits" in (await http.get("/", params={"state": "resolved"})).text


async def test_form_goes_back_to_the_board_when_there_is_no_script(http, task_id):
    answer = await http.post(
        f"/board/tasks/{task_id}/acknowledge",
        data={"owner": "Ana Reyes"},
        headers={"Referer": "http://board.example/?state=open"},
    )
    assert (answer.status_code, answer.headers["location"]) == (303, "/?state=open")
    assert "Ana Reyes" in (await http.get("/")).text


async def test_name_of_the_cookie_is_used_when_the_form_has_none(http, task_id, closeloop):
    await http.post("/board/me", data={"owner": "Ana Müller"})
    await http.post(f"/board/tasks/{task_id}/acknowledge", data={})
    assert (await closeloop.tasks())[0].owner == "Ana Müller"


async def test_name_is_asked_for_when_nobody_said_it(http, task_id):
    answer = await http.post(f"/board/tasks/{task_id}/acknowledge", data={})
    assert answer.status_code == 422
    assert answer.json()["title"].startswith("Write your name")


async def test_panel_explains_when_somebody_was_faster(http, task_id, closeloop):
    await closeloop.move(task_id, ANA)
    answer = await http.post(f"/board/tasks/{task_id}/acknowledge", data={"owner": "Ben"})
    assert answer.status_code == 409
    assert "This task is acknowledged now; the next step is to contact." in answer.text


async def test_answer_is_a_patch_when_the_script_posts(http, task_id):
    form = {"owner": "Ana", "channel": "phone", "note": "Called."}
    answer = await http.post(f"/board/tasks/{task_id}/contact", data=form, headers={"X-Patch": "1"})
    assert f'<tr id="task-{task_id}" data-rev="2"' in answer.text
    assert '<section id="panel"' in answer.text
    assert "<html" not in answer.text


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "http://evil.example"},
    ],
)
async def test_form_is_refused_when_another_site_sends_it(http, task_id, headers):
    answer = await http.post(
        f"/board/tasks/{task_id}/acknowledge", data={"owner": "Eve"}, headers=headers
    )
    assert answer.status_code == 400


async def test_problem_says_not_found_when_the_task_is_unknown(http):
    assert (await http.get("/board/tasks/nobody")).status_code == 404


class Listening:
    """A page that is open on the hub."""

    def __init__(self, served) -> None:
        self.frames = served.hub.listen(
            after=served.hub.position, stop=served.stop, clock=served.runtime.clock
        )

    async def next(self) -> str:
        return (await anext(self.frames)).decode()


@pytest.fixture
async def listening(served):
    await served.feed.publish(served.runtime)
    page = Listening(served)
    assert "event: beat" in await page.next()
    yield page
    await page.frames.aclose()


async def test_change_is_sent_once_when_the_feed_looks_twice(served, closeloop, task_id, listening):
    await closeloop.move(task_id, ANA)
    await served.feed.publish(served.runtime)
    await served.feed.publish(served.runtime)
    message = await listening.next()
    assert message.count("event: patch") == 1
    assert 'data-rev="2"' in message


async def test_change_is_seen_when_it_commits_after_a_later_one(
    served, closeloop, an_alert, listening
):
    await closeloop.hear(an_alert(1), an_alert(2))
    await served.feed.publish(served.runtime)
    await listening.next()
    first, second = (task.task_id for task in await closeloop.tasks())
    from closeloop_service import handlers

    async with closeloop.database.transaction() as slow:
        await handlers.move(slow, first, ANA)
        await closeloop.move(second, ANA)
        await served.feed.publish(served.runtime)
    assert f"task-{second}" in await listening.next()
    await served.feed.publish(served.runtime)
    message = await listening.next()
    assert f"task-{first}" in message
    assert f"task-{second}" not in message


async def test_row_leaves_when_its_task_is_resolved(served, closeloop, task_id, listening):
    await closeloop.move(task_id, Contact(actor="Ana", channel="phone"))
    await closeloop.move(task_id, Resolve(actor="Ana", root_cause="price"))
    await served.feed.publish(served.runtime)
    assert "data-gone" in await listening.next()


async def test_pages_fetch_themselves_when_very_much_changed(
    served, closeloop, an_alert, listening
):
    await closeloop.hear(*(an_alert(number) for number in range(250)))
    await served.feed.publish(served.runtime)
    assert "event: reset" in await listening.next()


async def test_figures_count_what_is_late_and_soon_when_time_passes(http, closeloop, an_alert):
    await closeloop.hear(an_alert(1), an_alert(2))
    await closeloop.move((await closeloop.tasks())[1].task_id, ANA)
    await closeloop.pass_time(hours=3, minutes=45)
    page = " ".join((await http.get("/")).text.split())
    for label, value in (("Open", 2), ("Breached", 0), ("Due &lt; 30 min", 2), ("Unowned", 1)):
        assert f"<dt>{label}</dt> <dd>{value}</dd>" in page.replace("Due < 30", "Due &lt; 30")
