"""AH, whose payload can be read and judged, and ESP, whose payload cannot.

Spec: RFC 4302 section 2; RFC 4303 section 2.
"""

from __future__ import annotations

from construct import Bytes, GreedyBytes, Int8ub, Int32ub, this

from pktlab.wire.fields import AUTO, field
from pktlab.wire.header import Header
from pktlab.wire.nodes import Bounded
from pktlab.wire.numbers import IpProtocol
from pktlab.wire.phrases import Hexed

__all__ = ["Ah", "Esp"]


class Ah(Header, layer="ah", label="Authentication Header"):
    """RFC 4302. `length` counts 4-byte words less 2, as IPv6 extension headers once did."""

    next_header: int = field(Int8ub, "Next header", names=IpProtocol)
    length: int = field(Int8ub, "Length", default=AUTO)
    reserved: bytes = field(Bytes(2), "Reserved", default=bytes(2))
    spi: int = field(Int32ub, "AH SPI", base="hex")
    sequence: int = field(Int32ub, "AH Sequence", default=0)
    icv: bytes = field(Bounded(this.length * 4 - 4, GreedyBytes), "AH ICV", default=bytes(12))


class Esp(
    Header,
    layer="esp",
    label="Encapsulating Security Payload",
    says=("ESP SPI=", Hexed(this.spi, 8), " Seq=", this.sequence),
):
    """RFC 4303. What follows is encrypted, or cannot be told from what is."""

    spi: int = field(Int32ub, "ESP SPI", base="hex")
    sequence: int = field(Int32ub, "ESP Sequence", default=0)
