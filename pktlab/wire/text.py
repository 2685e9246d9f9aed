"""A packet as text for people: one line, a tree, a hex dump. Whatever a packet holds is escaped on the way out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pktlab.errors import WireError
from pktlab.wire.coverage import checksum_field
from pktlab.wire.dissection import Dissection, Layer
from pktlab.wire.ethernet import Ieee8021ad, Vlan, VlanLength
from pktlab.wire.header import Header
from pktlab.wire.mpls import Mpls
from pktlab.wire.packet import LINK_LAYERS
from pktlab.wire.pppoe import PppoeDiscovery, PppoeSession
from pktlab.wire.rows import Found
from pktlab.wire.verdict import Judgement, Verdict

__all__ = ["TAGS", "Line", "escape", "hexdump", "mark", "one_line", "printable", "tree"]


def escape(text: str) -> str:
    r"""Return `text` with everything that could act on a terminal written out.

    Control characters, the C1 range, and the marks that reverse the direction of writing become ``\xNN`` or
    ``\uNNNN``; letters of any script stay.

    >>> print(escape("a\x1b[2Jb\u202ec é"))
    a\x1b[2Jb\u202ec é
    """
    return "".join(char if char.isprintable() else _written_out(char) for char in text)


def _written_out(char: str) -> str:
    code = ord(char)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def printable(data: bytes, limit: int = 60) -> str:
    r"""Return bytes as text in quotes: ASCII as it is, the rest as ``\xNN``; cut after `limit` bytes with an ellipsis.

    >>> printable(b"hello\n")
    '"hello\\n"'
    """
    text = repr(data[:limit])[2:-1].replace('"', '\\"')
    return f'"{text}"' + ("…" if len(data) > limit else "")


def hexdump(data: bytes, offset: int = 0) -> list[str]:
    """Return `data` as lines of 16 bytes: offset, hex, ASCII.

    >>> hexdump(b"hello, world: 16+")
    ['0000  68 65 6c 6c 6f 2c 20 77  6f 72 6c 64 3a 20 31 36  hello, world: 16', '0010  2b                                                +']
    """  # noqa: E501
    lines = []
    for start in range(0, len(data), 16):
        piece = data[start : start + 16]
        halves = f"{piece[:8].hex(' '):<23}  {piece[8:].hex(' '):<23}"
        shown = "".join(chr(byte) if 0x20 <= byte < 0x7F else "." for byte in piece)
        lines.append(f"{offset + start:04x}  {halves}  {shown}")
    return lines


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a tree.

    kind : ``layer``, ``field``, ``part`` (bits of the field above), ``group``, ``note``, ``stop`` or a verdict's word;
    start, stop : the bytes it is about, from the start of the packet; both 0 where it is about none
    """

    depth: int
    kind: str
    label: str
    value: str = ""
    name: str = ""
    start: int = 0
    stop: int = 0

    @property
    def text(self) -> str:
        """The line without its name and range, escaped."""
        return "  " * self.depth + escape(f"{self.label}: {self.value}" if self.value else self.label)


def tree(packet: Dissection, judgements: Sequence[Judgement] = ()) -> list[Line]:
    """Return a packet as a tree: a line a layer, under it one a field, deeper what lies inside a field."""
    verdicts = {judgement.layer: judgement for judgement in judgements if judgement.layer >= 0}
    lines: list[Line] = []
    for index, layer in enumerate(packet.layers):
        lines += _layer_lines(packet, layer, verdicts.get(index))
    start, stop = packet.trailer
    if start < stop:
        lines.append(
            Line(0, "layer", "Trailer", f"{stop - start} bytes {packet.data[start:stop].hex()}", "", start, stop)
        )
    return lines


def _layer_lines(packet: Dissection, layer: Layer, judgement: Judgement | None) -> Iterator[Line]:
    if layer.header is None:
        data = packet.data[layer.start : layer.stop]
        size = f"{len(data)} byte" + ("s" if len(data) != 1 else "")
        yield Line(0, "layer", "Data", f"{size} {printable(data)}", "data", layer.start, layer.stop)
    else:
        quoted = " (quoted)" if layer.quoted else ""
        title = f"{layer.header.label}{quoted}"
        yield Line(0, "layer", title, _summary(layer), layer.protocol, layer.start, layer.stop)
        yield from _field_lines(layer, judgement)
    for note in layer.notes:
        yield Line(1, "note", note)
    if layer.error is not None:
        yield Line(1, "stop", f"stops here: {layer.error}")


def _summary(layer: Layer) -> str:
    text = _safe_summary(layer.header) if layer.header is not None else ""
    return "" if layer.header is not None and text == layer.header.label else text


def _field_lines(layer: Layer, judgement: Judgement | None) -> Iterator[Line]:
    checksum = None if layer.header is None else checksum_field(layer.header)
    checksum_name = "" if checksum is None else checksum[0].row.name
    open_ends: list[int] = []
    seen: set[tuple[int, int]] = set()
    for found in layer.spans():
        while open_ends and found.start >= open_ends[-1]:
            open_ends.pop()
        depth = 1 + len(open_ends) + _is_part(found, seen)
        yield _field_line(found, depth)
        if judgement is not None and found.name == checksum_name:
            yield verdict_line(judgement, depth + 1)
        if found.row.kind in ("group", "header"):
            open_ends.append(found.stop)


def _is_part(found: Found, seen: set[tuple[int, int]]) -> int:
    """Tell how much deeper bits stand than fields: below the number that they are a part of, if that is shown."""
    if found.row.kind in ("group", "header"):
        return 0
    place = (found.start, found.stop)
    if found.row.mask is None:
        seen.add(place)
        return 0
    return int(place in seen or "." in found.row.attr)


def _field_line(found: Found, depth: int) -> Line:
    kind = "group" if found.row.kind == "group" else "part" if found.row.mask is not None else "field"
    return Line(depth, kind, found.row.label, value_text(found), found.name, found.start, found.stop)


def value_text(found: Found) -> str:
    """Return a field's value for people: a number with its name, flags with the bits that are set.

    Long bytes are cut; nothing is escaped yet.
    """
    row = found.row
    if row.kind in ("group", "header"):
        return ""
    value = found.value
    if row.kind == "bool":
        return "set" if value else "not set"
    if row.kind == "flags":
        return f"{row.text(value)} {' '.join(value.set_names())}".rstrip()
    text = row.text(value)
    if isinstance(value, bytes) and len(value) > 32:
        text = f"{value[:32].hex()}… ({len(value)} bytes)"
    name = row.value_name(value)
    return f"{text} {name}" if name else text


def verdict_line(judgement: Judgement, depth: int) -> Line:
    """Return the line that stands under a checksum."""
    value = str(judgement.verdict)
    if judgement.verdict is Verdict.bad and judgement.expected is not None:
        value += f", should be {judgement.expected:#06x}"
    reason = "; ".join(part for part in (judgement.cause, judgement.note) if part)
    return Line(depth, str(judgement.verdict), "verdict", f"{value} ({reason})" if reason else value)


# ---- one line a packet


def one_line(packet: Dissection, judgements: Sequence[Judgement] = ()) -> str:
    """Return a packet in a line: who to whom, what, and each checksum that is not plainly good; escaped."""
    parts = [_safe_summary(layer.header) for layer in _told(packet)]
    quoted = [_safe_summary(layer.header) for layer in packet.layers if layer.quoted and layer.header is not None]
    text = " ".join(part for part in parts if part)
    if quoted:
        text += f" about [{' '.join(quoted)}]"
    if not parts:
        text = _bytes_line(packet)
    for judgement in judgements:
        if judgement.verdict is not Verdict.good or "minus-zero" in judgement.note:
            text += mark(judgement)
    if packet.stop is not None and not quoted:
        text += f" [{packet.stop}]"
    return escape(text)


TAGS = (Vlan, VlanLength, Ieee8021ad, Mpls, PppoeDiscovery, PppoeSession)
"""Link headers that a line speaks of all the same."""


def _told(packet: Dissection) -> list[Layer]:
    """Return the layers that a line speaks of: no link below a network header, nothing that says nothing."""
    layers = [layer for layer in packet.layers if layer.header is not None and not layer.quoted]
    upper = [layer for layer in layers if not isinstance(layer.header, LINK_LAYERS) or isinstance(layer.header, TAGS)]
    told = upper or layers
    return [layer for layer in told if layer.header is not None and layer.header.schema.names_itself] or told[-1:]


def _bytes_line(packet: Dissection) -> str:
    return f"{len(packet.data)} bytes {printable(packet.data, 24)}"


def mark(judgement: Judgement) -> str:
    """Return what a line ends in for a checksum that is not plainly good."""
    reason = judgement.cause if judgement.verdict is Verdict.bad else ""
    return f" [{judgement.protocol} checksum {judgement.verdict}" + (f": {reason}]" if reason else "]")


def _safe_summary(header: Header | None) -> str:
    """Return the summary of a header that may have been read in part only."""
    if header is None:
        return ""
    try:
        return header.summary()
    except (AttributeError, TypeError):
        if header._error is None:
            raise
        return f"{header.layer} (cut)"


def stop_text(stop: WireError | None) -> str:
    """Return what ended the reading, or an empty string."""
    return "" if stop is None else str(stop)
