"""The suppression list for trusted systems, over HTTP."""

import csv
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import httpx2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from heardback.envelope import Event

Ask = Callable[..., Awaitable[str]]
Listed = Callable[[], Awaitable[list[tuple[str, ...]]]]
Published = Callable[[], Awaitable[list[Event[Any]]]]
CSV = {"content-type": "text/csv"}


@pytest.fixture
async def machine(open_client: Any, key: tuple[str, str]) -> AsyncIterator[httpx2.AsyncClient]:
    """A trusted system."""
    async with open_client() as client:
        client.headers["Authorization"] = f"Bearer {key[0]}"
        yield client


async def load(client: httpx2.AsyncClient, *lines: str, **query: str) -> dict[str, Any]:
    response = await client.post(
        "/suppressions/import", content="\n".join(lines), headers=CSV, params=query
    )
    assert response.status_code == 200, response.text
    report: dict[str, Any] = response.json()
    return report


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/suppressions"),
        ("POST", "/suppressions"),
        ("POST", "/suppressions/lift"),
        ("POST", "/suppressions/import"),
        ("GET", "/suppressions/export"),
    ],
)
@pytest.mark.parametrize("authorization", [None, "Bearer hb_nobodys", "Basic eDp5"])
async def test_list_is_closed_when_there_is_no_key(
    client: httpx2.AsyncClient, method: str, path: str, authorization: str | None
) -> None:
    headers = {"Authorization": authorization} if authorization else {}
    response = await client.request(method, path, headers=headers)
    assert response.status_code == 401
    assert response.headers["content-type"] == "application/problem+json"


async def test_entry_is_added_once_when_it_is_sent_twice(
    machine: httpx2.AsyncClient, listed: Listed
) -> None:
    entry = {"customer_id": "c1", "address": "C1@Example.com", "note": "asked by phone"}
    first = await machine.post("/suppressions", json=entry)
    again = await machine.post("/suppressions", json={**entry, "note": "another"})
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == again.json()
    assert first.json()["address"] == "c1@example.com"
    assert await listed() == [("c1", "c1@example.com", "all", "", "manual")]


@pytest.mark.parametrize(
    ("entry", "why"),
    [
        ({}, "neither a customer_id nor an address"),
        ({"address": "nonsense"}, "neither an email address"),
        ({"address": "030 1234"}, "neither an email address"),
        ({"customer_id": "c1", "scope": "program"}, "must name the program"),
        ({"customer_id": "c1", "scope": "channel", "scoped_to": "fax"}, "scoped_to is"),
        ({"customer_id": "c1", "scoped_to": "email"}, "scoped_to is empty"),
        ({"customer_id": "c\u0000"}, "pattern"),
        ({"customer_id": "c1", "who": "me"}, "Extra inputs"),
    ],
)
async def test_entry_is_refused_when_it_does_not_say_who_or_what(
    machine: httpx2.AsyncClient, listed: Listed, entry: dict[str, str], why: str
) -> None:
    for path in ("/suppressions", "/suppressions/lift"):
        response = await machine.post(path, json=entry)
        assert response.status_code == 422
        assert why in response.text
    assert await listed() == []


async def test_entry_is_gone_when_it_is_lifted(machine: httpx2.AsyncClient, listed: Listed) -> None:
    entry = {"address": "+49 30 123456", "scope": "channel", "scoped_to": "sms"}
    await machine.post("/suppressions", json=entry)
    assert await listed() == [("", "+4930123456", "channel", "sms", "manual")]
    assert (await machine.post("/suppressions/lift", json=entry)).status_code == 204
    assert (await machine.post("/suppressions/lift", json=entry)).status_code == 404
    assert await listed() == []


async def test_return_is_published_when_what_a_customer_said_is_lifted(
    machine: httpx2.AsyncClient,
    asked: Ask,
    way_out: Callable[..., str],
    published: Published,
) -> None:
    await asked()
    await machine.post(way_out(), data={"scope": "program"})
    entry = {
        "customer_id": "c1",
        "address": "c1@example.com",
        "scope": "program",
        "scoped_to": "post-purchase",
    }
    assert (await machine.post("/suppressions/lift", json=entry)).status_code == 204
    left, back = await published()
    assert back.type.name == "recipient.resubscribed.v1"
    assert (back.data.customer_id, back.data.scope, back.data.scoped_to) == (
        left.data.customer_id,
        left.data.scope,
        left.data.scoped_to,
    )


async def test_list_is_read_in_parts_when_it_is_long(machine: httpx2.AsyncClient) -> None:
    await load(machine, "customer_id", *(f"c{number:03d}" for number in range(25)))
    seen: list[str] = []
    cursor: str | None = None
    while True:
        query = {"limit": 10, **({"cursor": cursor} if cursor else {})}
        page = (await machine.get("/suppressions", params=query)).json()
        seen += [entry["customer_id"] for entry in page["suppressions"]]
        cursor = page["next"]
        if cursor is None:
            break
    assert seen == [f"c{number:03d}" for number in range(25)]


@pytest.mark.parametrize(
    ("search", "expected"),
    [
        ({"customer_id": "c1"}, 2),
        ({"address": "SHARED@example.com"}, 2),
        ({"customer_id": "c1", "scope": "channel"}, 1),
        ({"reason": "bounce"}, 1),
        ({"customer_id": "c9"}, 0),
        ({}, 4),
    ],
)
async def test_list_is_searched_when_something_is_asked_for(
    machine: httpx2.AsyncClient, search: dict[str, str], expected: int
) -> None:
    await load(
        machine,
        "customer_id,address,scope,scoped_to,reason",
        "c1,shared@example.com,all,,unsubscribed",
        "c1,,channel,email,",
        ",shared@example.com,all,,bounce",
        "c2,,,,",
    )
    found = (await machine.get("/suppressions", params=search)).json()["suppressions"]
    assert len(found) == expected
    lines = (await machine.get("/suppressions/export", params=search)).text.splitlines()
    assert len(lines) == expected + 1


@pytest.mark.parametrize("cursor", ["x", "WzFd", "WyIiLCIiLCIiXQ==", "é", "bnVsbA==", "e30="])
async def test_cursor_is_refused_when_it_is_not_ours(
    machine: httpx2.AsyncClient, cursor: str
) -> None:
    assert (await machine.get("/suppressions", params={"cursor": cursor})).status_code == 422


async def test_file_is_taken_and_its_faults_named_when_some_lines_are_wrong(
    machine: httpx2.AsyncClient, listed: Listed
) -> None:
    lines = [
        "\ufeffNote,Address,Customer_ID,Unknown,scope,scoped_to",
        '"moved, gone",Ada@Example.com,c1,x,,',
        "",
        ",not-an-address,c2,,,",
        ",,,,,",
        ",,c3,,someday,",
        '"open quote,,c4,,,',
        ",,c5,,type,relational",
        ",,c5,,type,relational\r",
    ]
    dry = await load(machine, *lines, dry_run="true")
    assert await listed() == []
    wet = await load(machine, *lines)
    assert {**dry, "dry_run": False} == wet
    assert (wet["lines"], wet["added"], wet["already"], wet["faulty"]) == (7, 2, 1, 4)
    assert [fault["line"] for fault in wet["faults"]] == [4, 5, 6, 7]
    assert await listed() == [
        ("c1", "ada@example.com", "all", "", "manual"),
        ("c5", "", "type", "relational", "manual"),
    ]
    again = await load(machine, *lines)
    assert (again["added"], again["already"]) == (0, 3)


async def test_list_is_the_same_when_its_export_is_imported(
    machine: httpx2.AsyncClient, listed: Listed
) -> None:
    await machine.post("/suppressions", json={"customer_id": "=c,1", "note": '=1+1 "quoted"'})
    await machine.post("/suppressions", json={"address": "+4930123456"})
    exported = await machine.get("/suppressions/export")
    assert exported.headers["content-type"] == "text/csv; charset=utf-8"
    assert "attachment" in exported.headers["content-disposition"]
    rows = list(csv.DictReader(exported.text.splitlines()))
    assert sorted(row["note"] for row in rows) == ["", '\'=1+1 "quoted"']
    before = await listed()
    for row in before:
        entry = {"customer_id": row[0], "address": row[1]}
        assert (await machine.post("/suppressions/lift", json=entry)).status_code == 204
    report = await load(machine, *exported.text.splitlines())
    assert (report["added"], report["faulty"]) == (2, 0)
    assert await listed() == before
    shown = (await machine.get("/suppressions")).json()["suppressions"]
    assert '=1+1 "quoted"' in [entry["note"] for entry in shown]


async def test_export_is_whole_when_it_is_longer_than_a_part(
    machine: httpx2.AsyncClient,
) -> None:
    await load(machine, "customer_id", *(f"c{number}" for number in range(2_300)))
    lines = (await machine.get("/suppressions/export")).text.splitlines()
    assert len(lines) == len(set(lines)) == 2_301


@pytest.mark.parametrize(
    ("content", "headers", "status"),
    [
        (b"", CSV, 422),
        (b"name,city\na,b", CSV, 422),
        (b"customer_id,customer_id\na,b", CSV, 422),
        (b"customer_id\n\xff\xfe", CSV, 422),
        (b"{}", {"content-type": "application/json"}, 415),
    ],
)
async def test_file_is_refused_when_it_is_no_list(
    machine: httpx2.AsyncClient, content: bytes, headers: dict[str, str], status: int
) -> None:
    response = await machine.post("/suppressions/import", content=content, headers=headers)
    assert response.status_code == status


async def test_file_is_bounded_when_it_has_no_end(machine: httpx2.AsyncClient) -> None:
    async def endless() -> AsyncIterator[bytes]:
        yield b"customer_id\n"
        while True:
            yield b"x" * 1_048_576

    response = await machine.post("/suppressions/import", content=endless(), headers=CSV)
    assert response.status_code == 413


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    header=st.just("customer_id,address,scope,scoped_to,reason,note") | st.text(max_size=30),
    body=st.lists(
        st.text(alphabet=st.sampled_from('ab@.,"\n\r\t\x00=é+1 '), max_size=30), max_size=6
    ),
)
async def test_import_never_breaks_us_when_a_file_says_anything(
    machine: httpx2.AsyncClient, header: str, body: list[str]
) -> None:
    content = "\n".join([header, *body]).encode()
    for dry_run in ("true", "false"):
        response = await machine.post(
            "/suppressions/import", content=content, headers=CSV, params={"dry_run": dry_run}
        )
        assert response.status_code in (200, 422)
