"""Which piece each peer asks for first: is it the rarest of those that it could have asked for?

Each time a peer asks for the first block of a new piece, the pieces that it could have begun instead are those that the
asked peer has and the asking one neither has nor has begun. They are ordered by how many of its neighbours have them,
as far as those have told it: nobody sees the whole swarm. What a neighbour told before the capture began is not known,
so nothing is counted as long as such a one is connected. The place of the chosen one in that order, 0 for the rarest
and 1 for the commonest, ties in the middle, is 0.5 on average if pieces are chosen at random. Where all are equally
rare nothing can be learned, and nothing is counted.

Spec: BEP 3 leaves the order open; "rarest first" is what the textbook and most clients have.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pktlab.torrent.ledger import Said, Type, ones
from pktlab.torrent.swarm import Peer, Torrent

__all__ = ["Picker", "Start", "rarest_of"]

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Start:
    """A piece that was begun.

    piece : which; giver : who was asked first; known : how many neighbours had it, as far as the peer could know
    candidates : how many pieces could have been begun; place : 0 for the rarest of them, 1 for the commonest
    """

    time_ns: int
    piece: int
    giver: Peer
    known: int
    candidates: int
    place: float


@dataclass(eq=False)
class Picker:
    """The pieces that one peer began, where there was a choice."""

    peer: Peer
    starts: list[Start] = field(default_factory=list)

    @property
    def place(self) -> float | None:
        """The mean place; None if there was never a choice."""
        return sum(one.place for one in self.starts) / len(self.starts) if self.starts else None


def rarest_of(torrent: Torrent) -> list[Picker]:
    """Return what each peer began, for those that began anything.

    >>> from pktlab.torrent.ledger import Ledger
    >>> rarest_of(Torrent(Ledger("00" * 20)))
    []
    """
    pieces = torrent.geometry.pieces
    if not pieces:
        return []
    reading = _Reading(torrent, pieces)
    for said in torrent.ledger.said():
        reading.take(said)
    return [reading.pickers[peer] for peer in torrent.peers if peer in reading.pickers]


class _Reading:
    """What each peer knows at a moment: `told` by link and way is what that side says that it has."""

    def __init__(self, torrent: Torrent, pieces: int) -> None:
        self.torrent, self.pieces = torrent, pieces
        self.told: dict[tuple[int, int], Array] = {}
        self.known: defaultdict[Peer, Array] = defaultdict(lambda: np.zeros(pieces, np.int32))
        self.begun: defaultdict[Peer, Array] = defaultdict(lambda: np.zeros(pieces, np.bool_))
        self.pickers: dict[Peer, Picker] = {}
        self.unheard = Counter(
            torrent.sides[link.number][1 - way]
            for link in torrent.ledger.links
            for way in (0, 1)
            if not link.is_known[way]
        )
        """Of how many neighbours that are connected it is not known what they told each peer."""

    def take(self, said: Said) -> None:
        """Take a message."""
        if said.type in (Type.have, Type.bitfield, Type.have_all, Type.donthave):
            self._announce(said)
        elif said.type == Type.request and said.piece < self.pieces:
            self._ask(said)
        elif said.type == Type.closed:
            self._forget(said.link)

    def _announce(self, said: Said) -> None:
        speaker, listener = self.torrent.sides[said.link][said.way], self.torrent.sides[said.link][1 - said.way]
        told = self.told.setdefault((said.link, said.way), np.zeros(self.pieces, np.bool_))
        after = told.copy()
        if said.type == Type.have_all:
            after[:] = True
        elif said.type == Type.bitfield:
            after[[one for one in ones(self.torrent.ledger.bitfields[said.piece]) if one < self.pieces]] = True
        elif said.piece < self.pieces:
            after[said.piece] = said.type == Type.have
        self.known[listener] += after.astype(np.int32) - told
        self.told[said.link, said.way] = after
        self.begun[speaker] |= after  # what it has, it need not begin

    def _ask(self, said: Said) -> None:
        asker, giver = self.torrent.sides[said.link][said.way], self.torrent.sides[said.link][1 - said.way]
        begun, offered = self.begun[asker], self.told.get((said.link, 1 - said.way))
        if begun[said.piece]:
            return
        if offered is not None and offered[said.piece] and not self.unheard[asker]:
            counts = self.known[asker][offered & ~begun]
            if counts.min() < counts.max():
                own = int(self.known[asker][said.piece])
                place = (int((counts < own).sum()) + (int((counts == own).sum()) - 1) / 2) / (len(counts) - 1)
                picker = self.pickers.setdefault(asker, Picker(asker))
                picker.starts.append(Start(said.time_ns, said.piece, giver, own, len(counts), place))
        begun[said.piece] = True

    def _forget(self, link: int) -> None:
        for way in (0, 1):
            if not self.torrent.ledger.links[link].is_known[way]:
                self.unheard[self.torrent.sides[link][1 - way]] -= 1
            told = self.told.pop((link, way), None)
            if told is not None:
                self.known[self.torrent.sides[link][1 - way]] -= told
