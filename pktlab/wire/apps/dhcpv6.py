"""DHCPv6: message type, transaction or relay, and options.

Spec: RFC 8415 sections 8, 9 and 21. The message that a relay carries (option 9) is left as bytes.
"""

from __future__ import annotations

from construct import Bytes, BytesInteger, GreedyBytes, Int8ub, Int16ub, Int32ub, this

from pktlab.wire.apps.nodes import STRING, OrElse
from pktlab.wire.fields import AUTO, field
from pktlab.wire.header import Header
from pktlab.wire.nodes import Bounded, Items, Switch
from pktlab.wire.values import IPV6

__all__ = ["Dhcpv6", "Option"]

MESSAGES = {
    1: "Solicit", 2: "Advertise", 3: "Request", 4: "Confirm", 5: "Renew", 6: "Rebind", 7: "Reply", 8: "Release",
    9: "Decline", 10: "Reconfigure", 11: "Information-request", 12: "Relay-forw", 13: "Relay-reply",
    14: "Leasequery", 15: "Leasequery-reply",
}  # fmt: skip
OPTIONS = {
    1: "Client Identifier", 2: "Server Identifier", 3: "Identity Association for Non-temporary Address",
    4: "Identity Association for Temporary Address", 5: "IA Address", 6: "Option Request", 7: "Preference",
    8: "Elapsed time", 9: "Relay Message", 11: "Authentication", 12: "Server unicast", 13: "Status code",
    14: "Rapid Commit", 15: "User Class", 16: "Vendor Class", 17: "Vendor-specific Information", 18: "Interface-Id",
    19: "Reconfigure Message", 20: "Reconfigure Accept", 23: "DNS recursive name server", 24: "Domain Search List",
    25: "Identity Association for Prefix Delegation", 26: "IA Prefix", 31: "SNTP servers", 37: "Remote Identifier",
    39: "Fully Qualified Domain Name",
}  # fmt: skip


class Duid(Header, layer="dhcpv6"):
    """Who it is about; the bytes mean nothing to others (RFC 8415 section 11)."""

    duid: bytes = field(GreedyBytes, "DUID", name="duid.bytes")


class IaAddress(Header, layer="dhcpv6"):
    """RFC 8415 section 21.6; lifetimes in seconds. Options inside it are bytes."""

    ip: str = field(Bytes(16), "IPv6 address", as_=IPV6, name="iaaddr.ip")
    pref_lifetime: int = field(Int32ub, "Preferred lifetime, s", name="iaaddr.pref_lifetime")
    valid_lifetime: int = field(Int32ub, "Valid lifetime, s", name="iaaddr.valid_lifetime")
    options: bytes = field(GreedyBytes, name="", default=b"")


class Prefix(Header, layer="dhcpv6"):
    """RFC 8415 section 21.22; lifetimes in seconds."""

    pref_lifetime: int = field(Int32ub, "Preferred lifetime, s", name="iaprefix.pref_lifetime")
    valid_lifetime: int = field(Int32ub, "Valid lifetime, s", name="iaprefix.valid_lifetime")
    pref_len: int = field(Int8ub, "Prefix length", name="iaprefix.pref_len")
    pref_addr: str = field(Bytes(16), "Prefix address", as_=IPV6, name="iaprefix.pref_addr")
    options: bytes = field(GreedyBytes, name="", default=b"")


class Elapsed(Header, layer="dhcpv6"):
    """RFC 8415 section 21.9; hundredths of a second."""

    time: int = field(Int16ub, "Elapsed time, 10 ms", name="", default=0)


class Status(Header, layer="dhcpv6"):
    """RFC 8415 section 21.13."""

    status_code: int = field(Int16ub, "Status Code", default=0)
    status_msg: str = field(GreedyBytes, "Status Message", as_=STRING, default="")


class Preference(Header, layer="dhcpv6"):
    """RFC 8415 section 21.8."""

    preference: int = field(Int8ub, "Preference", name="option_preference")


class DnsServer(Header, layer="dhcpv6"):
    """One address (RFC 3646 section 3)."""

    address: str = field(Bytes(16), "DNS server address", as_=IPV6, name="dns_server")


class Plain(Header, layer="dhcpv6"):
    """An option without a page here."""

    value: bytes = field(GreedyBytes, "Value", name="", default=b"")


class Inner(Header, layer="dhcpv6", label="Option"):
    """An option inside an identity association."""

    type: int = field(Int16ub, "Option", names=OPTIONS, name="option.type")
    length: int = field(Int16ub, "Length", name="option.length", default=AUTO)
    body: Header = field(
        Bounded(this.length, OrElse(Switch(this.type, {5: IaAddress, 13: Status, 26: Prefix}, default=Plain), Plain)),
        name="",
    )

    def summary(self) -> str:
        """Return the option's name."""
        return OPTIONS.get(self.type, f"Option {self.type}")


class Association(Header, layer="dhcpv6"):
    """RFC 8415 sections 21.4 and 21.21; times in seconds."""

    iaid: bytes = field(Bytes(4), "IAID", name="")
    t1: int = field(Int32ub, "T1, s", name="iaid.t1", default=0)
    t2: int = field(Int32ub, "T2, s", name="iaid.t2", default=0)
    options: tuple[Inner, ...] = field(Items(Inner), name="", default=())


VALUES = {
    1: Duid, 2: Duid, 3: Association, 5: IaAddress, 7: Preference, 8: Elapsed, 13: Status, 23: Items(DnsServer),
    25: Association,
}  # fmt: skip


class Option(Header, layer="dhcpv6", label="Option"):
    """RFC 8415 section 21.1."""

    type: int = field(Int16ub, "Option", names=OPTIONS, name="option.type")
    length: int = field(Int16ub, "Length", name="option.length", default=AUTO)
    body: Header | tuple[Header, ...] = field(
        Bounded(this.length, OrElse(Switch(this.type, VALUES, default=Plain), Plain)), name=""
    )

    def summary(self) -> str:
        """Return the option's name."""
        return OPTIONS.get(self.type, f"Option {self.type}")


class Transaction(Header, layer="dhcpv6"):
    """RFC 8415 section 8."""

    xid: int = field(BytesInteger(3), "Transaction ID", base="hex", default=0)
    options: tuple[Option, ...] = field(Items(Option), name="", default=())


class Relay(Header, layer="dhcpv6"):
    """RFC 8415 section 9."""

    hopcount: int = field(Int8ub, "Hopcount", default=0)
    linkaddr: str = field(Bytes(16), "Link address", as_=IPV6)
    peeraddr: str = field(Bytes(16), "Peer address", as_=IPV6)
    options: tuple[Option, ...] = field(Items(Option), name="", default=())


class Dhcpv6(Header, layer="dhcpv6", label="DHCPv6"):
    """RFC 8415 sections 8 and 9."""

    msgtype: int = field(Int8ub, "Message type", names=MESSAGES, min=1)
    body: Transaction | Relay = field(Switch(this.msgtype, {12: Relay, 13: Relay}, default=Transaction), name="")

    @classmethod
    def looks_like(cls, data: bytes, start: int, end: int) -> bool:
        """Tell whether the message type is one."""
        return end - start >= 4 and data[start] in MESSAGES

    def summary(self) -> str:
        """Return ``DHCPv6 Solicit xid 0x123456``."""
        about = f" xid {self.body.xid:#08x}" if isinstance(self.body, Transaction) else ""
        addresses = [
            inner.body.ip
            for one in self.body.options if isinstance(one.body, Association)
            for inner in one.body.options if isinstance(inner.body, IaAddress)
        ]  # fmt: skip
        return " ".join([f"DHCPv6 {MESSAGES.get(self.msgtype, self.msgtype)}{about}", *addresses])
