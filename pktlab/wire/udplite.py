"""UDP-Lite: UDP whose checksum may cover the front of the data only. Its fields are called as those of UDP.

Spec: RFC 3828 section 3.1.
"""

from __future__ import annotations

from construct import Int16ub, this

from pktlab.wire.fields import field
from pktlab.wire.fills import internet_checksum
from pktlab.wire.header import Header

__all__ = ["UdpLite"]


class UdpLite(Header, layer="udplite", prefix="udp", label="Lightweight User Datagram Protocol"):
    """Where UDP has its length stands how much is covered: 0 for all, else at least these 8 bytes.

    The length in the pseudo-header is that of the IP payload, whatever is covered; a checksum has to be there.
    """

    srcport: int = field(Int16ub, "Source Port")
    dstport: int = field(Int16ub, "Destination Port")
    checksum_coverage: int = field(Int16ub, "Checksum coverage", default=0)
    checksum: int = field(
        Int16ub, "Checksum", base="hex",
        default=internet_checksum(pseudo=True, zero_as=0xFFFF, zero_is_illegal=True, part=this.checksum_coverage),
    )  # fmt: skip

    def summary(self) -> str:
        """Return ``UDP-Lite 4711 → 53 covers 20``."""
        return f"UDP-Lite {self.srcport} → {self.dstport} covers {self.checksum_coverage or 'all'}"
