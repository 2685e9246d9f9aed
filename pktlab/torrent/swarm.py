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
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property

from pktlab.errors import WireError
from pktlab.torrent.geometry import Geometry
from pktlab.torrent.ledger import Address, Ledger, Link
from pktlab.torrent.metadata import Parts
from pktlab.torrent.metainfo import Metainfo, parse_info
from pktlab.torrent.peers import Peer
from pktlab.torrent.replay import Replay

__all__ = ["Contacts", "Peer", "Swarm", "Torrent"]

CLIENT_LEN = 8
"""Bytes of a peer id that name the client (BEP 20); libtorrent makes up the others for each connection."""


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


class Swarm:
    """The torrents of a capture, or of anything else that is listened to."""

    def __init__(self) -> None:
        self.ledgers: dict[str, Ledger] = {}
        self.contacts: defaultdict[str, Contacts] = defaultdict(Contacts)
        self.metadata: dict[str, Metainfo] = {}
        self.joined: dict[str, str] = {}
        """The info-hash that stands for each nickname of a stream whose torrent was not named."""
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

    >>> from pktlab.torrent.ledger import Type
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
        self._callers: dict[tuple[str, bytes], int] = {}
        self.sides = self._meet()
        """The peers at both ends of each link, by its number."""
        replay = Replay(ledger, self.geometry, self.sides)
        replay.run()
        self.transfers = replay.transfers
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

    @cached_property
    def span_ns(self) -> tuple[int, int]:
        """When the first and the last connection were seen, ns."""
        links = self.ledger.links
        if not links:
            return 0, 0
        return min(link.opened_ns for link in links), max(link.closed_ns for link in links)

    # ---- who is who

    def _meet(self) -> list[tuple[Peer, Peer]]:
        called = defaultdict(set, {ip: set(ports) for ip, ports in self.contacts.listening.items()})
        uses = Counter(end for link in self.ledger.links for end in link.ends)
        for link in self.ledger.links:
            for way, (ip, port) in enumerate(link.ends):
                # Who calls does so from another port each time: one that is used again listens.
                if (way == 1 and link.was_opened) or (not link.was_opened and uses[ip, port] > 1):
                    called[ip].add(port)
        return [
            (self._at(self._listening(link, 0, called), link, 0), self._at(self._listening(link, 1, called), link, 1))
            for link in self.ledger.links
        ]

    def _at(self, address: Address, link: Link, way: int) -> Peer:
        peer = self._peers.setdefault(address, Peer(address))
        peer.links.append((link, way))
        return peer

    def _listening(self, link: Link, way: int, called: defaultdict[str, set[int]]) -> Address:
        """Return where a side listens; if nothing tells, the first port that it called from stands for it."""
        ip, port = link.ends[way]
        if port in called[ip]:
            return ip, port
        if link.ports[way]:
            return ip, link.ports[way]
        if len(called[ip]) == 1:
            return ip, next(iter(called[ip]))
        return ip, self._callers.setdefault((ip, link.peer_ids[way][:CLIENT_LEN]), port)

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
