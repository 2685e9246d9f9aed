"""A header's figure as RFCs draw it, 32 bits a line, made from the schema.

Fields of fixed size are drawn to scale, bit by bit, where they lie on the wire. What varies is drawn with ``/`` at
its sides, as in RFC 1035, and says its length or its condition in the words of the schema's own expression. A word
with a name is drawn whole, as RFCs do with the traffic class, unless one of its parts is a single flag bit; bits that
nobody named are drawn as reserved. In a little-endian word the low bits come first on the wire: a part that is torn
apart by this is drawn in its pieces, each with its bits.

The figure is a grid of bits that know their owner. A line stands between two bits wherever the owner changes.
"""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from typing import Any

import construct

from pktlab.wire import expressions
from pktlab.wire.fields import BitsDecl, FieldDecl
from pktlab.wire.nodes import Bounded, Items, Switch, When
from pktlab.wire.rows import Row

__all__ = ["diagram", "extent"]

WIDTH = 32  # bits in a line
_MAX_LINES = 4  # a field of more lines is not drawn to scale: 16 bytes, an IPv6 address, still are
_RESERVED = ("Reserved", "Res", "-")


@dataclass(frozen=True)
class _Cell:
    """What is written into a run of bits: the first of `names` that fits, and what is said of it below."""

    names: tuple[str, ...]
    note: str = ""
    is_open: bool = False  # not to scale

    def text(self, width: int) -> list[str]:
        """Return the lines that go into `width` characters."""
        note = textwrap.wrap(self.note, width) if self.note else []
        (is_broken, _), lines = min((_wrapped(name, width) for name in self.names), key=lambda found: found[0])
        if is_broken and len(lines) > 2:
            lines = [self.names[0][:width]]
        one_line = f"{self.names[0]} ({self.note})"
        return [one_line] if note and len(one_line) <= width else [*lines, *note]


def _wrapped(name: str, width: int) -> tuple[tuple[bool, int], list[str]]:
    """Return `name` in lines of `width` characters, after how bad that is: broken words, then lines past two."""
    if width == 1:
        name = name.upper()
    lines = textwrap.wrap(name, width)
    is_broken = any(len(word) > width for word in name.split()) and width > 1
    return (is_broken, max(len(lines), 2)), lines


def diagram(schema: Any) -> list[str]:
    r"""Return the figure of a header, one line a string.

    Parameters
    ----------
    schema : a `Header` class, or its schema

    Spec: the style of RFC 791 section 3.1 and RFC 9293 section 3.1.

    >>> from pktlab.wire.udp import Udp
    >>> print("\n".join(diagram(Udp)))
     0                   1                   2                   3
     0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
    |          Source Port          |        Destination Port       |
    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
    |             Length            |            Checksum           |
    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
    """
    layout = getattr(schema, "schema", schema)
    grid = _Grid()
    for declared in layout.fields:
        for cell, bits in _cells(declared):
            grid.put(cell, bits)
    return grid.lines()


def extent(node: Any) -> str:
    """Return how long a field is, in words.

    >>> from construct import GreedyBytes, Int16ub, this
    >>> extent(Int16ub), extent(Bounded(this.hdr_len - 20, GreedyBytes)), extent(When(this.type > 1, Int16ub))
    ('2 bytes', 'hdr_len - 20 bytes', '2 bytes, if type > 1')
    """
    node = getattr(node, "schema", node)
    size = _static_size(node)
    if isinstance(node, When):
        return f"{extent(node.subcon)}, if {expressions.text(node.condition)}"
    if isinstance(node, Bounded) and size is None:
        return f"{expressions.text(node.length)} bytes"
    if size is not None:
        return f"{size} byte" if size == 1 else f"{size} bytes"
    if isinstance(node, Switch):
        return f"depends on {expressions.text(node.key)}"
    if isinstance(node, Items):
        return "repeated to the end" if node.stop is None else f"repeated until {expressions.text(node.stop)}"
    return "to the end" if node is construct.GreedyBytes else "length varies"


def _static_size(node: Any) -> int | None:
    """Return the bytes of a node that always has as many; None for any other."""
    if isinstance(node, Bounded):
        return node.length if isinstance(node.length, int) else None
    if isinstance(node, When | Items):  # Construct would say the size of what is in them
        return None
    try:
        return int(node.sizeof())
    except construct.SizeofError:
        return None


# ---- what is drawn: each field as cells with their bits, None where it is not to scale


def _cells(declared: FieldDecl) -> list[tuple[_Cell, int | None]]:
    row, node = declared.row, declared.subcon
    is_optional = isinstance(node, When)
    size = _static_size(node.subcon if isinstance(node, When) else node)
    if size is None or size > 4 * _MAX_LINES or (is_optional and size > 4):
        return [(_Cell(_names(row), extent(node), is_open=True), None if size is None or is_optional else 8 * size)]
    condition = f"if {expressions.text(node.condition)}" if isinstance(node, When) else ""
    if row.kind == "flags" or (declared.bits and not is_optional and _is_drawn_in_parts(declared)):
        return _parts(declared, size)
    order = "little-endian" if row.little else ""
    return [(_Cell(_names(row), ", ".join(filter(None, (order, condition)))), 8 * size)]


def _is_drawn_in_parts(declared: FieldDecl) -> bool:
    return not declared.wire_name or any(part.kind in ("bool", "flags") for part in declared.bits)


def _names(row: Row) -> tuple[str, ...]:
    short = row.name.rpartition(".")[2]
    return (row.label, short) if short else (row.label,)


def _parts(declared: FieldDecl, size: int) -> list[tuple[_Cell, int | None]]:
    """Return the cells of a packed word in wire order; bits are owned by the part that is drawn of them."""
    owners: list[Row | None] = [None] * (8 * size)  # from the least significant bit
    for row in _drawn_rows(declared):
        mask = row.mask or 0
        for bit in range(8 * size):
            if mask >> bit & 1:
                owners[bit] = row
    places = list(reversed(range(8 * size)))
    if declared.row.little:
        places = [8 * byte + bit for byte in range(size) for bit in reversed(range(8))]
    return [_part_cell(owners[run[0]], run) for run in _runs(places, owners)]


def _drawn_rows(declared: FieldDecl) -> list[Row]:
    """Return the rows that are drawn, those on top of others last."""
    rows: list[Row] = []
    for one in declared.parts:
        if isinstance(one, BitsDecl) and (one.wire_name == "" or _is_inside_a_number(one, declared)):
            continue
        if isinstance(one, BitsDecl):
            rows.append(one.row)
        if one.kind == "flags":
            rows += _flag_rows(one)
    return rows


def _is_inside_a_number(part: BitsDecl, declared: FieldDecl) -> bool:
    """Tell whether `part` lies in a wider part that has a name and no single flag bits."""
    around = [
        other for other in declared.bits
        if other is not part and other.wire_name and other.mask & part.mask == part.mask and other.mask != part.mask
    ]  # fmt: skip
    return any(not _has_flag_bits(other, declared) for other in around)


def _has_flag_bits(part: BitsDecl, declared: FieldDecl) -> bool:
    return any(
        other.kind == "bool" and other.mask & part.mask == other.mask and other.mask != part.mask
        for other in declared.bits
    )


def _flag_rows(one: FieldDecl | BitsDecl) -> list[Row]:
    shift = one.shift if isinstance(one, BitsDecl) else 0
    members = getattr(one.as_, "members", ())
    return [
        one.row._replace(name=f"{one.row.name}.{member.name}", label=member.label, mask=member.mask << shift)
        for member in members
    ]


def _runs(places: list[int], owners: list[Row | None]) -> list[list[int]]:
    """Return `places` (bits in wire order) in runs of one owner, of falling significance where they have one."""
    runs: list[list[int]] = []
    for place in places:
        last = runs[-1][-1] if runs else None
        is_next = last is not None and (last == place + 1 or owners[place] is None)
        if last is not None and is_next and owners[last] is owners[place]:
            runs[-1].append(place)
        else:
            runs.append([place])
    return runs


def _part_cell(row: Row | None, run: list[int]) -> tuple[_Cell, int | None]:
    if row is None:
        return _Cell(_RESERVED), len(run)
    mask = row.mask or 0
    low = (mask & -mask).bit_length() - 1
    if len(run) == mask.bit_count():
        return _Cell(_names(row)), len(run)
    bits = f"[{run[0] - low}:{run[-1] - low}]"
    return _Cell(tuple(f"{name} {bits}" for name in _names(row))), len(run)


# ---- how it is drawn


class _Grid:
    """Rows of 32 bits, each with the cell that owns it."""

    def __init__(self) -> None:
        self.rows: list[list[_Cell | None]] = []
        self.column = WIDTH

    def put(self, cell: _Cell, bits: int | None) -> None:
        """Give `cell` the next `bits`; of one that is not to scale, the rest of the line, a whole one, and its end."""
        if cell.is_open:
            rest = WIDTH - self.column
            bits = rest + WIDTH + (0 if bits is None else (bits - rest) % WIDTH)
        assert bits is not None
        for _ in range(bits):
            if self.column == WIDTH:
                self.rows.append([None] * WIDTH)
                self.column = 0
            self.rows[-1][self.column] = cell
            self.column += 1

    def lines(self) -> list[str]:
        """Return the figure."""
        if not self.rows:
            return ["(no fields)"]
        texts = self._placed_texts()
        drawn = [*self._scale(), self._border(-1, {})]
        for index, row in enumerate(self.rows):
            drawn += self._row_lines(row, {at[1]: text for at, text in texts.items() if at[0] == 2 * index})
            on_border = {at[1]: text for at, text in texts.items() if at[0] == 2 * index + 1}
            drawn.append(self._border(index, on_border))
        return drawn

    def _scale(self) -> list[str]:
        used = max(sum(cell is not None for cell in row) for row in self.rows)
        tens = " ".join(str(bit // 10) if bit % 10 == 0 else " " for bit in range(used))
        return [f" {tens}".rstrip(), " " + " ".join(str(bit % 10) for bit in range(used))]

    def _placed_texts(self) -> dict[tuple[int, int], list[str]]:
        """Return the text of each cell at (line, first bit); even lines are rows, odd ones the borders between."""
        runs: dict[int, list[tuple[int, int, int]]] = {}  # cell -> (row, first bit, bits)
        cells: dict[int, _Cell] = {}
        for index, row in enumerate(self.rows):
            for cell, first, bits in _row_runs(row):
                runs.setdefault(id(cell), []).append((index, first, bits))
                cells[id(cell)] = cell
        texts = {}
        for key, places in runs.items():
            widest = max(bits for _, _, bits in places)
            index, first, bits = (wide := [place for place in places if place[2] == widest])[(len(wide) - 1) // 2]
            text = cells[key].text(2 * bits - 1)
            is_between = len(wide) % 2 == 0 and len(text) == 1 and wide[-1][0] - wide[0][0] == len(wide) - 1
            texts[2 * index + is_between, first] = text
        return texts

    def _row_lines(self, row: list[_Cell | None], texts: dict[int, list[str]]) -> list[str]:
        height = max([len(text) for text in texts.values()], default=1)
        lines = []
        for number in range(height):
            line, side = "", "|"
            for cell, first, bits in _row_runs(row):
                text = texts.get(first, [])
                top = (height - len(text) + 1) // 2 if bits > 1 else 0
                shown = text[number - top] if 0 <= number - top < len(text) else ""
                side = "/" if cell.is_open else "|"
                line += (side if first == 0 else "|") + _centred(shown, 2 * bits - 1)
            lines.append(line + side)
        return lines

    def _border(self, above: int, texts: dict[int, list[str]]) -> str:
        """Return the line below row `above`."""
        nothing: list[_Cell | None] = [None] * WIDTH
        upper = self.rows[above] if above >= 0 else nothing
        lower = self.rows[above + 1] if above + 1 < len(self.rows) else nothing
        edges = "".join("-" if one is not two else " " for one, two in zip(upper, lower, strict=True))
        line = "".join(self._corner(upper, edges, bit) + edges[bit : bit + 1] for bit in range(WIDTH + 1)).rstrip()
        for first, text in texts.items():
            bits = next(bits for _, start, bits in _row_runs(upper) if start == first)
            at = 2 * first + 1
            line = line[:at] + _centred(text[0], 2 * bits - 1) + line[at + 2 * bits - 1 :]
        return line

    @staticmethod
    def _corner(upper: list[_Cell | None], edges: str, bit: int) -> str:
        if "-" in edges[max(bit - 1, 0) : bit + 1]:
            return "+"
        before = upper[bit - 1] if bit else None
        after = upper[bit] if bit < WIDTH else None
        if before is after:
            return " "
        return "+" if bit in (0, WIDTH) else "|"


def _row_runs(row: list[_Cell | None]) -> list[tuple[_Cell, int, int]]:
    """Return (cell, first bit, bits) of each run of one owner in a row."""
    runs: list[tuple[_Cell, int, int]] = []
    for bit, cell in enumerate(row):
        if cell is None:
            continue
        if runs and runs[-1][0] is cell:
            runs[-1] = (cell, runs[-1][1], runs[-1][2] + 1)
        else:
            runs.append((cell, bit, 1))
    return runs


def _centred(text: str, width: int) -> str:
    left = (width - len(text) + 1) // 2
    return f"{' ' * left}{text}".ljust(width)
