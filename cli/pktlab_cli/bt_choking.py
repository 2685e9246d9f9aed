"""``pktlab bt choking``: whom each peer chokes and unchokes, and whether tit-for-tat holds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
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
    from pktlab.torrent.choking import Choking, Chooser, Decision
    from pktlab.torrent.periods import Period
    from pktlab.torrent.swarm import Peer, Torrent

__all__ = ["choking"]

HEADING = ("peer", "", "client", "slots", "a round every", "optimistic every", "best four", "by chance", "n")
RIGHT = (3, 4, 5, 6, 7, 8)


@command(
    "choking",
    "pktlab bt choking pcaps/swarms/trading.pcap.zst",
    "pktlab bt choking pcaps/swarms/trading.pcap.zst -q",
    "pktlab bt choking pcaps/swarms/trading.pcap.zst --plot out.svg",
)
@source_options
@filter_option
@json_option
@click.option("-q", "quiet", is_flag=True, help="Show no decisions, only what is inferred from them.")
@click.option("--plot", "target", metavar="OUT.svg|png", help="Draw the time line: whom each peer unchokes when.")
@salvage_option
@color_option
def choking(
    source: str | None, condition: Condition | None, as_json: bool, quiet: bool, target: str | None, salvage: bool,
    out: Printer,
) -> int:  # fmt: skip
    """Say whom each BitTorrent peer unchokes, and how well tit-for-tat explains it.

    Slots, the period of rounds and that of optimistic unchokes are inferred; a hyphen stands where there is too little
    to tell. "best four" is the share of the four that gave most in the last 20 s among those that a leecher had
    unchoked, "by chance" what it would be if they were chosen at random, and n the number of choices.
    """
    check_plot(target)
    heard_swarm, status = heard(source, condition, salvage)
    from pktlab.torrent.choking import choking_of

    torrents = heard_swarm.torrents()
    found = [(torrent, choking_of(torrent)) for torrent in torrents]
    if as_json:
        from pktlab.torrent.report import choking_document

        out.json({"torrents": [choking_document(torrent, one) for torrent, one in found]})
    elif not found:
        out.line("no BitTorrent peers are heard in this capture")
    else:
        for number, (torrent, one) in enumerate(found):
            out.lines([""] if number else [])
            out.lines(_lines(torrent, one, quiet, out))
    if target is not None:
        from pktlab.torrent.choke_picture import choke_picture

        write_picture(target, torrents, choke_picture)
    return status


def _lines(torrent: Torrent, found: Choking, quiet: bool, out: Printer) -> Iterator[str]:
    yield out.paint(heading(torrent), "heading")
    names = letters(torrent)
    rows = [HEADING, *(_row(chooser, names) for chooser in found.choosers)]
    total = found.total
    rows.append(("", "all leechers", "", "", "", "", _share(total.score), _share(total.random), f"{total.n}"))
    first, *others = table(rows, RIGHT)
    yield out.paint(first, "quiet")
    yield from others
    yield ""
    yield from _clients(found)
    if not quiet:
        for chooser in found.choosers:
            yield ""
            yield out.paint(f"{names[chooser.peer]} {chooser.peer.name} {escape(chooser.peer.client)}", "heading")
            yield from _decisions(torrent, chooser, names)
        yield ""
        yield from _exceptions(torrent, found, names)
    yield ""
    yield from _words()


def _row(chooser: Chooser, names: dict[Peer, str]) -> tuple[str, ...]:
    return (
        names[chooser.peer], chooser.peer.name, escape(chooser.peer.client),
        "-" if chooser.slots is None else str(chooser.slots), _period(chooser.period, chooser.distances[0]),
        _period(chooser.optimistic, chooser.distances[1]),
        _share(chooser.score), _share(chooser.random), f"{chooser.n}",
    )  # fmt: skip


def _period(period: Period | None, distances: int) -> str:
    """Return a period, and how many of the distances it explains; only how many there are if it is not known."""
    return f"- ({distances})" if period is None else f"{period.seconds:.1f} s ({period.hits} of {period.n})"


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def _clients(found: Choking) -> Iterator[str]:
    for client, (rounds, turns) in found.periods.items():
        name = escape(client) or "(client not known)"
        for what, period in (("a round", rounds), ("another optimistic unchoke", turns)):
            if period is not None:
                yield f"{name}: {what} every {period.seconds:.1f} s ({period.hits} of {period.n} distances fit)"


def _decisions(torrent: Torrent, chooser: Chooser, names: dict[Peer, str]) -> Iterator[str]:
    for one in chooser.decisions:
        yield f"{seconds(torrent, one.time_ns):>8}  {one.kind:<14}  {'  '.join(_changes(one, names))}"


def _changes(one: Decision, names: dict[Peer, str]) -> Iterator[str]:
    if one.choked:
        yield f"chokes {_named(one.choked, names)}"
    usual = [peer for peer in one.unchoked if peer not in one.optimistic]
    if usual:
        yield f"unchokes {_named(usual, names)}"
    if one.optimistic:
        yield f"unchokes {_named(one.optimistic, names)} optimistically"


def _named(peers: Iterable[Peer], names: dict[Peer, str]) -> str:
    return ", ".join(names[peer] for peer in peers)


def _exceptions(torrent: Torrent, found: Choking, names: dict[Peer, str]) -> Iterator[str]:
    """Yield a line a peer: who was unchoked without being among the best four, and at which place."""
    total = sum(len(sample.exceptions) for chooser in found.choosers for sample in chooser.samples)
    yield f"{count(total, 'exception')}: unchoked though not among the best four, or without having given anything"
    for chooser in found.choosers:
        told = [
            f"{names[taker]} at {seconds(torrent, sample.time_ns)} (place {place})"
            for sample in chooser.samples
            for taker, place in sample.exceptions
        ]
        if told:
            yield f"  {names[chooser.peer]}: {', '.join(told)}"


def _words() -> Iterator[str]:
    yield "In the textbook: the top four by rate, reviewed every 10 s, and another peer at random every 30 s."
    yield "On the wire: the optimistic one is often among the four; periods and slots are the client's choice; a seed"
    yield "ranks by what it can upload; a slot that becomes free is filled between rounds; and the optimistic choice is"
    yield "not always left to chance: peers that are new, or that waited longest, come first."
