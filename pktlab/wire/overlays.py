"""Networks in UDP and IP: VXLAN, Geneve, and EtherIP, each around a whole Ethernet frame or another packet.

Spec: RFC 7348 section 5 (VXLAN; its group policy: draft-smith-vxlan-group-policy-05); RFC 8926 section 3.4 (Geneve);
RFC 3378 section 3 (EtherIP).
"""

from __future__ import annotations

from construct import GreedyBytes, Int8ub, Int16ub, Int24ub, this

from pktlab.wire.fields import AUTO, bits, field
from pktlab.wire.header import Header
from pktlab.wire.nodes import Bounded, Items
from pktlab.wire.numbers import EtherType

__all__ = ["EtherIp", "Geneve", "GeneveOption", "Vxlan"]


class Vxlan(Header, layer="vxlan", label="Virtual eXtensible Local Area Network"):
    """RFC 7348 section 5. The I flag has to be set; without it these bytes are something else."""

    _flags = field(Int16ub)
    flags: int = bits(_flags, 0xFFFF, "Flags", base="hex", default=None)
    flag_g: bool = bits(_flags, 0x8000, "Group Policy", as_=bool, default=False)
    flag_i: bool = bits(_flags, 0x0800, "Network ID valid", as_=bool, equals=1, default=True)
    flag_d: bool = bits(_flags, 0x0040, "Don't Learn", as_=bool, default=False)
    flag_a: bool = bits(_flags, 0x0008, "Policy Applied", as_=bool, default=False)
    flags_reserved: int = bits(_flags, 0x77B7, "Reserved", base="hex", default=0)
    gbp: int = field(Int16ub, "Group Policy ID", default=0)
    vni: int = field(Int24ub, "VXLAN Network Identifier")
    reserved8: int = field(Int8ub, "Reserved", default=0)

    def summary(self) -> str:
        """Return ``VXLAN 123``."""
        return f"VXLAN {self.vni}"


class GeneveOption(Header, layer="geneve.option", label="Option"):
    """RFC 8926 section 3.5. `length` is that of the data; Wireshark's counts these 4 bytes too, so it has no name."""

    class_: int = field(Int16ub, "Class", base="hex")
    type: int = field(Int8ub, "Type", base="hex")
    type_critical: bool = bits(type, 0x80, "Critical", as_=bool, name="type.critical", default=None)
    _flags = field(Int8ub)
    flags_reserved: int = bits(_flags, 0xE0, "Reserved", name="flags.reserved", default=0)
    length: int = bits(_flags, 0x1F, "Length", scale=4, name="", default=AUTO)
    data: bytes = field(Bounded(this.length, GreedyBytes), "Data", name="unknown.data", default=b"")

    def summary(self) -> str:
        """Return ``class 0x0102 type 0x01``."""
        return f"class {self.class_:#06x} type {self.type:#04x}"


class Geneve(Header, layer="geneve", label="Generic Network Virtualization Encapsulation"):
    """RFC 8926 section 3.4. Version 0 is the only one."""

    _first = field(Int8ub)
    version: int = bits(_first, 0xC0, "Version", equals=0, default=0)
    opt_len: int = bits(_first, 0x3F, "Options Length", scale=4, name="option.length", default=AUTO)
    flags: int = field(Int8ub, "Flags", base="hex", default=0)
    flags_oam: bool = bits(flags, 0x80, "Control packet", as_=bool, name="flags.oam", default=None)
    flags_critical: bool = bits(flags, 0x40, "Critical options", as_=bool, name="flags.critical", default=None)
    flags_reserved: int = bits(flags, 0x3F, "Reserved", name="flags.reserved", default=None)
    proto_type: int = field(Int16ub, "Protocol Type", base="hex", names=EtherType)
    vni: int = field(Int24ub, "Virtual Network Identifier", base="hex")
    reserved: int = field(Int8ub, "Reserved", base="hex", default=0)
    options: tuple[GeneveOption, ...] = field(
        Bounded(this.opt_len, Items(GeneveOption)), "Options", name="", default=()
    )

    def summary(self) -> str:
        """Return ``Geneve 123``."""
        return f"Geneve {self.vni}"


class EtherIp(Header, layer="etherip", label="Ethernet in IP"):
    """RFC 3378 section 3: two octets, then a frame."""

    _first = field(Int16ub)
    ver: int = bits(_first, 0xF000, "Version", default=3)
    reserved: int = bits(_first, 0x0FFF, "Reserved", base="hex", digits=4, default=0)

    def summary(self) -> str:
        """Return ``EtherIP``."""
        return "EtherIP"
