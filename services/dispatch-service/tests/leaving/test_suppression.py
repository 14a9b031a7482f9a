"""What an entry of the list covers, and which words ask for it; tables."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatch_service.domain.keywords import Asked, Keyword, keyword_of
from dispatch_service.domain.message import Kind
from dispatch_service.domain.provider_event import our_ids
from dispatch_service.domain.suppression import (
    CUSTOMERS_OWN,
    REPLACES,
    Addressee,
    Reason,
    Suppression,
    Target,
    beside,
    covers,
    in_force,
    scoped_to,
)
from heardback.testing.clock import START
from heardback.vocabulary import Channel, ProgramType, Scope


def an_entry(**fields: Any) -> Suppression:
    return Suppression(**{"reason": Reason.UNSUBSCRIBED, "suppressed_at": START, **fields})


def a_target(**fields: Any) -> Target:
    usual: dict[str, Any] = {
        "kind": Kind.INVITATION,
        "customer_id": "c1",
        "address": "c1@example.com",
        "channel": Channel.EMAIL,
        "program_id": "post-purchase",
        "program_type": ProgramType.TRANSACTIONAL,
    }
    return Target(**{**usual, **fields})


@pytest.mark.parametrize(
    ("entry", "target", "expected"),
    [
        # Whom it is about.
        ({"customer_id": "c1"}, {}, True),
        ({"customer_id": "c2"}, {}, False),
        ({"customer_id": "c1"}, {"address": "elsewhere@example.com"}, True),
        ({"address": "c1@example.com"}, {"customer_id": "c2"}, True),
        ({"address": "c1@example.com"}, {"address": " C1@Example.com"}, True),
        ({"address": "c2@example.com"}, {}, False),
        ({}, {"customer_id": "", "address": ""}, False),
        ({"customer_id": "c2", "address": "c1@example.com"}, {}, True),
        # What it is about.
        ({"scope": Scope.PROGRAM, "scoped_to": "post-purchase"}, {}, True),
        ({"scope": Scope.PROGRAM, "scoped_to": "onboarding"}, {}, False),
        ({"scope": Scope.TYPE, "scoped_to": "transactional"}, {}, True),
        ({"scope": Scope.TYPE, "scoped_to": "relational"}, {}, False),
        ({"scope": Scope.TYPE, "scoped_to": "transactional"}, {"program_type": None}, False),
        ({"scope": Scope.TYPE, "scoped_to": ""}, {"program_type": None}, False),
        ({"scope": Scope.CHANNEL, "scoped_to": "email"}, {}, True),
        ({"scope": Scope.CHANNEL, "scoped_to": "email"}, {"channel": Channel.SMS}, False),
        ({}, {"kind": Kind.REMINDER}, True),
    ],
)
def test_entry_covers_a_message_when_it_is_about_the_customer_or_address_and_the_matter(
    entry: dict[str, Any], target: dict[str, Any], expected: bool
) -> None:
    who = {} if {"customer_id", "address"} & entry.keys() or "address" in target else None
    about = {"customer_id": "c1"} if who is None else {}
    assert covers(an_entry(**about, **entry), a_target(**target)) is expected


@pytest.mark.parametrize(
    ("reason", "address", "expected"),
    [
        (Reason.UNSUBSCRIBED, "c1@example.com", False),
        (Reason.MANUAL, "c1@example.com", False),
        (Reason.BOUNCE, "c1@example.com", True),
        (Reason.COMPLAINT, "c1@example.com", True),
        (Reason.STOP, "c1@example.com", True),
        (Reason.COMPLAINT, "elsewhere@example.com", False),
    ],
)
def test_follow_up_is_covered_when_the_address_refused_it_or_complained(
    reason: Reason, address: str, expected: bool
) -> None:
    entry = an_entry(customer_id="c1", address="c1@example.com", reason=reason)
    target = a_target(kind=Kind.FOLLOW_UP, address=address)
    assert covers(entry, target) is expected


@pytest.mark.parametrize("scope", Scope)
@pytest.mark.parametrize("channel", [Channel.EMAIL, Channel.SMS, Channel.IN_APP])
@pytest.mark.parametrize("kind", ProgramType)
def test_choice_is_in_force_when_it_was_made(
    scope: Scope, channel: Channel, kind: ProgramType
) -> None:
    addressee = Addressee(
        invitation_id="i1",
        customer_id="c1",
        program_id="p1",
        program_type=kind,
        channel=channel,
        email="c1@example.com",
        phone="+4930123456",
    )
    to = scoped_to(scope, addressee)
    assert to is not None
    entry = an_entry(customer_id="c1", scope=scope, scoped_to=to)
    other = an_entry(customer_id="c2", address="", scope=scope, scoped_to=to)
    assert in_force([entry, other], addressee) == [entry]


STOP, START_AGAIN, HELP = Keyword.STOP, Keyword.START, Keyword.HELP


@pytest.mark.parametrize(
    ("text", "keyword", "locale"),
    [
        ("STOP", STOP, "en"),
        (" stop! ", STOP, "en"),
        ("Stop all", STOP, "en"),
        ("“Stop.” 🙏", STOP, "en"),
        ("s\u200bt\u200bo\u200bp", STOP, "en"),
        ("ＳＴＯＰ", STOP, "en"),
        ("unsubscribe", STOP, "en"),
        ("Opt-out", STOP, "en"),
        ("Quit", STOP, "en"),
        ("Abmelden", STOP, "de"),
        ("STOPP", STOP, "de"),
        ("ARRET", STOP, "fr"),
        ("arrêtez", STOP, "fr"),
        ("désinscrire", STOP, "fr"),
        ("إيقاف", STOP, "ar"),
        ("ايقاف", STOP, "ar"),
        ("الغاء الاشتراك", STOP, "ar"),
        ("توقف.", STOP, "ar"),
        ("Start", START_AGAIN, "en"),
        ("UNSTOP", START_AGAIN, "en"),
        ("démarrer", START_AGAIN, "fr"),
        ("ابدا", START_AGAIN, "ar"),
        ("Help?", HELP, "en"),
        ("info", HELP, "en"),
        ("Hilfe", HELP, "de"),
        ("AIDE", HELP, "fr"),
        ("مساعده", HELP, "ar"),
    ],
)
def test_keyword_is_heard_when_it_is_the_whole_text(
    text: str, keyword: Keyword, locale: str
) -> None:
    assert keyword_of(text) == Asked(keyword=keyword, locale=locale)


@pytest.mark.parametrize(
    "text",
    [
        *("", "9", "9 stop", "please stop", "stop it", "don't stop", "yes", "10", "٩", "👍"),
        *("help me understand why", "nonstop", "stop" * 20, "9 great service", "the end was good"),
    ],
)
def test_text_is_no_keyword_when_it_says_more(text: str) -> None:
    assert keyword_of(text) is None


@given(st.text())
def test_any_text_is_read_when_it_comes(text: str) -> None:
    keyword_of(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("<018f-1.r1@example.com>", {"018f-1.r1", "018f-1:r1"}),
        ("018f-1.email@example.com", {"018f-1.email", "018f-1:email"}),
        ("018f-1:sms", {"018f-1:sms"}),
        ("<follow%20up@example.com>", {"follow up"}),
        ("<@example.com>", set()),
        (None, set()),
    ],
)
def test_our_message_is_found_when_its_id_stands_in_a_header(
    text: str | None, expected: set[str]
) -> None:
    assert set(our_ids(text)) == expected


@pytest.mark.parametrize("ours", [Reason.MANUAL, Reason.BOUNCE])
@pytest.mark.parametrize("theirs", sorted(CUSTOMERS_OWN))
def test_what_only_we_lift_never_gives_way_to_what_customers_take_back(
    ours: Reason, theirs: Reason
) -> None:
    assert ours not in REPLACES[theirs]
    entry = an_entry(customer_id="c1", address="c1@example.com", reason=theirs)
    everywhere, at_the_address = beside(entry, ours)
    assert (everywhere.customer_id, everywhere.address) == ("c1", "")
    assert (at_the_address.customer_id, at_the_address.address) == ("", "c1@example.com")
    follow_up = a_target(kind=Kind.FOLLOW_UP)
    assert covers(at_the_address, follow_up) is covers(entry, follow_up)
    assert beside(entry, theirs) == ()
    assert beside(an_entry(customer_id="c1", reason=theirs), ours) == ()
