"""IPv4 (RFC 791) and its options.

Spec: RFC 791 section 3.1; RFC 2474 and 3168 (dsfield); RFC 2113 (router alert); RFC 1191 (MTU probes are RFC 1063's);
RFC 1393 (traceroute).
"""

from __future__ import annotations

from construct import Bytes, GreedyBytes, Int8ub, Int16ub, Int32ub, obj_, this

from pktlab.wire.fields import AUTO, bits, field
from pktlab.wire.fills import internet_checksum, padding
from pktlab.wire.header import Header
from pktlab.wire.nodes import Bounded, Items, Switch, When
from pktlab.wire.numbers import IpProtocol
from pktlab.wire.phrases import Given, Hexed, Word
from pktlab.wire.values import IPV4, Flags, flag

__all__ = ["Ip", "IpFlags", "IpOption", "IpOptions", "PseudoIpv4"]

OPTION_NAMES = {
    0: "End of Options List", 1: "No-Operation", 7: "Record Route", 11: "MTU Probe", 12: "MTU Reply",
    25: "Quick-Start", 68: "Time Stamp", 82: "Traceroute", 130: "Security", 131: "Loose Source Route",
    133: "Extended Security", 134: "Commercial Security", 136: "Stream ID", 137: "Strict Source Route",
    148: "Router Alert", 149: "Selective Directed Broadcast",
}  # fmt: skip
LOOSE_SOURCE_ROUTE, STRICT_SOURCE_ROUTE = 131, 137


class RouteEntry(Header, layer="ip"):
    """One address of a source route."""

    src_rt: str = field(Bytes(4), "Source Route", as_=IPV4)


class SourceRoute(Header, layer="ip.opt"):
    """RFC 791: `ptr` is the place, counted from 1 at the option's type, of the next address to go to."""

    ptr: int = field(Int8ub, "Pointer", default=4)
    route: tuple[RouteEntry, ...] = field(Items(RouteEntry), name="", default=())


class RecordedEntry(Header, layer="ip"):
    """One slot of a recorded route."""

    rec_rt: str = field(Bytes(4), "Recorded Route", as_=IPV4)


class RecordRoute(Header, layer="ip.opt"):
    """RFC 791: `ptr` is the place of the next slot to fill."""

    ptr: int = field(Int8ub, "Pointer", default=4)
    route: tuple[RecordedEntry, ...] = field(Items(RecordedEntry), name="", default=())


class Stamp(Header, layer="ip.opt"):
    """A time alone, ms since midnight UT."""

    time_stamp: int = field(Int32ub, "Time stamp")


class AddressStamp(Header, layer="ip.opt"):
    """An address and the time there."""

    time_stamp_addr: str = field(Bytes(4), "Address", as_=IPV4)
    time_stamp: int = field(Int32ub, "Time stamp")


class TimeStamp(Header, layer="ip.opt"):
    """RFC 791: `flag` 0 has times alone, 1 and 3 addresses with them."""

    ptr: int = field(Int8ub, "Pointer", default=5)
    _overflow_flag = field(Int8ub)
    overflow: int = bits(_overflow_flag, 0xF0, "Overflow", default=0)
    flag: int = bits(_overflow_flag, 0x0F, "Flag", base="hex", default=0)
    stamps: tuple[Stamp | AddressStamp, ...] = field(
        Switch(this.flag, {1: Items(AddressStamp), 3: Items(AddressStamp)}, default=Items(Stamp)),
        name="",
        default=(),
    )


class RouterAlert(Header, layer="ip.opt"):
    """RFC 2113."""

    ra: int = field(Int16ub, "Router Alert", default=0)


class StreamId(Header, layer="ip.opt"):
    """RFC 791; deprecated by RFC 6814."""

    sid: int = field(Int16ub, "Stream ID")


class Mtu(Header, layer="ip.opt"):
    """RFC 1063."""

    mtu: int = field(Int16ub, "MTU")


class Traceroute(Header, layer="ip.opt"):
    """RFC 1393."""

    id_number: int = field(Int16ub, "ID Number")
    ohc: int = field(Int16ub, "Outbound Hop Count")
    rhc: int = field(Int16ub, "Return Hop Count")
    originator: str = field(Bytes(4), "Originator IP Address", as_=IPV4)


class OtherOption(Header, layer="ip.opt"):
    """An option whose inside has no page here."""

    data: bytes = field(GreedyBytes, "Data", default=b"")


class IpOption(Header, layer="ip.opt", label="Option"):
    """A type octet; all but End and No-Operation have a length, which counts both octets and what follows."""

    type: int = field(Int8ub, "Type", names=OPTION_NAMES, default=0)
    type_copy: bool = bits(type, 0x80, "Copy on fragmentation", as_=bool, name="type.copy", default=None)
    type_class: int = bits(type, 0x60, "Class", name="type.class", default=None)
    type_number: int = bits(type, 0x1F, "Number", name="type.number", default=None)
    len: int | None = field(When(this.type > 1, Int8ub), "Length", min=2, default=AUTO)
    body: Header | None = field(
        When(
            this.type > 1,
            Bounded(
                this.len - 2,
                Switch(
                    this.type,
                    {
                        7: RecordRoute, 11: Mtu, 12: Mtu, 68: TimeStamp, 82: Traceroute, 131: SourceRoute,
                        136: StreamId, 137: SourceRoute, 148: RouterAlert,
                    },
                    default=OtherOption,
                ),
            ),
        ),
        name="",
        default=None,
    )  # fmt: skip

    def summary(self) -> str:
        """Return the option's name."""
        return OPTION_NAMES.get(self.type, f"Option {self.type}")


class IpOptions(Header, layer="ip.options"):
    """All options, up to the first End of Options List; then zero octets to a multiple of 4."""

    items: tuple[IpOption, ...] = field(Items(IpOption, stop=obj_.type == 0), name="", default=())
    padding: bytes = field(GreedyBytes, "Padding", default=padding(4))


class IpFlags(Flags):
    """The three bits in front of the fragment offset."""

    rb = flag(4, "Reserved bit")
    df = flag(2, "Don't fragment")
    mf = flag(1, "More fragments")


class PseudoIpv4(Header, layer="pseudo", label="IPv4 pseudo-header"):
    """What a transport checksum covers of the IPv4 header (RFC 768; RFC 9293 section 3.1)."""

    src: str = field(Bytes(4), "source address", as_=IPV4)
    dst: str = field(Bytes(4), "destination address", as_=IPV4)
    zero: int = field(Int8ub, "zero", default=0)
    proto: int = field(Int8ub, "protocol", names=IpProtocol)
    length: int = field(Int16ub, "length of header and data")


def _what_follows(more: int) -> str:
    return ", more follow" if more else ", the last"


class Ip(
    Header,
    layer="ip",
    label="Internet Protocol Version 4",
    payload_len=this.len - this.hdr_len,
    open_if=this.len == 0,
    says=(
        this.src, " → ", this.dst,
        Given(
            this._flags_offset & 0x3FFF,  # a fragment
            " fragment of ", Hexed(this.id, 4), " at ", this.frag_offset * 8, Word(this.flags & 1, _what_follows),
        ),
    ),
):  # fmt: skip
    """RFC 791. `hdr_len` and `len` are in bytes, `frag_offset` in units of 8 bytes."""

    _version_ihl = field(Int8ub)
    version: int = bits(_version_ihl, 0xF0, "Version", default=4, equals=4)
    hdr_len: int = bits(_version_ihl, 0x0F, "Header Length", scale=4, min=20, default=AUTO)
    dsfield: int = field(Int8ub, "Differentiated Services Field", base="hex", default=0)
    dsfield_dscp: int = bits(dsfield, 0xFC, "Differentiated Services Codepoint", name="dsfield.dscp", default=None)
    dsfield_ecn: int = bits(dsfield, 0x03, "Explicit Congestion Notification", name="dsfield.ecn", default=None)
    len: int = field(Int16ub, "Total Length", default=AUTO)
    id: int = field(Int16ub, "Identification", base="hex", default=0)
    _flags_offset = field(Int16ub)
    flags: IpFlags = bits(_flags_offset, 0xE000, "Flags", as_=IpFlags, base="hex", default=0)
    frag_offset: int = bits(_flags_offset, 0x1FFF, "Fragment Offset", default=0)
    ttl: int = field(Int8ub, "Time to Live", default=64)
    proto: int = field(Int8ub, "Protocol", names=IpProtocol)
    checksum: int = field(Int16ub, "Header Checksum", base="hex", default=internet_checksum(covers="header"))
    src: str = field(Bytes(4), "Source Address", as_=IPV4)
    dst: str = field(Bytes(4), "Destination Address", as_=IPV4)
    options: IpOptions = field(Bounded(this.hdr_len - 20, IpOptions), "Options", default=IpOptions())
