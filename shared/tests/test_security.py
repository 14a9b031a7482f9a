from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heardback.security import LinkExpired, LinkSigner, LinkTampered
from heardback.testing.clock import START

OLD, NEW = "old-key-of-sixteen", "new-key-of-sixteen"
INVITATION = "01933b8e-5a1c-7c3e-9d2f-0123456789ab"
EXPIRES = START + timedelta(days=30)


def signer(*keys: str, purpose: str = "survey") -> LinkSigner:
    return LinkSigner(keys or (NEW,), purpose=purpose)


def test_link_names_its_invitation_when_it_is_ours() -> None:
    token = signer().sign(INVITATION, expires_at=EXPIRES)
    assert signer().read(token, now=START) == INVITATION
    assert len(token) < 64


def test_link_lives_when_the_key_was_rotated() -> None:
    token = signer(OLD).sign(INVITATION, expires_at=EXPIRES)
    assert signer(NEW, OLD).read(token, now=START) == INVITATION
    with pytest.raises(LinkTampered):
        signer(NEW).read(token, now=START)


def test_newest_key_signs_when_there_are_several() -> None:
    token = signer(NEW, OLD).sign(INVITATION, expires_at=EXPIRES)
    assert signer(NEW).read(token, now=START) == INVITATION


def test_link_is_over_when_its_time_has_come() -> None:
    token = signer().sign(INVITATION, expires_at=EXPIRES)
    assert signer().read(token, now=EXPIRES - timedelta(seconds=1)) == INVITATION
    with pytest.raises(LinkExpired):
        signer().read(token, now=EXPIRES)


def test_link_is_refused_when_it_is_for_another_purpose() -> None:
    token = signer(purpose="unsubscribe").sign(INVITATION, expires_at=EXPIRES)
    with pytest.raises(LinkTampered):
        signer().read(token, now=START)


@given(st.integers(min_value=0), st.characters())
def test_link_is_refused_when_any_character_is_changed(position: int, other: str) -> None:
    token = signer().sign(INVITATION, expires_at=EXPIRES)
    at = position % (len(token) - 1)  # the last one has spare bits that mean nothing
    changed = token[:at] + other + token[at + 1 :]
    if other == token[at]:
        return
    with pytest.raises(LinkTampered):
        signer().read(changed, now=START)


@given(st.text(max_size=200))
def test_link_is_refused_when_it_is_any_text(text: str) -> None:
    with pytest.raises(LinkTampered):
        signer().read(text, now=START)


@pytest.mark.parametrize("keys", [(), ("short",), (NEW, "short")])
def test_signer_is_refused_when_a_key_is_weak(keys: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="16 characters"):
        LinkSigner(keys, purpose="survey")
