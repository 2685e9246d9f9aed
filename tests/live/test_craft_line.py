"""The line of a packet makes that packet."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import pktlab

pytest.importorskip("scapy", reason="Scapy is not installed")


def test_of_packets_of_a_capture(first_light: Path) -> None:
    for packet in list(pktlab.open(first_light))[::3]:
        line = pktlab.craft_line(packet)
        made = pktlab.craft(line)
        assert isinstance(made, pktlab.Packet)
        assert made.data == packet.data, line
        assert made.link_type == packet.link_type


@pytest.mark.parametrize(
    "line",
    [
        "IP()/UDP()/b'hi'", "Ether()/ARP()", "IPv6()/ICMPv6EchoRequest()", "IP(ttl=9)/TCP(flags=18)",
        "Ether()/IP()/UDP(chksum=1)", "IP(dst='192.0.2.9')/ICMP()",
    ],
)  # fmt: skip
def test_only_what_has_to_be_said_is(line: str) -> None:
    made = pktlab.craft(line)
    assert isinstance(made, pktlab.Packet)
    assert pktlab.craft_line(made) == line


def test_what_scapy_would_write_otherwise_is_bytes() -> None:
    name = b"\1a\0\0\1\0\1" + b"\xc0\x0c\0\1\0\1\0\0\0\0\0\4\1\2\3\4"  # an answer that points back at the question
    dns = b"\0\1\x80\0\0\1\0\1\0\0\0\0" + name
    packet = pktlab.craft(f"IP()/UDP(sport=53, dport=9)/{dns!r}")
    assert isinstance(packet, pktlab.Packet)
    assert repr(dns) in pktlab.craft_line(packet)


@settings(max_examples=40)
@given(st.binary(max_size=60), st.sampled_from(["eth", "ip", "raw", "sll", "null", "udp", "data"]))
def test_of_any_bytes(data: bytes, kind: str) -> None:
    packet = pktlab.packet(data, as_=kind)
    made = pktlab.craft(pktlab.craft_line(packet))
    assert isinstance(made, pktlab.Packet)
    assert made.data == data
