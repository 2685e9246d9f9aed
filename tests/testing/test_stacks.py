"""Strategies of whole packets: right ones are right, faults are faults, little is thrown away."""

from __future__ import annotations

import io
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, find, given, settings
from hypothesis import strategies as st
from hypothesis.statistics import collector

import pktlab
from pktlab.flows import Fragments
from pktlab.packets import Packet
from pktlab.testing import (
    FAULTS,
    captures,
    extension_chains,
    fragments,
    ip_options,
    packets,
    tcp_options,
    tcp_segments,
    tunnels,
    udp_datagrams,
)

STACKS = (
    "eth/ip/udp", "eth/vlan/ipv6/icmpv6", "ip/tcp", "ipv6/tcp", "ip/icmp", "ipv6/hopopts/dstopts/routing/udp",
    "ip/udp/vxlan/eth/ip/tcp", "ip/gre/ipv6/udp",
)  # fmt: skip


def assert_right(packet: Packet) -> None:
    assert packet.judgements
    assert {str(one.verdict) for one in packet.judgements} == {"good"}
    assert packet.stop is None or packet.layers[-1].protocol not in ("ip", "ipv6", "udp", "tcp")


@pytest.mark.parametrize("stack", STACKS)
def test_packets_of_a_stack_are_right_and_have_its_layers(stack: str) -> None:
    names = {"eth": "eth", "hopopts": "ipv6.hopopts", "dstopts": "ipv6.dstopts", "routing": "ipv6.routing"}

    @settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow])
    @given(packets(stack))
    def test(packet: Packet) -> None:
        assert_right(packet)
        found = [layer.protocol for layer in packet.layers]
        assert found[: len(stack.split("/"))] == [names.get(name, name) for name in stack.split("/")]

    test()


@settings(max_examples=25)
@given(st.one_of(udp_datagrams(), udp_datagrams(6), tcp_segments(), tcp_segments(6), extension_chains(), tunnels()))
def test_what_is_usual_is_right(packet: Packet) -> None:
    assert_right(packet)


@pytest.mark.parametrize("fault", list(FAULTS))
@pytest.mark.parametrize("stack", ["ip/udp", "ipv6/tcp"])
def test_a_packet_with_a_fault_is_not_good(stack: str, fault: str) -> None:
    @settings(max_examples=6, suppress_health_check=[HealthCheck.too_slow])
    @given(packets(stack, fault=fault))
    def test(packet: Packet) -> None:
        verdicts = [str(one.verdict) for one in packet.judgements if one.protocol in stack.split("/")]
        assert packet.comments[0].startswith("fault: ")
        assert len(verdicts) < len(stack.split("/")) - stack.startswith("ipv6") or set(verdicts) != {"good"}

    test()


@settings(max_examples=20)
@given(fragments(4) | fragments(6))
def test_fragments_are_a_datagram_again(pieces: list[Packet]) -> None:
    table = Fragments()
    done = [table.add(piece.dissection, 0, number) for number, piece in enumerate(pieces, 1)]
    assert [whole is not None for whole in done] == [False] * (len(pieces) - 1) + [True]


@settings(max_examples=15)
@given(captures() | captures(tcp_segments(), format="pcapng"))
def test_captures_can_be_opened(data: bytes) -> None:
    capture = pktlab.open(io.BytesIO(data))
    for packet in capture:
        assert_right(packet)
    assert capture.damage is None


@settings(max_examples=40)
@given(ip_options(), tcp_options())
def test_options_fit(of_ip: Any, of_tcp: Any) -> None:
    assert len(of_ip.build()) <= 40 >= len(of_tcp.build())
    assert len(of_ip.build()) % 4 == len(of_tcp.build()) % 4 == 0


def test_examples_shrink_to_short_and_plain_packets() -> None:
    least = find(packets(), lambda packet: True)
    assert len(least.data) == 42


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"stack": "eth/ipx"}, "'ipx' is no layer of a stack"), ({"stack": "tcp/ip"}, "ip cannot follow tcp"),
        ({"fault": "gone"}, "there is no fault 'gone'; there are bit"),
    ],
)  # fmt: skip
def test_what_cannot_be_drawn(arguments: dict[str, str], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        packets(**arguments)  # type: ignore[arg-type]


STRATEGIES = {
    "packets": packets(), "faults": packets("ip/tcp", valid=False), "chains": extension_chains(), "tunnels": tunnels(),
    "fragments": fragments(), "captures": captures(), "ip_options": ip_options(), "tcp_options": tcp_options(),
}  # fmt: skip


@pytest.mark.parametrize("name", list(STRATEGIES))
def test_at_most_one_example_in_ten_is_thrown_away(name: str) -> None:
    statuses: list[str] = []

    @settings(max_examples=30, database=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
    @given(STRATEGIES[name])
    def test(drawn: Any) -> None:
        pass

    def count(statistics: dict[str, Any]) -> None:
        statuses.extend(case["status"] for case in statistics["generate-phase"]["test-cases"])

    with collector.with_value(count):
        test()
    assert statuses.count("valid") >= 10
    assert statuses.count("invalid") <= 0.1 * len(statuses)
