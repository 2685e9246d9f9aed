"""``pktlab follow``: what the two sides of a connection said to each other."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pktlab_cli.errors import UNUSABLE, ending, note
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
from pktlab_cli.printing import Printer, count, escape, json_text
from pktlab_cli.progress import watched_work

if TYPE_CHECKING:
    from pktlab.flows.stream_table import Told

__all__ = ["follow"]

FORMS = ("text", "hex", "raw", "jsonl")
WAYS = {"both": (0, 1), "out": (0,), "back": (1,)}


@command(
    "follow",
    "pktlab follow pcaps/first-light.pcapng",
    "pktlab follow pcaps/first-light.pcapng --stream 0 -T hex",
    "pktlab follow pcaps/first-light.pcapng --stream 0 --way back -T raw",
    "pktlab follow pcaps/first-light.pcapng -o streams",
)
@sources_options
@click.option("--stream", "numbers", type=click.IntRange(min=0), multiple=True, metavar="N", help="tcp.stream N only.")
@click.option(
    "--utp", "utp_numbers", type=click.IntRange(min=0), multiple=True, metavar="N", help="uTP connection N only."
)
@click.option("--way", type=click.Choice(list(WAYS)), default="both", help="What was sent first, or what was answered.")
@click.option("-T", "form", type=click.Choice(FORMS), default="text", help="Form of the data; raw is the bytes alone.")
@click.option("-o", "--output", "folder", metavar="DIR", help="Save each way of each stream to a file in DIR.")
@click.option(
    "--overlap", type=click.Choice(("first", "last")), default="first",
    help="Of bytes that come twice and differ, and wait for their turn, which ones are kept.",
)  # fmt: skip
@filter_option
@salvage_option
@protocol_options
@color_option
def follow(
    sources: list[str], numbers: tuple[int, ...], utp_numbers: tuple[int, ...], way: str, form: str,
    folder: str | None, overlap: Any, condition: Condition | None, salvage: bool, protocols: dict[str, Any],
    out: Printer,
) -> int:  # fmt: skip
    """Put streams of TCP and uTP together, and print or save what they carried.

    Both sides come in the order in which they could read it, > from whoever sent the first packet, < the answers;
    where another stream goes on stands a line that says which. Bytes that are missing are named, and why. TCP
    streams have Wireshark's numbers, those of pktlab flows. With -o each side is a file, with every byte at its offset.
    """
    from pktlab.columns.streams import read_streams
    from pktlab.flows.stream_table import StreamTable
    from pktlab.flows.utp_table import UtpTable

    wanted = len(numbers) + len(utp_numbers)
    if form == "raw" and folder is None and (sys.stdout.isatty() or wanted != 1):
        why = "is not for a terminal" if wanted == 1 else "is of one stream: name it with --stream N or --utp N"
        raise click.UsageError(f"-T raw {why}", click.get_current_context())
    table = StreamTable(overlap=overlap, only=numbers if wanted else None)
    utp = UtpTable() if utp_numbers or not wanted else None
    with packets_of(sources, protocols, condition, salvage=salvage) as capture:
        told = chain.from_iterable(read_streams(capture, table, utp=utp))
        absent = {f"tcp {number}" for number in numbers} | {f"utp {number}" for number in utp_numbers}
        chosen = (
            one
            for one in _met(told, absent)
            if one.event.way in WAYS[way]
            and (one.stream.protocol == "tcp" or not utp_numbers or one.stream.number in utp_numbers)
        )
        work = _print(chosen, form, out) if folder is None else _save(chosen, Path(folder), out)
        watched_work(capture, work, prints=folder is None)
        if absent:
            note(f"{capture.name} has no stream {', '.join(sorted(absent))}; pktlab flows shows those of TCP")
        return max(ending(capture.reader), UNUSABLE if absent else 0)


def _met(told: Iterable[Told], absent: set[str]) -> Iterator[Told]:
    """Yield what is told, and take the streams that it is of out of `absent`."""
    for one in told:
        if absent:
            absent.discard(str(one.stream))
        yield one


def _print(told: Iterator[Told], form: str, out: Printer) -> Iterator[None]:
    """Print what is told, and yield after each part of it."""
    from pktlab.flows.streams import Data
    from pktlab.following import event_document, stream_lines

    if form in ("text", "hex"):
        for kind, line in stream_lines(told, as_hex=form == "hex"):
            out.line(out.paint(line, _STYLES.get(kind, "")))
            yield
        return
    for one in told:
        if form == "jsonl":
            out.line(json_text(event_document(one)))
        elif isinstance(one.event, Data):
            sys.stdout.flush()
            sys.stdout.buffer.write(one.event.data)
        yield


_STYLES = {"heading": "heading", "note": "note", "back": "good"}


def _save(told: Iterator[Told], folder: Path, out: Printer) -> Iterator[None]:
    """Write files, and say of each what it is."""
    from pktlab.following import save_streams

    folder.mkdir(parents=True, exist_ok=True)
    for saved in save_streams(told, folder):
        tally = saved.tally
        missing = f", {count(tally.missing, 'byte')} missing" if tally.missing else ""
        jumps = f", {count(tally.jumps, 'hole')} of unknown length" if tally.jumps else ""
        out.line(escape(f"{saved.path}: {count(tally.length, 'byte')}{missing}{jumps}"))
        yield
