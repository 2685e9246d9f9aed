"""MPLS: a stack of labels in front of a packet, which they do not name.

Behind the bottom label the first four bits tell: 4 and 6 are IP (RFC 4928 section 2); anything else, like a
pseudowire's Ethernet frame, is data here.

Spec: RFC 3032 section 2.1; RFC 5462 (what `exp` is called now).
"""

from __future__ import annotations

from construct import Int32ub, this

from pktlab.wire.fields import bits, field
from pktlab.wire.header import Header

__all__ = ["Mpls"]

LABEL_NAMES = {
    0: "IPv4 Explicit Null", 1: "Router Alert", 2: "IPv6 Explicit Null", 3: "Implicit Null",
    7: "Entropy Label Indicator", 13: "Generic Associated Channel", 14: "OAM Alert", 15: "Extension",
}  # fmt: skip


class Mpls(Header, layer="mpls", label="MultiProtocol Label Switching", says=("MPLS ", this.label_)):
    """One entry of the stack; another follows unless `bottom` is 1."""

    _word = field(Int32ub)
    label_: int = bits(_word, 0xFFFFF000, "Label", names=LABEL_NAMES, name="label")
    exp: int = bits(_word, 0x00000E00, "Traffic Class", default=0)
    bottom: int = bits(_word, 0x00000100, "Bottom of Stack", default=1)
    ttl: int = bits(_word, 0x000000FF, "Time to Live", default=64)
