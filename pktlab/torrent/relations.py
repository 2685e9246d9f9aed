"""What two peers had with each other over time: who unchoked whom from when to when, who wanted and who gave what.

A `Relation` is seen from the peer that chooses: its taker was unchoked at these times, was interested at those, and had
given so many bytes by then. All that is asked about choking is asked of relations.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from dataclasses import dataclass, field
from typing import NamedTuple

from pktlab.torrent.ledger import Said, Type
from pktlab.torrent.swarm import Peer, Torrent

__all__ = ["Interval", "Relation", "relations_of"]


class Interval(NamedTuple):
    """A time, ns; `ended` tells whether a message ended it, or the end of the connection."""

    from_ns: int
    to_ns: int
    ended: bool


@dataclass(eq=False)
class Relation:
    """A chooser and a taker.

    unchoked : when the chooser would have served the taker; interested : when the taker wanted something
    times, sums : when the taker gave the chooser a block, ns, and the bytes up to then; `sums` begins with a 0
    """

    taker: Peer
    unchoked: list[Interval] = field(default_factory=list)
    interested: list[Interval] = field(default_factory=list)
    times: list[int] = field(default_factory=list)
    sums: list[int] = field(default_factory=lambda: [0])

    def given(self, from_ns: int, to_ns: int) -> int:
        """Return the bytes that the taker gave after `from_ns`, up to `to_ns`.

        >>> Relation(None, times=[5, 9], sums=[0, 100, 300]).given(5, 9)
        200
        """
        return self.sums[bisect_right(self.times, to_ns)] - self.sums[bisect_right(self.times, from_ns)]

    def is_unchoked(self, now: int) -> bool:
        """Tell whether the taker was unchoked at a moment."""
        return any(one.from_ns <= now < one.to_ns for one in self.unchoked)

    def is_interested(self, now: int) -> bool:
        """Tell whether the taker was interested at a moment."""
        return any(one.from_ns <= now < one.to_ns for one in self.interested)


def relations_of(torrent: Torrent) -> dict[Peer, list[Relation]]:
    """Return the relations of each peer that ever unchoked another.

    >>> from pktlab.torrent.ledger import Ledger
    >>> relations_of(Torrent(Ledger("00" * 20)))
    {}
    """
    reading = _Reading(torrent)
    for said in torrent.ledger.said():
        reading.take(said)
    return reading.end()


class _Reading:
    """Reads what was said once; what is under way is kept by connection and way of the one who chooses."""

    def __init__(self, torrent: Torrent) -> None:
        self.torrent = torrent
        self.found: defaultdict[Peer, dict[Peer, Relation]] = defaultdict(dict)
        self.unchoked: dict[tuple[int, int], int] = {}
        self.interested: dict[tuple[int, int], int] = {}
        links = torrent.ledger.links
        self.unheard = {(link.number, way) for link in links for way in (0, 1) if not link.is_known[way]}
        """Where it is not known yet whether that side was choking when the connection was first heard."""
        self.unasked = {(link.number, way) for link in links for way in (0, 1) if not link.is_known[1 - way]}
        """The same of the interest of the other side."""

    def _relation(self, link: int, way: int) -> Relation:
        """Return the relation in which the peer at that end chooses."""
        sides = self.torrent.sides[link]
        chooser, taker = sides[way], sides[1 - way]
        return self.found[chooser].setdefault(taker, Relation(taker))

    def take(self, said: Said) -> None:
        """Take a message."""
        link, way, now = said.link, said.way, said.time_ns
        if said.type == Type.piece:
            relation = self._relation(link, 1 - way)
            relation.times.append(now)
            relation.sums.append(relation.sums[-1] + said.length)
            if (link, way) in self.unheard:
                self._was(self.unchoked, link, way)
        elif said.type == Type.unchoke:
            self.unheard.discard((link, way))
            self.unchoked.setdefault((link, way), now)
        elif said.type == Type.choke:
            self._was(self.unchoked, link, way)
            self._end_unchoked(link, way, now, True)
        elif said.type == Type.interested:
            self.unasked.discard((link, 1 - way))
            self.interested.setdefault((link, 1 - way), now)
        elif said.type == Type.not_interested or (said.type == Type.request and (link, 1 - way) in self.unasked):
            self._was(self.interested, link, 1 - way)
            if said.type == Type.not_interested:
                self._end_interested(link, 1 - way, now, True)
        elif said.type == Type.closed:
            for side in (0, 1):
                self._end_unchoked(link, side, now, False)
                self._end_interested(link, side, now, False)

    def _was(self, begun: dict[tuple[int, int], int], link: int, way: int) -> None:
        """Take it that it was so from when the connection was first heard, if how it began was not."""
        waiting = self.unheard if begun is self.unchoked else self.unasked
        if (link, way) in waiting:
            waiting.discard((link, way))
            begun.setdefault((link, way), self.torrent.ledger.links[link].opened_ns)

    def _end_unchoked(self, link: int, way: int, now: int, ended: bool) -> None:
        since = self.unchoked.pop((link, way), None)
        if since is not None:
            self._relation(link, way).unchoked.append(Interval(since, now, ended))

    def _end_interested(self, link: int, way: int, now: int, ended: bool) -> None:
        since = self.interested.pop((link, way), None)
        if since is not None:
            self._relation(link, way).interested.append(Interval(since, now, ended))

    def end(self) -> dict[Peer, list[Relation]]:
        """End what is still under way, and return the relations."""
        for link, way in list(self.unchoked):
            self._end_unchoked(link, way, self.torrent.ledger.links[link].closed_ns + 1, False)
        for link, way in list(self.interested):
            self._end_interested(link, way, self.torrent.ledger.links[link].closed_ns + 1, False)
        peers = {*self.torrent.peers}
        return {
            chooser: [relation for taker, relation in takers.items() if taker in peers]
            for chooser, takers in self.found.items()
            if any(relation.unchoked for taker, relation in takers.items() if taker in peers)
        }
