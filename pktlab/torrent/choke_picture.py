"""The time line of choking: whom each peer would serve when, with its rounds and its optimistic unchokes."""

from __future__ import annotations

from pktlab.torrent.choking import Chooser, choking_of
from pktlab.torrent.drawing import BLUE, CHAR, GREY, LIGHT, ORANGE, Drawing
from pktlab.torrent.relations import Interval, Relation
from pktlab.torrent.swarm import Torrent

__all__ = ["choke_picture"]

MARGIN, GAP, ROW = 24, 34, 15  # px
WIDTH = 800
"""Width of the axis of time, px."""
MOST_PEERS = 16
SHADE = "#a9cce3"


def choke_picture(torrent: Torrent) -> Drawing:
    """Return the picture.

    >>> from pktlab.torrent.ledger import Ledger
    >>> choke_picture(Torrent(Ledger("00" * 20))).svg().startswith("<svg ")
    True
    """
    found = choking_of(torrent)
    choosers = found.choosers[:MOST_PEERS]
    drawing = Drawing()
    names = [one.taker.name for chooser in choosers for one in chooser.relations]
    x = MARGIN + CHAR * max([22, *map(len, names)]) + 12
    drawing.title(MARGIN, MARGIN + 8, "Choking: whom each peer unchokes (would serve) when")
    _key(drawing, MARGIN, MARGIN + 30)
    top = MARGIN + 50.0
    for client, (rounds, turns) in found.periods.items():
        if rounds is not None:
            turned = f", another optimistic unchoke every {turns.seconds:.1f} s" if turns else ""
            drawing.text(MARGIN, top, f"{client}: a round every {rounds.seconds:.1f} s{turned}")
            top += 18
    top += 18
    first, last = torrent.span_ns
    span_s = max((last - first) / 1e9, 1e-3)
    bottom = top + sum(GAP + ROW * len(_rows(chooser)) for chooser in choosers)
    drawing.time_axis(x, bottom, WIDTH, span_s, "seconds after the first connection", bottom - top)
    for chooser in choosers:
        top = _block(drawing, chooser, x, top, first, span_s) + GAP
    drawing.width, drawing.height = x + WIDTH + 2 * MARGIN, bottom + 60
    return drawing


def _rows(chooser: Chooser) -> list[Relation]:
    return [one for one in chooser.relations if one.unchoked or one.interested]


def _key(drawing: Drawing, x: float, y: float) -> None:
    """Draw what the colours mean."""
    words = (
        (BLUE, "unchoked and interested: a slot is used"), (SHADE, "unchoked, not interested"),
        (LIGHT, "interested, but choked"),
    )  # fmt: skip
    for color, word in words:
        drawing.box(x, y - 9, 12, 12, color)
        drawing.text(x + 18, y + 1, word, color=GREY)
        x += 38 + CHAR * len(word)
    drawing.mark(x + 5, y + 2, ORANGE)
    drawing.text(x + 16, y + 1, "optimistic unchoke", color=GREY)
    x += 36 + CHAR * len("optimistic unchoke")
    drawing.line(x + 5, y - 10, x + 5, y + 4, ORANGE)
    drawing.text(x + 14, y + 1, "round", color=GREY)


def _block(drawing: Drawing, chooser: Chooser, x: float, top: float, first: int, span_s: float) -> float:
    """Draw the time line of one peer; return where it ends."""

    def at(time_ns: int) -> float:
        return x + WIDTH * min(max((time_ns - first) / 1e9 / span_s, 0), 1)

    slots = f", {chooser.slots} slots" if chooser.slots else ""
    client = chooser.peer.client or "client not known"
    drawing.text(MARGIN, top - 5, f"{chooser.peer.name} ({client}{slots}) unchokes", weight="bold")
    rows = _rows(chooser)
    bottom = top + ROW * len(rows)
    for row, relation in enumerate(rows):
        y = top + ROW * row
        drawing.text(MARGIN + 12, y + 11, relation.taker.name, color=GREY)
        for wish in relation.interested:
            drawing.box(at(wish.from_ns), y + 5, at(wish.to_ns) - at(wish.from_ns), ROW - 10, LIGHT)
        for service in relation.unchoked:
            drawing.box(at(service.from_ns), y + 1, at(service.to_ns) - at(service.from_ns), ROW - 3, SHADE)
            for used in _overlaps(service, relation.interested):
                drawing.box(at(used.from_ns), y + 1, at(used.to_ns) - at(used.from_ns), ROW - 3, BLUE)
    for decision in chooser.decisions:
        if decision.kind == "round":
            drawing.line(at(decision.time_ns), top - 2, at(decision.time_ns), bottom, ORANGE, 0.7)
        for row, relation in enumerate(rows):
            if relation.taker in decision.optimistic:
                drawing.mark(at(decision.time_ns), top + ROW * row + 8, ORANGE)
    return bottom


def _overlaps(service: Interval, wishes: list[Interval]) -> list[Interval]:
    """Return when a taker that was unchoked was interested, too.

    >>> _overlaps(Interval(5, 9, True), [Interval(0, 6, True), Interval(8, 20, True)])
    [Interval(from_ns=5, to_ns=6, ended=False), Interval(from_ns=8, to_ns=9, ended=False)]
    """
    found = []
    for wish in wishes:
        start, end = max(service.from_ns, wish.from_ns), min(service.to_ns, wish.to_ns)
        if start < end:
            found.append(Interval(start, end, False))
    return found
