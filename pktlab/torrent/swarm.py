"""What a swarm did: who had which piece when, who gave whom how much, who came and went.

`Swarm` holds a ledger a torrent, and what trackers, PEX and LSD tell of addresses; `Torrent` is what can be said of one
when everything was heard. A peer is an address and its listening port, and has a list of connections. Who opens a
connection does so from any port: the listening port is the one that the extended handshake tells, or an announce, or
that others call; over uTP it is the port itself.

Two things are told apart as the BEPs do. A piece, "chunk" in the textbook, is announced and checked by its hash; a
block, 16 KiB, is requested and sent. A piece is held from the moment when its last block arrived, or else, where the
data were not seen, when it was announced.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field

from pktlab.errors import WireError
from pktlab.torrent.clients import client_of
from pktlab.torrent.geometry import Geometry
from pktlab.torrent.ledger import Address, Ledger, Link, Said, Type, ones
from pktlab.torrent.metadata import Parts
from pktlab.torrent.metainfo import Metainfo, parse_info

__all__ = ["Contacts", "Peer", "Swarm", "Torrent", "Transfer"]


@dataclass
class Contacts:
    """What is told of addresses beside the connections.

    listening : ports by IP address, where something says that a peer listens there
    announced : when an address announced which event to a tracker: time in ns, address, event
    """

    listening: defaultdict[str, set[int]] = field(default_factory=lambda: defaultdict(set))
    announced: list[tuple[int, Address, str]] = field(default_factory=list)

    def announce(self, time_ns: int, address: Address, event: str = "") -> None:
        """Note that a peer announced itself."""
        self.listening[address[0]].add(address[1])
        self.announced.append((time_ns, address, event))


@dataclass
class Transfer:
    """What one peer gave another: bytes of content, blocks, and those blocks that the other had already."""

    giver: Peer
    taker: Peer
    bytes: int = 0
    blocks: int = 0
    duplicates: int = 0
    first_ns: int = 0
    last_ns: int = 0


@dataclass(eq=False)
class Peer:
    """One peer.

    had : the pieces that it had when it was first heard; held : since when it has each piece, ns, and whether its data
    were seen arriving; completed_ns : when the last missing piece arrived, None for who had everything or never has
    was_complete : it had everything when it was first heard
    requests : blocks asked for; endgame : those of them that were asked for elsewhere at that time, the first at
    endgame_ns; duplicates, wasted : blocks and bytes that it had already; down_ns, up_ns : first and last block
    """

    address: Address
    links: list[tuple[Link, int]] = field(default_factory=list)
    had: set[int] | None = None
    held: dict[int, int] = field(default_factory=dict)
    completed_ns: int | None = None
    was_complete: bool = False
    bytes_down: int = 0
    bytes_up: int = 0
    requests: int = 0
    cancels: int = 0
    endgame: int = 0
    endgame_ns: int | None = None
    duplicates: int = 0
    wasted: int = 0
    down_ns: tuple[int, int] | None = None
    up_ns: tuple[int, int] | None = None
    joined_ns: int = 0
    left_ns: int | None = None

    @property
    def name(self) -> str:
        """The address as text."""
        ip, port = self.address
        return f"[{ip}]:{port}" if ":" in ip else f"{ip}:{port}"

    def is_leecher(self, now: int) -> bool:
        """Tell whether it lacked pieces at a moment, ns."""
        return not self.was_complete and (self.completed_ns is None or now < self.completed_ns)

    @property
    def peer_ids(self) -> list[bytes]:
        """The peer ids that it used, in the order in which they were seen."""
        return list(dict.fromkeys(link.peer_ids[way] for link, way in self.links if link.peer_ids[way]))

    @property
    def client(self) -> str:
        """The program and its version: by the peer id, or else by the extended handshake; or an empty text."""
        names = [name for one in self.peer_ids if (name := client_of(one))]
        names += [link.versions[way] for link, way in self.links if link.versions[way]]
        return names[0] if names else ""


class Swarm:
    """The torrents of a capture, or of anything else that is listened to."""

    def __init__(self) -> None:
        self.ledgers: dict[str, Ledger] = {}
        self.contacts: defaultdict[str, Contacts] = defaultdict(Contacts)
        self.metadata: dict[str, Metainfo] = {}
        self._parts: defaultdict[str, Parts] = defaultdict(Parts)

    def ledger(self, info_hash: str) -> Ledger:
        """Return the ledger of a torrent, a new one if it is not known."""
        if info_hash not in self.ledgers:
            self.ledgers[info_hash] = Ledger(info_hash)
        return self.ledgers[info_hash]

    def add_metadata(self, info_hash: str, part: int, total: int, data: bytes) -> None:
        """Take a part of an `info` that a peer sent (BEP 9); the whole counts if its hash is the right one."""
        if info_hash in self.metadata:
            return
        parts = self._parts[info_hash]
        info = parts.add(part, total, data)
        if info is None:
            return
        del self._parts[info_hash]
        with suppress(WireError):
            found = parse_info(info, strict=False)
            if bytes.fromhex(info_hash) in found.wire_hashes:
                self.metadata[info_hash] = found

    def torrents(self) -> list[Torrent]:
        """Return what the torrents did, in the order in which they were met."""
        return [
            Torrent(ledger, self.contacts[info_hash], self.metadata.get(info_hash))
            for info_hash, ledger in self.ledgers.items()
        ]


class Torrent:
    """What one torrent's swarm did.

    Parameters
    ----------
    ledger : all that was said
    contacts : what is told of addresses
    metadata : what it shares, if that is known; how it is cut is inferred otherwise

    >>> ledger = Ledger("00" * 20)
    >>> link = ledger.link("tcp", (("192.0.2.1", 50000), ("192.0.2.2", 6881)), 0)
    >>> ledger.say(1, link, 1, Type.have_all)
    >>> ledger.say(2, link, 0, Type.request, 0, 0, 16384)
    >>> ledger.say(3, link, 1, Type.piece, 0, 0, 16384)
    >>> torrent = Torrent(ledger)
    >>> torrent.geometry.pieces, [(peer.name, len(peer.held), peer.completed_ns) for peer in torrent.peers]
    (1, [('192.0.2.1:50000', 1, 3), ('192.0.2.2:6881', 1, None)])
    """

    def __init__(self, ledger: Ledger, contacts: Contacts | None = None, metadata: Metainfo | None = None) -> None:
        self.ledger, self.metadata = ledger, metadata
        self.contacts = contacts or Contacts()
        self.geometry = Geometry.told(metadata) if metadata else Geometry.heard(ledger)
        self._peers: dict[Address, Peer] = {}
        self.sides = self._meet()
        """The peers at both ends of each link, by its number."""
        self.transfers: dict[tuple[Address, Address], Transfer] = {}
        _Replay(self).run()
        for peer in self.peers:
            self._come_and_go(peer)

    @property
    def info_hash(self) -> str:
        """The info-hash, lower-case hex: 64 digits of a torrent of version 2 whose metadata are known."""
        full = self.metadata.info_hash_v2 if self.metadata else None
        return full.hex() if full and full.hex().startswith(self.ledger.info_hash) else self.ledger.info_hash

    @property
    def name(self) -> str | None:
        """What it is called; None if that is not known."""
        return self.metadata.name.decode("utf-8", "backslashreplace") if self.metadata else None

    @property
    def peers(self) -> list[Peer]:
        """The peers, in the order in which they were met."""
        return list(self._peers.values())

    @property
    def span_ns(self) -> tuple[int, int]:
        """When the first and the last connection were seen, ns."""
        links = self.ledger.links
        if not links:
            return 0, 0
        return min(link.opened_ns for link in links), max(link.closed_ns for link in links)

    # ---- who is who

    def _meet(self) -> list[tuple[Peer, Peer]]:
        called = defaultdict(set, {ip: set(ports) for ip, ports in self.contacts.listening.items()})
        for link in self.ledger.links:
            called[link.ends[1][0]].add(link.ends[1][1])
        return [
            (self._at(self._listening(link, called), link, 0), self._at(link.ends[1], link, 1))
            for link in self.ledger.links
        ]

    def _at(self, address: Address, link: Link, way: int) -> Peer:
        peer = self._peers.setdefault(address, Peer(address))
        peer.links.append((link, way))
        return peer

    @staticmethod
    def _listening(link: Link, called: defaultdict[str, set[int]]) -> Address:
        """Return where the side listens that opened a connection."""
        ip, port = link.ends[0]
        if port in called[ip]:
            return ip, port
        if link.ports[0]:
            return ip, link.ports[0]
        if len(called[ip]) == 1:
            return ip, next(iter(called[ip]))
        return ip, port

    # ---- coming and going

    def _come_and_go(self, peer: Peer) -> None:
        events = [(when, event) for when, address, event in self.contacts.announced if address == peer.address]
        peer.joined_ns = min([link.opened_ns for link, _ in peer.links] + [when for when, _ in events])
        stopped = [when for when, event in events if event == "stopped"]
        last = max(link.closed_ns for link, _ in peer.links)
        if stopped:
            peer.left_ns = max(stopped)
        elif all(link.is_over for link, _ in peer.links) and last < self.span_ns[1]:
            peer.left_ns = last


class _Replay:
    """Goes through a ledger once and fills in peers and transfers."""

    def __init__(self, torrent: Torrent) -> None:
        self.torrent, self.ledger, self.geometry = torrent, torrent.ledger, torrent.geometry
        self.got: defaultdict[Peer, set[tuple[int, int]]] = defaultdict(set)
        self.filled: defaultdict[Peer, Counter[int]] = defaultdict(Counter)
        self.asked: defaultdict[tuple[Peer, int, int], set[int]] = defaultdict(set)

    def run(self) -> None:
        """Do it."""
        doing = {
            Type.have: self._have, Type.bitfield: self._bitfield, Type.have_all: self._have_all,
            Type.have_none: self._have_none, Type.donthave: self._donthave, Type.request: self._request,
            Type.cancel: self._cancel, Type.reject: self._rejected, Type.piece: self._piece, Type.closed: self._closed,
        }  # fmt: skip
        handlers = {int(kind): handler for kind, handler in doing.items()}
        sides = self.torrent.sides
        for said in self.ledger.said():
            handler = handlers.get(said.type)
            if handler is not None:
                speaker, listener = sides[said.link]
                if said.way:
                    speaker, listener = listener, speaker
                handler(said, speaker, listener)
        for peer in self.torrent.peers:
            self._complete(peer)

    # ---- what is announced

    def _hold(self, peer: Peer, pieces: Iterable[int], time_ns: int) -> None:
        for index in pieces:
            peer.held.setdefault(index, time_ns)

    def _first(self, peer: Peer, pieces: Iterable[int], time_ns: int) -> None:
        """Note what a peer says at the beginning of a connection; what it says so first, it had."""
        held = list(pieces)
        if peer.had is None:
            peer.had = set(held) - set(peer.held)
        self._hold(peer, held, time_ns)

    def _have(self, said: Said, speaker: Peer, _: Peer) -> None:
        if self.geometry.pieces is None or said.piece < self.geometry.pieces:
            speaker.held.setdefault(said.piece, said.time_ns)

    def _bitfield(self, said: Said, speaker: Peer, _: Peer) -> None:
        most = self.geometry.pieces
        held = ones(self.ledger.bitfields[said.piece])
        self._first(speaker, (index for index in held if most is None or index < most), said.time_ns)

    def _have_all(self, said: Said, speaker: Peer, _: Peer) -> None:
        self._first(speaker, range(self.geometry.pieces or 0), said.time_ns)

    def _have_none(self, said: Said, speaker: Peer, _: Peer) -> None:
        self._first(speaker, (), said.time_ns)

    def _donthave(self, said: Said, speaker: Peer, _: Peer) -> None:
        speaker.held.pop(said.piece, None)

    # ---- what is asked for and sent

    def _request(self, said: Said, taker: Peer, _: Peer) -> None:
        taker.requests += 1
        asked = self.asked[taker, said.piece, said.begin]
        if asked - {said.link}:
            taker.endgame += 1
            taker.endgame_ns = taker.endgame_ns or said.time_ns
        asked.add(said.link)

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
        giver.bytes_up += length
        taker.bytes_down += length
        giver.up_ns = (giver.up_ns or (now, now))[0], now
        taker.down_ns = (taker.down_ns or (now, now))[0], now
        key = (giver.address, taker.address)
        transfer = self.torrent.transfers.get(key)
        if transfer is None:
            transfer = self.torrent.transfers[key] = Transfer(giver, taker)
        transfer.first_ns, transfer.last_ns = transfer.first_ns or now, now
        transfer.bytes += length
        transfer.blocks += 1
        block = (said.piece, said.begin)
        if block in self.got[taker]:
            transfer.duplicates += 1
            taker.duplicates += 1
            taker.wasted += length
            return
        self.got[taker].add(block)
        self.filled[taker][said.piece] += length
        if self.filled[taker][said.piece] >= self.geometry.length_of(said.piece) > 0:
            taker.held.setdefault(said.piece, now)

    def _complete(self, peer: Peer) -> None:
        """Note when the last missing piece arrived."""
        pieces = self.geometry.pieces
        if pieces is None or len(peer.held) < pieces:
            return
        peer.was_complete = len(peer.had or ()) >= pieces
        missing = [when for index, when in peer.held.items() if index not in (peer.had or ())]
        peer.completed_ns = max(missing, default=None)
