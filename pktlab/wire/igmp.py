"""IGMP: which groups a host wants to hear. Versions 1 to 3 share a type and a checksum over the whole message.

Spec: RFC 1112 appendix I; RFC 2236 section 2; RFC 3376 section 4.
"""

from __future__ import annotations

from construct import Bytes, GreedyBytes, Int8ub, Int16ub, this

from pktlab.wire.fields import AUTO, bits, field
from pktlab.wire.fills import internet_checksum
from pktlab.wire.header import Header
from pktlab.wire.nodes import Bounded, Items, Switch
from pktlab.wire.values import IPV4

__all__ = ["GroupRecord", "Igmp", "Igmp3Report", "IgmpGroup", "IgmpQuery"]

TYPE_NAMES = {
    0x11: "Membership Query", 0x12: "Membership Report v1", 0x13: "DVMRP", 0x14: "PIM v1", 0x16: "Membership Report v2",
    0x17: "Leave Group", 0x1E: "Multicast Traceroute Response", 0x1F: "Multicast Traceroute",
    0x22: "Membership Report v3",
}  # fmt: skip
RECORD_NAMES = {
    1: "MODE_IS_INCLUDE", 2: "MODE_IS_EXCLUDE", 3: "CHANGE_TO_INCLUDE", 4: "CHANGE_TO_EXCLUDE",
    5: "ALLOW_NEW_SOURCES", 6: "BLOCK_OLD_SOURCES",
}  # fmt: skip


class Source(Header, layer="igmp"):
    """One source."""

    saddr: str = field(Bytes(4), "Source Address", as_=IPV4)


class QueryV3(Header, layer="igmp"):
    """RFC 3376 section 4.1: what version 3 added behind the group."""

    _robustness = field(Int8ub)
    reserved_bits = bits(_robustness, 0xF0, name="", default=0)
    s: bool = bits(_robustness, 0x08, "Suppress", as_=bool, default=False)
    qrv: int = bits(_robustness, 0x07, "Robustness", default=2)
    qqic: int = field(Int8ub, "Query interval", default=125)
    num_src: int = field(Int16ub, "Number of Sources", default=AUTO)
    sources: tuple[Source, ...] = field(Bounded(this.num_src * 4, Items(Source)), name="", default=())
    data: bytes = field(GreedyBytes, "Data", default=b"")


class IgmpQuery(Header, layer="igmp"):
    """RFC 2236 section 2; longer ones are of version 3."""

    maddr: str = field(Bytes(4), "Group", as_=IPV4)
    v3: tuple[QueryV3, ...] = field(Items(QueryV3), name="", default=())


class IgmpGroup(Header, layer="igmp"):
    """RFC 2236 section 2."""

    maddr: str = field(Bytes(4), "Group", as_=IPV4)
    data: bytes = field(GreedyBytes, "Data", default=b"")


class OtherMessage(Header, layer="igmp"):
    """A message whose inside has no page here."""

    data: bytes = field(GreedyBytes, "Data", default=b"")


class Igmp(Header, layer="igmp", label="Internet Group Management Protocol"):
    """RFC 2236 section 2. `max_resp` counts tenths of a second; version 1 has 0 there."""

    type: int = field(Int8ub, "Type", base="hex", names=TYPE_NAMES)
    max_resp: int = field(Int8ub, "Max Resp Time", default=0)
    checksum: int = field(Int16ub, "Checksum", base="hex", default=internet_checksum())
    body: Header = field(
        Switch(this.type, {0x11: IgmpQuery, 0x12: IgmpGroup, 0x16: IgmpGroup, 0x17: IgmpGroup}, default=OtherMessage),
        name="",
    )

    def summary(self) -> str:
        """Return ``IGMP Membership Query 224.0.0.251``."""
        name = f"IGMP {TYPE_NAMES.get(self.type, f'type {self.type:#04x}')}"
        return f"{name} {self.body.maddr}" if isinstance(self.body, IgmpQuery | IgmpGroup) else name


class GroupRecord(Header, layer="igmp", label="Group Record"):
    """RFC 3376 section 4.2.4; `aux_data_len` counts words of 4 bytes."""

    record_type: int = field(Int8ub, "Record Type", names=RECORD_NAMES)
    aux_data_len: int = field(Int8ub, "Aux Data Len", default=AUTO)
    num_src: int = field(Int16ub, "Number of Sources", default=AUTO)
    maddr: str = field(Bytes(4), "Multicast Address", as_=IPV4)
    sources: tuple[Source, ...] = field(Bounded(this.num_src * 4, Items(Source)), name="", default=())
    aux_data: bytes = field(Bounded(this.aux_data_len * 4, GreedyBytes), "Aux Data", default=b"")

    def summary(self) -> str:
        """Return ``CHANGE_TO_EXCLUDE 224.0.0.251``."""
        return f"{RECORD_NAMES.get(self.record_type, self.record_type)} {self.maddr}"


class Igmp3Report(Header, layer="igmp", label="Internet Group Management Protocol"):
    """RFC 3376 section 4.2."""

    type: int = field(Int8ub, "Type", base="hex", names=TYPE_NAMES, default=0x22)
    reserved: bytes = field(Bytes(1), "Reserved", default=bytes(1))
    checksum: int = field(Int16ub, "Checksum", base="hex", default=internet_checksum())
    reserved_2: bytes = field(Bytes(2), "Reserved", name="reserved", default=bytes(2))
    num_grp_recs: int = field(Int16ub, "Number of Group Records")
    records: tuple[GroupRecord, ...] = field(Items(GroupRecord), name="", default=())

    def summary(self) -> str:
        """Return ``IGMP Membership Report v3 CHANGE_TO_EXCLUDE 224.0.0.251``."""
        return f"IGMP Membership Report v3 {', '.join(record.summary() for record in self.records)}".rstrip()
