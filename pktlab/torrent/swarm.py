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
from functools import cached_property

from pktlab.errors import WireError
from pktlab.torrent.contacts import HASH_LEN, Contacts
from pktlab.torrent.geometry import Geometry
from pktlab.torrent.ledger import Address, Ledger, Link
from pktlab.torrent.metadata import Parts
from pktlab.torrent.metainfo import Metainfo, parse_info
from pktlab.torrent.peers import Peer
from pktlab.torrent.replay import Replay

__all__ = ["HASH_LEN", "Contacts", "Peer", "Swarm", "Torrent"]

MAX_TORRENTS = 1 << 14
"""Torrents of which contacts are kept: a node of the DHT hears of thousands that nobody here shares."""
CLIENT_LEN = 8
"""Bytes of a peer id that name the client (BEP 20); libtorrent makes up the others for each connection."""


class Swarm:
    """The torrents of a capture, or of anything else that is listened to."""

    def __init__(self) -> None:
        self.ledgers: dict[str, Ledger] = {}
        self.contacts: dict[str, Contacts] = {}
        self.metadata: dict[str, Metainfo] = {}
        self.joined: dict[str, str] = {}
        """The info-hash that stands for each nickname of a stream whose torrent was not named."""
        self._parts: defaultdict[str, Parts] = defaultdict(Parts)
        self._same: dict[str, str] = {}

    def ledger(self, info_hash: str) -> Ledger:
        """Return the ledger of a torrent, a new one if it is not known."""
        if info_hash not in self.ledgers:
            self.ledgers[info_hash] = Ledger(info_hash)
        return self.ledgers[info_hash]

    def contacts_of(self, info_hash: str) -> Contacts:
        """Return what is told of the addresses of a torrent; new ones, kept unless there are too many."""
        found = self.contacts.get(info_hash)
        if found is None:
            found = Contacts()
            if len(self.contacts) < MAX_TORRENTS or info_hash in self.ledgers:
                self.contacts[info_hash] = found
        return found

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

    def same(self, info_hash: str, other: str) -> None:
        """Take it that two info-hashes are those of one torrent: a hybrid has one of each version (BEP 52)."""
        if info_hash != other and len(self._same) < MAX_TORRENTS:
            self._same[other] = info_hash

    def merge(self) -> None:
        """Make one of the torrents that are the same, under the hash of version 1; `joined` tells the other one."""
        for info_hash, found in list(self.metadata.items()):
            for one in found.wire_hashes[1:]:
                self.same(found.wire_hashes[0].hex(), one.hex())
            self.metadata.setdefault(self._same.get(info_hash, info_hash), found)
        for other, info_hash in self._same.items():
            if info_hash in self._same:  # said to be of both versions, so of neither
                continue
            if (ledger := self.ledgers.pop(other, None)) is not None:
                self.ledger(info_hash).absorb(ledger)
                self.joined[other] = info_hash
            if (told := self.contacts.pop(other, None)) is not None:
                self.contacts_of(info_hash).absorb(told)
        self._same.clear()

    def torrents(self) -> list[Torrent]:
        """Return what the torrents did, in the order in which they were met."""
        return [
            Torrent(ledger, self.contacts.get(info_hash), self.metadata.get(info_hash))
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
        self.sides = self._meet()
        """The peers at both ends of each link, by its number."""
        replay = Replay(ledger, self.geometry, self.sides, self.contacts)
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
        known = _Known(self.contacts, self.ledger)
        ends = [(known.listening(link, 0), known.listening(link, 1)) for link in self.ledger.links]
        sides = [
            (self._at(one, link, 0), self._at(other, link, 1))
            for link, (one, other) in zip(self.ledger.links, ends, strict=True)
        ]
        for (ip, peer_id), port in self.contacts.ids.items():
            self._at((ip, port)).announced_ids.append(peer_id)
        for _, address, _ in self.contacts.announced:
            self._at(address)
        return sides

    def _at(self, address: Address | None, link: Link | None = None, way: int = 0) -> Peer:
        """Return the peer at an address, with one more connection; one that is on no list if there is no address."""
        if address is None:
            return Peer(link.ends[way] if link is not None else ("", 0))
        peer = self._peers.setdefault(address, Peer(address))
        if link is not None:
            peer.links.append((link, way))
        return peer

    # ---- coming and going

    def _come_and_go(self, peer: Peer) -> None:
        events = [(when, event) for when, address, event in self.contacts.announced if address == peer.address]
        peer.joined_ns = min([link.opened_ns for link, _ in peer.links] + [when for when, _ in events])
        stopped = [when for when, event in events if event == "stopped"]
        ends = {link.ends[way] for link, way in peer.links} | {peer.address}
        peer.dropped_ns = [when for when, address in self.contacts.dropped if address in ends]
        last = max((link.closed_ns for link, _ in peer.links), default=self.span_ns[1])
        if stopped:
            peer.left_ns = max(stopped)
        elif all(link.is_over for link, _ in peer.links) and last < self.span_ns[1]:
            peer.left_ns = last


class _Known:
    """What tells where peers listen: their announces, who is called where, and what others name.

    called : ports by IP address that are called, or announced by who listens there; ids : ports by address and peer id
    named : ports by IP address that somebody names
    """

    def __init__(self, contacts: Contacts, ledger: Ledger) -> None:
        links = ledger.links
        self.speakers = ledger.speakers()
        self.called = defaultdict(set, {ip: set(ports) for ip, ports in contacts.own.items()})
        self.ids = dict(contacts.ids)
        self.named = contacts.listening
        self._callers: dict[tuple[str, bytes], int] = {}
        uses = Counter(end for link in links for end in link.ends)
        for link in links:
            for way, (ip, port) in enumerate(link.ends):
                # Who calls does so from another port each time: one that is used again listens.
                if (way == 1 and link.was_opened) or (not link.was_opened and uses[ip, port] > 1):
                    self.called[ip].add(port)
                    self.ids.setdefault((ip, link.peer_ids[way]), port)

    def listening(self, link: Link, way: int) -> Address | None:
        """Return where a side listens; if nothing tells, the first port that it called from stands for it.

        None of who shook hands and said no more, if it can be any of several: it may even be who it called.
        """
        (ip, port), peer_id = link.ends[way], link.peer_ids[way]
        called, named = self.called.get(ip, set()), self.named.get(ip, set())
        is_its = link.transport == "utp" or (way == 1 and link.was_opened) or not link.ports[way]
        if is_its and (port in called or port in named):
            return ip, port
        if link.ports[way]:
            return ip, link.ports[way]
        if peer_id and (ip, peer_id) in self.ids:
            return ip, self.ids[ip, peer_id]
        for ports in (called, named):
            if len(ports) == 1:
                return ip, next(iter(ports))
        if len({*called, *named}) > 1 and (link.number, way) not in self.speakers:
            return None
        return ip, self._callers.setdefault((ip, peer_id[:CLIENT_LEN]), port)
