"""DHCP, the Dynamic Host Configuration Protocol: a BOOTP message, the magic cookie, and options.

Spec: RFC 2131 section 2; RFC 2132 (options). A BOOTP message without the cookie is data.
"""

from __future__ import annotations

from construct import Bytes, GreedyBytes, Int8ub, Int16ub, Int32ub, obj_, this

from pktlab.wire.apps.nodes import STRING, OrElse
from pktlab.wire.fields import AUTO, bits, field
from pktlab.wire.header import Header
from pktlab.wire.nodes import Bounded, Items, Switch, When
from pktlab.wire.values import IPV4, MAC, View

__all__ = ["Dhcp", "Option"]

COOKIE = bytes.fromhex("63825363")
MESSAGES = {
    1: "Discover", 2: "Offer", 3: "Request", 4: "Decline", 5: "ACK", 6: "NAK", 7: "Release", 8: "Inform",
    9: "Force Renew", 10: "Lease query", 11: "Lease Unassigned", 12: "Lease Unknown", 13: "Lease Active",
}  # fmt: skip
OPTIONS = {
    0: "Pad", 1: "Subnet Mask", 3: "Router", 6: "Domain Name Server", 12: "Host Name", 15: "Domain Name",
    26: "Interface MTU", 28: "Broadcast Address", 42: "NTP Servers", 43: "Vendor-Specific Information",
    50: "Requested IP Address", 51: "IP Address Lease Time", 52: "Option Overload", 53: "DHCP Message Type",
    54: "DHCP Server Identifier", 55: "Parameter Request List", 56: "Message", 57: "Maximum DHCP Message Size",
    58: "Renewal Time Value", 59: "Rebinding Time Value", 60: "Vendor class identifier", 61: "Client identifier",
    66: "TFTP Server Name", 67: "Bootfile name", 77: "User Class", 81: "Client Fully Qualified Domain Name",
    82: "Agent Information Option", 116: "DHCP Auto-Configuration", 119: "Domain Search", 255: "End",
}  # fmt: skip
PAD, END = 0, 255


def _padded(size: int) -> View:
    """Return the view of text in `size` bytes that a zero octet ends."""

    def encode(value: str | bytes) -> bytes:
        raw = value.encode() if isinstance(value, str) else bytes(value)
        if len(raw) > size:
            raise ValueError(f"{value!r} does not fit {size} bytes")
        return raw.ljust(size, b"\0")

    return View("str", lambda raw: str(STRING.decode(raw.partition(b"\0")[0])), encode)


class MessageType(Header, layer="dhcp"):
    """RFC 2132 section 9.6."""

    dhcp: int = field(Int8ub, "DHCP", names=MESSAGES, name="option.dhcp")


class SubnetMask(Header, layer="dhcp"):
    """RFC 2132 section 3.3."""

    subnet_mask: str = field(Bytes(4), "Subnet Mask", as_=IPV4, name="option.subnet_mask")


class Router(Header, layer="dhcp"):
    """One router."""

    router: str = field(Bytes(4), "Router", as_=IPV4, name="option.router")


class NameServer(Header, layer="dhcp"):
    """One name server."""

    domain_name_server: str = field(Bytes(4), "Domain Name Server", as_=IPV4, name="option.domain_name_server")


class HostName(Header, layer="dhcp"):
    """RFC 2132 section 3.14."""

    hostname: str = field(GreedyBytes, "Host Name", as_=STRING, name="option.hostname")


class DomainName(Header, layer="dhcp"):
    """RFC 2132 section 3.17."""

    domain_name: str = field(GreedyBytes, "Domain Name", as_=STRING, name="option.domain_name")


class Broadcast(Header, layer="dhcp"):
    """RFC 2132 section 5.3."""

    broadcast_address: str = field(Bytes(4), "Broadcast Address", as_=IPV4, name="option.broadcast_address")


class Requested(Header, layer="dhcp"):
    """RFC 2132 section 9.1."""

    address: str = field(Bytes(4), "Requested IP Address", as_=IPV4, name="option.requested_ip_address")


class LeaseTime(Header, layer="dhcp"):
    """RFC 2132 section 9.2; seconds."""

    seconds: int = field(Int32ub, "IP Address Lease Time, s", name="option.ip_address_lease_time")


class ServerId(Header, layer="dhcp"):
    """RFC 2132 section 9.7."""

    address: str = field(Bytes(4), "DHCP Server Identifier", as_=IPV4, name="option.dhcp_server_id")


class RequestItem(Header, layer="dhcp"):
    """One option that the client asks for."""

    item: int = field(Int8ub, "Parameter Request List Item", names=OPTIONS, name="option.request_list_item")


class MaxSize(Header, layer="dhcp"):
    """RFC 2132 section 9.10."""

    size: int = field(Int16ub, "Maximum DHCP Message Size", name="option.dhcp_max_message_size")


class VendorClass(Header, layer="dhcp"):
    """RFC 2132 section 9.13."""

    vendor_class_id: str = field(GreedyBytes, "Vendor class identifier", as_=STRING, name="option.vendor_class_id")


class Renewal(Header, layer="dhcp"):
    """RFC 2132 section 9.11; seconds."""

    seconds: int = field(Int32ub, "Renewal Time Value, s", name="option.renewal_time_value")


class Rebinding(Header, layer="dhcp"):
    """RFC 2132 section 9.12; seconds."""

    seconds: int = field(Int32ub, "Rebinding Time Value, s", name="option.rebinding_time_value")


class Other(Header, layer="dhcp"):
    """An option without a page here, or whose value does not read as its type says."""

    value: bytes = field(GreedyBytes, "Value", name="option.value", default=b"")


VALUES = {
    1: SubnetMask, 3: Items(Router), 6: Items(NameServer), 12: HostName, 15: DomainName, 28: Broadcast, 50: Requested,
    51: LeaseTime, 53: MessageType, 54: ServerId, 55: Items(RequestItem), 57: MaxSize, 58: Renewal, 59: Rebinding,
    60: VendorClass,
}  # fmt: skip
_has_value = (this.type != PAD) & (this.type != END)


class Option(Header, layer="dhcp", label="Option"):
    """RFC 2132 section 2: a type, and unless it is Pad or End a length and a value."""

    type: int = field(Int8ub, "Option", names=OPTIONS, name="option.type")
    length: int | None = field(When(_has_value, Int8ub), "Length", name="option.length", default=AUTO)
    body: Header | tuple[Header, ...] | None = field(
        When(_has_value, Bounded(this.length, OrElse(Switch(this.type, VALUES, default=Other), Other))), name="",
        default=None,
    )  # fmt: skip

    def summary(self) -> str:
        """Return the option's name."""
        return f"Option {OPTIONS.get(self.type, self.type)}"


_is_mac = (this.hw_type == 1) & (this.hw_len == 6)
_not_mac = (this.hw_type != 1) | (this.hw_len != 6)


class Dhcp(Header, layer="dhcp", label="Dynamic Host Configuration Protocol"):
    """RFC 2131 section 2, figure 1."""

    type: int = field(Int8ub, "Message type", names={1: "Boot Request", 2: "Boot Reply"}, min=1, default=1)
    hw_type: int = field(Int8ub, "Hardware type", base="hex", name="hw.type", default=1)
    hw_len: int = field(Int8ub, "Hardware address length", name="hw.len", default=6)
    hops: int = field(Int8ub, "Hops", default=0)
    id: int = field(Int32ub, "Transaction ID", base="hex", default=0)
    secs: int = field(Int16ub, "Seconds elapsed", default=0)
    flags: int = field(Int16ub, "Bootp flags", base="hex", default=0)
    flags_bc: bool = bits(flags, 0x8000, "Broadcast flag", as_=bool, name="flags.bc", default=None)
    ip_client: str = field(Bytes(4), "Client IP address", as_=IPV4, name="ip.client", default="0.0.0.0")
    ip_your: str = field(Bytes(4), "Your (client) IP address", as_=IPV4, name="ip.your", default="0.0.0.0")
    ip_server: str = field(Bytes(4), "Next server IP address", as_=IPV4, name="ip.server", default="0.0.0.0")
    ip_relay: str = field(Bytes(4), "Relay agent IP address", as_=IPV4, name="ip.relay", default="0.0.0.0")
    hw_mac_addr: str | None = field(
        When(_is_mac, Bytes(6)), "Client MAC address", as_=MAC, name="hw.mac_addr", default=None
    )
    hw_addr_padding: bytes | None = field(
        When(_is_mac, Bytes(10)), "Client hardware address padding", name="hw.addr_padding", default=bytes(10)
    )
    hw_addr: bytes | None = field(When(_not_mac, Bytes(16)), "Client hardware address", name="hw.addr", default=None)
    server: str = field(Bytes(64), "Server host name", as_=_padded(64), default="")
    file: str = field(Bytes(128), "Boot file name", as_=_padded(128), default="")
    cookie: str = field(Bytes(4), "Magic cookie", as_=IPV4, equals=COOKIE, default=COOKIE)
    options: tuple[Option, ...] = field(Items(Option, stop=obj_.type == END), name="", default=())

    def summary(self) -> str:
        """Return ``DHCP Discover 02:00:00:00:00:01`` or ``DHCP ACK 02:00:00:00:00:01 192.0.2.7``."""
        kinds = [one.body.dhcp for one in self.options if isinstance(one.body, MessageType)]
        what = MESSAGES.get(kinds[0], f"message {kinds[0]}") if kinds else "BOOTP"
        who = self.hw_mac_addr or (self.hw_addr or b"")[: self.hw_len].hex(":")
        given = f" {self.ip_your}" if self.ip_your != "0.0.0.0" else ""
        return f"DHCP {what} {who}{given}"
