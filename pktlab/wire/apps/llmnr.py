"""LLMNR, Link-Local Multicast Name Resolution: DNS messages on port 5355 with two flags of their own.

Spec: RFC 4795 section 2.1.1. Fields are called as in DNS.
"""

from __future__ import annotations

from construct import Int16ub, this

from pktlab.wire.apps.dns import OPCODES, RCODES, Question, Record, message_fits, told
from pktlab.wire.apps.nodes import Counted, CountOf
from pktlab.wire.fields import bits, field
from pktlab.wire.header import Header

__all__ = ["Llmnr"]


class Llmnr(Header, layer="llmnr", prefix="dns", label="Link-local Multicast Name Resolution"):
    """RFC 4795 section 2.1.1."""

    id: int = field(Int16ub, "Transaction ID", base="hex", default=0)
    flags: int = field(Int16ub, "Flags", base="hex", default=0)
    response: bool = bits(flags, 0x8000, "Response", as_=bool, name="flags.response", default=None)
    opcode: int = bits(flags, 0x7800, "Opcode", names=OPCODES, name="flags.opcode", default=None)
    conflict: bool = bits(flags, 0x0400, "Conflict", as_=bool, name="flags.conflict", default=None)
    truncated: bool = bits(flags, 0x0200, "Truncated", as_=bool, name="flags.truncated", default=None)
    tentative: bool = bits(flags, 0x0100, "Tentative", as_=bool, name="flags.tentative", default=None)
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
        """Return ``LLMNR query A host`` or ``LLMNR answer host A 192.0.2.1``."""
        return told("LLMNR", self)
