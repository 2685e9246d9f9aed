"""What the ``pktlab bt`` commands share: a capture is heard, and its torrents come out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pktlab_cli.errors import ending
from pktlab_cli.options import Condition, packets_of
from pktlab_cli.printing import escape
from pktlab_cli.progress import watched_work

if TYPE_CHECKING:
    from pktlab.torrent.drawing import Drawing
    from pktlab.torrent.listening import Block
    from pktlab.torrent.swarm import Peer, Swarm, Torrent

__all__ = ["check_plot", "heading", "heard", "letters", "peer_text", "seconds", "write_picture"]


def heard(
    source: str | None, condition: Condition | None, salvage: bool, block: Block | None = None
) -> tuple[Swarm, int]:
    """Return the swarms of a capture, and the exit status that its end stands for."""
    from pktlab.torrent.listening import Listener
    from pktlab.torrent.swarm import Swarm

    listener = Listener(Swarm(), block)
    with packets_of(source, {}, condition, salvage=salvage) as capture:
        watched_work(capture, listener.read(capture))
        return listener.end(), ending(capture.reader)


def check_plot(target: str | None) -> None:
    """Refuse a picture that could not be written, before anything is read."""
    if target is None:
        return
    if not target.lower().endswith((".svg", ".png")):
        why = "--plot writes SVG, and PNG with Matplotlib: name a file that ends in .svg or .png"
        raise click.UsageError(why, click.get_current_context())
    if target.lower().endswith(".png"):
        from pktlab.torrent.drawing_png import check_png

        check_png()


def write_picture(target: str, torrents: Sequence[Torrent], draw: Callable[[Torrent], Drawing]) -> None:
    """Write the picture of the torrent in which most was said; say if there are others."""
    if not torrents:
        raise click.ClickException("nothing to draw: no peers are heard in this capture")
    chosen = max(torrents, key=lambda torrent: len(torrent.ledger))
    drawing = draw(chosen)
    if target.lower().endswith(".png"):
        from pktlab.torrent.drawing_png import png

        Path(target).write_bytes(png(drawing))
    else:
        Path(target).write_text(drawing.svg(), encoding="utf-8")
    if len(torrents) > 1:
        click.echo(f"pktlab: {target} shows torrent {chosen.info_hash}, one of {len(torrents)}", err=True)


def heading(torrent: Torrent) -> str:
    """Return a torrent in a line: its hash and name, its pieces, its peers, how long it was heard."""
    geometry, (first, last) = torrent.geometry, torrent.span_ns
    name = f" {escape(torrent.name)}" if torrent.name else ""
    pieces = "pieces not known" if geometry.pieces is None else f"{geometry.pieces:,} pieces"
    size = f" of {geometry.piece_length / 1024:,.0f} KiB" if geometry.piece_length else ""
    peers, links = len(torrent.peers), len(torrent.ledger.links)
    return (
        f"torrent {torrent.info_hash or '(not named)'}{name}: {pieces}{size}, {peers} peers, "
        f"{links} connections, {(last - first) / 1e9:.1f} s"
    )


def letters(torrent: Torrent) -> dict[Peer, str]:
    """Return a short name for each peer: A, B, C, and so on."""
    return {peer: _letter(number) for number, peer in enumerate(torrent.peers)}


def _letter(number: int) -> str:
    """Return the name of a column: A to Z, AA, AB.

    >>> [_letter(number) for number in (0, 25, 26)]
    ['A', 'Z', 'AA']
    """
    return (_letter(number // 26 - 1) if number >= 26 else "") + chr(ord("A") + number % 26)


def peer_text(peer: Peer) -> str:
    """Return a peer with its client."""
    return f"{peer.name}  {escape(peer.client) or '(client not known)'}"


def seconds(torrent: Torrent, time_ns: int | None) -> str:
    """Return a time in seconds after the torrent's first connection; a hyphen for none."""
    return "-" if time_ns is None else f"{(time_ns - torrent.span_ns[0]) / 1e9:.1f}"
