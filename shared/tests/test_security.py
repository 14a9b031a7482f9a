from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from itsdangerous import Signer

from heardback.security import (
    ApiKeys,
    LinkExpired,
    LinkSigner,
    LinkTampered,
    new_api_key,
    short_code,
)
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


def test_link_is_written_in_one_way() -> None:
    token = signer().sign(INVITATION, expires_at=EXPIRES)
    last = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    others = {token[:-1] + letter for letter in last} - {token}
    for other in (token + "=", token + "!!", token[:5] + " " + token[5:], f"{token}\n", *others):
        with pytest.raises(LinkTampered):
            signer().read(other, now=START)


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


def test_link_is_over_when_it_was_read_before_its_time() -> None:
    reader = signer()
    token = reader.sign(INVITATION, expires_at=EXPIRES)
    assert reader.read(token, now=EXPIRES - timedelta(microseconds=1)) == INVITATION
    with pytest.raises(LinkExpired):
        reader.read(token, now=EXPIRES)


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


def test_short_code_is_of_its_key_and_invitation_when_made() -> None:
    code = short_code(NEW, INVITATION)
    assert code == short_code(NEW, INVITATION)
    assert len(code) == 10 and not set(code) & set("0OIl+/_-")
    others = [short_code(OLD, INVITATION)] + [short_code(NEW, f"{n}") for n in range(10_000)]
    assert len({code, *others}) == 10_002


def test_api_key_is_known_by_its_hash_when_listed() -> None:
    (first, first_hash), (second, second_hash) = new_api_key(), new_api_key()
    keys = ApiKeys.parse(f" kiosk:{first_hash}, kiosk:{second_hash} ,")
    assert first.startswith("hb_") and first != second
    assert keys.name_of(first) == keys.name_of(second) == "kiosk"
    assert [keys.name_of(wrong) for wrong in ("", first_hash, first[:-1], "\ud800")] == [None] * 4
    assert ApiKeys.parse("").name_of(first) is None


@pytest.mark.parametrize("text", ["kiosk", "kiosk:hb_secret", "a b:" + "0" * 64, ":" + "0" * 64])
def test_api_keys_are_refused_when_they_are_no_hashes(text: str) -> None:
    with pytest.raises(ValueError, match="part 2"):
        ApiKeys.parse(f"ok:{'0' * 64},{text}")


def test_links_are_those_of_the_library_when_it_derives_and_signs_by_itself() -> None:
    token = LinkSigner([NEW, OLD], purpose="survey").sign(INVITATION, expires_at=EXPIRES)
    plain = Signer([OLD, NEW], salt="heardback.survey", key_derivation="hmac")
    assert plain.sign(plain.unsign(token)).decode() == token
