"""``pktlab bt rarest``: whether peers ask for the rarest pieces first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import click

from pktlab_cli.bt import heading, heard, seconds
from pktlab_cli.options import (
    Condition,
    color_option,
    command,
    filter_option,
    json_option,
    salvage_option,
    source_options,
)
from pktlab_cli.printing import Printer, escape, table

if TYPE_CHECKING:
    from pktlab.torrent.rarest import Picker
    from pktlab.torrent.swarm import Torrent

__all__ = ["rarest"]


@command(
    "rarest",
    "pktlab bt rarest pcaps/swarms/trading.pcap.zst",
    "pktlab bt rarest pcaps/swarms/trading.pcap.zst --pieces",
    "pktlab bt rarest pcaps/swarms/trading.pcap.zst --json",
)
@source_options
@filter_option
@json_option
@click.option("--pieces", "all_pieces", is_flag=True, help="A line for each piece that was begun, too.")
@salvage_option
@color_option
def rarest(
    source: str | None, condition: Condition | None, as_json: bool, all_pieces: bool, salvage: bool, out: Printer
) -> int:
    """Say whether BitTorrent peers ask for the rarest pieces first.

    When a peer begins a piece, the pieces that it could have asked the same peer for are ordered by how many of its
    neighbours have them, as far as it could know. The place of the one that it took is 0 for the rarest and 1 for the
    commonest: 0.5 on average if the choice is left to chance.
    """
    heard_swarm, status = heard(source, condition, salvage)
    from pktlab.torrent.rarest import rarest_of

    found = [(torrent, rarest_of(torrent)) for torrent in heard_swarm.torrents()]
    if as_json:
        from pktlab.torrent.report import rarest_document

        out.json({"torrents": [rarest_document(torrent, pickers) for torrent, pickers in found]})
    elif not found:
        out.line("no BitTorrent peers are heard in this capture")
    else:
        for number, (torrent, pickers) in enumerate(found):
            out.lines([""] if number else [])
            out.lines(_lines(torrent, pickers, all_pieces, out))
    return status


def _lines(torrent: Torrent, pickers: Sequence[Picker], all_pieces: bool, out: Printer) -> Iterator[str]:
    yield out.paint(heading(torrent), "heading")
    rows = [("peer", "client", "mean place", "by chance", "n")]
    for picker in pickers:
        rows.append((picker.peer.name, escape(picker.peer.client), *_figures([one.place for one in picker.starts])))
    rows.append(("all", "", *_figures([one.place for picker in pickers for one in picker.starts])))
    first, *others = table(rows, (2, 3, 4))
    yield out.paint(first, "quiet")
    yield from others
    if all_pieces:
        yield ""
        lines = [("after s", "peer", "asks", "for piece", "which so many have", "of so many pieces", "place")]
        starts = sorted(((one, picker.peer) for picker in pickers for one in picker.starts), key=lambda s: s[0].time_ns)
        for one, peer in starts:
            lines.append((
                seconds(torrent, one.time_ns), peer.name, one.giver.name, f"{one.piece}", f"{one.known}",
                f"{one.candidates}", f"{one.place:.2f}",
            ))  # fmt: skip
        yield from table(lines, (0, 3, 4, 5, 6))


def _figures(places: Sequence[float]) -> tuple[str, str, str]:
    mean = f"{sum(places) / len(places):.2f}" if places else "-"
    return mean, "0.50", f"{len(places)}"
