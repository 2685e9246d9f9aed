"""The figures of a capture stay small in memory, whatever lies in it."""

from __future__ import annotations

import pktlab
from pktlab import health, summary
from pktlab.wire import build
from pktlab.wire.ipv4 import Ip, IpFlags
from pktlab.wire.udp import Udp
from pktlab.wire.verdict import Verdict


def packets(count: int, flags: IpFlags) -> list[pktlab.Packet]:
    ends = {"src": "192.0.2.1", "dst": "192.0.2.2"}
    return [
        pktlab.packet(build(Ip(proto=17, id=n, flags=flags, **ends), Udp(srcport=n, dstport=53), bytes(16)), as_="ip")
        for n in range(1, count + 1)
    ]


def test_conversations_are_counted_up_to_a_bound(monkeypatch) -> None:
    monkeypatch.setattr(summary, "MAX_CONVERSATIONS", 10)
    figures = summary.Summary()
    for packet in packets(9, IpFlags(0)):
        figures.add(packet)
        figures.add(packet)
    assert figures.conversations == 9
    for packet in packets(20, IpFlags(0)):
        figures.add(packet)
    assert (figures.conversations, figures.packets) == (10, 38)


def test_first_fragments_wait_up_to_a_bound(monkeypatch) -> None:
    monkeypatch.setattr(health, "MAX_WAITING", 4)
    found = health.Health()
    for number, packet in enumerate(packets(9, IpFlags(1)), 1):
        packet.record.number = number
        found.add(packet)
    assert found.counts["udp"] == {Verdict.unverified: 5}
    found.finish()
    assert found.counts["udp"] == {Verdict.unverified: 9}
