"""Extended echo: how a node is asked about one of its interfaces, or about a neighbour's.

The identifier in front has a name of its own in each version of ICMP, and stands on its page.

Spec: RFC 8335 sections 2 (request) and 3 (reply).
"""

from __future__ import annotations

from construct import Int8ub

from pktlab.wire.fields import bits, field
from pktlab.wire.header import Header

__all__ = ["ProbeReply", "ProbeReply6", "ProbeRequest", "ProbeRequest6"]

STATE_NAMES = {0: "Reserved", 1: "Incomplete", 2: "Reachable", 3: "Stale", 4: "Delay", 5: "Probe", 6: "Failed"}


class ProbeRequest(Header, layer="icmp.ext.echo"):
    """What matches the reply, and whether the interface is the node's own."""

    seq: int = field(Int8ub, "Sequence Number", default=0)
    _request = field(Int8ub)
    req_res: int = bits(_request, 0xFE, "Reserved", base="hex", default=0, name="req.res")
    req_local: bool = bits(_request, 0x01, "Local bit", as_=bool, default=False, name="req.local")


class ProbeReply(Header, layer="icmp.ext.echo"):
    """The state of a neighbour, or whether the interface is active and which versions of IP it speaks."""

    seq: int = field(Int8ub, "Sequence Number", default=0)
    _reply = field(Int8ub)
    rsp_state: int = bits(_reply, 0xE0, "State", names=STATE_NAMES, default=0, name="rsp.state")
    rsp_res: int = bits(_reply, 0x18, "Reserved", base="hex", default=0, name="rsp.res")
    rsp_active: bool = bits(_reply, 0x04, "Active bit", as_=bool, default=False, name="rsp.active")
    rsp_ipv4: bool = bits(_reply, 0x02, "IPv4 bit", as_=bool, default=False, name="rsp.ipv4")
    rsp_ipv6: bool = bits(_reply, 0x01, "IPv6 bit", as_=bool, default=False, name="rsp.ipv6")


class ProbeRequest6(ProbeRequest, layer="icmpv6.ext.echo"):
    """The same in ICMPv6."""


class ProbeReply6(ProbeReply, layer="icmpv6.ext.echo"):
    """The same in ICMPv6."""
