"""The flow table, told as traces: which conversation, and which relative numbers."""

from __future__ import annotations

import logging

import pytest

from pktlab.flows import Flow, FlowKey, FlowTable, Transport, transports
from pktlab.wire import build, dissect
from pktlab.wire.icmp import Icmp, Unused
from pktlab.wire.ipv4 import Ip
from pktlab.wire.tcp import Tcp
from pktlab.wire.udp import Udp
from pktlab.wire.udplite import UdpLite

BITS = {"S": 2, "A": 0x10, "F": 1, "R": 4}
OUT = FlowKey("tcp", "192.0.2.1", 1000, "192.0.2.2", 80)
UDP = FlowKey("udp", "192.0.2.1", 1000, "192.0.2.2", 53)


def run(trace: str, table: FlowTable | None = None) -> list[tuple[int, int | None, int | None]]:
    """Return (stream, seq, ack) of each segment of a trace: in ``< SA 500 101`` the second end sends."""
    table = table or FlowTable()
    told = []
    for line in filter(None, map(str.strip, trace.splitlines())):
        way, flags, seq, ack = line.split()
        key = OUT if way == ">" else OUT.reversed()
        seen = table.see(Transport(0, key, int(seq), int(ack), sum(BITS[one] for one in flags)))
        told.append((seen.flow.stream, seen.seq, seen.ack))
    return told


@pytest.mark.parametrize(
    ("trace", "told"),
    [
        pytest.param(
            """
            > S  100 0
            < SA 500 101
            > A  101 501
            > FA 103 501
            < R  501 0
            """,
            [(0, 0, 0), (0, 0, 1), (0, 1, 1), (0, 3, 1), (0, 1, 0)],
            id="a connection from its start",
        ),
        pytest.param(
            """
            > A 1000 2000
            < A 2000 1001
            """,
            [(0, 1, 1), (0, 1, 2)],
            id="a connection from its middle",
        ),
        pytest.param(
            """
            > S 100 0
            > S 100 0
            > S 200 0
            """,
            [(0, 0, 0), (0, 0, 0), (1, 0, 0)],
            id="a SYN that is sent again, and another one",
        ),
        pytest.param(
            """
            > S  100 0
            > FA 101 1
            > S  100 0
            """,
            [(0, 0, 0), (0, 1, 1), (0, 0, 0)],
            id="a SYN with the old number is no new connection, even after a FIN",
        ),
        pytest.param(
            """
            > S  100 0
            < SA 500 101
            < SA 900 101
            > A  101 901
            """,
            [(0, 0, 0), (0, 0, 1), (0, 0, 1), (0, 1, 1)],
            id="a SYN and ACK with another number moves where its side began",
        ),
        pytest.param(
            """
            > A 0 0
            < A 4294967295 0
            """,
            [(0, 1, 1), (0, 0, 1)],
            id="numbers go round",
        ),
    ],
)  # fmt: skip
def test_a_trace(trace: str, told: list[tuple[int, int | None, int | None]]) -> None:
    assert run(trace) == told


def test_protocols_are_numbered_by_themselves() -> None:
    table = FlowTable()
    keys = [UDP, OUT, UDP._replace(srcport=7), OUT._replace(srcport=7), UDP.reversed()]
    assert [table.see(Transport(0, key)).flow.stream for key in keys] == [0, 0, 1, 1, 0]


def test_the_one_idle_longest_is_forgotten_which_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    gone: list[Flow] = []
    table = FlowTable(2, gone.append)
    keys = [UDP._replace(srcport=port) for port in (1, 2, 1, 3, 4, 2)]
    with caplog.at_level(logging.INFO, "pktlab"):
        assert [table.see(Transport(0, key)).flow.stream for key in keys] == [0, 1, 0, 2, 3, 4]
    assert [one.key.srcport for one in gone] == [2, 1, 3]
    assert (table.evicted, len(caplog.messages)) == (3, 1)
    assert "more than 2 conversations at a time" in caplog.messages[0]


def test_what_is_quoted_is_of_its_conversation_but_does_not_count() -> None:
    inner = build(Ip(proto=6, src="192.0.2.1", dst="192.0.2.2"), Tcp(srcport=1000, dstport=80, seq_raw=100, flags=2))
    error = build(Ip(proto=1, src="192.0.2.9", dst="192.0.2.1"), Icmp(type=3, code=3, body=Unused()), inner)
    table = FlowTable()
    quote, real = table.add(dissect(error, Ip)) + table.add(dissect(inner, Ip))
    assert (quote.flow, quote.seq, quote.is_counted) == (real.flow, 100, False)
    assert (real.seq, real.is_counted) == (0, True)
    assert transports(dissect(error[:43], Ip)) == []  # of TCP 15 bytes are there


def test_a_fragment_keeps_its_numbers() -> None:
    whole = build(Ip(proto=6, src="192.0.2.1", dst="192.0.2.2"), Tcp(srcport=1000, dstport=80, seq_raw=100, flags=2))
    piece = whole[:6] + b"\x20\x00" + whole[8:]
    table = FlowTable()
    assert [table.add(dissect(data, Ip))[0].seq for data in (piece, whole)] == [100, 0]


def test_udp_lite_shares_the_conversations_of_udp() -> None:
    ends = {"src": "192.0.2.1", "dst": "192.0.2.2"}
    table = FlowTable()
    packets = [
        build(Ip(proto=136, **ends), UdpLite(srcport=4, dstport=5)),
        build(Ip(proto=17, **ends), Udp(srcport=4, dstport=5)),
    ]
    assert [table.add(dissect(data, Ip))[0].value("udp.stream") for data in packets] == [0, 0]


def test_figures_of_a_conversation() -> None:
    table = FlowTable()
    for key, length, time_ns in ((OUT, 60, 5), (OUT.reversed(), 70, 3), (OUT, 80, None)):
        table.see(Transport(0, key, flags=2)).tally(length, time_ns)
    (flow,) = table
    assert (flow.packets, flow.bytes, flow.first_ns, flow.last_ns) == ([2, 1], [140, 70], 3, 5)
    assert (flow.flags, flow.turned) == ([2, 2], False)
