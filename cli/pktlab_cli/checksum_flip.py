"""``pktlab checksum flip``: one bit of a packet broken, and who notices."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from pktlab_cli.options import (
    color_option,
    command,
    json_option,
    one_packet,
    packet_options,
    protocol_options,
    source_options,
)
from pktlab_cli.printing import Printer, count, escape, table, wrapped

if TYPE_CHECKING:
    from pktlab.api import Packet
    from pktlab.wire.flip import Flip
    from pktlab.wire.flip_table import FieldCount
    from pktlab.wire.verdict import Judgement

__all__ = ["flip"]


@command(
    "flip",
    "pktlab checksum flip pcaps/first-light.pcapng --frame 7 --bit 300",
    "pktlab checksum flip pcaps/first-light.pcapng --frame 7",
    "pktlab checksum flip --as ip --hex 4500001e0000000040117ccd7f0000017f00000100350045000a98f46869 --bit 191",
)
@source_options
@packet_options
@click.option(
    "--bit", type=click.IntRange(min=0), metavar="K",
    help="Break bit K of the packet; 0 is the most significant bit of byte 0. Without it all bits, counted by field.",
)  # fmt: skip
@json_option
@protocol_options
@color_option
def flip(
    source: str | None, frame: int | None, hex_text: str | None, as_: str | None, bit: int | None, as_json: bool,
    protocols: dict[str, Any], out: Printer,
) -> None:  # fmt: skip
    """Break one bit of a packet: what it says then, what becomes of its checksums, what a receiver does.

    The receiver is a Linux host that the packet is for: it has its addresses, and its port is open. Named are the
    counters that move there, as nstat prints them.
    """
    packet = one_packet(source, frame, hex_text, as_, protocols)
    if bit is None:
        _all_bits(packet, as_json, out)
        return
    if bit >= 8 * packet.cap_len:
        what = f"packet {packet.number} has {count(packet.cap_len, 'byte')}, so bits 0 to {8 * packet.cap_len - 1}"
        raise click.BadParameter(f"{bit}: {what}", param_hint="--bit")
    one = packet.flip(bit)
    if as_json:
        out.json({"frame.number": packet.number, **one.document()})
    else:
        out.lines(_lines(one, out))


def _all_bits(packet: Packet, as_json: bool, out: Printer) -> None:
    fields = packet.flips()
    if as_json:
        document = {"frame.number": packet.number, "bits": 8 * packet.cap_len}
        out.json({**document, "fields": [one.document() for one in fields]})
    else:
        out.line(f"{escape(packet.line().strip())}\n")
        out.lines(_table(fields, out))


def _lines(one: Flip, out: Printer) -> Iterator[str]:
    yield out.paint(f"bit {one.bit}: byte {one.byte}, mask {one.mask:#04x}, in {escape(one.place)}", "heading")
    if one.field is not None:
        after = "is not there any more" if one.field.after is None else one.field.after
        yield f"  {escape(one.field.label)}: {escape(one.field.before)} -> {escape(after)}"
    said = one.document()
    for word, side in (("sent", "before"), ("received", "after")):
        yield f"{word:<8}  {said[side]['protocols']}: {said[side]['line']}"
    yield ""
    rows = [(change.before.protocol, _sum(change.before), _sum(change.after)) for change in one.sums]
    yield from table([("checksum", "sent", "received"), *rows]) if rows else ["no checksum is in it"]
    yield ""
    yield from wrapped(escape(one.sentence), 0)
    partial = [change.before.protocol for change in one.sums if change.before.verdict == "partial"]
    if partial:
        yield from wrapped(
            f"The {partial[-1]} checksum is partial: the packet was captured before the network card filled it in. "
            "`pktlab checksum fix` makes what went over the wire of it.", 0,
        )  # fmt: skip


def _sum(judgement: Judgement | None) -> str:
    if judgement is None:
        return "not found"
    values = "" if judgement.found is None else f" {judgement.found:#06x}"
    if judgement.expected is not None and judgement.expected != judgement.found:
        values += f", should be {judgement.expected:#06x}"
    return f"{judgement.verdict}{values}"


def _table(fields: list[FieldCount], out: Printer) -> Iterator[str]:
    """Yield a line a field: its bits, those that each sum sees, those that another check stops, those nobody sees."""
    sums = list(dict.fromkeys(name for one in fields for name in one.sums))
    rows = [["field", "bits", *(f"{name} sum" for name in sums), "other check", "unseen"]]
    rows += [
        [escape(one.name), f"{one.bits}", *(f"{one.sums[name]}" for name in sums), f"{one.other}", f"{one.unseen}"]
        for one in fields
    ]
    for name in ("held", "unknown"):
        counts = [getattr(one, name) for one in fields]
        if any(counts):
            rows = [[*row, cell] for row, cell in zip(rows, [name, *map(str, counts)], strict=True)]
    heading, *lines = table(rows, right=range(1, len(rows[0])))
    yield out.paint(heading, "heading")
    yield from lines
