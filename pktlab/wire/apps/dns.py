"""DNS, the Domain Name System: header, questions, resource records; over UDP and, behind a length, over TCP.

Spec: RFC 1035 section 4; RFC 2535 section 6.1 (AD, CD); RFC 6891 section 6.1 (OPT). Names may be compressed, which the
closed list of nodes cannot express: `Name` is a Construct node of its own, so that a message has tree and builder, but
no columns.
"""

from __future__ import annotations

from typing import Any

from construct import Int8ub, Int16ub, Int32ub, this

from pktlab.wire.apps.names import DOMAIN, Name
from pktlab.wire.apps.nodes import Counted, CountOf, Message, OrElse
from pktlab.wire.apps.rdata import RDATA, Options, Raw
from pktlab.wire.fields import AUTO, bits, field
from pktlab.wire.header import Header
from pktlab.wire.nodes import Bounded, Switch, When

__all__ = ["TYPES", "Dns", "DnsTcp", "Question", "Record", "message_fits", "told"]

TYPES = {
    1: "A", 2: "NS", 5: "CNAME", 6: "SOA", 10: "NULL", 12: "PTR", 13: "HINFO", 15: "MX", 16: "TXT", 17: "RP",
    18: "AFSDB", 24: "SIG", 25: "KEY", 28: "AAAA", 29: "LOC", 33: "SRV", 35: "NAPTR", 37: "CERT", 39: "DNAME",
    41: "OPT", 43: "DS", 44: "SSHFP", 46: "RRSIG", 47: "NSEC", 48: "DNSKEY", 50: "NSEC3", 51: "NSEC3PARAM",
    52: "TLSA", 59: "CDS", 60: "CDNSKEY", 61: "OPENPGPKEY", 63: "ZONEMD", 64: "SVCB", 65: "HTTPS", 99: "SPF",
    249: "TKEY", 250: "TSIG", 251: "IXFR", 252: "AXFR", 255: "ANY", 256: "URI", 257: "CAA",
}  # fmt: skip
OPCODES = {0: "query", 1: "inverse query", 2: "status", 4: "notify", 5: "update", 6: "stateful operations"}
RCODES = {
    0: "no error", 1: "format error", 2: "server failure", 3: "no such name", 4: "not implemented", 5: "refused",
    6: "name exists", 7: "records exist", 8: "no such records", 9: "not authoritative", 10: "name not in zone",
}  # fmt: skip
OPT = 41
HEADER, QUESTION, RECORD = 12, 5, 11
"""Least sizes, bytes."""
SHOWN = 4
"""Questions and answers that a line tells of."""


def type_name(number: int) -> str:
    """Return the mnemonic of a record type, or as RFC 3597 section 5 writes an unknown one.

    >>> type_name(28), type_name(65280)
    ('AAAA', 'TYPE65280')
    """
    return TYPES.get(number, f"TYPE{number}")


class Question(Header, layer="dns", label="Question"):
    """RFC 1035 section 4.1.2."""

    qname: str = field(Name(), "Name", as_=DOMAIN, name="qry.name")
    qtype: int = field(Int16ub, "Type", names=TYPES, name="qry.type", default=1)
    qclass: int = field(Int16ub, "Class", base="hex", name="qry.class", default=1)

    def summary(self) -> str:
        """Return ``A example.com``."""
        return f"{type_name(self.qtype)} {self.qname}"


class Record(Header, layer="dns", label="Resource record"):
    """RFC 1035 section 4.1.3; an OPT record has other fields in place of class and TTL (RFC 6891 section 6.1.2)."""

    rname: str = field(Name(), "Name", as_=DOMAIN, name="resp.name")
    rtype: int = field(Int16ub, "Type", names=TYPES, name="resp.type")
    rclass: int | None = field(
        When(this.rtype != OPT, Int16ub), "Class", base="hex", digits=4, name="resp.class", default=1
    )
    ttl: int | None = field(When(this.rtype != OPT, Int32ub), "Time to live, s", name="resp.ttl", default=0)
    udp_payload_size: int | None = field(
        When(this.rtype == OPT, Int16ub), "UDP payload size", name="rr.udp_payload_size",
        default=None,
    )  # fmt: skip
    ext_rcode: int | None = field(
        When(this.rtype == OPT, Int8ub), "Higher bits of reply code", base="hex", digits=2, name="resp.ext_rcode",
        default=None,
    )  # fmt: skip
    edns0_version: int | None = field(
        When(this.rtype == OPT, Int8ub), "EDNS0 version", name="resp.edns0_version", default=None
    )
    z: int | None = field(When(this.rtype == OPT, Int16ub), "Z", base="hex", digits=4, name="resp.z", default=None)
    z_do: bool | None = bits(z, 0x8000, "DNSSEC OK", as_=bool, name="resp.z.do", default=None)
    length: int = field(Int16ub, "Data length", name="resp.len", default=AUTO)
    rdata: Header = field(Bounded(this.length, OrElse(Switch(this.rtype, RDATA, default=Raw), Raw)), name="")

    def summary(self) -> str:
        """Return ``example.com A 192.0.2.1``."""
        return f"{self.rname} {self.told()}"

    def told(self) -> str:
        """Return type and data."""
        if isinstance(self.rdata, Options):
            return f"OPT, UDP payload {self.udp_payload_size}"
        return f"{type_name(self.rtype)} {self.rdata.summary()}".rstrip()


def told(kind: str, message: Any) -> str:
    """Return a message (DNS, LLMNR) in a line: ``DNS query A example.com``, ``DNS answer example.com A 192.0.2.1``."""
    asked = _list([one.summary() for one in message.questions])
    if not message.response:
        what = OPCODES.get(message.opcode, f"opcode {message.opcode}")
        return f"{kind} {what} {asked}".rstrip() if asked or not message.answers else f"{kind} {what} of records"
    if message.rcode:
        return f"{kind} answer {asked}: {RCODES.get(message.rcode, f'error {message.rcode}')}"
    if not message.answers:
        return f"{kind} answer {asked}: no records"
    owner = message.answers[0].rname
    answers = [one.told() if one.rname == owner else one.summary() for one in message.answers]
    return f"{kind} answer {owner} {_list(answers)}"


def _list(parts: list[str]) -> str:
    return ", ".join(parts[:SHOWN]) + (f", … ({len(parts)})" if len(parts) > SHOWN else "")


def message_fits(data: bytes, start: int, end: int) -> bool:
    """Tell whether 12 bytes at `start` may head a DNS message: a known opcode, and counts that can be held.

    Counts whose least sizes come to more than 64 KiB cannot be; they are not held against `end`, since a packet may
    be cut. Without any record only a response without anything behind it makes sense.

    >>> message_fits(bytes.fromhex("1234 0100 0001 0000 0000 0000"), 0, 12)
    True
    >>> message_fits(b"GET / HTTP/1.1", 0, 14)
    False
    """
    if end - start < HEADER or (data[start + 2] >> 3 & 15) not in OPCODES:
        return False
    counts = [int.from_bytes(data[start + at : start + at + 2], "big") for at in (4, 6, 8, 10)]
    if not any(counts):
        return data[start + 2] >= 0x80 and end - start == HEADER
    return HEADER + QUESTION * counts[0] + RECORD * sum(counts[1:]) <= 0xFFFF


class Dns(Header, layer="dns", label="Domain Name System"):
    """RFC 1035 section 4.1."""

    id: int = field(Int16ub, "Transaction ID", base="hex", default=0)
    flags: int = field(Int16ub, "Flags", base="hex", default=0)
    response: bool = bits(flags, 0x8000, "Response", as_=bool, name="flags.response", default=None)
    opcode: int = bits(flags, 0x7800, "Opcode", names=OPCODES, name="flags.opcode", default=None)
    authoritative: bool = bits(flags, 0x0400, "Authoritative", as_=bool, name="flags.authoritative", default=None)
    truncated: bool = bits(flags, 0x0200, "Truncated", as_=bool, name="flags.truncated", default=None)
    recdesired: bool = bits(flags, 0x0100, "Recursion desired", as_=bool, name="flags.recdesired", default=None)
    recavail: bool = bits(flags, 0x0080, "Recursion available", as_=bool, name="flags.recavail", default=None)
    z: bool = bits(flags, 0x0040, "Z: reserved", as_=bool, name="flags.z", default=None)
    authenticated: bool = bits(flags, 0x0020, "Authenticated", as_=bool, name="flags.authenticated", default=None)
    checkdisable: bool = bits(flags, 0x0010, "Checking disabled", as_=bool, name="flags.checkdisable", default=None)
    rcode: int = bits(flags, 0x000F, "Reply code", names=RCODES, name="flags.rcode", default=None)
    count_queries: int = field(Int16ub, "Questions", name="count.queries", default=CountOf("questions"))
    count_answers: int = field(Int16ub, "Answer RRs", name="count.answers", default=CountOf("answers"))
    count_auth_rr: int = field(Int16ub, "Authority RRs", name="count.auth_rr", default=CountOf("authority"))
    count_add_rr: int = field(Int16ub, "Additional RRs", name="count.add_rr", default=CountOf("additional"))
    questions: tuple[Question, ...] = field(Counted(this.count_queries, Question), name="", default=())
    answers: tuple[Record, ...] = field(Counted(this.count_answers, Record), name="", default=())
    authority: tuple[Record, ...] = field(Counted(this.count_auth_rr, Record), name="", default=())
    additional: tuple[Record, ...] = field(Counted(this.count_add_rr, Record), name="", default=())

    @classmethod
    def looks_like(cls, data: bytes, start: int, end: int) -> bool:
        """Tell whether opcode and counts may be those of a message."""
        return message_fits(data, start, end)

    def summary(self) -> str:
        """Return ``DNS query A example.com`` or ``DNS answer example.com A 192.0.2.1``."""
        return told("DNS", self)


class DnsTcp(Header, layer="dns", label="Domain Name System over TCP"):
    """RFC 1035 section 4.2.2: two bytes of length in front; a message that goes on in the next segment is not read."""

    length: int = field(Int16ub, "Length", min=HEADER, default=AUTO)
    message: Dns = field(Message(this.length, Dns), name="")

    @classmethod
    def looks_like(cls, data: bytes, start: int, end: int) -> bool:
        """Tell whether the length fits the segment, and what is behind it a message."""
        stop = start + 2 + int.from_bytes(data[start : start + 2], "big")
        return stop <= end and message_fits(data, start + 2, stop)

    def summary(self) -> str:
        """Return the message in a line."""
        return self.message.summary()
