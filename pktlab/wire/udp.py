"""UDP, the User Datagram Protocol: two ports, a length and a checksum (RFC 768; over IPv6, RFC 8200 section 8.1)."""

from __future__ import annotations

from construct import Int16ub, this

from pktlab.wire.fields import AUTO, field
from pktlab.wire.fills import internet_checksum
from pktlab.wire.header import Header

__all__ = ["Udp"]


class Udp(
    Header,
    layer="udp",
    label="User Datagram Protocol",
    payload_len=this.length - 8,
    says=("UDP ", this.srcport, " → ", this.dstport, " Len=", this.length - 8),
):
    """RFC 768. `length` counts the header and the data; a checksum of 0 says that none was computed."""

    srcport: int = field(Int16ub, "Source Port")
    dstport: int = field(Int16ub, "Destination Port")
    length: int = field(Int16ub, "Length", default=AUTO)
    checksum: int = field(
        Int16ub, "Checksum", base="hex",
        default=internet_checksum(pseudo=True, zero_as=0xFFFF, zero_is_absent=True),
    )  # fmt: skip
