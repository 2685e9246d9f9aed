"""PPP and the frames it comes in: bare, in HDLC-like framing, or over Ethernet; and Cisco's own HDLC.

The protocol number has two octets, or one where that is odd (compressed). Address and control octets may be left out.

Spec: RFC 1661 sections 2, 5 and 6.5; RFC 1662 section 3.1; RFC 1547 section 4.3.1 (Cisco).
"""

from __future__ import annotations

from enum import IntEnum

from construct import GreedyBytes, Int8ub, Int16ub, this

from pktlab.wire.fields import AUTO, field
from pktlab.wire.header import Header
from pktlab.wire.nodes import Bounded
from pktlab.wire.numbers import EtherType

__all__ = ["Chdlc", "Ppp", "PppCompressed", "PppControl", "PppHdlc", "PppProtocol"]


class PppProtocol(IntEnum):
    """What a PPP frame carries (IANA "PPP Numbers")."""

    IPv4 = 0x0021
    VJ_COMPRESSED = 0x002D
    VJ_UNCOMPRESSED = 0x002F
    MULTILINK = 0x003D
    IPv6 = 0x0057
    COMPRESSED = 0x00FD
    MPLS = 0x0281
    MPLS_MULTICAST = 0x0283
    IPCP = 0x8021
    IPV6CP = 0x8057
    CCP = 0x80FD
    MPLSCP = 0x8281
    LCP = 0xC021
    PAP = 0xC023
    LQR = 0xC025
    CHAP = 0xC223


CODE_NAMES = {
    1: "Configure-Request", 2: "Configure-Ack", 3: "Configure-Nak", 4: "Configure-Reject", 5: "Terminate-Request",
    6: "Terminate-Ack", 7: "Code-Reject", 8: "Protocol-Reject", 9: "Echo-Request", 10: "Echo-Reply",
    11: "Discard-Request", 12: "Identification", 13: "Time-Remaining",
}  # fmt: skip


def _name(protocol: int) -> str:
    return PppProtocol(protocol).name if protocol in PppProtocol._value2member_map_ else f"{protocol:#06x}"


class Ppp(Header, layer="ppp", label="Point-to-Point Protocol"):
    """RFC 1661 section 2. An odd first octet is a compressed number (see `PppCompressed`)."""

    protocol: int = field(Int16ub, "Protocol", base="hex", names=PppProtocol)

    def summary(self) -> str:
        """Return ``PPP LCP``."""
        return f"PPP {_name(self.protocol)}"


class PppCompressed(Header, layer="ppp", label="Point-to-Point Protocol"):
    """RFC 1661 section 6.5: one octet, with an implied zero octet in front."""

    protocol: int = field(Int8ub, "Protocol", base="hex", digits=4, names=PppProtocol)

    def summary(self) -> str:
        """Return ``PPP IPv4``."""
        return f"PPP {_name(self.protocol)}"


class PppHdlc(Header, layer="ppp", label="Point-to-Point Protocol in HDLC-like framing"):
    """RFC 1662 section 3.1; any other address says that both octets were left out."""

    address: int = field(Int8ub, "Address", base="hex", default=0xFF)
    control: int = field(Int8ub, "Control", base="hex", default=0x03)
    protocol: int = field(Int16ub, "Protocol", base="hex", names=PppProtocol)

    def summary(self) -> str:
        """Return ``PPP LCP``."""
        return f"PPP {_name(self.protocol)}"


class PppControl(Header, layer="ppp", label="PPP control message"):
    """RFC 1661 section 5, the shape that LCP, IPCP, PAP, CHAP and their like share; `length` counts all of it."""

    code: int = field(Int8ub, "Code", names=CODE_NAMES)
    identifier: int = field(Int8ub, "Identifier", default=0)
    length: int = field(Int16ub, "Length", min=4, default=AUTO)
    data: bytes = field(Bounded(this.length - 4, GreedyBytes), "Data", default=b"")

    def summary(self) -> str:
        """Return ``Configure-Request id=1``; PAP and CHAP have other names for the first codes."""
        return f"{CODE_NAMES.get(self.code, f'code {self.code}')} id={self.identifier}"


class Chdlc(Header, layer="chdlc", label="Cisco HDLC"):
    """RFC 1547 section 4.3.1: an EtherType behind an address (0x0f unicast, 0x8f multicast) and a zero octet."""

    address: int = field(Int8ub, "Address", base="hex", default=0x0F)
    control: int = field(Int8ub, "Control", base="hex", default=0)
    protocol: int = field(Int16ub, "Protocol", base="hex", names=EtherType)

    def summary(self) -> str:
        """Return ``Cisco HDLC 0x0800``."""
        return f"Cisco HDLC {self.protocol:#06x}"
