"""Who asks, as far as a request tells: a person's browser, or a program."""

import hashlib
import re
from collections.abc import Mapping
from enum import StrEnum
from functools import lru_cache
from ipaddress import IPv6Address, ip_address
from typing import Final

from msgspec import Struct

_PROGRAMS: Final = re.compile(
    r"""bot\b|crawl|spider|slurp|scan(?:ner)?\b|preview|prefetch|monitor|headless|phantomjs|validator
    |checker|fetch|archiver|curl|wget|libwww|python|httpx|go-http|axios|safelinks|proofpoint
    |mimecast|barracuda|fireeye|trendmicro|symantec|messagelabs|ironport|forcepoint|sophos|avanan
    |cloudmark|virustotal|googleimageproxy|ggpht|yahoomailproxy|microsoft\ office|ms-office
    |facebookexternalhit""",
    re.IGNORECASE | re.VERBOSE,
)
"""Crawlers, scanners of mail gateways and previews of messengers that call themselves Mozilla.

All browsers do, and hardly any library: what doesn't needs no list.
"""

_MODEL: Final = re.compile(r"(; Android [\d.]+);(?: \w\w-\w\w;)? [^;()/]*(?= Build/|\))")
"""The telephone in an agent: ScanPal, CUBOT, PHANTOM and MIRO BOT are devices, not programs."""

_TEXT_BROWSERS: Final = ("Lynx/", "Links ", "ELinks/", "w3m/", "Dillo/", "NetSurf/")
"""Browsers that people use, and that call themselves by their own name."""

_WITH_PORT: Final = re.compile(r"^(?:\[([^\]]*)\]|([\d.]+))(?::\d*)?$")
"""An address as some proxies write it: 20.1.2.3:50001, [2001:db8::1]:443."""

_AHEAD: Final = ("sec-purpose", "purpose", "x-moz", "x-purpose")
CLIENT_HEADERS: Final = ("user-agent", "accept-language", "sec-fetch-mode", *_AHEAD)
"""What tells a client, in lower case."""

_LONGEST_AGENT: Final = 400
_CLIENT_BYTES: Final = 12


class Kind(StrEnum):
    """What a request looks like. `bare`: a browser by its name, without what browsers send."""

    BROWSER = "browser"
    BARE = "bare"
    PROGRAM = "program"


class Client(Struct, frozen=True, kw_only=True):
    """Where a request comes from.

    `key`: a keyed hash of its address, its agent and its languages, the same for a day's requests
    of one device; it can't be turned back into them. `address` is for limits, and is not kept.
    `fetches_ahead`: the browser asks for a page that nobody has gone to yet.
    """

    key: bytes
    address: str
    kind: Kind
    has_fetch_metadata: bool
    fetches_ahead: bool


def client_of(headers: Mapping[str, str], address: str, *, secret: bytes) -> Client:
    """Return who sent these headers (by lower-case name) from this address."""
    agent = headers.get("user-agent", "")[:_LONGEST_AGENT]
    network = _network(address)
    languages = headers.get("accept-language", "")[:_LONGEST_AGENT]
    told = f"{network}\n{agent}\n{languages}".encode("utf-8", "replace")
    return Client(
        key=hashlib.blake2b(told, key=secret[:64], digest_size=_CLIENT_BYTES).digest(),
        address=network,
        kind=_kind(agent, headers),
        has_fetch_metadata="sec-fetch-mode" in headers,
        fetches_ahead=_fetches_ahead(headers),
    )


def _kind(agent: str, headers: Mapping[str, str]) -> Kind:
    if agent.startswith(_TEXT_BROWSERS):
        return Kind.BARE
    if _is_program(agent):
        return Kind.PROGRAM
    return Kind.BROWSER if headers.get("accept-language") else Kind.BARE


@lru_cache(maxsize=4096)
def _is_program(agent: str) -> bool:
    """Tell it by the agent; reading one takes longer than all else, and few come all the time."""
    if not agent.startswith(("Mozilla/", "Opera/")):
        return True
    return _PROGRAMS.search(_MODEL.sub(r"\1", agent)) is not None


def _fetches_ahead(headers: Mapping[str, str]) -> bool:
    told = [headers[name] for name in _AHEAD if name in headers]
    return any("prefetch" in text or "preview" in text for text in told)


def forwarded_address(peer: str, forwarded_for: str, *, hops: int) -> str:
    """Return the address that the outermost of our `hops` proxies saw; none of them: the peer's.

    What stands further left in `X-Forwarded-For` is whatever the client wrote.
    """
    if hops == 0:
        return peer
    seen = [part.strip() for part in forwarded_for.split(",") if part.strip()]
    if len(seen) < hops:
        return peer
    address = seen[-hops]
    return _WITH_PORT.sub(r"\1\2", address) if ":" in address or "[" in address else address


def _network(address: str) -> str:
    """Return what stands for one household: an IPv4 address, or the first half of an IPv6 one."""
    if ":" not in address:
        return address[:_LONGEST_AGENT]
    try:
        parsed = ip_address(address)
    except ValueError:
        return address[:_LONGEST_AGENT]
    if not isinstance(parsed, IPv6Address):
        return address
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(IPv6Address(int(parsed) >> 64 << 64))
