"""Strategies of whole packets: right ones are right, faults are faults, little is thrown away."""

from __future__ import annotations

import io
from typing import Any, Literal

import pytest
from hypothesis import HealthCheck, Phase, find, given, settings
from hypothesis import strategies as st
from hypothesis.statistics import collector

import pktlab
from pktlab.capture import Record, open_writer
from pktlab.flows import Fragments
from pktlab.packets import Packet
from pktlab.testing import (
    CAPTURE_FAULTS,
    FAULTS,
    FRAGMENT_FAULTS,
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
from pktlab.testing.faults import faults_of
from tests.agreement.samples import draw_many

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


LONGER = {"odd-dropped": 1, "odd-low": 1, "last-byte": 1, "no-carry": 4, "one-fold": 4}
"""Bytes of data that a fault needs in order to show."""


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


@pytest.mark.parametrize("stack", ["ip/udp", "ipv6/tcp", "eth/ip/icmp"])
def test_each_fault_is_the_one_that_was_asked_for_and_shrinks_to_little(stack: str) -> None:
    bare = len(find(packets(stack), lambda packet: True).data)
    for fault in faults_of(stack.split("/")):
        packet = find(packets(stack, fault=fault), lambda packet: True)
        assert packet.comments == (f"fault: {fault}",)
        assert len(packet.data) == (1 if fault == "cut" else bare + LONGER.get(fault, 0))
        names = [one.comments[0].removeprefix("fault: ") for one in draw_many(packets(stack, fault=fault), 10)]
        assert names.count(fault) >= 0.9 * len(names)  # else one bit is flipped: a sum may read the same both ways


def test_faults_that_a_stack_cannot_have() -> None:
    for stack, fault in (("ip/icmp", "no-pseudo"), ("eth/ip", "odd-low"), ("ipv6", "bit")):
        with pytest.raises(ValueError, match=f"{stack} cannot have the fault '{fault}'"):
            packets(stack, fault=fault)
    names = {packet.comments[0] for packet in draw_many(packets("ip/icmp", valid=False), 150)}
    assert names <= {f"fault: {name}" for name in faults_of(["ip", "icmp"])}
    assert len(names) > 6


@settings(max_examples=20)
@given(fragments(4) | fragments(6))
def test_fragments_are_a_datagram_again(pieces: list[Packet]) -> None:
    done = put_together(pieces)
    assert [whole is not None for whole in done] == [False] * (len(pieces) - 1) + [True]
    assert not done[-1].overlapped


def put_together(pieces: list[Packet]) -> list[Any]:
    table = Fragments()
    return [table.add(piece.dissection, 0, number) for number, piece in enumerate(pieces, 1)]


@pytest.mark.parametrize("version", [4, 6])
def test_fragments_with_a_fault(version: Literal[4, 6]) -> None:
    for fault in FRAGMENT_FAULTS:
        for pieces in draw_many(fragments(version, fault=fault), 15):
            (done, *_) = [*filter(None, put_together(pieces)), None]
            assert done.overlapped if fault == "overlap" else done is None
    for pieces in draw_many(fragments(version, fault="swapped"), 15):
        *_, last = pktlab.open(io.BytesIO(as_capture(pieces)))
        assert last["udp.checksum.verdict"] == "bad"
    with pytest.raises(ValueError, match="fragments cannot have the fault 'cut'"):
        fragments(fault="cut")


def as_capture(pieces: list[Packet]) -> bytes:
    file = io.BytesIO()
    with open_writer(file, link_type=101) as writer:
        for number, piece in enumerate(pieces, 1):
            writer.write(Record(number, 0, piece.data, len(piece.data), 101))
    return file.getvalue()


@settings(max_examples=15)
@given(captures() | captures(tcp_segments(), format="pcapng"))
def test_captures_can_be_opened(data: bytes) -> None:
    capture = pktlab.open(io.BytesIO(data))
    for packet in capture:
        assert_right(packet)
    assert capture.damage is None


@pytest.mark.parametrize("format", ["pcap", "pcapng"])
@pytest.mark.parametrize("fault", CAPTURE_FAULTS)
def test_damaged_captures_are_damaged(format: Literal["pcap", "pcapng"], fault: str) -> None:
    for data in draw_many(captures(format=format, fault=fault), 15):
        capture = pktlab.open(io.BytesIO(data))
        for packet in capture:
            assert_right(packet)
        assert capture.damage is not None


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
    "wrong fragments": fragments(6, valid=False), "wrong captures": captures(valid=False),
    "wrong options": ip_options(valid=False),
}  # fmt: skip


@pytest.mark.parametrize("name", list(STRATEGIES))
def test_at_most_one_example_in_ten_is_thrown_away(name: str) -> None:
    statuses: list[str] = []

    @settings(
        max_examples=60, database=None, derandomize=True, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(STRATEGIES[name])
    def test(drawn: Any) -> None:
        pass

    def count(statistics: dict[str, Any]) -> None:
        statuses.extend(case["status"] for case in statistics["generate-phase"]["test-cases"])

    with collector.with_value(count):
        test()
    assert statuses.count("valid") >= 10
    assert statuses.count("invalid") <= 0.1 * len(statuses)
