"""Ethernet and its 802.1Q, 802.1ad and 802.1ah tags.

Spec: IEEE 802.3 clause 3; IEEE 802.1Q clause 9.
"""

from __future__ import annotations

from construct import Bytes, Int8ub, Int16ub, Int24ub, this

from pktlab.wire.fields import AUTO, bits, field
from pktlab.wire.header import Header
from pktlab.wire.numbers import EtherType
from pktlab.wire.phrases import Hexed
from pktlab.wire.values import MAC

__all__ = ["Ethernet", "Ieee8021ad", "Ieee8021ah", "Ieee8023", "Vlan", "VlanLength"]


class Ethernet(
    Header, layer="eth", label="Ethernet II", says=(this.src, " → ", this.dst, " type ", Hexed(this.type, 4))
):
    """Ethernet II: the frame says what it carries. A type under 0x0600 is a length (see `Ieee8023`)."""

    dst: str = field(Bytes(6), "Destination", as_=MAC)
    src: str = field(Bytes(6), "Source", as_=MAC)
    type: int = field(Int16ub, "Type", base="hex", names=EtherType)


class Ieee8023(
    Header,
    layer="eth",
    label="IEEE 802.3 Ethernet",
    payload_len=this.len,
    says=(this.src, " → ", this.dst, " 802.3 Len=", this.len),
):
    """IEEE 802.3: the frame says how long its payload is, without the padding."""

    dst: str = field(Bytes(6), "Destination", as_=MAC)
    src: str = field(Bytes(6), "Source", as_=MAC)
    len: int = field(Int16ub, "Length", default=AUTO)


class Vlan(Header, layer="vlan", label="802.1Q Virtual LAN", says=("VLAN ", this.id)):
    """A tag of IEEE 802.1Q (TPID 0x8100): it stands where the type was and names the type itself."""

    _tci = field(Int16ub)
    priority: int = bits(_tci, 0xE000, "Priority", default=0)
    dei: bool = bits(_tci, 0x1000, "Drop eligible", as_=bool, default=False)
    id: int = bits(_tci, 0x0FFF, "VLAN ID")
    etype: int = field(Int16ub, "Type", base="hex", names=EtherType)


class VlanLength(Header, layer="vlan", label="802.1Q Virtual LAN", payload_len=this.len, says=("VLAN ", this.id)):
    """A tag in an 802.3 frame: where the type would be stands a length, under 0x0600."""

    _tci = field(Int16ub)
    priority: int = bits(_tci, 0xE000, "Priority", default=0)
    dei: bool = bits(_tci, 0x1000, "Drop eligible", as_=bool, default=False)
    id: int = bits(_tci, 0x0FFF, "VLAN ID")
    len: int = field(Int16ub, "Length", default=AUTO)


class Ieee8021ad(Header, layer="ieee8021ad", label="IEEE 802.1ad service tag", says=("S-VLAN ", this.id)):
    """The outer tag of a stack (TPID 0x88a8)."""

    _tci = field(Int16ub)
    priority: int = bits(_tci, 0xE000, "Priority", default=0)
    dei: int = bits(_tci, 0x1000, "Drop eligible", default=0)
    id: int = bits(_tci, 0x0FFF, "Service VLAN ID")
    etype: int = field(Int16ub, "Type", base="hex", names=EtherType)


class Ieee8021ah(Header, layer="ieee8021ah", label="IEEE 802.1ah backbone service tag", says=("I-SID ", this.isid)):
    """The tag of a provider's backbone (TPID 0x88e7), with the addresses of the customer's frame behind it."""

    _tag = field(Int8ub)
    priority: int = bits(_tag, 0xE0, "Priority", default=0)
    drop: int = bits(_tag, 0x10, "Drop eligible", default=0)
    nca: int = bits(_tag, 0x08, "No customer addresses", default=0)
    res1: int = bits(_tag, 0x04, "Reserved 1", default=0)
    res2: int = bits(_tag, 0x03, "Reserved 2", default=0)
    isid: int = field(Int24ub, "Service ID")
    cdst: str = field(Bytes(6), "Customer Destination", as_=MAC)
    csrc: str = field(Bytes(6), "Customer Source", as_=MAC)
    etype: int = field(Int16ub, "Type", base="hex", names=EtherType)
