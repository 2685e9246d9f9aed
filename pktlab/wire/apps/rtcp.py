"""RTCP: the packets of a compound, with sender and receiver reports.

Spec: RFC 3550 sections 6.1 to 6.4. Like RTP it is read where the user binds it: ``protocols={"udp.port=5005": Rtcp}``.
"""

from __future__ import annotations

from construct import BytesInteger, GreedyBytes, Int8ub, Int16ub, Int32ub, this

from pktlab.wire.apps.nodes import AsFar, OrElse
from pktlab.wire.fields import AUTO, bits, field
from pktlab.wire.header import Header
from pktlab.wire.nodes import Bounded, Switch

__all__ = ["Packet", "Rtcp"]

TYPES = {
    192: "FIR", 193: "NACK", 200: "Sender Report", 201: "Receiver Report", 202: "Source description", 203: "Goodbye",
    204: "Application specific", 205: "Generic RTP Feedback", 206: "Payload-specific Feedback", 207: "Extended report",
}  # fmt: skip


class Block(Header, layer="rtcp", label="Report block"):
    """RFC 3550 section 6.4.1; `lsr` and `dlsr` are in units of 2**-16 s."""

    identifier: int = field(Int32ub, "Identifier", base="hex", name="ssrc.identifier")
    fraction: int = field(Int8ub, "Fraction lost", name="ssrc.fraction")
    cum_nr: int = field(BytesInteger(3, signed=True), "Cumulative number of packets lost", name="ssrc.cum_nr")
    high_cycles: int = field(Int16ub, "Sequence number cycles count", name="ssrc.high_cycles")
    high_seq: int = field(Int16ub, "Highest sequence number received", name="ssrc.high_seq")
    jitter: int = field(Int32ub, "Interarrival jitter", name="ssrc.jitter")
    lsr: int = field(Int32ub, "Last SR timestamp", name="ssrc.lsr")
    dlsr: int = field(Int32ub, "Delay since last SR timestamp", name="ssrc.dlsr")


class Blocks(Header, layer="rtcp"):
    """Report blocks, and the extension of a profile behind them."""

    blocks: tuple[Block, ...] = field(AsFar(Block), name="", default=())
    rest: bytes = field(GreedyBytes, name="", default=b"")


class SenderReport(Header, layer="rtcp"):
    """RFC 3550 section 6.4.1."""

    senderssrc: int = field(Int32ub, "Sender SSRC", base="hex")
    ntp_msw: int = field(Int32ub, "Timestamp, MSW", name="timestamp.ntp.msw")
    ntp_lsw: int = field(Int32ub, "Timestamp, LSW", name="timestamp.ntp.lsw")
    rtp: int = field(Int32ub, "RTP timestamp", name="timestamp.rtp")
    packetcount: int = field(Int32ub, "Sender's packet count", name="sender.packetcount")
    octetcount: int = field(Int32ub, "Sender's octet count", name="sender.octetcount")
    reports: Blocks = field(Blocks, name="")


class ReceiverReport(Header, layer="rtcp"):
    """RFC 3550 section 6.4.2."""

    senderssrc: int = field(Int32ub, "Sender SSRC", base="hex")
    reports: Blocks = field(Blocks, name="")


class Plain(Header, layer="rtcp"):
    """A packet of another type."""

    body: bytes = field(GreedyBytes, name="", default=b"")


class Packet(Header, layer="rtcp", label="RTCP packet"):
    """RFC 3550 section 6.4; `length` counts words of 4 bytes behind the first."""

    _first = field(Int8ub)
    version: int = bits(_first, 0xC0, "Version", equals=2, default=2)
    padding: bool = bits(_first, 0x20, "Padding", as_=bool, default=False)
    rc: int = bits(_first, 0x1F, "Count", default=0)
    pt: int = field(Int8ub, "Packet type", names=TYPES, min=192)
    length: int = field(Int16ub, "Length", default=AUTO)
    body: Header = field(
        Bounded(
            this.length * 4, OrElse(Switch(this.pt, {200: SenderReport, 201: ReceiverReport}, default=Plain), Plain)
        ),
        name="",
    )

    def summary(self) -> str:
        """Return the packet's kind."""
        return TYPES.get(self.pt, f"type {self.pt}")


class Rtcp(Header, layer="rtcp", label="Real-time Transport Control Protocol"):
    """RFC 3550 section 6.1: several packets one behind another."""

    packets: tuple[Packet, ...] = field(AsFar(Packet, least=1), name="")

    def summary(self) -> str:
        """Return ``RTCP Sender Report, Source description``."""
        return f"RTCP {', '.join(one.summary() for one in self.packets[:4])}"
