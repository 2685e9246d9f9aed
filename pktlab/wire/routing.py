"""Headers of the routing protocols that lie in IP: OSPF, VRRP, PIM. What they say is named, not taken apart.

Spec: RFC 2328 section A.3.1 (OSPF), RFC 5340 section A.3.1 (OSPF for IPv6); RFC 3768 section 5.1 and RFC 5798 section
5.1 (VRRP 2 and 3); RFC 7761 section 4.9 (PIM).
"""

from __future__ import annotations

from construct import Bytes, GreedyBytes, Int8ub, Int16ub, Int32ub, this

from pktlab.wire.fields import AUTO, bits, field
from pktlab.wire.fills import internet_checksum
from pktlab.wire.header import Header
from pktlab.wire.nodes import Bounded, Items, When
from pktlab.wire.values import IPV4, IPV6

__all__ = ["Ospf", "Ospf3", "Pim", "Pim6", "Vrrp", "Vrrp3", "Vrrp6"]

OSPF_NAMES = {1: "Hello", 2: "DB Description", 3: "LS Request", 4: "LS Update", 5: "LS Acknowledge"}
PIM_NAMES = {
    0: "Hello", 1: "Register", 2: "Register-stop", 3: "Join/Prune", 4: "Bootstrap", 5: "Assert", 6: "Graft",
    7: "Graft-Ack", 8: "Candidate-RP-Advertisement", 9: "State-Refresh",
}  # fmt: skip


class Ospf(
    Header, layer="ospf", label="Open Shortest Path First", payload_len=this.packet_length - this.header_len
):  # fmt: skip
    """RFC 2328 section A.3.1. Its checksum leaves out the authentication, and gets no verdict."""

    version: int = field(Int8ub, "Version", default=2)
    msg: int = field(Int8ub, "Message Type", names=OSPF_NAMES)
    packet_length: int = field(Int16ub, "Packet Length", default=AUTO)
    srcrouter: str = field(Bytes(4), "Source OSPF Router", as_=IPV4)
    area_id: str = field(Bytes(4), "Area ID", as_=IPV4)
    checksum: int = field(Int16ub, "Checksum", base="hex", default=0)
    auth_type: int = field(Int16ub, "Auth Type", name="auth.type", default=0)
    auth: bytes = field(Bytes(8), "Auth Data", name="", default=bytes(8))

    def summary(self) -> str:
        """Return ``OSPF Hello router 192.0.2.1 area 0.0.0.0``."""
        return f"OSPF {OSPF_NAMES.get(self.msg, self.msg)} router {self.srcrouter} area {self.area_id}"


class Ospf3(
    Header, layer="ospf", label="Open Shortest Path First", payload_len=this.packet_length - this.header_len
):  # fmt: skip
    """RFC 5340 section A.3.1: over IPv6, which has the authentication."""

    version: int = field(Int8ub, "Version", default=3)
    msg: int = field(Int8ub, "Message Type", names=OSPF_NAMES)
    packet_length: int = field(Int16ub, "Packet Length", default=AUTO)
    srcrouter: str = field(Bytes(4), "Source OSPF Router", as_=IPV4)
    area_id: str = field(Bytes(4), "Area ID", as_=IPV4)
    checksum: int = field(Int16ub, "Checksum", base="hex", default=internet_checksum(pseudo=True))
    instance_id: int = field(Int8ub, "Instance ID", default=0)
    reserved: bytes = field(Bytes(1), "Reserved", name="", default=bytes(1))

    def summary(self) -> str:
        """Return ``OSPF Hello router 192.0.2.1 area 0.0.0.0``."""
        return f"OSPF {OSPF_NAMES.get(self.msg, self.msg)} router {self.srcrouter} area {self.area_id}"


class Address4(Header, layer="vrrp"):
    """One address of the virtual router."""

    ip_addr: str = field(Bytes(4), "IP Address", as_=IPV4)


class Address6(Header, layer="vrrp"):
    """One address of the virtual router."""

    ipv6_addr: str = field(Bytes(16), "IPv6 Address", as_=IPV6)


class Vrrp(Header, layer="vrrp", label="Virtual Router Redundancy Protocol"):
    """RFC 3768 section 5.1: version 2, which ends in 8 octets of authentication."""

    _typever = field(Int8ub)
    version: int = bits(_typever, 0xF0, "Version", default=2)
    type: int = bits(_typever, 0x0F, "Type", default=1)
    virt_rtr_id: int = field(Int8ub, "Virtual Rtr ID")
    prio: int = field(Int8ub, "Priority", default=100)
    addr_count: int = field(Int8ub, "Addr Count", default=AUTO)
    auth_type: int = field(Int8ub, "Auth Type", default=0)
    adver_int: int = field(Int8ub, "Adver Int", default=1)
    checksum: int = field(Int16ub, "Checksum", base="hex", default=internet_checksum())
    addresses: tuple[Address4, ...] = field(Bounded(this.addr_count * 4, Items(Address4)), name="", default=())
    auth: bytes = field(GreedyBytes, "Authentication", name="", default=bytes(8))

    def summary(self) -> str:
        """Return ``VRRP router 36 priority 100``."""
        return f"VRRP router {self.virt_rtr_id} priority {self.prio}"


class Vrrp3(Header, layer="vrrp", label="Virtual Router Redundancy Protocol"):
    """RFC 5798 section 5.1: version 3 over IPv4; its checksum covers a pseudo-header."""

    _typever = field(Int8ub)
    version: int = bits(_typever, 0xF0, "Version", default=3)
    type: int = bits(_typever, 0x0F, "Type", default=1)
    virt_rtr_id: int = field(Int8ub, "Virtual Rtr ID")
    prio: int = field(Int8ub, "Priority", default=100)
    addr_count: int = field(Int8ub, "Addr Count", default=AUTO)
    _interval = field(Int16ub)
    reserved_mbz: int = bits(_interval, 0xF000, "Reserved", default=0)
    short_adver_int: int = bits(_interval, 0x0FFF, "Adver Int", default=100)
    checksum: int = field(Int16ub, "Checksum", base="hex", default=internet_checksum(pseudo=True))
    addresses: tuple[Address4, ...] = field(Bounded(this.addr_count * 4, Items(Address4)), name="", default=())

    def summary(self) -> str:
        """Return ``VRRP router 36 priority 100``."""
        return f"VRRP router {self.virt_rtr_id} priority {self.prio}"


class Vrrp6(Header, layer="vrrp", label="Virtual Router Redundancy Protocol"):
    """RFC 5798 section 5.1: version 3 over IPv6."""

    _typever = field(Int8ub)
    version: int = bits(_typever, 0xF0, "Version", default=3)
    type: int = bits(_typever, 0x0F, "Type", default=1)
    virt_rtr_id: int = field(Int8ub, "Virtual Rtr ID")
    prio: int = field(Int8ub, "Priority", default=100)
    addr_count: int = field(Int8ub, "Addr Count", default=AUTO)
    _interval = field(Int16ub)
    reserved_mbz: int = bits(_interval, 0xF000, "Reserved", default=0)
    short_adver_int: int = bits(_interval, 0x0FFF, "Adver Int", default=100)
    checksum: int = field(Int16ub, "Checksum", base="hex", default=internet_checksum(pseudo=True))
    addresses: tuple[Address6, ...] = field(Bounded(this.addr_count * 16, Items(Address6)), name="", default=())

    def summary(self) -> str:
        """Return ``VRRP router 36 priority 100``."""
        return f"VRRP router {self.virt_rtr_id} priority {self.prio}"


class Pim(Header, layer="pim", label="Protocol Independent Multicast"):
    """RFC 7761 section 4.9. Of a Register, which carries a packet, the checksum covers the first 8 octets."""

    _version_type = field(Int8ub)
    version: int = bits(_version_type, 0xF0, "Version", default=2)
    type: int = bits(_version_type, 0x0F, "Type", names=PIM_NAMES)
    res_bytes: bytes = field(Bytes(1), "Reserved", default=bytes(1))
    cksum: int = field(Int16ub, "Checksum", base="hex", default=internet_checksum(part=(this.type == 1) * 8))
    register_flag: int | None = field(When(this.type == 1, Int32ub), "Flags", base="hex", default=None)

    def summary(self) -> str:
        """Return ``PIM Hello``."""
        return f"PIM {PIM_NAMES.get(self.type, f'type {self.type}')}"


class Pim6(Header, layer="pim", label="Protocol Independent Multicast"):
    """RFC 7761 section 4.9: over IPv6 a pseudo-header is summed too."""

    _version_type = field(Int8ub)
    version: int = bits(_version_type, 0xF0, "Version", default=2)
    type: int = bits(_version_type, 0x0F, "Type", names=PIM_NAMES)
    res_bytes: bytes = field(Bytes(1), "Reserved", default=bytes(1))
    cksum: int = field(
        Int16ub, "Checksum", base="hex", default=internet_checksum(pseudo=True, part=(this.type == 1) * 8)
    )
    register_flag: int | None = field(When(this.type == 1, Int32ub), "Flags", base="hex", default=None)

    def summary(self) -> str:
        """Return ``PIM Hello``."""
        return f"PIM {PIM_NAMES.get(self.type, f'type {self.type}')}"
