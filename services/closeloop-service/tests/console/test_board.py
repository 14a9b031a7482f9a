"""The board's pages and forms as a browser without script meets them."""

import re

import pytest

from closeloop_service.domain.commands import Acknowledge, Assign, Cancel, Contact, Resolve, Wait

ANA = Acknowledge(actor="Ana")
PHONED = Contact(actor="Ana", channel="phone", note="Called.")


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
    task_id = (await closeloop.task()).task_id
    for path in ("/", f"/board/tasks/{task_id}"):
        page = re.sub(r"<[^>]+>", "", (await http.get(path)).text)
        assert shown in page


async def test_row_39_second_alert_of_a_customer_joins_the_row(http, closeloop, an_alert):
    await closeloop.hear(an_alert(1))
    again = {"customer_id": "c1", "invitation_id": "i9", "response_id": "r9"}
    await closeloop.hear(an_alert(9, **again))
    page = (await http.get("/")).text
    assert page.count('<tr id="task-') == 1
    assert "2 answers" in page


async def test_row_43_clock_of_the_first_response_goes_on_until_the_contact(
    http, closeloop, task_id
):
    await closeloop.move(task_id, ANA)
    await closeloop.pass_time(hours=4, minutes=10)
    page = (await http.get("/")).text
    assert "to first response" in page
    assert "10:00 late" in page
    await closeloop.move(task_id, PHONED)
    page = (await http.get("/")).text
    assert "to resolution" in page
    assert "breached" in page


async def test_hostile_words_stay_words_when_shown(http, closeloop, an_alert):
    name = "<img src=x>"
    await closeloop.hear(
        an_alert(comment="<script>alert(1)</script>", recipient={"name": name, "phone": "+4930"})
    )
    task_id = (await closeloop.task()).task_id
    for path in ("/", f"/board/tasks/{task_id}"):
        page = (await http.get(path)).text
        assert "<script>alert" not in page
        assert name not in page


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ("", {1, 2, 3}),
        ("q=Ada+2", {2}),
        ("view=unowned", {3}),
        ("view=mine", {1}),
        ("owner=me", {1}),
        ("owner=-", {3}),
        ("owner=Ben", {2}),
        ("team=care", {1, 2, 3}),
        ("team=elsewhere", set()),
        ("category=promoter", set()),
        ("view=waiting", {2}),
        ("view=cancelled", {4}),
        ("view=all&owner=Ben", {2}),
        ("breached=1", set()),
        ("view=nonsense", {1, 2, 3}),
    ],
)
async def test_address_chooses_the_tasks_when_it_filters(http, closeloop, an_alert, query, shown):
    await closeloop.hear(*(an_alert(number) for number in (1, 2, 3, 4)))
    ids = {task.recipient.name[-1]: task.task_id for task in await closeloop.tasks()}
    await closeloop.move(ids["1"], Assign(actor="Ana", owner="Ana"))
    await closeloop.move(ids["2"], Contact(actor="Ben", channel="phone"))
    await closeloop.move(ids["2"], Wait(actor="Ben"))
    await closeloop.move(ids["4"], Cancel(actor="Ana", reason="a test"))
    http.cookies.set("owner", "Ana")
    page = (await http.get(f"/?{query}")).text
    assert {int(number) for number in re.findall(r">Ada (\d)</a>", page)} == shown


async def test_form_goes_back_to_the_board_when_there_is_no_script(http, task_id):
    answer = await http.post(
        f"/board/tasks/{task_id}/acknowledge",
        data={"actor": "Ana Ruiz"},
        headers={"Referer": "http://board.example/?view=unowned"},
    )
    assert (answer.status_code, answer.headers["location"]) == (303, "/?view=unowned")
    assert "Ana Ruiz" in (await http.get("/")).text


async def test_name_of_the_cookie_is_used_when_the_form_has_none(http, task_id, closeloop):
    await http.post("/board/me", data={"owner": "Ana Müller"})
    await http.post(f"/board/tasks/{task_id}/acknowledge", data={})
    assert (await closeloop.task()).owner == "Ana Müller"


async def test_name_is_asked_for_when_nobody_said_it(http, task_id):
    answer = await http.post(f"/board/tasks/{task_id}/acknowledge", data={})
    assert answer.status_code == 422
    assert "Write your name at the top" in answer.text


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "http://evil.example"},
    ],
)
@pytest.mark.parametrize("path", ["tasks/{}/acknowledge", "bulk", "me", "views"])
async def test_form_is_refused_when_another_site_sends_it(http, task_id, headers, path):
    answer = await http.post(
        f"/board/{path.format(task_id)}", data={"actor": "Eve"}, headers=headers
    )
    assert answer.status_code == 400


async def test_page_leads_to_the_board_when_the_task_is_unknown(http):
    page = await http.get("/board/tasks/nobody")
    assert page.status_code == 404
    assert "There is no such task." in page.text
    answer = await http.post("/board/tasks/nobody/acknowledge", data={"actor": "Ana"})
    assert answer.status_code == 404


async def test_many_are_moved_and_the_others_named_when_selected(http, closeloop, an_alert):
    await closeloop.hear(*(an_alert(number) for number in range(1, 6)))
    ids = [task.task_id for task in await closeloop.tasks()]
    await closeloop.move(ids[3], ANA)
    await closeloop.move(ids[4], Cancel(actor="Ben", reason="a test"))
    http.cookies.set("owner", "Ana")
    answer = await http.post("/board/bulk", data={"move": "acknowledge", "task_id": ids})
    assert answer.status_code == 200
    assert "3 acknowledged. 2 not: Ada 4 is acknowledged, Ada 5 is cancelled." in answer.text
    assert [task.owner for task in await closeloop.tasks()] == ["Ana"] * 4 + [None]


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"move": "acknowledge"}, "Select some tasks first"),
        ({"move": "resolve", "task_id": "x"}, "Select some tasks first"),
        ({"move": "cancel", "task_id": "x"}, "Not done: say why."),
        ({"move": "assign", "task_id": "x"}, "Not done: say who."),
    ],
)
async def test_bulk_says_what_is_missing_when_it_is(http, fields, said):
    http.cookies.set("owner", "Ana")
    answer = await http.post("/board/bulk", data=fields, headers={"X-Patch": "1"})
    assert answer.status_code == 422
    assert said in answer.text


async def test_view_stands_beside_the_others_when_it_is_kept(http):
    form = {"name": "Care, late", "query": "view=breached&team=care&evil=1"}
    answer = await http.post("/board/views", data=form)
    assert answer.headers["location"] == "/?view=breached&team=care"
    page = (await http.get("/?view=breached&team=care")).text
    assert "<title>Care, late · Board" in page
    await http.post("/board/views/forget", data={"name": "Care, late"})
    assert "Care, late" not in (await http.get("/")).text


async def test_board_says_why_when_a_view_or_a_name_is_not_kept(http):
    for number in range(12):
        await http.post("/board/views", data={"name": f"View {number}", "query": "view=mine"})
    refused = await http.post("/board/views", data={"name": "One more", "query": "view=mine"})
    assert refused.status_code == 422
    assert "This browser keeps no more views; forget one first." in refused.text
    nameless = await http.post("/board/views", data={"name": " ", "query": "view=mine"})
    assert "Not done: say its name." in nameless.text
    nobody = await http.post("/board/me", data={"owner": " "}, headers={"X-Patch": "1"})
    assert nobody.status_code == 422
    assert '<p id="notice"' in nobody.text


async def test_cancelled_task_waits_for_nobody(http, closeloop, task_id):
    await closeloop.move(task_id, Cancel(actor="Ben", reason="a test"))
    page = (await http.get("/?view=cancelled")).text
    assert "nobody yet" not in page
    assert ">unrouted" not in page


async def test_next_page_begins_where_the_first_ends_when_there_are_many(http, closeloop, an_alert):
    await closeloop.hear(*(an_alert(number) for number in range(310)))
    page = (await http.get("/")).text
    assert "The 300 most urgent of 310 are shown." in page
    following = re.search(r'id="page-next"[^>]* href="([^"]+)"', page).group(1)
    rest = (await http.get(following.replace("&amp;", "&"))).text
    shown = [set(re.findall(r'<tr id="task-([^"]+)"', text)) for text in (page, rest)]
    assert [len(ids) for ids in shown] == [300, 10]
    assert not shown[0] & shown[1]


async def test_closed_tasks_are_shown_newest_first_when_asked_for(http, closeloop, an_alert):
    await closeloop.hear(an_alert(1), an_alert(2))
    for task in await closeloop.tasks():
        await closeloop.move(task.task_id, PHONED)
        await closeloop.move(task.task_id, Resolve(actor="Ana", root_cause="other"))
        await closeloop.pass_time(minutes=1)
    page = (await http.get("/?view=resolved")).text
    assert 0 < page.index("Ada 2") < page.index("Ada 1")


async def test_figures_count_what_is_late_and_soon_when_time_passes(http, closeloop, an_alert):
    await closeloop.hear(an_alert(1), an_alert(2))
    first, second = (task.task_id for task in await closeloop.tasks())
    await closeloop.move(second, Contact(actor="Ana", channel="phone"))
    await closeloop.move(second, Wait(actor="Ana"))
    await closeloop.move(first, ANA)
    await closeloop.pass_time(hours=3, minutes=45)
    page = (await http.get("/")).text
    strip = dict(re.findall(r'id="figure-([^"]+)" .*?<dd>(\d+)</dd>', page, re.DOTALL))
    assert strip == {
        "open": "2",
        "breached": "0",
        "due-soon": "1",
        "unowned": "0",
        "unrouted": "0",
        "waiting": "1",
    }
