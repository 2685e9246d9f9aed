"""GTP-U: what a mobile network carries its users' packets in.

Spec: 3GPP TS 29.281 section 5.
"""

from __future__ import annotations

from construct import GreedyBytes, Int8ub, Int16ub, Int32ub, obj_, this

from pktlab.wire.fields import AUTO, bits, field
from pktlab.wire.fills import present
from pktlab.wire.header import Header
from pktlab.wire.nodes import Bounded, Items, When

__all__ = ["G_PDU", "GtpExtension", "Gtpu"]

MESSAGE_NAMES = {
    1: "Echo request", 2: "Echo response", 26: "Error indication", 31: "Supported extension headers",
    253: "Tunnel status", 254: "End marker", 255: "T-PDU",
}  # fmt: skip
EXTENSION_NAMES = {
    0x00: "No more", 0x20: "Service class", 0x40: "UDP port", 0x81: "RAN container", 0x82: "Long PDCP PDU number",
    0x83: "Xw RAN container", 0x84: "NR RAN container", 0x85: "PDU session container", 0xC0: "PDCP PDU number",
}  # fmt: skip
G_PDU = 255
"""The message that carries a user's packet."""


class GtpExtension(Header, layer="gtp.ext_hdr", label="Extension header"):
    """TS 29.281 section 5.2.1. `length` counts units of 4 bytes, itself and `next` too."""

    length: int = field(Int8ub, "Length", min=1, default=AUTO)
    content: bytes = field(Bounded(this.length * 4 - 2, GreedyBytes), "Content", name="", default=bytes(2))
    next: int = field(Int8ub, "Next extension header", base="hex", names=EXTENSION_NAMES, default=0)


_has_numbers = (this.flags_e != 0) | (this.flags_s != 0) | (this.flags_pn != 0)


class Gtpu(
    Header, layer="gtp", label="GPRS Tunneling Protocol, user plane", payload_len=this.length + 8 - this.header_len
):
    """TS 29.281 section 5.1. `length` counts everything behind the first 8 bytes.

    If any of the flags E, S, PN is set, all three numbers are there, though only flagged ones mean something.
    """

    _flags = field(Int8ub)
    flags: int = bits(_flags, 0xFF, "Flags", base="hex", default=None)
    flags_version: int = bits(_flags, 0xE0, "Version", equals=1, name="flags.version", default=1)
    flags_payload: int = bits(_flags, 0x10, "Protocol type", equals=1, name="flags.payload", default=1)
    flags_reserved: int = bits(_flags, 0x08, "Reserved", name="flags.reserved", default=0)
    flags_e: bool = bits(_flags, 0x04, "Next extension header", as_=bool, name="flags.e", default=False)
    flags_s: bool = bits(_flags, 0x02, "Sequence number", as_=bool, name="flags.s", default=False)
    flags_pn: bool = bits(_flags, 0x01, "N-PDU number", as_=bool, name="flags.pn", default=False)
    message: int = field(Int8ub, "Message Type", base="hex", names=MESSAGE_NAMES, default=G_PDU)
    length: int = field(Int16ub, "Length", default=AUTO)
    teid: int = field(Int32ub, "TEID", base="hex")
    seq_number: int | None = field(When(_has_numbers, Int16ub), "Sequence number", base="hex", default=present(0))
    npdu_number: int | None = field(When(_has_numbers, Int8ub), "N-PDU number", base="hex", default=present(0))
    next: int | None = field(
        When(_has_numbers, Int8ub), "Next extension header", base="hex", names=EXTENSION_NAMES, default=present(0)
    )
    extensions: tuple[GtpExtension, ...] | None = field(
        When(this.flags_e != 0, When(this.next != 0, Items(GtpExtension, stop=obj_.next == 0))), name="", default=None
    )

    def summary(self) -> str:
        """Return ``GTP T-PDU TEID=0x00000001``."""
        return f"GTP {MESSAGE_NAMES.get(self.message, f'message {self.message}')} TEID={self.teid:#010x}"
