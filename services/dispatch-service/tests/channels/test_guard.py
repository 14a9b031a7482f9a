"""Nobody reaches our own network by way of a webhook."""

import asyncio
from collections.abc import Sequence

import httpcore2
import pytest

from heardback.calls.guard import (
    AddressForbidden,
    GuardedBackend,
    is_permitted,
    networks_in,
)

from .servers import serving

LOOPBACK = networks_in("127.0.0.0/8")


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "127.8.8.8",
        "0.0.0.0",
        "10.1.2.3",
        "172.16.0.1",
        "172.31.255.255",
        "192.168.1.1",
        "169.254.169.254",  # where clouds keep credentials
        "100.64.0.1",  # shared by a provider's customers
        "192.0.2.1",
        "198.18.0.1",
        "224.0.0.1",
        "239.255.255.250",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::7f00:1",
        "fe80::1",
        "fe80::1%eth0",
        "fec0::1",
        "feff::1",
        "fc00::1",
        "fd12:3456::1",
        "ff02::1",
        "2001:db8::1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "::ffff:169.254.169.254",
        "64:ff9b::7f00:1",
        "64:ff9b::808:808",
        "64:ff9b:1::a00:1",
        "2002:7f00:1::",
        "2001:0:53aa:64c::1",
    ],
)
def test_address_is_refused_when_it_is_not_public(address: str) -> None:
    assert not is_permitted(address)


@pytest.mark.parametrize(
    "address", ["8.8.8.8", "93.184.216.34", "172.32.0.1", "2606:4700::1111", "::ffff:8.8.8.8"]
)
def test_address_is_permitted_when_it_is_public(address: str) -> None:
    assert is_permitted(address)


def test_only_the_named_networks_are_permitted_when_some_are() -> None:
    allowed = networks_in("10.0.0.0/8, 127.0.0.1")
    assert is_permitted("10.2.3.4", allowed)
    assert is_permitted("::ffff:10.2.3.4", allowed)
    assert is_permitted("127.0.0.1", allowed)
    assert not is_permitted("127.0.0.2", allowed)
    assert not is_permitted("192.168.0.1", allowed)
    assert networks_in(" ") == ()
    with pytest.raises(ValueError, match="host bits"):
        networks_in("10.0.0.1/8")


def pool(backend: GuardedBackend) -> httpcore2.AsyncConnectionPool:
    return httpcore2.AsyncConnectionPool(network_backend=backend)


@pytest.mark.parametrize("host", ["127.0.0.1", "0x7f.1", "2130706433", "127.1", "localhost"])
async def test_nothing_connects_however_the_address_is_written(host: str) -> None:
    async with serving() as server, pool(GuardedBackend()) as calls:
        with pytest.raises(AddressForbidden):
            await calls.request("POST", f"http://{host}:{server.port}/")
        assert server.connections == 0


async def test_rebinding_a_name_does_not_help() -> None:
    """The name leads somewhere public the first time, and home each time after that."""
    answers = iter([["203.0.113.9", "93.184.216.34"], ["127.0.0.1"], ["127.0.0.1"]])
    looked_up: list[str] = []
    connected: list[str] = []

    async def look_up(host: str, port: int) -> Sequence[str]:
        looked_up.append(host)
        return next(answers)

    class Seen(GuardedBackend):
        async def _connect(
            self, address: str, port: int, seconds: float | None = None
        ) -> httpcore2.AsyncNetworkStream:
            connected.append(address)
            raise httpcore2.ConnectError

    async with serving() as server, pool(Seen(look_up=look_up)) as calls:
        with pytest.raises(httpcore2.ConnectError):
            await calls.request("POST", f"http://shop.example.com:{server.port}/")
        assert (looked_up, connected) == (["shop.example.com"], ["93.184.216.34"])
        with pytest.raises(AddressForbidden):
            await calls.request("POST", f"http://shop.example.com:{server.port}/")
        assert connected == ["93.184.216.34"]
        assert server.connections == 0


async def test_the_next_address_is_tried_when_the_first_is_dead() -> None:
    async def look_up(host: str, port: int) -> Sequence[str]:
        return ["127.0.0.2", "127.0.0.1"]

    async with serving() as server, pool(GuardedBackend(LOOPBACK, look_up=look_up)) as calls:
        response = await calls.request("POST", f"http://shop.example.com:{server.port}/")
        assert response.status == 200
        assert server.calls[0].headers["host"] == f"shop.example.com:{server.port}"


async def test_looking_up_takes_no_longer_than_connecting_may() -> None:
    async def look_up(host: str, port: int) -> Sequence[str]:
        await asyncio.Event().wait()
        return []

    async with pool(GuardedBackend(look_up=look_up)) as calls:
        with pytest.raises(httpcore2.ConnectTimeout):
            await calls.request(
                "POST", "http://slow.example.com/", extensions={"timeout": {"connect": 0.05}}
            )


async def test_a_file_is_no_way_round() -> None:
    with pytest.raises(AddressForbidden):
        await GuardedBackend(LOOPBACK).connect_unix_socket("/run/anything")
