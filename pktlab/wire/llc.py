"""LLC, the header behind an 802.3 length, with its SNAP extension.

Three forms: unnumbered frames have one octet of control, numbered ones two. Where both service access points are 0xAA,
SNAP follows: an organization and a number of its own, for organization 0 an EtherType.

Spec: IEEE 802.2 clauses 3 and 5; IEEE 802 clause 9 (SNAP); RFC 1042.
"""

from __future__ import annotations

from construct import Int8ub, Int16ub, Int16ul, Int24ub, this

from pktlab.wire.fields import bits, field
from pktlab.wire.header import Header
from pktlab.wire.nodes import When
from pktlab.wire.numbers import EtherType

__all__ = ["Llc", "LlcNumbered", "SapName"]

SapName = {
    0x00: "NULL", 0x06: "TCP/IP", 0x42: "Spanning Tree BPDU", 0xAA: "SNAP", 0xE0: "NetWare", 0xF0: "NetBIOS",
    0xFE: "ISO network layer", 0xFF: "Global",
}  # fmt: skip
CISCO = 0x00000C
_is_snap = (this.dsap == 0xAA) & (this.ssap == 0xAA)
_is_type = _is_snap & ((this.oui == 0) | (this.oui == 0x0000F8) | (this.oui == 0x080007))


class Llc(Header, layer="llc", label="Logical-Link Control"):
    """Unnumbered: control is one octet, 0x03 for plain data (UI)."""

    dsap: int = field(Int8ub, "DSAP", base="hex", names=SapName)
    dsap_sap: int = bits(dsap, 0xFE, "SAP", name="dsap.sap", default=None)
    dsap_ig: bool = bits(dsap, 0x01, "Group", as_=bool, name="dsap.ig", default=None)
    ssap: int = field(Int8ub, "SSAP", base="hex", names=SapName)
    ssap_sap: int = bits(ssap, 0xFE, "SAP", name="ssap.sap", default=None)
    ssap_cr: bool = bits(ssap, 0x01, "Response", as_=bool, name="ssap.cr", default=None)
    control: int = field(Int8ub, "Control", base="hex", digits=4, default=3)
    oui: int | None = field(When(_is_snap, Int24ub), "Organization", default=None)
    type: int | None = field(When(_is_type, Int16ub), "Type", base="hex", names=EtherType, default=None)
    cisco_pid: int | None = field(When(_is_snap & (this.oui == CISCO), Int16ub), "PID", base="hex", default=None)
    pid: int | None = field(
        When(
            _is_snap & (this.oui != 0) & (this.oui != 0x0000F8) & (this.oui != 0x080007) & (this.oui != CISCO), Int16ub
        ),
        "Protocol ID",
        base="hex",
        default=None,
    )

    def summary(self) -> str:
        """Return ``SNAP 000000:0800``, or ``LLC Spanning Tree BPDU``."""
        if self.oui is not None:
            number = next((one for one in (self.type, self.cisco_pid, self.pid) if one is not None), 0)
            return f"SNAP {self.oui:06x}:{number:04x}"
        return f"LLC {SapName.get(self.dsap, f'{self.dsap:#04x}')}"


class LlcNumbered(Header, layer="llc", label="Logical-Link Control"):
    """Information and supervisory frames: two octets of control, the first of which is the low one."""

    dsap: int = field(Int8ub, "DSAP", base="hex", names=SapName)
    ssap: int = field(Int8ub, "SSAP", base="hex", names=SapName)
    control: int = field(Int16ul, "Control", base="hex")

    def summary(self) -> str:
        """Return ``LLC NetBIOS control 0x0401``."""
        return f"LLC {SapName.get(self.dsap, f'{self.dsap:#04x}')} control {self.control:#06x}"
