"""The ports of the local stack."""

import pytest

from heardback_local.ports import PortOutOfRange, Ports, PortsCollide, UnknownPortName


def test_ports_follow_the_base_when_nothing_is_overridden() -> None:
    ports = Ports.from_base(9000)
    assert (ports.trigger, ports.insights, ports.mailbox, ports.kafka) == (9001, 9005, 9006, 9009)


def test_one_port_moves_when_it_is_overridden() -> None:
    ports = Ports.from_base(9000, {"mailbox": 80})
    assert (ports.insights, ports.mailbox, ports.smtp) == (9005, 80, 9007)


def test_unknown_name_is_refused_when_overridden() -> None:
    with pytest.raises(UnknownPortName) as refusal:
        Ports.from_base(9000, {"mail": 80})
    assert "mailbox" in refusal.value.known


def test_same_port_twice_is_refused_when_an_override_collides() -> None:
    with pytest.raises(PortsCollide) as refusal:
        Ports.from_base(9000, {"mailbox": 9001})
    assert (refusal.value.first, refusal.value.second) == ("trigger", "mailbox")


@pytest.mark.parametrize("base", [-5, 65_530])
def test_port_is_refused_when_out_of_range(base: int) -> None:
    with pytest.raises(PortOutOfRange):
        Ports.from_base(base)


def test_free_ports_are_none_that_an_outgoing_connection_is_given():
    ports = [*Ports.free().by_name().values()]
    assert len({*ports}) == len(ports)
    assert all(1_024 < port < 32_768 for port in ports)
