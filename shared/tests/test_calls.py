"""Calls of other systems: what can't even be sent."""

import pytest

from heardback.calls.http import Caller, Silence, can_be_sent


@pytest.mark.parametrize("value", ["", "Bearer abc", "a\tb", "~"])
def test_printable_words_can_be_sent(value: str) -> None:
    assert can_be_sent(value)


@pytest.mark.parametrize("value", ["abc\n", " abc", "abc ", "a\r\nX: b", "é", "a\x00b"])
async def test_value_that_no_header_takes_is_told_without_being_quoted(value: str) -> None:
    caller = Caller(timeout_seconds=5)
    heard = await caller.post("http://127.0.0.1:9/", headers={"Authorization": value}, content=b"")
    await caller.close()
    assert not can_be_sent(value)
    assert heard == Silence(
        detail="the header Authorization has a character that can't be sent", in_doubt=False
    )
