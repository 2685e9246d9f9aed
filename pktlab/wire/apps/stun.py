"""STUN, Session Traversal Utilities for NAT, and TURN's messages: type, magic cookie, transaction, attributes.

Spec: RFC 8489 sections 5 and 14. Recognised by its cookie and a length that fits, on any UDP port.
"""

from __future__ import annotations

from construct import Bytes, GreedyBytes, Int8ub, Int16ub, this

from pktlab.wire.apps.nodes import STRING, OrElse
from pktlab.wire.fields import AUTO, field
from pktlab.wire.fills import padding
from pktlab.wire.glance import Glance
from pktlab.wire.header import Header
from pktlab.wire.nodes import Bounded, Items, Switch
from pktlab.wire.values import IPV4, IPV6, View, ipv4_text

__all__ = ["Attribute", "Stun"]

COOKIE = bytes.fromhex("2112a442")
METHODS = {1: "Binding", 3: "Allocate", 4: "Refresh", 6: "Send", 7: "Data", 8: "CreatePermission", 9: "ChannelBind"}
CLASSES = {0x000: "request", 0x010: "indication", 0x100: "success", 0x110: "error"}
ATTRIBUTES = {
    0x0001: "MAPPED-ADDRESS", 0x0006: "USERNAME", 0x0008: "MESSAGE-INTEGRITY", 0x0009: "ERROR-CODE",
    0x000A: "UNKNOWN-ATTRIBUTES", 0x000C: "CHANNEL-NUMBER", 0x000D: "LIFETIME", 0x0012: "XOR-PEER-ADDRESS",
    0x0013: "DATA", 0x0014: "REALM", 0x0015: "NONCE", 0x0016: "XOR-RELAYED-ADDRESS", 0x0019: "REQUESTED-TRANSPORT",
    0x0020: "XOR-MAPPED-ADDRESS", 0x0024: "PRIORITY", 0x0025: "USE-CANDIDATE", 0x8022: "SOFTWARE",
    0x8023: "ALTERNATE-SERVER", 0x8028: "FINGERPRINT", 0x8029: "ICE-CONTROLLED", 0x802A: "ICE-CONTROLLING",
    0x802B: "RESPONSE-ORIGIN", 0x802C: "OTHER-ADDRESS",
}  # fmt: skip
XOR_PORT = View("uint", lambda raw: raw ^ 0x2112, lambda value: int(value) ^ 0x2112)
"""A port that is sent exclusive-or'ed with the cookie, so that no NAT rewrites it (RFC 8489 section 14.2)."""


def _xor(raw: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(raw, COOKIE, strict=True))


XOR_IPV4 = View("ipv4", lambda raw: ipv4_text(_xor(raw)), lambda value: _xor(IPV4.encode(value)))
"""An IPv4 address that is sent so."""


class Plain(Header, layer="stun"):
    """An attribute without a page here."""

    value: bytes = field(GreedyBytes, "Value", name="", default=b"")


class Xored4(Header, layer="stun"):
    """The rest of a XOR-MAPPED-ADDRESS over IPv4."""

    port: int = field(Int16ub, "Port", as_=XOR_PORT, name="att.port")
    ipv4: str = field(Bytes(4), "IP", as_=XOR_IPV4, name="att.ipv4")


class Xored6(Header, layer="stun"):
    """The rest over IPv6; the address is exclusive-or'ed with the transaction ID too and shown as it stands."""

    port: int = field(Int16ub, "Port", as_=XOR_PORT, name="att.port")
    ipv6_xord: bytes = field(Bytes(16), "IP (XOR-d)", name="att.ipv6-xord")


class Plain4(Header, layer="stun"):
    """The rest of a MAPPED-ADDRESS over IPv4."""

    port: int = field(Int16ub, "Port", name="att.port")
    ipv4: str = field(Bytes(4), "IP", as_=IPV4, name="att.ipv4")


class Plain6(Header, layer="stun"):
    """The rest over IPv6."""

    port: int = field(Int16ub, "Port", name="att.port")
    ipv6: str = field(Bytes(16), "IP", as_=IPV6, name="att.ipv6")


class Address(Header, layer="stun"):
    """RFC 8489 section 14.1."""

    reserved: bytes = field(Bytes(1), "Reserved", name="att.reserved", default=b"\0")
    family: int = field(Int8ub, "Protocol Family", base="hex", names={1: "IPv4", 2: "IPv6"}, name="att.family")
    end: Header = field(Switch(this.family, {1: Plain4, 2: Plain6}, default=Plain), name="")


class XorAddress(Header, layer="stun"):
    """RFC 8489 section 14.2."""

    reserved: bytes = field(Bytes(1), "Reserved", name="att.reserved", default=b"\0")
    family: int = field(Int8ub, "Protocol Family", base="hex", names={1: "IPv4", 2: "IPv6"}, name="att.family")
    end: Header = field(Switch(this.family, {1: Xored4, 2: Xored6}, default=Plain), name="")


class Username(Header, layer="stun"):
    """RFC 8489 section 14.3."""

    username: str = field(GreedyBytes, "Username", as_=STRING, name="att.username")


class Realm(Header, layer="stun"):
    """RFC 8489 section 14.9."""

    realm: str = field(GreedyBytes, "Realm", as_=STRING, name="att.realm")


class Software(Header, layer="stun"):
    """RFC 8489 section 14.14."""

    software: str = field(GreedyBytes, "Software", as_=STRING, name="att.software")


VALUES = {
    0x0001: Address, 0x0006: Username, 0x0012: XorAddress, 0x0014: Realm, 0x0016: XorAddress, 0x0020: XorAddress,
    0x8022: Software, 0x8023: Address, 0x802B: Address, 0x802C: Address,
}  # fmt: skip


class Attribute(Header, layer="stun", label="Attribute"):
    """RFC 8489 section 14: type, length without padding, value, padding to a multiple of 4."""

    type: int = field(Int16ub, "Attribute Type", base="hex", names=ATTRIBUTES, name="att.type")
    length: int = field(Int16ub, "Attribute Length", name="att.length", default=AUTO)
    body: Header = field(Bounded(this.length, OrElse(Switch(this.type, VALUES, default=Plain), Plain)), name="")
    pad: bytes = field(Bounded((4 - this.length % 4) % 4, GreedyBytes), name="", default=padding(4))

    def summary(self) -> str:
        """Return the attribute's name."""
        return ATTRIBUTES.get(self.type, f"attribute {self.type:#06x}")


class Stun(Header, layer="stun", label="Session Traversal Utilities for NAT"):
    """RFC 8489 section 5; `length` counts what follows the 20 bytes of the header."""

    type: int = field(Int16ub, "Message Type", base="hex")
    length: int = field(Int16ub, "Message Length", default=AUTO)
    cookie: bytes = field(Bytes(4), "Message Cookie", default=COOKIE)
    id: bytes = field(Bytes(12), "Message Transaction ID")
    attributes: tuple[Attribute, ...] = field(Bounded(this.length, Items(Attribute)), name="", default=())

    glances = (Glance(0, 1, ((0, 0x3F),)), Glance(4, 4, ((int.from_bytes(COOKIE, "big"),) * 2,)))

    @classmethod
    def looks_like(cls, data: bytes, start: int, end: int) -> bool:
        """Tell whether the cookie stands there and the length fits."""
        if not super().looks_like(data, start, end):
            return False
        length = int.from_bytes(data[start + 2 : start + 4], "big")
        return length % 4 == 0 and length <= end - start - 20

    def summary(self) -> str:
        """Return ``STUN Binding success 192.0.2.1:4711``."""
        method = self.type & 0x000F | (self.type & 0x00E0) >> 1 | (self.type & 0x3E00) >> 2
        kind = CLASSES[self.type & 0x0110]
        found = [one.body.end for one in self.attributes if isinstance(one.body, XorAddress | Address)]
        where = next((f" {one.ipv4}:{one.port}" for one in found if isinstance(one, Xored4 | Plain4)), "")
        return f"STUN {METHODS.get(method, f'method {method:#x}')} {kind}{where}"
