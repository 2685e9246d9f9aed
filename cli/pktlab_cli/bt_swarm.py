"""``pktlab bt swarm``: what each swarm of a capture did."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from pktlab_cli.bt import check_plot, heading, heard, letters, seconds, write_picture
from pktlab_cli.options import (
    Condition,
    color_option,
    command,
    filter_option,
    json_option,
    salvage_option,
    source_options,
)
from pktlab_cli.printing import Printer, count, escape, table

if TYPE_CHECKING:
    from pktlab.torrent.swarm import Peer, Torrent

__all__ = ["swarm"]

MOST_IN_MATRIX = 26
HEADING = ("peer", "", "client", "pieces", "complete", "down", "up", "kbit/s", "", "asked", "twice", "end game", "left")
RIGHT = (3, 4, 5, 6, 7, 8, 9, 10, 11, 12)


@command(
    "swarm",
    "pktlab bt swarm pcaps/swarms/tcp.pcap.zst",
    "pktlab bt swarm pcaps/swarms/trading.pcap.zst --json",
    "pktlab bt swarm pcaps/swarms/trading.pcap.zst --plot out.svg",
)
@source_options
@filter_option
@json_option
@click.option("--plot", "target", metavar="OUT.svg|png", help="Draw who has which piece when, and who gives whom.")
@salvage_option
@color_option
def swarm(
    source: str | None, condition: Condition | None, as_json: bool, target: str | None, salvage: bool, out: Printer
) -> int:
    """Say what the BitTorrent swarms of a capture did: who has what, who gives whom how much.

    A line a peer: pieces at first and at the end, when the last missing piece arrived (seconds after the first
    connection), KiB of content down and up, mean rates, blocks asked for, blocks that came twice, blocks asked for at
    several peers at once at the end, when it left. Below, who gave whom how many blocks.
    """
    check_plot(target)
    heard_swarm, status = heard(source, condition, salvage)
    torrents = heard_swarm.torrents()
    if as_json:
        from pktlab.torrent.report import swarm_document

        out.json(swarm_document(torrents))
    elif not torrents:
        out.line("no BitTorrent peers are heard in this capture")
    else:
        for number, torrent in enumerate(torrents):
            out.lines([""] if number else [])
            out.lines(_lines(torrent, out))
    if target is not None:
        from pktlab.torrent.pictures import swarm_picture

        write_picture(target, torrents, swarm_picture)
    return status


def _lines(torrent: Torrent, out: Printer) -> Iterator[str]:
    yield out.paint(heading(torrent), "heading")
    names = letters(torrent)
    rows = [HEADING]
    for peer in torrent.peers:
        rows.append((
            names[peer], peer.name, escape(peer.client), _pieces(torrent, peer),
            "from the start" if peer.was_complete else seconds(torrent, peer.completed_ns), _kib(peer.bytes_down),
            _kib(peer.bytes_up), _kbit(peer.bytes_down, peer.down_ns), _kbit(peer.bytes_up, peer.up_ns),
            f"{peer.requests:,}", f"{peer.duplicates:,}", f"{peer.endgame:,}", seconds(torrent, peer.left_ns),
        ))  # fmt: skip
    first, *others = table(rows, RIGHT)
    yield out.paint(first, "quiet")
    yield from others
    if 1 < len(torrent.peers) <= MOST_IN_MATRIX and torrent.transfers:
        yield ""
        yield from _matrix(torrent)
    yield ""
    yield from _words(torrent)


def _pieces(torrent: Torrent, peer: Peer) -> str:
    """Return the pieces of a peer at first and at the end; a hyphen where neither those nor their number are known."""
    if torrent.geometry.pieces is None and not peer.held:
        return "-"
    return f"{len(peer.had or ())} → {len(peer.held)}"


def _kib(count: int) -> str:
    return f"{count / 1024:,.0f}"


def _kbit(moved: int, span: tuple[int, int] | None) -> str:
    return f"{8e6 * moved / (span[1] - span[0]):,.0f}" if span and span[1] > span[0] else "-"


def _matrix(torrent: Torrent) -> Iterator[str]:
    """Yield who gave whom how many blocks: a row a giver, a column a taker."""
    names = letters(torrent)
    rows = [("blocks from", *(f"to {name}" for name in names.values()))]
    for giver, name in names.items():
        cells = [torrent.transfers.get((giver.address, taker.address)) for taker in names]
        rows.append((name, *(f"{one.blocks:,}" if one else "." for one in cells)))
    yield from table(rows, range(1, len(names) + 1))


def _words(torrent: Torrent) -> Iterator[str]:
    from pktlab.torrent.merkle import BLOCK

    geometry = torrent.geometry
    in_piece = f", {-(-geometry.piece_length // BLOCK)} in a piece here" if geometry.piece_length else ""
    yield (
        f"A piece, the textbook's chunk, is announced and checked whole; it is asked for in blocks of 16 KiB{in_piece}."
    )
    yield "Nobody asks for a list of chunks: each side sends its own when they meet, and a HAVE for each new piece."
    missing = sum(sum(link.missing) for link in torrent.ledger.links)
    unknown = sum(sum(link.unknown) for link in torrent.ledger.links)
    total = sum(sum(link.length) for link in torrent.ledger.links)
    hidden = sum(link.is_encrypted for link in torrent.ledger.links)
    said = f"{total:,} bytes of streams: {missing:,} more were not captured, {unknown:,} are no whole message"
    for peer in torrent.peers:
        if peer.failures:
            failed = ", ".join(f"{piece} at {seconds(torrent, when)}" for when, piece in peer.failures[:10])
            yield f"{peer.name} asked for whole pieces once more, which had a wrong hash: {failed}"
    yield said + (f"; {count(hidden, 'connection')} with a key exchange at the beginning." if hidden else ".")
