"""The IPv6 mobility header: how a mobile node tells where it is.

Its checksum covers a pseudo-header in which the Home Address option, not the address that is visited, is the source.

Spec: RFC 6275 section 6.1 (messages), 6.2 (options).
"""

from __future__ import annotations

from construct import Bytes, GreedyBytes, Int8ub, Int16ub, Int64ub, this

from pktlab.wire.fields import AUTO, bits, field
from pktlab.wire.fills import internet_checksum
from pktlab.wire.header import Header
from pktlab.wire.nodes import Bounded, Items, Switch, When
from pktlab.wire.numbers import IpProtocol
from pktlab.wire.values import IPV6

__all__ = ["BindingAck", "BindingUpdate", "Mobility", "MobilityOption"]

TYPE_NAMES = {
    0: "Binding Refresh Request", 1: "Home Test Init", 2: "Care-of Test Init", 3: "Home Test", 4: "Care-of Test",
    5: "Binding Update", 6: "Binding Acknowledgement", 7: "Binding Error", 8: "Fast Binding Update",
    9: "Fast Binding Acknowledgment", 10: "Fast Neighbor Advertisement", 12: "Home Agent Switch", 13: "Heartbeat",
    14: "Handover Initiate", 15: "Handover Acknowledge", 16: "Binding Revocation",
}  # fmt: skip
OPTION_NAMES = {
    0: "Pad1", 1: "PadN", 2: "Binding Refresh Advice", 3: "Alternate Care-of Address", 4: "Nonce Indices",
    5: "Binding Authorization Data", 6: "Mobile Network Prefix", 8: "Mobile Node Identifier",
}  # fmt: skip


class MobilityOption(Header, layer="mip6", label="Option"):
    """RFC 6275 section 6.2.1: all but Pad1 have a length, that of the data."""

    mobility_opt: int = field(Int8ub, "Mobility Option", names=OPTION_NAMES)
    length: int | None = field(When(this.mobility_opt > 0, Int8ub), "Length", name="mobility_opt.len", default=AUTO)
    data: bytes | None = field(
        When(this.mobility_opt > 0, Bounded(this.length, GreedyBytes)), "Data", name="", default=None
    )

    def summary(self) -> str:
        """Return the option's name."""
        return OPTION_NAMES.get(self.mobility_opt, f"Option {self.mobility_opt}")


class HomeTestInit(Header, layer="mip6.hoti"):
    """RFC 6275 section 6.1.3."""

    reserved: bytes = field(Bytes(2), "Reserved", name="", default=bytes(2))
    cookie: int = field(Int64ub, "Home Init Cookie", base="hex")
    options: tuple[MobilityOption, ...] = field(Items(MobilityOption), name="", default=())


class CareOfTestInit(Header, layer="mip6.coti"):
    """RFC 6275 section 6.1.4."""

    reserved: bytes = field(Bytes(2), "Reserved", name="", default=bytes(2))
    cookie: int = field(Int64ub, "Care-of Init Cookie", base="hex")
    options: tuple[MobilityOption, ...] = field(Items(MobilityOption), name="", default=())


class HomeTest(Header, layer="mip6.hot"):
    """RFC 6275 section 6.1.5."""

    nindex: int = field(Int16ub, "Home Nonce Index")
    cookie: int = field(Int64ub, "Home Init Cookie", base="hex")
    token: int = field(Int64ub, "Home Keygen Token", base="hex")
    options: tuple[MobilityOption, ...] = field(Items(MobilityOption), name="", default=())


class CareOfTest(Header, layer="mip6.cot"):
    """RFC 6275 section 6.1.6."""

    nindex: int = field(Int16ub, "Care-of Nonce Index")
    cookie: int = field(Int64ub, "Care-of Init Cookie", base="hex")
    token: int = field(Int64ub, "Care-of Keygen Token", base="hex")
    options: tuple[MobilityOption, ...] = field(Items(MobilityOption), name="", default=())


class BindingUpdate(Header, layer="mip6.bu"):
    """RFC 6275 section 6.1.7; the lifetime counts units of 4 s."""

    seqnr: int = field(Int16ub, "Sequence number", default=0)
    _flags = field(Int16ub)
    a_flag: bool = bits(_flags, 0x8000, "Acknowledge", as_=bool, default=False)
    h_flag: bool = bits(_flags, 0x4000, "Home Registration", as_=bool, default=False)
    l_flag: bool = bits(_flags, 0x2000, "Link-Local Compatibility", as_=bool, default=False)
    k_flag: bool = bits(_flags, 0x1000, "Key Management Compatibility", as_=bool, default=False)
    _rest = bits(_flags, 0x0FFF, name="", default=0)
    lifetime: int = field(Int16ub, "Lifetime", default=0)
    options: tuple[MobilityOption, ...] = field(Items(MobilityOption), name="", default=())


class BindingAck(Header, layer="mip6.ba"):
    """RFC 6275 section 6.1.8."""

    status: int = field(Int8ub, "Status", default=0)
    _flags = field(Int8ub)
    k_flag: bool = bits(_flags, 0x80, "Key Management Compatibility", as_=bool, default=False)
    _rest = bits(_flags, 0x7F, name="", default=0)
    seqnr: int = field(Int16ub, "Sequence number", default=0)
    lifetime: int = field(Int16ub, "Lifetime", default=0)
    options: tuple[MobilityOption, ...] = field(Items(MobilityOption), name="", default=())


class BindingError(Header, layer="mip6.be"):
    """RFC 6275 section 6.1.9."""

    status: int = field(Int8ub, "Status")
    reserved: bytes = field(Bytes(1), "Reserved", name="", default=bytes(1))
    haddr: str = field(Bytes(16), "Home Address", as_=IPV6)
    options: tuple[MobilityOption, ...] = field(Items(MobilityOption), name="", default=())


class OtherMessage(Header, layer="mip6"):
    """A message whose inside has no page here."""

    unknown_type_data: bytes = field(GreedyBytes, "Message Data", default=bytes(2))


class Mobility(Header, layer="mipv6", prefix="mip6", label="Mobile IPv6"):
    """RFC 6275 section 6.1.1. `hlen` counts units of 8 bytes after the first."""

    proto: int = field(Int8ub, "Payload protocol", names=IpProtocol, default=59)
    hlen: int = field(Int8ub, "Header length", default=AUTO)
    mhtype: int = field(Int8ub, "Mobility Header Type", names=TYPE_NAMES)
    reserved: int = field(Int8ub, "Reserved", base="hex", default=0)
    csum: int = field(Int16ub, "Checksum", base="hex", default=internet_checksum(pseudo=True))
    body: Header = field(
        Bounded(
            this.hlen * 8 + 2,
            Switch(
                this.mhtype,
                {
                    1: HomeTestInit, 2: CareOfTestInit, 3: HomeTest, 4: CareOfTest, 5: BindingUpdate, 6: BindingAck,
                    7: BindingError,
                },
                default=OtherMessage,
            ),
        ),
        name="",
    )  # fmt: skip

    def summary(self) -> str:
        """Return ``Mobile IPv6 Binding Update``."""
        return f"Mobile IPv6 {TYPE_NAMES.get(self.mhtype, f'message {self.mhtype}')}"
