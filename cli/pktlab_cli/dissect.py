"""``pktlab dissect``: packets as lines, trees, or JSON; and packets written to another file."""

from __future__ import annotations

import collections
import contextlib
import functools
import os
import stat
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pktlab_cli.errors import ending
from pktlab_cli.fields import ROWS, layout_of, print_header, put_octets, putting, settings_option, takes_octets
from pktlab_cli.options import (
    color_option,
    command,
    filter_option,
    frame_of,
    one_packet,
    packet_options,
    packets_of,
    protocol_options,
    salvage_option,
    sources_options,
    threads_option,
)
from pktlab_cli.printing import JsonArray, Printer, json_text, wrapped
from pktlab_cli.progress import watched, watched_items, watched_records, watched_work
from pktlab_cli.slices import Slice, slice_options
from pktlab_cli.written import Form, form_option, target_option, written

if TYPE_CHECKING:
    from pktlab.api import Capture, Packet, Selection
    from pktlab.live.sniff import Sniffer
    from pktlab.rows import Rows
    from pktlab.wire.text import Line
    from pktlab_cli.options import Condition

__all__ = ["Show", "dissect", "show_tree", "shower"]

Show = Callable[["Packet"], None]
FORMS = ("text", "tree", "fields", "csv", "json", "jsonl", "arrow", "parquet")


@command(
    "dissect",
    "pktlab dissect pcaps/first-light.pcapng",
    "pktlab dissect pcaps/first-light.pcapng --frame 28 -V -x",
    "pktlab dissect pcaps/first-light.pcapng -T jsonl -e ip.src -e udp.dstport -c 5",
    "pktlab dissect pcaps/first-light.pcapng -Y 'ip.addr == 192.0.2.0/24 and udp.length > 100'",
    "pktlab dissect pcaps/first-light.pcapng -f 'udp port 53'",
    "pktlab dissect - -c 3 < pcaps/first-light.pcapng",
    "pktlab dissect pcaps/first-light.pcapng --frames 10-20 -w slice.pcapng.gz",
    "pktlab dissect --as ip --hex 4500001c00000000401166cd0a0000010a0000020001000200080000",
)
@sources_options
@packet_options
@filter_option
@slice_options
@click.option("-V", "--tree", "wants_tree", is_flag=True, help="A tree for each packet, the same as -T tree.")
@click.option("-x", "--hexdump", "wants_hex", is_flag=True, help="The bytes too: beside the tree, or below the line.")
@click.option(
    "-T", "form", type=click.Choice(FORMS), metavar="FORM",
    help="text (a line a packet, if not given), tree, fields, csv, json, jsonl, arrow, parquet.",
)  # fmt: skip
@click.option("-e", "names", multiple=True, metavar="FIELD", help="This field only; may be repeated.")
@settings_option
@click.option("--ranges", is_flag=True, help="Where each field lies: its bytes, and in JSON its bits.")
@target_option
@form_option
@click.option("-l", "by_line", is_flag=True, help="Pass on each line at once, for a program that reads them.")
@click.option("-q", "quiet", is_flag=True, help="Print no packets.")
@click.option("-n", "no_names", is_flag=True, expose_value=False, help="Look up no names; pktlab never does.")
@salvage_option
@threads_option
@protocol_options
@color_option
def dissect(
    sources: list[str], frame: int | None, hex_text: str | None, as_: str | None, condition: Condition | None,
    wanted: Slice, wants_tree: bool, wants_hex: bool, form: str | None, names: tuple[str, ...], ranges: bool,
    target: str | None, file_form: Form | None, by_line: bool, quiet: bool, salvage: bool, settings: tuple[str, ...],
    threads: int, protocols: dict[str, Any], out: Printer,
) -> int:  # fmt: skip
    """Show the packets of a capture: a line each, trees, or JSON.

    A line says who sent what to whom, and each checksum that is not plainly good. The packets of several FILEs come
    merged, by time. With -w the packets go to a file, in the format that its name or --format says, and nothing is
    printed, unless -V, -x, -T or -e asks for it.
    """
    form = _form(form, wants_tree, names)
    prints = not quiet and (target is None or form is not None or wants_hex)
    if why := _contradiction(form, settings, target, frame, hex_text, wanted, condition, prints=prints):
        raise click.UsageError(why, click.get_current_context())
    if names:
        from pktlab_cli.catalog import check_fields

        check_fields(names, protocols.values())
    with contextlib.ExitStack() as stack:
        if hex_text is not None or as_ is not None:
            if target is not None:
                raise click.UsageError("-w writes packets of a capture, not of --hex", click.get_current_context())
            if form in ROWS:
                raise click.UsageError("-T fields and -T csv print rows of a capture", click.get_current_context())
            show = shower(form or "text", names, ranges, wants_hex, out, stack) if prints else _show_nothing
            show(one_packet(sources, frame, hex_text, as_, protocols))
            return 0
        capture = packets_of(sources, protocols, condition, salvage=salvage)
        stack.callback(capture.close)
        capture.prepare(names)
        if form in ("arrow", "parquet"):
            from pktlab_cli.export import print_columns

            print_columns(capture, names, form, target, is_part=bool(frame) or wanted != Slice())
            return ending(capture.reader)
        out.eager = by_line or any(map(_is_stream, sources))
        if prints and form in (None, "text") and not wants_hex and frame is None and takes_octets(out):
            _put_lines(capture, wanted, threads, target, file_form, out)
            return ending(capture.reader)
        in_bulk = prints and frame is None and target is None and wanted == Slice()
        if in_bulk and names:
            _print_in_bulk(form or "", names, settings, capture, threads, out)
            return ending(capture.reader)
        if prints and form in ROWS:
            rows = _rows(form, names, settings, capture, threads, out)
            show = functools.partial(_show_row, rows, out)
        else:
            show = shower(form or "text", names, ranges, wants_hex, out, stack, capture) if prints else _show_nothing
        if frame or prints or target is None:
            packets = [frame_of(capture, frame)] if frame else watched(capture, prints=prints)
            _run(wanted.of(packets), capture, show, target, file_form, flush=out.eager)
        else:
            _copy(wanted, capture, target, file_form, flush=out.eager)
    return ending(capture.reader)


def _contradiction(
    form: str | None, settings: tuple[str, ...], target: str | None, frame: int | None, hex_text: str | None,
    wanted: Slice, condition: Condition | None, *, prints: bool,
) -> str | None:  # fmt: skip
    """Return what does not go together among the options; None if all does."""
    if settings and form not in ROWS:
        return "-E is about the rows of -T fields and -T csv"
    if target == "-" and prints:
        return "-w - takes standard output: print nothing else there"
    if frame and wanted.numbers is not None:
        return "give --frame N or --frames M-N"
    if condition is not None and (frame is not None or hex_text is not None):
        return "-Y and -f choose packets; --frame and --hex name one"
    return None


def _rows(
    form: str, names: tuple[str, ...], settings: tuple[str, ...], capture: Capture | Selection, threads: int,
    out: Printer,
) -> Rows:  # fmt: skip
    """Return what makes rows of packets, with the header printed if one is wanted."""
    from pktlab.rows import Rows

    layout, header = layout_of(form, settings)
    if header:
        print_header(names, layout, out)
    return Rows(capture, names, layout, threads=threads)


def _put_lines(
    capture: Capture | Selection, wanted: Slice, threads: int, target: str | None, form: Form | None, out: Printer
) -> None:
    """Print a line for each packet that is wanted, and write the packets to `target` if there is one."""
    from pktlab.lines import Lines

    lines = Lines(capture, threads=threads)
    if target is None and wanted == Slice():
        watched_work(capture, putting(lines, out), prints=True)
        return
    chosen = wanted.of(watched_items(capture, lines.each(), prints=True))
    with contextlib.nullcontext() if target is None else written(target, capture.reader, form, flush=out.eager) as to:
        for line in chosen:
            if to is not None:
                to.write(line.record)
            put_octets(line.octets, out)


def _print_in_bulk(
    form: str, names: tuple[str, ...], settings: tuple[str, ...], capture: Capture | Selection, threads: int,
    out: Printer,
) -> None:  # fmt: skip
    """Print chosen fields of all packets, as rows or as JSON objects."""
    if form in ROWS:
        watched_work(capture, putting(_rows(form, names, settings, capture, threads, out), out))
        return
    from pktlab.columns.printing import JsonLayout
    from pktlab.rows import Rows

    rows = Rows(capture, names, JsonLayout(is_item=form == "json"), threads=threads)
    if form == "jsonl":
        watched_work(capture, putting(rows, out))
        return
    with JsonArray(out) as array:
        watched_work(capture, putting(map(array.put, rows), out))


def _form(form: str | None, wants_tree: bool, names: tuple[str, ...]) -> str | None:
    """Return the form that -T, -V and -e together ask for; None if none of them was given."""
    if wants_tree and form not in (None, "tree"):
        raise click.UsageError(f"-V is -T tree, not -T {form}", click.get_current_context())
    if names and (wants_tree or form in ("text", "tree")):
        raise click.UsageError(
            "-e chooses fields; -T is fields, csv, json, jsonl or a table", click.get_current_context()
        )
    if form in ROWS and not names:
        raise click.UsageError(f"-T {form} needs fields: -e ip.src, and more", click.get_current_context())
    return "tree" if wants_tree else form or ("jsonl" if names else None)


def _is_stream(source: str) -> bool:
    """Tell whether packets come from a pipe, whose writer may be slow."""
    try:
        status = os.fstat(sys.stdin.fileno()) if source == "-" else Path(source).stat()
    except (OSError, ValueError):
        return False
    return not stat.S_ISREG(status.st_mode)


def _run(
    packets: Iterable[Packet],
    capture: Capture | Selection,
    show: Show,
    target: str | None,
    form: Form | None,
    *,
    flush: bool,
) -> None:
    """Show the packets, and write them to `target` if there is one."""
    if target is None:
        for packet in packets:
            show(packet)
        return
    with written(target, capture.reader, form, flush=flush) as writer:
        for packet in packets:
            writer.write(packet.record)
            show(packet)


def _copy(wanted: Slice, capture: Capture | Selection, target: str, form: Form | None, *, flush: bool) -> None:
    """Write the packets to `target`, and look at none; a file is read to its end, for names and secrets there."""
    with written(target, capture.reader, form, flush=flush) as writer:
        records = watched_records(capture)
        for record in wanted.of(records):
            writer.write(record)
        if wanted.limit is None and not flush:
            collections.deque(records, maxlen=0)


# ---- how a packet is shown


def _show_row(rows: Rows, out: Printer, packet: Packet) -> None:
    """Print a packet's row."""
    put_octets(rows.row(packet), out)


def _show_nothing(_: Packet) -> None:
    """Show a packet to nobody."""


def shower(
    form: str, names: tuple[str, ...], ranges: bool, wants_hex: bool, out: Printer, stack: contextlib.ExitStack,
    capture: Capture | Selection | Sniffer | None = None,
) -> Show:  # fmt: skip
    """Return the function that shows one packet, of `capture` if it is of one."""
    if form in ("json", "jsonl"):
        return _show_json(form, names, ranges, out, stack)
    if form == "tree":
        return lambda packet: show_tree(packet, ranges, wants_hex, out)
    return _show_lines(wants_hex, out, capture)


def _show_json(form: str, names: tuple[str, ...], ranges: bool, out: Printer, stack: contextlib.ExitStack) -> Show:
    def document(packet: Packet) -> dict[str, Any]:
        return packet.flat(names) if names else packet.document(ranges=ranges)

    if form == "jsonl":
        return lambda packet: out.line(json_text(document(packet)))
    array = stack.enter_context(JsonArray(out))
    return lambda packet: array.add(document(packet))


def _show_lines(wants_hex: bool, out: Printer, capture: Capture | Selection | Sniffer | None) -> Show:
    from pktlab.wire.text import hexdump

    def show(packet: Packet) -> None:
        out.line(_painted(packet.line(None if capture is None else capture.first_ns), packet, out))
        if wants_hex:
            out.lines(f"      {line}" for line in hexdump(packet.data))
            out.line()

    return show


def _painted(line: str, packet: Packet, out: Printer) -> str:
    """Return a packet's line in the colour of its worst verdict."""
    if not out.is_colored:
        return line
    verdicts = {str(one.verdict) for one in (*packet.judgements, *packet.whole_judgements)}
    for style in ("bad", "illegal-zero", "malformed", "partial"):
        if style in verdicts:
            return out.paint(line, style)
    return line


_HEX_COLUMN = 48
_HEX_LEN = 8  # bytes of a field that are shown beside it


def show_tree(packet: Packet, ranges: bool, wants_hex: bool, out: Printer) -> None:
    """Print the packet as a tree, with the places of its fields and their bytes if they are wanted."""
    from pktlab.wire.text import hexdump

    margin = 11 if ranges else 0
    for line in packet.tree():
        style = "heading" if line.kind in ("frame", "layer") else line.kind
        if line.kind == "note":
            out.lines(out.paint(text, style) for text in wrapped(line.text.strip(), margin + 2 * line.depth))
            continue
        place = f"{line.start}-{line.stop - 1}" if line.stop > line.start else ""
        shown = (f"{place:>9}  " if ranges else "") + out.paint(line.text, style)
        if wants_hex:
            shown += " " * (_HEX_COLUMN - len(line.text)) + _hex_beside(packet, line, out)
        out.line(shown.rstrip())
        if wants_hex and line.kind == "layer" and line.name in ("data", ""):
            out.lines(f"{' ' * margin}  {text}" for text in hexdump(packet.data[line.start : line.stop], line.start))
    out.line()


def _hex_beside(packet: Packet, line: Line, out: Printer) -> str:
    """Return the bytes of a field as they stand beside it: offset and hex."""
    if line.kind == "layer" or line.start == line.stop:
        return ""
    data = packet.data[line.start : line.stop]
    more = "…" if len(data) > _HEX_LEN else ""
    return "  " + out.paint(f"{line.start:04x}  {data[:_HEX_LEN].hex(' ')}{more}", "quiet")
