"""Who asks: people whose devices have strange names, and addresses as proxies write them."""

import pytest

from response_service.domain.client import Kind, client_of, forwarded_address

PERSON = {"accept-language": "en", "sec-fetch-mode": "navigate"}
PHONE = "Mozilla/5.0 (Linux; Android {}) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0"
GOOGLE = " (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"


def kind_of(agent: str) -> Kind:
    return client_of({**PERSON, "user-agent": agent}, "192.0.2.1", secret=b"s").kind


@pytest.mark.parametrize(
    "device",
    [
        "9; ScanPal EDA51",
        "7.1; en-us; ScanPal EDA50 Build/N2G48C",
        "10; TECNO PHANTOM X2 Build/QP1A",
        "11; CUBOT NOTE 20",
        "8.1.0; MIRO BOT Build/O11019; wv",
    ],
)
def test_telephone_is_no_program_when_its_name_sounds_like_one(device: str) -> None:
    assert kind_of(PHONE.format(device)) is Kind.BROWSER


@pytest.mark.parametrize("agent", ["Lynx/2.9.0 libwww-FM/2.14", "w3m/0.5.3", "Links (2.29; Linux)"])
def test_text_browser_is_bare(agent: str) -> None:
    assert kind_of(agent) is Kind.BARE


@pytest.mark.parametrize(
    "agent",
    [
        PHONE.format("6.0.1; Nexus 5X Build/MMB29P") + GOOGLE,
        PHONE.format("13; FooBot/1.0"),
        "Mozilla/5.0 (compatible; MailScanner/5)",
        "Mozilla/5.0 (compatible; link scan)",
        "Mozilla/5.0 (compatible; PetalBot;+https://example.com)",
        "Mozilla/5.0 (Unknown; Linux x86_64) AppleWebKit/538.1 PhantomJS/2.1.1 Safari/538.1",
        "curl/8.5.0",
    ],
)
def test_program_is_known_by_its_name(agent: str) -> None:
    assert kind_of(agent) is Kind.PROGRAM


def test_clients_are_told_apart_when_they_speak_other_languages() -> None:
    keys = {
        client_of({"user-agent": "x", "accept-language": told}, "192.0.2.1", secret=b"s").key
        for told in ("en", "de", "de")
    }
    assert len(keys) == 2


@pytest.mark.parametrize(
    ("told", "address"),
    [
        ("20.1.2.3:50001", "20.1.2.3"),
        ("[2001:db8::1]:443", "2001:db8::1"),
        ("[2001:db8::1]", "2001:db8::1"),
        ("2001:db8::1", "2001:db8::1"),
        ("20.1.2.3", "20.1.2.3"),
        ("198.51.100.9, 20.1.2.3:1", "20.1.2.3"),
        ("unknown", "unknown"),
    ],
)
def test_port_and_brackets_are_left_out_when_a_proxy_writes_them(told: str, address: str) -> None:
    assert forwarded_address("9.9.9.9", told, hops=1) == address
