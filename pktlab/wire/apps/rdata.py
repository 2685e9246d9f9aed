"""The data of DNS resource records, by type.

Spec: RFC 1035 section 3.3 (NS, CNAME, SOA, PTR, MX, TXT); RFC 3596 (AAAA); RFC 2782 (SRV); RFC 6672 (DNAME); RFC 6891
section 6.1 (OPT); RFC 8659 (CAA); RFC 9460 (SVCB, HTTPS). A type without a page here is plain bytes, and so are data
that do not read as their type says.
"""

from __future__ import annotations

from construct import Bytes, GreedyBytes, Int8ub, Int16ub, Int32ub, this

from pktlab.wire.apps.names import DOMAIN, Name
from pktlab.wire.apps.nodes import STRING
from pktlab.wire.fields import AUTO, field
from pktlab.wire.header import Header
from pktlab.wire.nodes import Bounded, Items
from pktlab.wire.values import IPV4, IPV6

__all__ = ["RDATA", "Options", "Raw"]


class A(Header, layer="dns"):
    """An IPv4 address."""

    a: str = field(Bytes(4), "Address", as_=IPV4)

    def summary(self) -> str:
        """Return the address."""
        return self.a


class Aaaa(Header, layer="dns"):
    """An IPv6 address."""

    aaaa: str = field(Bytes(16), "AAAA Address", as_=IPV6)

    def summary(self) -> str:
        """Return the address."""
        return self.aaaa


class Ns(Header, layer="dns"):
    """A name server."""

    ns: str = field(Name(), "Name Server", as_=DOMAIN)

    def summary(self) -> str:
        """Return the server's name."""
        return self.ns


class Cname(Header, layer="dns"):
    """The name that the owner is an alias of."""

    cname: str = field(Name(), "CNAME", as_=DOMAIN)

    def summary(self) -> str:
        """Return the name."""
        return self.cname


class Dname(Header, layer="dns"):
    """The name that replaces the owner in all names below it."""

    dname: str = field(Name(), "DNAME", as_=DOMAIN)

    def summary(self) -> str:
        """Return the name."""
        return self.dname


class Ptr(Header, layer="dns"):
    """A name that something points to."""

    domain_name: str = field(Name(), "Domain Name", as_=DOMAIN, name="ptr.domain_name")

    def summary(self) -> str:
        """Return the name."""
        return self.domain_name


class Soa(Header, layer="dns"):
    """Start of a zone; times are seconds."""

    mname: str = field(Name(), "Primary name server", as_=DOMAIN, name="soa.mname")
    rname: str = field(Name(), "Responsible authority's mailbox", as_=DOMAIN, name="soa.rname")
    serial_number: int = field(Int32ub, "Serial Number", name="soa.serial_number")
    refresh_interval: int = field(Int32ub, "Refresh Interval", name="soa.refresh_interval")
    retry_interval: int = field(Int32ub, "Retry Interval", name="soa.retry_interval")
    expire_limit: int = field(Int32ub, "Expire limit", name="soa.expire_limit")
    minimum_ttl: int = field(Int32ub, "Minimum TTL", name="soa.minimum_ttl")

    def summary(self) -> str:
        """Return the seven fields as in a zone file."""
        times = f"{self.refresh_interval} {self.retry_interval} {self.expire_limit} {self.minimum_ttl}"
        return f"{self.mname} {self.rname} {self.serial_number} {times}"


class Mx(Header, layer="dns"):
    """Where mail goes."""

    preference: int = field(Int16ub, "Preference", name="mx.preference")
    mail_exchange: str = field(Name(), "Mail Exchange", as_=DOMAIN, name="mx.mail_exchange")

    def summary(self) -> str:
        """Return the preference and the host."""
        return f"{self.preference} {self.mail_exchange}"


class TxtString(Header, layer="dns"):
    """One string of a TXT record."""

    length: int = field(Int8ub, "TXT Length", name="txt.length", default=AUTO)
    txt: str = field(Bounded(this.length, GreedyBytes), "TXT", as_=STRING)


class Txt(Header, layer="dns"):
    """Strings."""

    strings: tuple[TxtString, ...] = field(Items(TxtString), name="")

    def summary(self) -> str:
        """Return the strings in quotes."""
        return " ".join(f'"{one.txt}"' for one in self.strings)


class Srv(Header, layer="dns"):
    """Host and port of a service."""

    priority: int = field(Int16ub, "Priority", name="srv.priority")
    weight: int = field(Int16ub, "Weight", name="srv.weight")
    port: int = field(Int16ub, "Port", name="srv.port")
    target: str = field(Name(), "Target", as_=DOMAIN, name="srv.target")

    def summary(self) -> str:
        """Return the four fields as in a zone file."""
        return f"{self.priority} {self.weight} {self.port} {self.target}"


class Caa(Header, layer="dns"):
    """Who may issue certificates."""

    flags: int = field(Int8ub, "CAA Flags", base="hex", name="caa.flags", default=0)
    tag_length: int = field(Int8ub, "Tag length", name="caa.tag_length", default=AUTO)
    tag: str = field(Bounded(this.tag_length, GreedyBytes), "Tag", as_=STRING, name="caa.tag")
    value: str = field(GreedyBytes, "Value", as_=STRING, name="caa.value")

    def summary(self) -> str:
        """Return the fields as in a zone file."""
        return f'{self.flags} {self.tag} "{self.value}"'


class SvcParam(Header, layer="dns"):
    """One parameter of a service binding."""

    key: int = field(Int16ub, "SvcParamKey", name="svcb.svcparam.key")
    length: int = field(Int16ub, "SvcParamValue length", name="svcb.svcparam.value.length", default=AUTO)
    value: bytes = field(Bounded(this.length, GreedyBytes), "SvcParamValue", name="svcb.svcparam.value", default=b"")


class Svcb(Header, layer="dns"):
    """Where and how a service is reached; priority 0 makes it an alias."""

    svcpriority: int = field(Int16ub, "SvcPriority", name="svcb.svcpriority")
    targetname: str = field(Name(), "TargetName", as_=DOMAIN, name="svcb.targetname")
    params: tuple[SvcParam, ...] = field(Items(SvcParam), name="", default=())

    def summary(self) -> str:
        """Return priority and target."""
        return f"{self.svcpriority} {self.targetname}"


class Option(Header, layer="dns"):
    """One EDNS option."""

    code: int = field(Int16ub, "Option Code", name="opt.code")
    length: int = field(Int16ub, "Option Length", name="opt.len", default=AUTO)
    data: bytes = field(Bounded(this.length, GreedyBytes), "Option Data", name="opt.data", default=b"")


class Options(Header, layer="dns"):
    """The options of an OPT record."""

    options: tuple[Option, ...] = field(Items(Option), name="", default=())


class Raw(Header, layer="dns"):
    """Data of a type that has no page here, or that do not read as the type says."""

    data: bytes = field(GreedyBytes, "Data", default=b"")

    def summary(self) -> str:
        """Return the data as RFC 3597 section 5 writes them."""
        return f"\\# {len(self.data)} {self.data[:16].hex()}{'…' if len(self.data) > 16 else ''}"


RDATA: dict[int, type[Header]] = {
    1: A, 2: Ns, 5: Cname, 6: Soa, 12: Ptr, 15: Mx, 16: Txt, 28: Aaaa, 33: Srv, 39: Dname, 41: Options, 64: Svcb,
    65: Svcb, 257: Caa,
}  # fmt: skip
"""What the data of a record of each type are."""
