"""``pktlab schema show``: a header drawn as in an RFC, and its fields."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from pktlab_cli.options import color_option, command
from pktlab_cli.printing import Printer, table, wrapped

if TYPE_CHECKING:
    from pktlab.wire import Header, Row

__all__ = ["show"]


@command(
    "show",
    "pktlab schema show udp",
    "pktlab schema show ip -V",
    "pktlab schema show tcp -T json",
)
@click.argument("name")
@click.option("-V", "--verbose", is_flag=True, help="Show also what lies in its fields, such as options.")
@click.option("-T", "form", type=click.Choice(["text", "json"]), default="text", show_default=True, help="Form.")
@color_option
def show(name: str, verbose: bool, form: str, out: Printer) -> None:
    """Draw the header NAME, 32 bits a line, and list its fields.

    NAME is one of `pktlab schema list`, or FILE.py:NAME for a schema of your own. Offsets in the list are bytes and
    bits from the start of the header, as far as they do not vary.
    """
    from pktlab.columns.registry import headers_in
    from pktlab_cli.catalog import find

    header = _load(name) if ".py:" in name else find(name)
    headers = [header, *(headers_in(header) if verbose else [])]
    if form == "json":
        documents = [_document(one) for one in headers]
        out.json({**documents[0], "inside": documents[1:]} if verbose else documents[0])
        return
    for index, one in enumerate(headers):
        if index:
            out.line()
        out.lines(_page(one, out))


def _load(target: str) -> type[Header]:
    from pktlab.api import load_schema

    return load_schema(target)


def _page(header: type[Header], out: Printer) -> Iterator[str]:
    from pktlab.columns.registry import headers_in
    from pktlab.wire.diagram import diagram

    yield out.paint(f"{header.label} ({header.layer})", "heading")
    yield from wrapped(_first_line(header), 0)
    yield ""
    yield from diagram(header)
    rows = _rows(header)
    if rows:
        yield ""
        heading, *lines = table([("field", "byte", "bits", "type", "meaning"), *rows], right=[1, 2])
        yield out.paint(heading, "heading")
        yield from lines
    if header.payload_len is not None:
        from pktlab.wire import expressions

        yield ""
        yield f"Behind it: {expressions.text(header.payload_len)} bytes of payload."
    names = [one.__name__ for one in headers_in(header)]
    if names:
        yield ""
        yield from wrapped(f"In its fields: {', '.join(names)}.", 0)


def _first_line(header: type[Header]) -> str:
    """Return the first paragraph of the schema's own text; empty if it has none."""
    return " ".join((vars(header).get("__doc__") or "").split("\n\n")[0].split())


def _rows(header: type[Header]) -> list[tuple[str, str, str, str, str]]:
    return [(row.name, _byte(row), _bits(row), _type(row), row.label) for row in header.schema.rows if row.name]


def _place(row: Row) -> tuple[int, int | None] | None:
    """Return byte and bit (from its most significant) at which the field starts; None where that varies.

    A part of a little-endian word that lies in two bytes is in one piece nowhere: it has no bit.
    """
    if row.offset is None:
        return None
    if row.mask is None:
        return row.offset, 0
    top = row.mask.bit_length()
    if not row.little:
        return row.offset + (8 * row.width - top) // 8, (8 * row.width - top) % 8
    is_torn = row.shift // 8 != (top - 1) // 8
    return row.offset + row.shift // 8, None if is_torn else -top % 8


def _byte(row: Row) -> str:
    place = _place(row)
    if place is None:
        return "varies"
    byte, bit = place
    return f"{byte}" if row.mask is None or bit is None else f"{byte}.{bit}"


def _bit_count(row: Row) -> int | None:
    if row.mask is not None:
        return row.mask.bit_length() - row.shift
    return 8 * row.width or None


def _bits(row: Row) -> str:
    bits = _bit_count(row)
    return "varies" if bits is None else str(bits)


def _type(row: Row) -> str:
    kind = {"header": "headers"}.get(row.kind, row.kind)
    scale = f" × {row.scale}" if row.scale != 1 else ""
    order = ", little-endian" if row.little else ""
    return f"{kind}{scale}{order}"


def _document(header: type[Header]) -> dict[str, Any]:
    """Return the header as the JSON document of ``-T json``."""
    from pktlab.wire.diagram import extent

    sizes = {one.attr: extent(one.subcon) for one in header.schema.tail}
    return {
        "name": header.layer,
        "class": header.__name__,
        "label": header.label,
        "header_len": header.HEADER_LEN,
        "fields": [
            {
                "name": row.name,
                "label": row.label,
                "type": row.kind,
                "byte": place[0] if (place := _place(row)) is not None else None,
                "bit": place[1] if place is not None else None,
                "bits": _bit_count(row),
                "scale": row.scale,
                "little_endian": row.little,
                "size": sizes.get(row.attr),
                "values": _values(row),
            }
            for row in header.schema.rows
            if row.name
        ],
    }


def _values(row: Row) -> dict[str, str] | None:
    """Return the names of the field's values, by number; None if it has none."""
    if row.names is None:
        return None
    if isinstance(row.names, type):
        return {str(int(member)): member.name for member in row.names}
    return {str(number): name for number, name in row.names.items()}
