"""``pktlab query``: captures asked in SQL."""

from __future__ import annotations

import contextlib
import csv
import sys
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import click

from pktlab_cli.errors import ending
from pktlab_cli.options import color_option, command, protocol_options
from pktlab_cli.printing import JsonArray, Printer, escape, json_text, table

if TYPE_CHECKING:
    from pktlab.query import Answer

__all__ = ["query"]

FORMS = ("text", "csv", "json", "jsonl", "arrow", "parquet")
_SAMPLE = 1000  # rows that say how wide the columns of a table are


@command(
    "query",
    "pktlab query pcaps/first-light.pcapng 'select ip.src, count(*) as packets from packets group by all order by 2'",
    "pktlab query pcaps/first-light.pcapng -T csv 'select frame.number, udp.dstport from packets limit 3'",
    "pktlab query pcaps/first-light.pcapng 'select udp.checksum.verdict, count(*) from packets group by all'",
)
@click.argument("words", nargs=-1, required=True, metavar="FILE... SQL")
@click.option("-T", "form", type=click.Choice(FORMS), default="text", help="Form of the result; text is a table.")
@protocol_options
@color_option
def query(words: tuple[str, ...], form: str, protocols: dict[str, Any], out: Printer) -> int:
    """Ask captures, or exported Parquet files, in SQL.

    The view packets has a column for each protocol, and in it its fields: ip.src, udp.dstport, frame.len. What has
    others below it is reached as .value: udp.checksum.value beside udp.checksum.verdict. Only what the SQL names is
    taken from the packets; * is the usual columns. Nothing else can be reached: no file, no network, no extension.
    """
    if len(words) < 2:
        raise click.UsageError("name a capture FILE, and then the SQL", click.get_current_context())
    from pktlab.query import ask

    with contextlib.closing(ask(words[:-1], words[-1], protocols)) as answer:
        _print(answer, form, out)
        return max((ending(reader) for reader in answer.readers), default=0)


def _print(answer: Answer, form: str, out: Printer) -> None:
    if form in ("arrow", "parquet"):
        from pktlab.columns.arrow import sink

        if sys.stdout.isatty():
            raise click.UsageError(f"-T {form} is not for a terminal", click.get_current_context())
        with sink(sys.stdout.buffer, answer.schema, form, streams=True) as write:
            for batch in answer.batches:
                write(batch)
    elif form == "json":
        with JsonArray(out) as array:
            for row in answer.rows():
                array.add(dict(zip(answer.names, row, strict=True)))
    elif form == "jsonl":
        out.lines(json_text(dict(zip(answer.names, row, strict=True))) for row in answer.rows())
    elif form == "csv":
        write_row = csv.writer(sys.stdout, lineterminator="\n").writerow
        write_row(map(escape, answer.names))
        for row in answer.rows():
            write_row(map(_cell, row))
    else:
        out.lines(_lines(answer.names, answer.rows()))


def _cell(value: Any) -> str:
    """Return a value as text that acts on nothing: its bytes were a packet's."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return escape(
        value if isinstance(value, str) else json_text(value) if isinstance(value, dict | list) else str(value)
    )


def _lines(names: list[str], rows: Iterable[list[Any]]) -> Iterator[str]:
    """Yield a table, whose columns are as wide as the first rows want them."""
    source = iter(rows)
    first = [row for row, _ in zip(source, range(_SAMPLE), strict=False)]
    right = [place for place in range(len(names)) if all(isinstance(row[place], int | float | None) for row in first)]
    shown = [[escape(name) for name in names], *([_cell(cell) for cell in row] for row in first)]
    lines = table(shown, right)
    yield from lines
    widths = [max(map(len, column)) for column in zip(*shown, strict=True)]
    for row in source:
        cells = [_cell(cell) for cell in row]
        yield "  ".join(
            cell.rjust(width) if place in right else cell.ljust(width)
            for place, (cell, width) in enumerate(zip(cells, widths, strict=True))
        ).rstrip()
