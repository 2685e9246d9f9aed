"""The picture of a swarm: who has which piece from when on, and below, who gave whom how much."""

from __future__ import annotations

from pktlab.torrent.drawing import BLUE, CHAR, GREY, INK, LIGHT, ORANGE, Drawing
from pktlab.torrent.swarm import Peer, Torrent

__all__ = ["swarm_picture"]

MARGIN, GAP = 24, 14  # px
WIDTH = 760
"""Width of the axis of time, px."""
LANE = 64
"""Height of a peer's lane, px, and the most rows that it is cut into."""
MOST_PEERS = 24
CELL_HEIGHT, CELL_WIDTH = 24, 62


def swarm_picture(torrent: Torrent) -> Drawing:
    """Return the picture.

    >>> from pktlab.torrent.ledger import Ledger
    >>> swarm_picture(Torrent(Ledger("00" * 20))).svg().startswith("<svg ")
    True
    """
    peers = sorted(torrent.peers, key=lambda peer: -peer.bytes_down - peer.bytes_up)[:MOST_PEERS]
    peers = [peer for peer in torrent.peers if peer in peers]
    drawing = Drawing()
    label = CHAR * max([20, *(len(peer.name) for peer in peers), *(len(peer.client) for peer in peers)])
    x, y = MARGIN + label + 12, float(MARGIN)
    y = _pieces(drawing, torrent, peers, x, y)
    y = _matrix(drawing, torrent, peers, x, y + 2 * MARGIN)
    drawing.width = max(x + WIDTH + 150, x + len(peers) * CELL_WIDTH + 2 * MARGIN)
    drawing.height = y + MARGIN
    return drawing


def _pieces(drawing: Drawing, torrent: Torrent, peers: list[Peer], x: float, y: float) -> float:
    """Draw the lanes; return where they end."""
    pieces = torrent.geometry.pieces or 0
    group = max(-(-pieces // LANE), 1)
    rows = -(-pieces // group) if pieces else 0
    drawing.title(MARGIN, y + 8, "Pieces (chunks): who has which one from when on")
    what = "each row is a piece" if group == 1 else f"each row is {group} pieces"
    drawing.text(MARGIN, y + 28, f"{pieces:,} pieces; {what}, the first one on top", color=GREY)
    _key(drawing, x + WIDTH, y + 8)
    top = y + 44
    first, last = torrent.span_ns
    span_s = max((last - first) / 1e9, 1e-3)
    bottom = top + len(peers) * (LANE + GAP)
    drawing.time_axis(x, bottom, WIDTH, span_s, "seconds after the first connection", bottom - top)
    for peer in peers:
        drawing.text(MARGIN, top + 14, peer.name, weight="bold")
        drawing.text(MARGIN, top + 30, peer.client, color=GREY)
        drawing.box(x, top, WIDTH, LANE, "none", stroke=LIGHT)
        for row in range(rows):
            members = range(row * group, min((row + 1) * group, pieces))
            when = [peer.held.get(piece) for piece in members]
            if any(one is None for one in when):
                continue
            start = max(one for one in when if one is not None)
            had = all(piece in (peer.had or ()) for piece in members)
            left = x + WIDTH * max((start - first) / 1e9, 0) / span_s
            end = x + WIDTH if peer.left_ns is None else x + WIDTH * min((peer.left_ns - first) / 1e9 / span_s, 1)
            height = LANE / rows
            drawing.box(left, top + row * height, end - left, height - 0.2, GREY if had else BLUE)
        if peer.completed_ns is not None:
            at = x + WIDTH * (peer.completed_ns - first) / 1e9 / span_s
            drawing.line(at, top - 4, at, top + LANE + 4, ORANGE, 2)
        done = "from the start" if peer.was_complete else _seconds(peer.completed_ns, first)
        drawing.text(x + WIDTH + 10, top + 14, f"{len(peer.held)} of {pieces}")
        drawing.text(x + WIDTH + 10, top + 30, done, color=GREY)
        top += LANE + GAP
    return bottom + 40


def _seconds(time_ns: int | None, first: int) -> str:
    return "not complete" if time_ns is None else f"all at {(time_ns - first) / 1e9:.1f} s"


def _key(drawing: Drawing, right: float, y: float) -> None:
    """Draw what the colours mean."""
    x = right - 470
    for color, word in ((GREY, "had at first"), (BLUE, "received"), (ORANGE, "the last missing piece arrived")):
        drawing.box(x, y - 9, 12, 12, color)
        drawing.text(x + 18, y + 1, word, color=GREY)
        x += 34 + CHAR * len(word)


def _matrix(drawing: Drawing, torrent: Torrent, peers: list[Peer], x: float, y: float) -> float:
    """Draw who gave whom; return where that ends."""
    drawing.title(MARGIN, y + 8, "Who gives whom: KiB of content from the peer on the left to the one on top")
    most = max([1, *(one.bytes for one in torrent.transfers.values())])
    top = y + 58
    for column, taker in enumerate(peers):
        middle = x + column * CELL_WIDTH + CELL_WIDTH / 2
        drawing.text(middle, top - 20, f"to {column + 1}", anchor="middle", weight="bold")
        drawing.text(middle, top - 6, f"{taker.bytes_down / 1024:,.0f}", anchor="middle", color=GREY)
    for row, giver in enumerate(peers):
        at = top + row * CELL_HEIGHT
        drawing.text(MARGIN, at + 16, f"{row + 1}  {giver.name}")
        for column, taker in enumerate(peers):
            left = x + column * CELL_WIDTH
            one = torrent.transfers.get((giver.address, taker.address))
            shade = one.bytes / most if one else 0.0
            drawing.box(left, at, CELL_WIDTH - 2, CELL_HEIGHT - 2, _shade(shade) if giver is not taker else LIGHT)
            if one:
                color = "#ffffff" if shade > 0.55 else INK
                drawing.text(left + CELL_WIDTH - 8, at + 16, f"{one.bytes / 1024:,.0f}", anchor="end", color=color)
    return top + len(peers) * CELL_HEIGHT


def _shade(share: float) -> str:
    """Return a blue between nearly white and `BLUE`.

    >>> _shade(0), _shade(1)
    ('#f3f4f6', '#1f77b4')
    """
    light, full = (0xF3, 0xF4, 0xF6), (0x1F, 0x77, 0xB4)
    return "#" + "".join(f"{round(a + (b - a) * share):02x}" for a, b in zip(light, full, strict=True))
