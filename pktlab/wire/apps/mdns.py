"""mDNS, Multicast DNS: DNS messages to port 5353 in which the top bit of each class has a meaning of its own.

Spec: RFC 6762 sections 5.4 (a unicast response is welcome), 10.2 (the receiver forgets other records of that name),
18 (the message). Fields are called as in DNS.
"""

from __future__ import annotations

from construct import Int8ub, Int16ub, Int32ub, this

from pktlab.wire.apps.dns import OPCODES, OPT, RCODES, TYPES, message_fits, type_name
from pktlab.wire.apps.names import DOMAIN, Name
from pktlab.wire.apps.nodes import Counted, CountOf, OrElse
from pktlab.wire.apps.rdata import RDATA, Options, Raw
from pktlab.wire.fields import AUTO, bits, field
from pktlab.wire.header import Header
from pktlab.wire.nodes import Bounded, Switch, When

__all__ = ["Mdns", "MdnsQuestion", "MdnsRecord"]

SHOWN = 4


class MdnsQuestion(Header, layer="dns", label="Question"):
    """RFC 6762 section 18.12."""

    qname: str = field(Name(), "Name", as_=DOMAIN, name="qry.name")
    qtype: int = field(Int16ub, "Type", names=TYPES, name="qry.type", default=1)
    _class = field(Int16ub)
    qclass: int = bits(_class, 0x7FFF, "Class", base="hex", name="qry.class", default=1)
    qu: bool = bits(_class, 0x8000, '"QU" question', as_=bool, name="qry.qu", default=False)

    def summary(self) -> str:
        """Return ``PTR _http._tcp.local``."""
        return f"{type_name(self.qtype)} {self.qname}"


class MdnsRecord(Header, layer="dns", label="Resource record"):
    """RFC 6762 section 18.13."""

    rname: str = field(Name(), "Name", as_=DOMAIN, name="resp.name")
    rtype: int = field(Int16ub, "Type", names=TYPES, name="resp.type")
    class_word: int | None = field(When(this.rtype != OPT, Int16ub), "Class and cache flush", name="", default=1)
    rclass: int | None = bits(class_word, 0x7FFF, "Class", base="hex", name="resp.class", default=None)
    cache_flush: bool | None = bits(class_word, 0x8000, "Cache flush", as_=bool, name="resp.cache_flush", default=None)
    ttl: int | None = field(When(this.rtype != OPT, Int32ub), "Time to live, s", name="resp.ttl", default=0)
    size_word: int | None = field(When(this.rtype == OPT, Int16ub), "UDP payload size", name="", default=None)
    udp_payload_size: int | None = bits(
        size_word, 0x7FFF, "UDP payload size", base="hex", name="rr.udp_payload_size", default=None
    )
    ext_rcode: int | None = field(
        When(this.rtype == OPT, Int8ub), "Higher bits of reply code", base="hex", digits=2, name="resp.ext_rcode",
        default=None,
    )  # fmt: skip
    edns0_version: int | None = field(
        When(this.rtype == OPT, Int8ub), "EDNS0 version", name="resp.edns0_version", default=None
    )
    z: int | None = field(When(this.rtype == OPT, Int16ub), "Z", base="hex", digits=4, name="resp.z", default=None)
    length: int = field(Int16ub, "Data length", name="resp.len", default=AUTO)
    rdata: Header = field(Bounded(this.length, OrElse(Switch(this.rtype, RDATA, default=Raw), Raw)), name="")

    def summary(self) -> str:
        """Return ``host.local A 192.0.2.1``."""
        told = "OPT" if isinstance(self.rdata, Options) else f"{type_name(self.rtype)} {self.rdata.summary()}"
        return f"{self.rname} {told}"


class Mdns(Header, layer="mdns", prefix="dns", label="Multicast DNS"):
    """RFC 6762 section 18; of the flags only QR, AA and TC say something."""

    id: int = field(Int16ub, "Transaction ID", base="hex", default=0)
    flags: int = field(Int16ub, "Flags", base="hex", default=0)
    response: bool = bits(flags, 0x8000, "Response", as_=bool, name="flags.response", default=None)
    opcode: int = bits(flags, 0x7800, "Opcode", names=OPCODES, name="flags.opcode", default=None)
    authoritative: bool = bits(flags, 0x0400, "Authoritative", as_=bool, name="flags.authoritative", default=None)
    truncated: bool = bits(flags, 0x0200, "Truncated", as_=bool, name="flags.truncated", default=None)
    recdesired: bool = bits(flags, 0x0100, "Recursion desired", as_=bool, name="flags.recdesired", default=None)
    rcode: int = bits(flags, 0x000F, "Reply code", names=RCODES, name="flags.rcode", default=None)
    count_queries: int = field(Int16ub, "Questions", name="count.queries", default=CountOf("questions"))
    count_answers: int = field(Int16ub, "Answer RRs", name="count.answers", default=CountOf("answers"))
    count_auth_rr: int = field(Int16ub, "Authority RRs", name="count.auth_rr", default=CountOf("authority"))
    count_add_rr: int = field(Int16ub, "Additional RRs", name="count.add_rr", default=CountOf("additional"))
    questions: tuple[MdnsQuestion, ...] = field(Counted(this.count_queries, MdnsQuestion), name="", default=())
    answers: tuple[MdnsRecord, ...] = field(Counted(this.count_answers, MdnsRecord), name="", default=())
    authority: tuple[MdnsRecord, ...] = field(Counted(this.count_auth_rr, MdnsRecord), name="", default=())
    additional: tuple[MdnsRecord, ...] = field(Counted(this.count_add_rr, MdnsRecord), name="", default=())

    @classmethod
    def looks_like(cls, data: bytes, start: int, end: int) -> bool:
        """Tell whether opcode and counts may be those of a message."""
        return message_fits(data, start, end)

    def summary(self) -> str:
        """Return ``mDNS query PTR _http._tcp.local`` or ``mDNS answer host.local A 192.0.2.1``."""
        said = self.answers if self.response else self.questions
        parts = [one.summary() for one in said[:SHOWN]]
        more = f", … ({len(said)})" if len(said) > SHOWN else ""
        return f"mDNS {'answer' if self.response else 'query'} {', '.join(parts)}{more}".rstrip()
