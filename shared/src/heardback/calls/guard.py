"""Keeps calls to addresses that strangers give us away from our own network.

What counts is the address that is connected to: a name that is looked up twice may lead somewhere
else the second time.
"""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Iterable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final

import httpcore2

Network = IPv4Network | IPv6Network
LookUp = Callable[[str, int], Awaitable[Sequence[str]]]
_SECONDS_EACH: Final = 2.0
_MOST_ADDRESSES: Final = 4
_EMBEDDING: Final = tuple(
    IPv6Network(network) for network in ("64:ff9b::/96", "64:ff9b:1::/48", "2001::/32", "2002::/16")
)
"""NAT64, Teredo and 6to4: an IPv4 address stands in them, and a gateway may lead to it."""


class AddressForbidden(httpcore2.ConnectError):
    """The name leads to no address on the public internet."""


def is_permitted(address: str, allowed: Sequence[Network] = ()) -> bool:
    """Tell whether `address` (not a name) is on the public internet, or in a network of `allowed`.

    Raises: ValueError when it is no address.
    """
    place = ip_address(address.partition("%")[0])
    if isinstance(place, IPv6Address) and place.ipv4_mapped is not None:
        place = place.ipv4_mapped
    return any(place in network for network in allowed) or _is_public(place)


def networks_in(setting: str) -> tuple[Network, ...]:
    """Return the networks that a setting lists: `10.0.0.0/8, 127.0.0.1`.

    Raises: ValueError, which says what is wrong.
    """
    return tuple(ip_network(name.strip()) for name in setting.split(",") if name.strip())


async def look_up(host: str, port: int) -> Sequence[str]:
    """Return the addresses of a name.

    Raises: httpcore2.ConnectError when it has none.
    """
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as error:
        msg = error.strerror or "unknown name"
        raise httpcore2.ConnectError(msg) from None
    return list(dict.fromkeys(str(info[4][0]) for info in found))


class GuardedBackend(httpcore2.AnyIOBackend):
    """Looks a name up once, and connects to that very address, if it is one that is permitted."""

    def __init__(self, allowed: Sequence[Network] = (), *, look_up: LookUp = look_up) -> None:
        """`allowed`: networks of our own that may be called all the same."""
        self._allowed = allowed
        self._look_up = look_up

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        """Connect to the first address that answers.

        Raises: AddressForbidden; httpcore2.ConnectError and ConnectTimeout as always.
        """
        try:
            async with asyncio.timeout(timeout):
                *others, last = await self._permitted(host, port)
                for address in others:
                    try:
                        return await self._connect(address, port, _SECONDS_EACH)
                    except (httpcore2.ConnectError, httpcore2.ConnectTimeout):
                        continue
                return await self._connect(last, port)
        except TimeoutError:
            msg = "no answer in time"
            raise httpcore2.ConnectTimeout(msg) from None

    async def connect_unix_socket(
        self,
        path: str,
        timeout: float | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        """Refuse: nobody outside is behind a file."""
        raise AddressForbidden(AddressForbidden.__doc__)

    async def _connect(
        self, address: str, port: int, seconds: float | None = None
    ) -> httpcore2.AsyncNetworkStream:
        return await super().connect_tcp(address, port, seconds)

    async def _permitted(self, host: str, port: int) -> Sequence[str]:
        found = await self._look_up(host, port)
        permitted = [address for address in found if is_permitted(address, self._allowed)]
        if not permitted:
            raise AddressForbidden(AddressForbidden.__doc__)
        return permitted[:_MOST_ADDRESSES]


def _is_public(place: IPv4Address | IPv6Address) -> bool:
    if not place.is_global or place.is_multicast or place.is_reserved:
        return False
    if isinstance(place, IPv6Address) and place.is_site_local:
        return False  # given up long ago, and still routed within some houses
    return not any(place in network for network in _EMBEDDING)
