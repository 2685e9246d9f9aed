"""MLD, the multicast part of ICMPv6: which groups the hosts of a link want to hear.

Spec: RFC 2710 section 3; RFC 3810 section 5.
"""

from __future__ import annotations

from construct import Bytes, GreedyBytes, Int8ub, Int16ub, this

from pktlab.wire.fields import AUTO, bits, field
from pktlab.wire.header import Header
from pktlab.wire.nodes import Bounded, Items
from pktlab.wire.values import IPV6

__all__ = ["MldMessage", "MldQuery", "MldRecord", "MldReport"]

RECORD_NAMES = {
    1: "MODE_IS_INCLUDE", 2: "MODE_IS_EXCLUDE", 3: "CHANGE_TO_INCLUDE", 4: "CHANGE_TO_EXCLUDE",
    5: "ALLOW_NEW_SOURCES", 6: "BLOCK_OLD_SOURCES",
}  # fmt: skip


class MldSource(Header, layer="icmpv6.mld"):
    """One source."""

    source_address: str = field(Bytes(16), "Source Address", as_=IPV6)


class MldQueryV2(Header, layer="icmpv6.mld"):
    """RFC 3810 section 5.1: what version 2 added behind the group."""

    flag: int = field(Int8ub, "Flags", base="hex", default=0x02)
    flag_s: bool = bits(flag, 0x08, "Suppress", as_=bool, name="flag.s", default=None)
    flag_qrv: int = bits(flag, 0x07, "Robustness", name="flag.qrv", default=None)
    flag_reserved: int = bits(flag, 0xF0, "Reserved", name="flag.reserved", default=None)
    qqi: int = field(Int8ub, "Query interval", default=125)
    nb_sources: int = field(Int16ub, "Number of Sources", default=AUTO)
    sources: tuple[MldSource, ...] = field(Bounded(this.nb_sources * 16, Items(MldSource)), name="", default=())
    data: bytes = field(GreedyBytes, "Data", name="", default=b"")


class MldMessage(Header, layer="icmpv6.mld"):
    """RFC 2710 section 3: report and done."""

    maximum_response_delay: int = field(Int16ub, "Maximum Response Delay, ms", default=0)
    reserved: bytes = field(Bytes(2), "Reserved", name="", default=bytes(2))
    multicast_address: str = field(Bytes(16), "Multicast Address", as_=IPV6)


class MldQuery(Header, layer="icmpv6.mld"):
    """RFC 2710 section 3; a longer query is of version 2, whose delay is a code."""

    maximum_response_delay: int = field(Int16ub, "Maximum Response Delay, ms", default=0)
    reserved: bytes = field(Bytes(2), "Reserved", name="", default=bytes(2))
    multicast_address: str = field(Bytes(16), "Multicast Address", as_=IPV6)
    v2: tuple[MldQueryV2, ...] = field(Items(MldQueryV2), name="", default=())


class RecordSource(Header, layer="icmpv6.mldr.mar"):
    """One source."""

    source_address: str = field(Bytes(16), "Source Address", as_=IPV6)


class MldRecord(Header, layer="icmpv6.mldr.mar", label="Multicast Address Record"):
    """RFC 3810 section 5.2.4; `aux_data_len` counts words of 4 bytes."""

    record_type: int = field(Int8ub, "Record Type", names=RECORD_NAMES)
    aux_data_len: int = field(Int8ub, "Aux Data Len", default=AUTO)
    nb_sources: int = field(Int16ub, "Number of Sources", default=AUTO)
    multicast_address: str = field(Bytes(16), "Multicast Address", as_=IPV6)
    sources: tuple[RecordSource, ...] = field(Bounded(this.nb_sources * 16, Items(RecordSource)), name="", default=())
    auxiliary_data: bytes = field(Bounded(this.aux_data_len * 4, GreedyBytes), "Auxiliary Data", default=b"")

    def summary(self) -> str:
        """Return ``CHANGE_TO_EXCLUDE ff02::fb``."""
        return f"{RECORD_NAMES.get(self.record_type, self.record_type)} {self.multicast_address}"


class MldReport(Header, layer="icmpv6.mldr"):
    """RFC 3810 section 5.2."""

    reserved: bytes = field(Bytes(2), "Reserved", name="", default=bytes(2))
    nb_mcast_records: int = field(Int16ub, "Number of Records")
    records: tuple[MldRecord, ...] = field(Items(MldRecord), name="", default=())
