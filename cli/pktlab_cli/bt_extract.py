"""``pktlab bt extract``: the files that a swarm shared."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pktlab_cli.bt import heard
from pktlab_cli.options import Condition, color_option, command, filter_option, salvage_option, source_options
from pktlab_cli.printing import Printer, escape

if TYPE_CHECKING:
    from pktlab.torrent.extract import Extracted
    from pktlab.torrent.metainfo import Metainfo

__all__ = ["extract"]


@command(
    "extract",
    "pktlab bt extract pcaps/swarms/magnet.pcap.zst -o out",
    "pktlab bt extract pcaps/swarms/tcp.pcap.zst -o out --torrent pcaps/swarms/tcp.torrent",
)
@source_options
@filter_option
@click.option("-o", "--output", "folder", metavar="DIR", required=True, help="Where the files go.")
@click.option("--torrent", "metainfo", metavar="META", help="The .torrent file, which has the hashes to check by.")
@salvage_option
@color_option
def extract(
    source: str | None, condition: Condition | None, folder: str, metainfo: str | None, salvage: bool, out: Printer
) -> int:
    """Put the files that a BitTorrent swarm shared together, and check each piece by its hash.

    The hashes are those of META, or what the peers told each other (ut_metadata). With neither, the pieces go into
    INFOHASH.bin in their order, and are not checked. Names that lead out of DIR are refused.
    """
    from pktlab.errors import WireError
    from pktlab.torrent import extract as extracting
    from pktlab.torrent.metainfo import parse_metainfo
    from pktlab.torrent.swarm import Torrent

    given: Metainfo | None = None
    if metainfo is not None:
        try:
            given = parse_metainfo(Path(metainfo).read_bytes(), strict=False)
        except WireError as error:
            raise click.ClickException(f"{metainfo} is no .torrent file: {error}") from None
    with extracting.BlockStore() as store:
        swarm, status = heard(source, condition, salvage, store.add)
        store.join(swarm.joined)
        hashes = [] if given is None else [one.hex() for one in given.wire_hashes]
        chosen = [one for one in store.info_hashes() if given is None or one in hashes]
        if given is not None and not chosen:
            raise click.ClickException(f"no blocks of {metainfo} are heard, which is torrent {hashes[0]}")
        for info_hash in chosen:
            torrent = Torrent(swarm.ledgers[info_hash], metadata=given or swarm.metadata.get(info_hash))
            out.lines(_lines(extracting.extract(store, torrent, Path(folder)), out))
        if not chosen:
            out.line("no blocks of any torrent are heard in this capture")
    return status


def _lines(made: Extracted, out: Printer) -> Iterator[str]:
    total = "not known how many" if made.pieces is None else f"{made.pieces:,}"
    if made.is_checked:
        said = f"{len(made.good):,} of {total} pieces have the right hash"
    else:
        said = f"{len(made.good):,} of {total} pieces are whole, not checked: no hashes are known"
    yield out.paint(f"torrent {made.info_hash}: {said}", "heading")
    for name, pieces in (("wrong hash", made.bad), ("not heard whole, zeros there", made.missing)):
        if pieces:
            yield f"  {name}: {_ranges(pieces)}"
    for path in made.files:
        yield f"  {escape(str(path))}"


def _ranges(numbers: tuple[int, ...]) -> str:
    """Return numbers in a row as ranges.

    >>> _ranges((1, 2, 3, 7))
    '1-3, 7'
    """
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return ", ".join(f"{first}" if first == last else f"{first}-{last}" for first, last in runs)
