"""``pktlab bt dissect``: the messages of BitTorrent peers, a line each, or with every field."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from pktlab_cli.errors import ending
from pktlab_cli.options import (
    Condition,
    color_option,
    command,
    filter_option,
    packets_of,
    salvage_option,
    source_options,
)
from pktlab_cli.printing import Printer, escape, json_text
from pktlab_cli.progress import watched_work

if TYPE_CHECKING:
    from pktlab.torrent.messages import Heard

__all__ = ["dissect"]


@command(
    "dissect",
    "pktlab bt dissect pcaps/swarms/tcp.pcap.zst -c 10",
    "pktlab bt dissect pcaps/swarms/tcp.pcap.zst --type choke --type unchoke",
    "pktlab bt dissect pcaps/swarms/tcp.pcap.zst -c 1 -V",
    "pktlab bt dissect pcaps/swarms/tcp.pcap.zst -c 3 -T jsonl",
)
@source_options
@filter_option
@click.option("--type", "types", multiple=True, metavar="NAME", help="Messages of that type only: have, request …")
@click.option("--stream", "numbers", type=click.IntRange(min=0), multiple=True, metavar="N", help="Stream N only.")
@click.option("-c", "--count", "most", type=click.IntRange(min=0), metavar="N", help="The first N only.")
@click.option("-V", "is_tree", is_flag=True, help="Every field of each message.")
@click.option("-T", "form", type=click.Choice(("text", "tree", "jsonl")), default="text", help="Form of the messages.")
@salvage_option
@color_option
def dissect(
    source: str | None, condition: Condition | None, types: tuple[str, ...], numbers: tuple[int, ...],
    most: int | None, is_tree: bool, form: str, salvage: bool, out: Printer,
) -> int:  # fmt: skip
    """Show what BitTorrent peers say to each other, message by message.

    A line has the frame that completed the message, its time in seconds after the first packet, the stream, who speaks
    to whom, and what. What breaks a rule of the protocol, what is no message, and what was not captured have lines too.
    The messages of one stream are in their order; those of a whole capture are sorted by time where they overlap.
    """
    from pktlab.torrent.messages import heard_messages, known_types

    if unknown := [one for one in types if one not in known_types()]:
        raise click.UsageError(f"--type {unknown[0]}: take one of {', '.join(known_types())}")
    with packets_of(source, {}, condition, salvage=salvage) as capture:
        told = heard_messages(capture, types, numbers, most)
        shown = _show(told, "tree" if is_tree else form, out, lambda: capture.first_ns or 0)
        watched_work(capture, shown, prints=True)
        return ending(capture.reader)


def _show(told: Iterator[Heard], form: str, out: Printer, first_ns: object) -> Iterator[None]:
    from pktlab.torrent.messages import document, tree_lines

    for one in told:
        if form == "jsonl":
            out.line(json_text(document(one)))
        else:
            after_s = (one.time_ns - first_ns()) / 1e9  # type: ignore[operator]
            way = f"{escape(one.sender)} → {escape(one.receiver)}"
            style = "bad" if one.kind == "violation" else "" if one.kind == "message" else "note"
            frame = f"{one.frame:>7}" if one.frame else " " * 7
            out.line(out.paint(f"{frame} {after_s:>12.6f}  {one.stream:<7} {way}  {escape(one.text)}", style))
            if form == "tree":
                out.lines(f"  {line}" for line in tree_lines(one))
        yield
