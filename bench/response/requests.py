"""The requests of the benchmark: what browsers send for a survey page and for its answer."""

import json
import re
from collections.abc import Iterator, Sequence
from typing import Final
from urllib.parse import urlencode

_BROWSER: Final = (
    "Host: 127.0.0.1\r\n"
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko)"
    " Chrome/140.0.0.0 Safari/537.36\r\n"
    "Accept: text/html,application/xhtml+xml\r\nAccept-Language: en-GB,en;q=0.9\r\n"
    "Sec-Fetch-Site: same-origin\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-User: ?1\r\n"
    "Sec-Fetch-Dest: document\r\n"
)
_RENDERED_AT: Final = re.compile(rb'name="t" value="([^"]*)"')


def page(path: str, number: int) -> bytes:
    """Return a GET; `number` stands for the customer's address."""
    return f"GET {path} HTTP/1.1\r\n{_BROWSER}{_address(number)}\r\n".encode()


def answers(paths: Sequence[str], rendered_at: Sequence[str]) -> Iterator[bytes]:
    """Return a POST of our form for each of `paths`."""
    for number, (path, at) in enumerate(zip(paths, rendered_at, strict=True)):
        form = {"score": number % 11, "comment": _comment(number), "t": at}
        yield _post(path, number, "application/x-www-form-urlencoded", urlencode(form))


def bare_answers(count: int) -> Iterator[bytes]:
    """Return as many POSTs for the bare route."""
    for number in range(count):
        said = {"invitation_id": str(number), "score": number % 11, "comment": _comment(number)}
        yield _post("/answers", number, "application/json", json.dumps(said))


def rendered_at(page: bytes) -> str:
    """Return when the page says that it was rendered."""
    found = _RENDERED_AT.search(page)
    return found[1].decode() if found else ""


def _post(path: str, number: int, kind: str, body: str) -> bytes:
    head = f"POST {path} HTTP/1.1\r\n{_BROWSER}{_address(number)}Content-Type: {kind}\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n{body}".encode()


def _address(number: int) -> str:
    a, b, c = number >> 16 & 255, number >> 8 & 255, number & 255
    return f"X-Forwarded-For: 10.{a}.{b}.{c}\r\n"


def _comment(number: int) -> str:
    return f"The courier was on time, and order {number} was all there. Thank you!"
