"""``pktlab flows``: the conversations of captures."""

from __future__ import annotations

import csv
import itertools
import shutil
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from pktlab_cli.errors import ending
from pktlab_cli.options import (
    Condition,
    color_option,
    command,
    filter_option,
    packets_of,
    protocol_options,
    salvage_option,
    sources_options,
)
from pktlab_cli.printing import JsonArray, Printer, escape, json_text, table
from pktlab_cli.progress import watched_work

if TYPE_CHECKING:
    from pktlab.columns.table import Table

__all__ = ["flows"]

FORMS = ("text", "csv", "json", "jsonl", "arrow", "parquet")
SORTS = ("start", "packets", "bytes", "duration")


@command(
    "flows",
    "pktlab flows pcaps/first-light.pcapng",
    "pktlab flows pcaps/first-light.pcapng --sort bytes -c 3",
    "pktlab flows pcaps/first-light.pcapng -Y tcp -T jsonl",
    "pktlab flows pcaps/first-light.pcapng -T csv",
)
@sources_options
@filter_option
@click.option("--sort", type=click.Choice(SORTS), default="start", help="The earliest first, or those with the most.")
@click.option("-c", "--count", "most", type=click.IntRange(min=0), metavar="N", help="The first N only.")
@click.option("-T", "form", type=click.Choice(FORMS), default="text", help="Form of the rows; text is a table.")
@salvage_option
@protocol_options
@color_option
def flows(
    sources: list[str], condition: Condition | None, sort: str, most: int | None, form: str, salvage: bool,
    protocols: dict[str, Any], out: Printer,
) -> int:  # fmt: skip
    """List the conversations over TCP and UDP: a line each.

    A line says who spoke first with whom, packets and bytes sent and answered, when it began (seconds after the first
    packet), how long it took, and what became of a connection. With -Y only packets that pass are counted. The packets
    of several FILEs come merged, by time. Conversations are numbered as in Wireshark: tcp.stream, udp.stream.
    """
    if form in ("arrow", "parquet") and sys.stdout.isatty():
        raise click.UsageError(f"-T {form} is not for a terminal", click.get_current_context())
    from pktlab.columns.conversations import Conversations, count_flows

    rows = Conversations(sort, most)
    with packets_of(sources, protocols, condition, salvage=salvage) as capture:
        watched_work(capture, count_flows(capture, rows))
        _print(rows.table(), form, out, capture.first_ns or 0)
        return ending(capture.reader)


def _print(found: Table, form: str, out: Printer, first_ns: int) -> None:
    if form in ("arrow", "parquet"):
        _write(found, form)
    elif form == "json":
        with JsonArray(out) as array:
            for row in _documents(found):
                array.add(row)
    elif form == "jsonl":
        out.lines(map(json_text, _documents(found)))
    elif form == "csv":
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(found.column_names)
        writer.writerows(row.values() for row in _documents(found))
    else:
        out.lines(_lines(found, out, first_ns))


def _write(found: Table, form: str) -> None:
    from pktlab.columns.arrow import sink, to_batch

    batch = to_batch(found)
    sys.stdout.flush()
    with sink(sys.stdout.buffer, batch.schema, form, streams=True) as write:
        write(batch)


def _documents(found: Table) -> Iterator[dict[str, Any]]:
    """Yield rows as JSON has them: a time is text, as tshark prints it."""
    from pktlab.packets import time_text

    for row in found.to_rows():
        start = row["start_time_epoch"]
        yield {**row, "start_time_epoch": None if start is None else time_text(start)}


_HEADING = ("flow", "", "", "", "packets", "bytes", "start", "duration", "state")
_RIGHT = (4, 5, 6, 7)


def _lines(found: Table, out: Printer, first_ns: int) -> Iterator[str]:
    """Yield a table; in a terminal that is too narrow for it, two lines for each conversation."""
    rows = found.to_rows()
    if not rows:
        return
    cells = [_HEADING, *(_cells(row, first_ns) for row in rows)]
    lines = table(cells, _RIGHT)
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    if width is None or max(map(len, lines)) <= width:
        yield out.paint(lines[0], "heading")
        yield from lines[1:]
        return
    figures = table([row[4:] for row in cells], [place - 4 for place in _RIGHT])
    yield out.paint(f"flow\n  {figures[0]}", "heading")
    for row, line in itertools.islice(zip(cells, figures, strict=True), 1, None):
        yield " ".join(row[:4])
        yield f"  {line}"


def _cells(row: dict[str, Any], first_ns: int) -> tuple[str, ...]:
    start, duration = row["start_time_epoch"], row["duration_s"]
    return (
        f"{row['protocol']} {row['stream']}", _end(row["src"], row["srcport"]), "→", _end(row["dst"], row["dstport"]),
        f"{row['packets_out']:,}+{row['packets_back']:,}", f"{row['bytes_out']:,}+{row['bytes_back']:,}",
        "-" if start is None else f"{(start - first_ns) / 1e9:.6f}", "-" if duration is None else f"{duration:.6f}",
        row["state"] or "",
    )  # fmt: skip


def _end(address: str, port: int) -> str:
    return escape(f"[{address}]:{port}" if ":" in address else f"{address}:{port}")
