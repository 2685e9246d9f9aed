"""Flow keys: both directions, the innermost pair of ends, and packets without ports."""

from __future__ import annotations

from pktlab.flows import FlowKey, flow_key
from pktlab.wire import build, dissect
from pktlab.wire.icmp import Icmp, Unused
from pktlab.wire.ipv4 import Ip
from pktlab.wire.ipv6 import Ipv6
from pktlab.wire.tcp import Tcp
from pktlab.wire.udp import Udp

ENDS = {"src": "192.0.2.1", "dst": "192.0.2.2"}


def test_key_of_both_versions_and_transports() -> None:
    udp = build(Ip(proto=17, **ENDS), Udp(srcport=1, dstport=2))
    assert flow_key(dissect(udp, Ip)) == FlowKey("udp", "192.0.2.1", 1, "192.0.2.2", 2)
    tcp = build(Ipv6(nxt=6, src="2001:db8::1", dst="2001:db8::2"), Tcp(srcport=1, dstport=2))
    key = flow_key(dissect(tcp, Ipv6))
    assert str(key) == "tcp [2001:db8::1]:1 → [2001:db8::2]:2"


def test_a_conversation_is_the_same_from_both_ends() -> None:
    key = FlowKey("udp", "192.0.2.2", 9, "192.0.2.1", 8)
    assert key.reversed().reversed() == key
    assert key.conversation == key.reversed().conversation == FlowKey("udp", "192.0.2.1", 8, "192.0.2.2", 9)


def test_no_key_without_ports_nor_for_a_quote() -> None:
    quote = build(Ip(proto=17, **ENDS), Udp(srcport=1, dstport=2))
    error = build(Ip(proto=1, **ENDS), Icmp(type=3, code=3, body=Unused()), quote)
    assert flow_key(dissect(error, Ip)) is None
    assert flow_key(dissect(quote[:21], Ip)) is None
