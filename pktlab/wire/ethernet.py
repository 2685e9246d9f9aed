"""Ethernet and its 802.1Q and 802.1ad tags.

Spec: IEEE 802.3 clause 3; IEEE 802.1Q clause 9.
"""

from __future__ import annotations

from construct import Bytes, Int16ub, this

from pktlab.wire.fields import AUTO, bits, field
from pktlab.wire.header import Header
from pktlab.wire.numbers import EtherType
from pktlab.wire.values import MAC

__all__ = ["Ethernet", "Ieee8021ad", "Ieee8023", "Vlan", "VlanLength"]


class Ethernet(Header, layer="eth", label="Ethernet II"):
    """Ethernet II: the frame says what it carries. A type under 0x0600 is a length (see `Ieee8023`)."""

    dst: str = field(Bytes(6), "Destination", as_=MAC)
    src: str = field(Bytes(6), "Source", as_=MAC)
    type: int = field(Int16ub, "Type", base="hex", names=EtherType)

    def summary(self) -> str:
        """Return ``02:00:00:00:00:01 → 02:00:00:00:00:02 type 0x0800``."""
        return f"{self.src} → {self.dst} type {self.type:#06x}"


class Ieee8023(Header, layer="eth", label="IEEE 802.3 Ethernet", payload_len=this.len):
    """IEEE 802.3: the frame says how long its payload is, without the padding."""

    dst: str = field(Bytes(6), "Destination", as_=MAC)
    src: str = field(Bytes(6), "Source", as_=MAC)
    len: int = field(Int16ub, "Length", default=AUTO)

    def summary(self) -> str:
        """Return ``02:00:00:00:00:01 → 02:00:00:00:00:02 802.3 Len=38``."""
        return f"{self.src} → {self.dst} 802.3 Len={self.len}"


class Vlan(Header, layer="vlan", label="802.1Q Virtual LAN"):
    """A tag of IEEE 802.1Q (TPID 0x8100): it stands where the type was and names the type itself."""

    _tci = field(Int16ub)
    priority: int = bits(_tci, 0xE000, "Priority", default=0)
    dei: bool = bits(_tci, 0x1000, "Drop eligible", as_=bool, default=False)
    id: int = bits(_tci, 0x0FFF, "VLAN ID")
    etype: int = field(Int16ub, "Type", base="hex", names=EtherType)

    def summary(self) -> str:
        """Return ``VLAN 100``."""
        return f"VLAN {self.id}"


class VlanLength(Header, layer="vlan", label="802.1Q Virtual LAN", payload_len=this.len):
    """A tag in an 802.3 frame: where the type would be stands a length, under 0x0600."""

    _tci = field(Int16ub)
    priority: int = bits(_tci, 0xE000, "Priority", default=0)
    dei: bool = bits(_tci, 0x1000, "Drop eligible", as_=bool, default=False)
    id: int = bits(_tci, 0x0FFF, "VLAN ID")
    len: int = field(Int16ub, "Length", default=AUTO)

    def summary(self) -> str:
        """Return ``VLAN 100``."""
        return f"VLAN {self.id}"


class Ieee8021ad(Header, layer="ieee8021ad", label="IEEE 802.1ad service tag"):
    """The outer tag of a stack (TPID 0x88a8)."""

    _tci = field(Int16ub)
    priority: int = bits(_tci, 0xE000, "Priority", default=0)
    dei: int = bits(_tci, 0x1000, "Drop eligible", default=0)
    id: int = bits(_tci, 0x0FFF, "Service VLAN ID")
    etype: int = field(Int16ub, "Type", base="hex", names=EtherType)

    def summary(self) -> str:
        """Return ``S-VLAN 100``."""
        return f"S-VLAN {self.id}"
