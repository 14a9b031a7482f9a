"""How a text message is counted: TS 23.038, with each limit from both sides."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heardback.gsm import Encoding, measure

GSM, UCS = Encoding.GSM_7, Encoding.UCS_2


@pytest.mark.parametrize(
    ("text", "encoding", "units", "segments"),
    [
        ("", GSM, 0, 1),
        ("a" * 160, GSM, 160, 1),
        ("a" * 161, GSM, 161, 2),
        ("a" * 306, GSM, 306, 2),
        ("a" * 307, GSM, 307, 3),
        ("€" * 80, GSM, 160, 1),
        ("€" * 81, GSM, 162, 2),
        # An escape is not torn from its character: 76 pairs leave one place of 153 unused.
        ("€" * 152, GSM, 304, 2),
        ("€" * 153, GSM, 306, 3),
        ("a" * 152 + "€" + "a" * 152, GSM, 306, 3),
        ("a" * 151 + "€" + "a" * 153, GSM, 306, 2),
        ("äöüßÄÖÜñéèàùìòÇØøÅåÆæ@£$¥Δ_ΦΓΛΩΠΨΣΘΞ¡¿§\r\n", GSM, 41, 1),
        ("[]{}\\~^|€\f", GSM, 20, 1),
        ("ç", UCS, 1, 1),  # the alphabet has the capital only
        ("`", UCS, 1, 1),
        ("–" * 70, UCS, 70, 1),
        ("–" * 71, UCS, 71, 2),
        ("–" * 134, UCS, 134, 2),
        ("–" * 135, UCS, 135, 3),
        ("😀" * 35, UCS, 70, 1),
        ("😀" * 36, UCS, 72, 2),
        # Nor is a surrogate pair: 33 of them leave one unit of 67 unused.
        ("😀" * 66, UCS, 132, 2),
        ("😀" * 67, UCS, 134, 3),
        ("كيف كانت تجربتك؟", UCS, 16, 1),
    ],
)
def test_text_is_counted(text: str, encoding: Encoding, units: int, segments: int) -> None:
    found = measure(text)
    assert (found.encoding, found.units, found.segments) == (encoding, units, segments)


@given(st.text(max_size=700))
def test_parts_hold_the_text_whatever_it_says(text: str) -> None:
    found = measure(text)
    alone, room = (160, 153) if found.encoding is GSM else (70, 67)
    assert (found.segments == 1) == (found.units <= alone)
    if found.segments > 1:
        # Each part but the last is full, or one unit short where a pair did not fit.
        assert (found.segments - 1) * (room - 1) < found.units <= found.segments * room


@given(st.text(alphabet="abc€[]", max_size=400), st.sampled_from("é€x"))
def test_more_text_never_takes_fewer_parts(text: str, more: str) -> None:
    assert measure(text).segments <= measure(text + more).segments
