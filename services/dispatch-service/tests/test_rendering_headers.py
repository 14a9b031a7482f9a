"""Headers hold whatever a customer is called, and whatever anybody writes. Product row 24."""

from hypothesis import given
from hypothesis import strategies as st

from dispatch_service.domain.message import Kind
from dispatch_service.rendering.mime import mailbox, text_header
from heardback.surveys import ready_made

from . import rendering_builders as build
from .rendering_builders import INVITATION_ID, a_mail, name_in, read

NASTY = st.one_of(
    st.text(max_size=1_000),
    st.text(st.sampled_from('a\r\n\t ,;:<>@"\\()=?_%{}é🎈\u202e\u200f\u2066\u2028أ'), max_size=200),
    st.builds(lambda text: text * 40, st.text(min_size=1, max_size=25)),
)
EXPECTED_HEADERS = list(a_mail()[1].keys())


@given(name=NASTY, touchpoint=st.text(max_size=200), locale=st.sampled_from(build.LOCALES))
def test_headers_are_whole_whatever_a_name_holds(name: str, touchpoint: str, locale: str) -> None:
    survey = ready_made()["nps"]
    raw, mail = a_mail(survey, name=name, touchpoint=touchpoint, locale=locale)
    assert list(mail.keys()) == EXPECTED_HEADERS
    assert [address.addr_spec for address in mail["To"].addresses] == ["ada@example.com"]
    assert len(name_in(raw)) <= 60
    assert mail["Heardback-Invitation"] == INVITATION_ID
    assert not mail.defects and all(not piece.defects for piece in mail.walk())
    head = raw.partition(b"\r\n\r\n")[0]
    assert max(map(len, head.split(b"\r\n"))) <= 998
    assert head.isascii()


@given(NASTY, st.text(max_size=300))
def test_follow_up_is_whole_whatever_it_says(text: str, subject: str) -> None:
    _, mail = a_mail(kind=Kind.FOLLOW_UP, content={"text": text, "subject": subject})
    assert [name for name in mail if name not in EXPECTED_HEADERS] == ["In-Reply-To", "References"]
    assert not mail.defects and all(not piece.defects for piece in mail.walk())


@given(st.text(st.characters(exclude_categories=["C", "Zl", "Zp"]), max_size=300))
def test_text_is_read_back_when_it_was_a_header(text: str) -> None:
    text = " ".join(text.split())
    raw = f"Subject: {text_header(text)}\nTo: {mailbox(text, 'ada@example.com')}\n\n"
    mail = read(raw.replace("\n", "\r\n").encode("ascii"))
    assert str(mail["Subject"]) == text
    assert name_in(raw.replace("\n", "\r\n").encode("ascii")) == text
    encoded = [line for line in raw.splitlines() if "=?utf-8?" in line]
    assert all(len(line) <= 76 for line in encoded if "=?" not in text)
