"""Why pktlab and tshark 4.0.17 differ on a frame of the corpus: each reason is a test on the frame and on the values.

They are tshark's choices or ours, or protocols that pktlab does not read. A reason says what either side may hold, so
that a wrong value is not excused by the frame that it is in.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

import pktlab
from pktlab.wire import Header
from pktlab.wire.ethernet import Ieee8023
from pktlab.wire.icmpv6 import NeighborRedirect

__all__ = ["COMMON", "Disagreement", "Reason", "reason_for"]

READ = {
    "eth", "ethertype", "vlan", "ieee8021ad", "sll", "null", "raw", "arp", "ip", "ipv6", "ipv6.hopopts",
    "ipv6.routing", "ipv6.fraghdr", "ipv6.dstopts", "ah", "esp", "icmp", "icmpv6", "udp", "tcp", "data",
    "ieee8021ah", "llc", "stp", "pppoed", "pppoes", "ppp", "mpls", "chdlc", "gre", "erspan", "vxlan", "geneve", "gtp",
    "etherip", "igmp", "udplite", "sctp", "dccp", "mipv6", "ospf", "vrrp", "pim",
}  # fmt: skip
"""tshark's names of the protocols that pktlab reads; bare Teredo is read, Teredo behind an indication is not."""
UNJUDGED = "2"
"""``*.checksum.status`` of what is unverified or malformed."""


class Disagreement(NamedTuple):
    """A field of which the two say something else; values as text, ``""`` where there is none.

    protocols : tshark's ``frame.protocols``
    """

    packet: pktlab.Packet
    protocols: str
    name: str
    theirs: str
    ours: str

    @property
    def below(self) -> list[str]:
        """tshark's protocols in front of the first one that the field is of."""
        names, layer = self.protocols.split(":"), self.name.partition(".")[0]
        return names[: names.index(layer)] if layer in names else names

    @property
    def is_status(self) -> bool:
        """Whether it is the state of a checksum."""
        return self.name.endswith(".status")

    @property
    def headers(self) -> list[Header]:
        """The headers that pktlab read."""
        return self.packet.dissection.headers


Reason = Callable[[Disagreement], bool]


def unread_protocol(one: Disagreement) -> bool:
    """Tell whether it lies behind a protocol that pktlab does not read (frame relay, 802.11, FDDI, CAPWAP ...)."""
    return not one.ours and any(protocol not in READ for protocol in one.below)


def fabric_path(one: Disagreement) -> bool:
    """Tell whether it is an Ethernet header in Cisco's FabricPath, whose outer addresses tshark shows as its own."""
    return one.name.startswith("eth.") and "cfp" in one.protocols.split(":")


def quoted(one: Disagreement) -> bool:
    """Tell whether it is in a packet quoted by an ICMP error: tshark judges those, pktlab gives no verdict.

    Of a quoted segment tshark shows no ``tcp.seq_raw``, and nothing behind the first eight octets in some cases.
    """
    if not any(layer.quoted for layer in one.packet.layers):
        return False
    return not one.ours if one.is_status else one.name.startswith("tcp.") and not one.theirs


def redirected(one: Disagreement) -> bool:
    """Tell whether it is in the packet that an ICMPv6 redirect holds in an option: plain bytes to pktlab."""
    redirects = [header.body for header in one.headers if isinstance(getattr(header, "body", None), NeighborRedirect)]
    return not one.ours and any(option.type == 4 for redirect in redirects for option in redirect.options)


def fragment(one: Disagreement) -> bool:
    """Tell whether tshark has it not on this fragment, but on the one that completes the datagram, as pktlab does."""
    whole = one.packet.whole_dissection
    if whole is not None and not one.is_status:
        return one.theirs in [found.text for found in whole.found(one.name)]
    return one.packet.is_fragment and not one.theirs


def behind_a_datagram(one: Disagreement) -> bool:
    """Tell whether tshark shows what a tunnel or an error that came in fragments holds inside."""
    whole = one.packet.whole_dissection
    return whole is not None and one.is_status and one.theirs != ""


def cut(one: Disagreement) -> bool:
    """Tell whether the frame was cut, or a length exceeds it: tshark says bad, absent or nothing, pktlab unverified."""
    overrun = any(layer.overrun is not None for layer in one.packet.layers)
    return (one.packet.is_cut or overrun) and one.is_status and one.ours == UNJUDGED


def stopped(one: Disagreement) -> bool:
    """Tell whether a header is malformed: tshark then gives fewer fields, or goes on with what cannot be right."""
    fewer = one.theirs.startswith(one.ours) or one.ours.startswith(one.theirs)
    return one.packet.stop is not None and (fewer or (one.is_status and one.ours == UNJUDGED))


def source_routed(one: Disagreement) -> bool:
    """Tell whether it is the destination of a source-routed packet: tshark shows the final one, pktlab the header's."""
    return one.name == "ip.dst" and one.theirs in one.packet.values("ip.src_rt")


def offloaded(one: Disagreement) -> bool:
    """Tell whether a length is 0 as segmentation offload leaves it: tshark 4.0 reads no further."""
    if not one.ours.startswith(one.theirs):
        return False
    return any("is 0: read to the end" in note for layer in one.packet.layers for note in layer.notes)


def empty_length(one: Disagreement) -> bool:
    """Tell whether the Ethernet type is under 0x0600, a length to pktlab; tshark takes 0 for a type."""
    return one.name in ("eth.type", "eth.len") and any(
        isinstance(header, Ieee8023) and not getattr(header, "len", 1) for header in one.headers
    )


COMMON: tuple[Reason, ...] = (
    unread_protocol, fabric_path, quoted, redirected, fragment, behind_a_datagram, cut, stopped, source_routed,
    offloaded, empty_length,
)  # fmt: skip


def reason_for(one: Disagreement, reasons: Iterable[Reason] = COMMON) -> str:
    """Return the name of the first of `reasons` that holds; ``""`` if none does."""
    return next((reason.__name__ for reason in reasons if reason(one)), "")
