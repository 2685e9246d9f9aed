"""RTP: the header of a media packet.

Spec: RFC 3550 section 5.1; section 5.3.1 (extension). RTP has no port of its own and two fixed bits: guessing it would
find it in a quarter of all noise. It is read where the user binds it: ``protocols={"udp.port=5004": Rtp}``.
"""

from __future__ import annotations

from construct import GreedyBytes, Int8ub, Int16ub, Int32ub, this

from pktlab.wire.apps.nodes import Counted, CountOf
from pktlab.wire.fields import AUTO, bits, field
from pktlab.wire.header import Header
from pktlab.wire.nodes import Bounded, When

__all__ = ["Rtp"]

PAYLOADS = {
    0: "PCMU", 3: "GSM", 4: "G723", 5: "DVI4", 7: "LPC", 8: "PCMA", 9: "G722", 10: "L16 stereo", 11: "L16", 12: "QCELP",
    13: "CN", 14: "MPA", 15: "G728", 18: "G729", 25: "CelB", 26: "JPEG", 28: "nv", 31: "H261", 32: "MPV", 33: "MP2T",
    34: "H263",
}  # fmt: skip


class Csrc(Header, layer="rtp.csrc"):
    """One contributing source."""

    item: int = field(Int32ub, "CSRC item", base="hex")


class Extension(Header, layer="rtp.ext"):
    """RFC 3550 section 5.3.1; `len` counts words of 4 bytes."""

    profile: int = field(Int16ub, "Defined by profile", base="hex", default=0)
    len: int = field(Int16ub, "Extension length", default=AUTO)
    data: bytes = field(Bounded(this.len * 4, GreedyBytes), "Extension data", name="", default=b"")


class Rtp(Header, layer="rtp", label="Real-Time Transport Protocol"):
    """RFC 3550 section 5.1."""

    _first = field(Int8ub)
    version: int = bits(_first, 0xC0, "Version", equals=2, default=2)
    padding: bool = bits(_first, 0x20, "Padding", as_=bool, default=False)
    ext: bool = bits(_first, 0x10, "Extension", as_=bool, default=False)
    cc: int = bits(_first, 0x0F, "Contributing source identifiers count", default=CountOf("sources"))
    _second = field(Int8ub)
    marker: bool = bits(_second, 0x80, "Marker", as_=bool, default=False)
    p_type: int = bits(_second, 0x7F, "Payload type", names=PAYLOADS)
    seq: int = field(Int16ub, "Sequence number", default=0)
    timestamp: int = field(Int32ub, "Timestamp", default=0)
    ssrc: int = field(Int32ub, "Synchronization Source identifier", base="hex", default=0)
    sources: tuple[Csrc, ...] = field(Counted(this.cc, Csrc), name="", default=())
    extension: Extension | None = field(When(this.ext != 0, Extension), name="", default=None)

    def summary(self) -> str:
        """Return ``RTP PCMU ssrc=0x1234abcd seq=1 time=160``."""
        kind = PAYLOADS.get(self.p_type, f"type {self.p_type}")
        mark = " marked" if self.marker else ""
        return f"RTP {kind} ssrc={self.ssrc:#010x} seq={self.seq} time={self.timestamp}{mark}"
