"""What a checksum field covers in a packet, or why that cannot be told.

Which protocols have an Internet checksum or a CRC, whether a pseudo-header is in front and what a zero means is read
from the schema: the rule that fills the field when building describes it when reading.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from construct import this

from pktlab.errors import Malformed, Truncated
from pktlab.wire import expressions
from pktlab.wire.cursor import BUFFER
from pktlab.wire.dccp import Dccp
from pktlab.wire.dissection import Dissection, Layer
from pktlab.wire.fields import FieldDecl
from pktlab.wire.fills import Crc32c, InternetChecksum
from pktlab.wire.header import Header
from pktlab.wire.ipv4 import Ip
from pktlab.wire.ipv6 import Fragment, Ipv6
from pktlab.wire.pseudo import Ends, ends_of, pseudo_header
from pktlab.wire.udp import Udp

__all__ = ["FRAGMENT", "IN_PIECES", "Coverage", "Doubt", "checksum_field", "coverage"]


Rule = InternetChecksum | Crc32c


@dataclass(frozen=True)
class Coverage:
    """The bytes that are summed: the pseudo-header's, then those of the packet from `start` to `end`.

    `at` is where the field itself stands; all offsets count from the start of the packet.
    """

    rule: Rule
    start: int
    end: int
    at: int
    ends: Ends | None = None
    pseudo: Header | None = None

    @property
    def length(self) -> int:
        """Bytes of the packet that are summed."""
        return self.end - self.start


@dataclass(frozen=True)
class Doubt:
    """Why a sum cannot be taken. `certain`: the lengths cannot be, so no further bytes would help."""

    why: str
    certain: bool = False


IN_PIECES: dict[type[Header], tuple[Any, ...]] = {
    Ip: ((this._flags_offset & 0x2000) > 0, this.frag_offset > 0),
    Fragment: (this.more > 0, this.offset > 0),
}
"""Headers of a fragment: those for which one of these holds."""
_IN_PIECES = {
    kind: [expressions.evaluator(condition, over_header=True) for condition in conditions]
    for kind, conditions in IN_PIECES.items()
}
FRAGMENT = Doubt("a fragment: the sum is over the whole datagram, and judged where that is complete")


def checksum_field(header: Header | type[Header]) -> tuple[FieldDecl, Rule] | None:
    """Return the field of `header` that is a checksum, and its rule; None if it has none."""
    for declared in header.schema.fields:
        if isinstance(declared.default, Rule):
            return declared, declared.default
    return None


def coverage(packet: Dissection, index: int, *, whole: bool = False, cut: bool = False) -> Coverage | Doubt | None:
    """Return what the checksum of layer `index` covers; None if it has no such field, or left it out.

    Parameters
    ----------
    packet : a dissected packet
    index : of the layer
    whole : `packet` is a reassembled datagram
    cut : fewer bytes were captured than were on the wire
    """
    layer = packet.layers[index]
    field = None if layer.header is None else checksum_field(layer.header)
    if layer.header is None or field is None:
        return None
    declared, rule = field
    if declared.index < len(layer.header._raw) and layer.header._raw[declared.index] is None:
        return None
    doubt = _fragment_doubt(packet.layers[:index], int(whole))
    doubt = doubt or _header_doubt(layer) or _field_doubt(layer, declared)
    if doubt is not None:
        return doubt
    at = layer.start + (declared.row.offset or 0)
    if isinstance(rule, InternetChecksum) and rule.covers == "header":
        return Coverage(rule, layer.start, layer.stop, at)
    doubt = _payload_doubt(packet, index, cut)
    if doubt is not None:
        return doubt
    if isinstance(rule, Crc32c):
        return Coverage(rule, layer.start, layer.end, at)
    part = rule.part_of(layer.header)
    doubt = _part_doubt(layer, part) if part else None
    if doubt is not None:
        return doubt
    end = layer.start + part if part else layer.end
    if not rule.pseudo:
        return Coverage(rule, layer.start, end, at)
    ends = ends_of([below.header for below in packet.layers[:index] if below.header is not None])
    if ends is None:
        return Doubt("there is no IP header to take the pseudo-header from")
    if ends.unknown:
        return Doubt(ends.unknown)
    return Coverage(rule, layer.start, end, at, ends, pseudo_header(ends, layer.end - layer.start))


def _part_doubt(layer: Layer, part: int) -> Doubt | None:
    """Tell whether a sum can cover `part` bytes: at least the header, at most what there is."""
    header_len, available = layer.stop - layer.start, layer.end - layer.start
    if part < header_len:
        return Doubt(f"covers {part} bytes, not even the {header_len} of the header", certain=True)
    if part > available:
        return Doubt(f"covers {part} bytes, but {layer.limit} leaves {available}", certain=True)
    return None


def _header_doubt(layer: Layer) -> Doubt | None:
    """Tell whether the header's own lengths allow its sum; errors inside its options do not matter."""
    header, error = layer.header, layer.error
    assert header is not None
    if error is None:
        return None
    if isinstance(error, Truncated) and error.offset == layer.start:
        return _ran_out(error, f"of the {layer.protocol} header")
    if isinstance(error, Malformed) and error.offset < layer.start + header.HEADER_LEN:
        return Doubt(f"{error.field} = {error.value} {error.why}", certain=True)
    header_len = _stated_len(header)
    if header_len is None:
        return None
    inside = isinstance(error, Truncated) and error.limit.startswith(f"{layer.protocol}.")
    if isinstance(error, Truncated) and not inside and error.offset + error.needed == layer.start + header_len:
        return _ran_out(error, f"of the {layer.protocol} header")
    return None


def _field_doubt(layer: Layer, declared: FieldDecl) -> Doubt | None:
    """Tell whether the field that a flag of the header promises is there at all."""
    if layer.header is None or declared.index < len(layer.header._raw):
        return None
    if isinstance(layer.error, Truncated):
        return _ran_out(layer.error, f"of {layer.error.layer}")
    return Doubt(f"the header ends in front of {declared.row.name}", certain=True)


def _stated_len(header: Header) -> int | None:
    """Return the bytes that the header says it has; None if it has no such field."""
    if isinstance(header, Dccp):
        return 4 * header.data_offset
    return int(header.hdr_len) if "hdr_len" in header.schema.declared else None  # type: ignore[attr-defined]


def _ran_out(error: Truncated, what: str) -> Doubt:
    if error.limit == BUFFER:
        return Doubt(f"only {error.available} of {error.needed} bytes {what} were captured")
    return Doubt(f"{error.limit} leaves {error.available} of {error.needed} bytes {what}", certain=True)


def _payload_doubt(packet: Dissection, index: int, cut: bool) -> Doubt | None:
    """Tell whether the bytes that the header's sum covers are there."""
    layer = packet.layers[index]
    if layer.overrun is not None:
        return _ran_out(layer.overrun, f"that {layer.overrun.layer}.length counts")
    if isinstance(layer.header, Udp) and layer.limit == "udp.length":
        return None
    below = reversed(packet.layers[:index])
    return next((_ip_doubt(one, cut) for one in below if isinstance(one.header, Ip | Ipv6)), None)


def _fragment_doubt(below: Sequence[Layer], put_together: int) -> Doubt | None:
    """Tell whether the headers below are those of a fragment, be it that of a tunnel around.

    The first `put_together` IP headers are of a datagram that is whole again, whatever they still say.
    """
    seen = 0
    for layer in below:
        header = layer.header
        seen += isinstance(header, Ip | Ipv6)
        if seen <= put_together:
            continue
        if any(holds(header) for holds in _IN_PIECES.get(type(header), ())):  # type: ignore[arg-type]
            return FRAGMENT
    return None


def _ip_doubt(layer: Layer, cut: bool) -> Doubt | None:
    if layer.overrun is not None:
        return _ran_out(layer.overrun, f"that {layer.protocol} says follow")
    if cut and layer.limit == BUFFER:
        return Doubt("the frame was cut when it was captured, and its length is not in the IP header")
    return None
