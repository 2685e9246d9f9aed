"""What was said, gone through once: who holds which piece since when, who gave whom how much, what came twice."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from pktlab.torrent.contacts import Contacts
from pktlab.torrent.geometry import Geometry
from pktlab.torrent.ledger import Address, Ledger, Said, Type, ones
from pktlab.torrent.peers import Peer, Transfer

__all__ = ["Replay"]


@dataclass
class _Again:
    """A piece that is whole since `whole_ns`: the offsets and bytes asked for since, and the blocks that came since."""

    whole_ns: int
    begins: set[int] = field(default_factory=set)
    asked: int = 0
    came: dict[int, tuple[int, Transfer]] = field(default_factory=dict)


class Replay:
    """Goes through a ledger once, and fills in peers and `transfers`.

    Parameters
    ----------
    ledger, geometry : what was said, and how the torrent is cut
    sides : the peers at both ends of each link, by its number
    contacts : what peers announced of themselves

    >>> Replay(Ledger("00" * 20), Geometry(None, 0, 0), []).run()
    """

    def __init__(
        self,
        ledger: Ledger,
        geometry: Geometry,
        sides: Sequence[tuple[Peer, Peer]],
        contacts: Contacts | None = None,
    ) -> None:
        self.ledger, self.geometry, self.sides = ledger, geometry, sides
        contacts = contacts or Contacts()
        self.complete = contacts.complete
        self.finished = {address: when for when, address, event in contacts.announced if event == "completed"}
        self.transfers: dict[tuple[Address, Address], Transfer] = {}
        self.got: defaultdict[Peer, set[tuple[int, int]]] = defaultdict(set)
        self.filled: defaultdict[Peer, Counter[int]] = defaultdict(Counter)
        self.announced: set[tuple[Peer, int]] = set()
        self.interested: set[Peer] = set()
        self.again: dict[tuple[Peer, int], _Again] = {}  # pieces that are whole, and were not announced yet
        self.asked: defaultdict[tuple[Peer, int, int], set[int]] = defaultdict(set)

    def run(self) -> None:
        """Do it."""
        doing = {
            Type.have: self._have, Type.bitfield: self._bitfield, Type.have_all: self._have_all,
            Type.have_none: self._have_none, Type.donthave: self._donthave, Type.request: self._request,
            Type.cancel: self._cancel, Type.reject: self._rejected, Type.piece: self._piece, Type.closed: self._closed,
            Type.interested: self._interested,
        }  # fmt: skip
        handlers = {int(kind): handler for kind, handler in doing.items()}
        sides = self.sides
        for said in self.ledger.said():
            handler = handlers.get(said.type)
            if handler is not None:
                speaker, listener = sides[said.link]
                if said.way:
                    speaker, listener = listener, speaker
                handler(said, speaker, listener)
        for peer in dict.fromkeys(peer for pair in sides for peer in pair):
            self._complete(peer)

    # ---- what is announced

    def _hold(self, peer: Peer, pieces: Iterable[int], time_ns: int) -> None:
        held = peer.held
        if not held:
            held.update(dict.fromkeys(pieces, time_ns))
            return
        for index in pieces:
            if index not in held:
                held[index] = time_ns

    def _first(self, peer: Peer, pieces: Iterable[int], time_ns: int) -> None:
        """Note what a peer says at the beginning of a connection; what it says so first, it had."""
        held = list(pieces)
        if not peer.has_told:
            peer.had = (peer.had or set()) | set(held).difference(peer.held)
            peer.has_told = True
        self._hold(peer, held, time_ns)

    def _had(self, peer: Peer, piece: int, time_ns: int) -> None:
        """Note that a peer has a piece, and that it had it from the start, unless it said what that was."""
        if self.geometry.pieces is None or piece < self.geometry.pieces:
            peer.held.setdefault(piece, time_ns)
            if not peer.has_told:
                peer.had = {*(peer.had or ()), piece}

    def _have(self, said: Said, speaker: Peer, _: Peer) -> None:
        self.again.pop((speaker, said.piece), None)
        self.announced.add((speaker, said.piece))
        if self.geometry.pieces is None or said.piece < self.geometry.pieces:
            speaker.held.setdefault(said.piece, said.time_ns)

    def _bitfield(self, said: Said, speaker: Peer, _: Peer) -> None:
        most = self.geometry.pieces
        held = ones(self.ledger.bitfields[said.piece])
        if most is not None and held and held[-1] >= most:
            held = [index for index in held if index < most]
        self._first(speaker, held, said.time_ns)

    def _have_all(self, said: Said, speaker: Peer, _: Peer) -> None:
        self._first(speaker, range(self.geometry.pieces or 0), said.time_ns)

    def _have_none(self, said: Said, speaker: Peer, _: Peer) -> None:
        self._first(speaker, (), said.time_ns)

    def _donthave(self, said: Said, speaker: Peer, _: Peer) -> None:
        speaker.held.pop(said.piece, None)

    # ---- what is asked for and sent

    def _request(self, said: Said, taker: Peer, giver: Peer) -> None:
        taker.requests += 1
        self.interested.add(taker)
        if said.piece not in giver.held and self.ledger.links[said.link].may_lack(1 - said.way):
            self._had(giver, said.piece, said.time_ns)  # it said so when nobody listened
        again = self.again.get((taker, said.piece))
        if again is not None:
            again.asked += (
                min(said.length, self.geometry.length_of(said.piece)) if said.begin not in again.begins else 0
            )
            again.begins.add(said.begin)
            if again.asked >= self.geometry.length_of(said.piece):
                self._fail(taker, said.piece, again)
        asked = self.asked[taker, said.piece, said.begin]
        if asked - {said.link}:
            taker.endgame += 1
            taker.endgame_ns = taker.endgame_ns or said.time_ns
        asked.add(said.link)

    def _interested(self, said: Said, taker: Peer, _: Peer) -> None:
        self.interested.add(taker)

    def _cancel(self, said: Said, taker: Peer, _: Peer) -> None:
        taker.cancels += 1
        self._no_longer_asked(taker, said)

    def _rejected(self, said: Said, _: Peer, taker: Peer) -> None:
        self._no_longer_asked(taker, said)

    def _no_longer_asked(self, taker: Peer, said: Said) -> None:
        key = (taker, said.piece, said.begin)
        if key in self.asked:
            self.asked[key].discard(said.link)
            if not self.asked[key]:
                del self.asked[key]

    def _closed(self, said: Said, speaker: Peer, listener: Peer) -> None:
        for key in [key for key, links in self.asked.items() if said.link in links]:
            self.asked[key].discard(said.link)

    def _piece(self, said: Said, giver: Peer, taker: Peer) -> None:
        self._no_longer_asked(taker, said)
        now, length = said.time_ns, said.length
        if said.piece not in giver.held:  # who gives a piece had it, though that was not heard
            self._had(giver, said.piece, now)
        giver.bytes_up += length
        taker.bytes_down += length
        giver.up_ns = (giver.up_ns or (now, now))[0], now
        taker.down_ns = (taker.down_ns or (now, now))[0], now
        key = (giver.address, taker.address)
        transfer = self.transfers.get(key)
        if transfer is None:
            transfer = self.transfers[key] = Transfer(giver, taker)
        transfer.first_ns, transfer.last_ns = transfer.first_ns or now, now
        transfer.bytes += length
        transfer.blocks += 1
        block = (said.piece, said.begin)
        if block in self.got[taker]:
            transfer.duplicates += 1
            taker.duplicates += 1
            taker.wasted += length
            again = self.again.get((taker, said.piece))
            if again is not None:
                again.came[said.begin] = length, transfer
            return
        self.got[taker].add(block)
        self.filled[taker][said.piece] += length
        if self.filled[taker][said.piece] >= self.geometry.length_of(said.piece) > 0:
            if said.piece not in taker.held and (taker, said.piece) not in self.announced:
                self.again[taker, said.piece] = _Again(now)
            taker.held.setdefault(said.piece, now)

    def _fail(self, taker: Peer, piece: int, again: _Again) -> None:
        """Take it that a piece had a wrong hash: it was whole, and all of it was asked for again, and not announced."""
        del self.again[taker, piece]
        taker.failures.append((again.whole_ns, piece))
        taker.held.pop(piece, None)
        self.got[taker] = {block for block in self.got[taker] if block[0] != piece or block[1] in again.came}
        self.filled[taker][piece] = sum(length for length, _ in again.came.values())
        for length, transfer in again.came.values():  # they were not there already: those before were wrong
            transfer.duplicates -= 1
            taker.duplicates -= 1
            taker.wasted -= length

    def _complete(self, peer: Peer) -> None:
        """Note when the last missing piece arrived; who announces that it has everything had what did not arrive."""
        pieces, told_ns = self.geometry.pieces, self.complete.get(peer.address)
        had = peer.had or set()
        gained = {index: when for index, when in peer.held.items() if index not in had}
        is_told = told_ns is not None and not any(
            when > told_ns and self._arrived(peer, index) for index, when in gained.items()
        )
        if told_ns is not None and is_told:
            unseen = {*range(pieces or 0)} - {*peer.held}
            peer.held |= dict.fromkeys(sorted(unseen), told_ns)
            peer.had = had = had | unseen | {index for index, when in gained.items() if when > told_ns}
        elif self._wants_nothing(peer) and peer.bytes_up and len(peer.held) == pieces:
            peer.had = had = {*peer.held}
        if is_told if pieces is None else len(peer.held) >= pieces:
            late = [when for index, when in gained.items() if index not in had]
            peer.completed_ns = max(late, default=self.finished.get(peer.address))
            peer.was_complete = peer.completed_ns is None

    def _arrived(self, peer: Peer, index: int) -> bool:
        """Tell whether the whole of a piece was seen arriving."""
        return self.filled[peer][index] >= self.geometry.length_of(index) > 0

    def _wants_nothing(self, peer: Peer) -> bool:
        """Tell whether a peer was never interested, and all of it was heard: a seed that hides what it has (BEP 16)."""
        return peer not in self.interested and not any(
            link.may_lack(way) or link.is_encrypted for link, way in peer.links
        )
