"""Swarms of other kinds: hybrid torrents, several peers behind one address, seeds that hide, encryption, padding.

Each was first seen in a swarm of real libtorrent peers; here it is made up, small.
"""

from __future__ import annotations

import hashlib
import random
from pathlib import Path
from typing import Any

from pktlab.flows.keys import FlowKey
from pktlab.flows.reassembly import Reassembly
from pktlab.flows.stream_table import Stream, Told
from pktlab.flows.streams import Begin, Data, End, Why
from pktlab.torrent.choking import choking_of
from pktlab.torrent.connection import PeerConnection
from pktlab.torrent.contacts import Contacts
from pktlab.torrent.events import Violation
from pktlab.torrent.extract import BlockStore, extract
from pktlab.torrent.geometry import Geometry
from pktlab.torrent.ledger import Ledger, Type
from pktlab.torrent.listening import Listener
from pktlab.torrent.metainfo import parse_info
from pktlab.torrent.report import swarm_document
from pktlab.torrent.swarm import Swarm, Torrent
from pktlab.wire.apps.bittorrent.peer import Handshake, HaveAll, HaveNone, Interested, Piece, Request
from pktlab.wire.bencode import encode

S, BLOCK = 1_000_000_000, 1 << 14
A, B, C = "192.0.2.1", "192.0.2.2", "192.0.2.3"
V1, V2 = b"1" * 20, b"2" * 20
BOTH, ONE = b"\0\0\0\0\0\x10\0\x14", b"\0\0\0\0\0\x10\0\4"


class Listening:
    """Hears streams, each told in one go."""

    def __init__(self) -> None:
        self.listener, self.count = Listener(Swarm()), 0

    def hear(self, src: str, dst: str, out: bytes, back: bytes) -> None:
        key = FlowKey("tcp", src, 50000 + self.count, dst, 6881)
        stream = Stream("tcp", self.count, key, Reassembly())
        self.count += 1
        told = [Told(stream, Begin(way, 0, True, 1, 5)) for way in (0, 1)]
        for way, data in ((0, out), (1, back)):
            told += [Told(stream, Data(way, 0, data, (1,), (len(data),), (7 + way,)))] if data else []
        told += [Told(stream, End(way, len((out, back)[way]), Why.fin, 2, 9)) for way in (0, 1)]
        self.listener.hear(told)


def hello(info_hash: bytes, reserved: bytes, octet: bytes) -> bytes:
    return Handshake(info_hash=info_hash, peer_id=b"-LT2110-" + octet * 12, reserved=reserved).build()


# ---- hybrid torrents


def test_both_hashes_of_a_hybrid_are_one_swarm() -> None:
    """A is called with the hash of version 1 and answers with that of version 2; C calls with that at once."""
    own = Listening()
    given = HaveAll().build() + Piece(index=0, begin=0, data=b"x" * 64).build()
    asked = HaveNone().build() + Interested().build() + Request(index=0, begin=0, length=64).build()
    own.hear(C, A, hello(V2, ONE, b"c") + asked, hello(V2, ONE, b"a") + given)
    own.hear(B, A, hello(V1, BOTH, b"b") + asked, hello(V2, ONE, b"a") + given)
    own.listener.swarm.contacts_of(V2.hex()).announce(3, (C, 6882), "started", b"-LT2110-" + b"c" * 12)
    (torrent,) = own.listener.end().torrents()
    assert (torrent.info_hash, len(torrent.ledger.links)) == (V1.hex(), 2)
    assert [(peer.name, len(peer.held), peer.bytes_up) for peer in torrent.peers] == [
        (f"{B}:50001", 1, 0), (f"{A}:6881", 1, 128), (f"{C}:6882", 1, 0),
    ]  # fmt: skip
    assert own.listener.swarm.joined == {V2.hex(): V1.hex()}


def test_an_answer_with_another_hash_is_wrong_without_the_bit() -> None:
    for reserved, wrong in ((BOTH, 0), (ONE, 1)):
        connection = PeerConnection()
        told = connection.receive(0, hello(V1, reserved, b"a"), now=1)
        told += connection.receive(1, hello(V2, ONE, b"b"), now=2)
        assert sum(isinstance(one, Violation) for one in told) == wrong


def test_messages_of_two_ledgers_in_one() -> None:
    first, second = Ledger("11" * 20), Ledger("22" * 20)
    for ledger, octets in ((first, b"\x80"), (second, b"\xc0")):
        link = ledger.link("tcp", ((A, 1), (B, 2)), 0)
        ledger.say_bitfield(5, link, 0, octets)
        ledger.say(6, link, 1, Type.request, 1, 2, 3)
    first.absorb(second)
    said = list(first.said())
    assert [(one.link, one.way, one.type) for one in said] == [(0, 0, 5), (1, 0, 5), (0, 1, 6), (1, 1, 6)]
    assert [first.bitfields[one.piece] for one in said[:2]] == [b"\x80", b"\xc0"]
    assert [link.number for link in first.links] == [0, 1]


# ---- who is who


def test_callers_that_only_shake_hands_behind_a_busy_address_are_nobody() -> None:
    """libtorrent calls even itself so; whom of the peers there it was, nothing tells."""
    contacts = Contacts()
    contacts.announce(1, (A, 7001))
    contacts.announce(1, (A, 7002))
    ledger = Ledger(V1.hex())
    link = ledger.link("tcp", ((A, 50000), (A, 7001)), 1)
    ledger.say(2, link, 1, Type.have_all)
    ledger.say(3, link, 1, Type.unchoke)
    spoken = ledger.link("tcp", ((A, 50001), (A, 7001)), 1)
    ledger.say(4, spoken, 0, Type.have_none)
    torrent = Torrent(ledger, contacts)
    assert [peer.name for peer in torrent.peers] == [f"{A}:7001", f"{A}:50001", f"{A}:7002"]
    assert choking_of(torrent).choosers == []
    assert swarm_document([torrent])["torrents"][0]["peers"][0]["pieces"] == 0


def test_encrypted_connections_are_their_peers_and_announces_tell_the_rest() -> None:
    dice = random.Random(2)
    own = Listening()
    contacts = own.listener.swarm.contacts_of(V1.hex())
    for ip, left in ((A, 0), (B, 5)):
        contacts.announce(2, (ip, 6881), "started", b"-TR3000-" + ip.encode()[:12], left)
    contacts.announce(8, (B, 6881), "completed", left=0)
    own.hear(B, A, dice.randbytes(300), dice.randbytes(400))
    own.hear(C, "192.0.2.77", dice.randbytes(300), dice.randbytes(400))  # nobody announced that
    (torrent,) = own.listener.end().torrents()
    (link,) = torrent.ledger.links
    assert (link.is_encrypted, link.length, link.unknown) == (True, [300, 400], [300, 400])
    assert [(peer.name, peer.client, peer.was_complete, peer.completed_ns) for peer in torrent.peers] == [
        (f"{B}:6881", "Transmission 3.00", False, 8), (f"{A}:6881", "Transmission 3.00", True, None),
    ]  # fmt: skip


# ---- who has what


def gave(*, wanted: bool) -> Torrent:
    """Return a torrent in which B says it has nothing, tells A of two pieces one by one, and gives them."""
    ledger = Ledger(V1.hex())
    link = ledger.link("tcp", ((A, 50000), (B, 6881)), 0)
    ledger.say_bitfield(1, link, 0, b"\0")
    ledger.say(1, link, 1, Type.have_none)
    if wanted:
        ledger.say(1, link, 1, Type.interested)
    for piece in (0, 1):
        ledger.say((2 + piece) * S, link, 1, Type.have, piece)
        ledger.say((3 + piece) * S, link, 0, Type.request, piece, 0, BLOCK)
        ledger.say((4 + piece) * S, link, 1, Type.piece, piece, 0, BLOCK)
    return Torrent(ledger)


def test_a_seed_that_hides_what_it_has_is_a_seed() -> None:
    hiding, leeching = (gave(wanted=wanted).peers[1] for wanted in (False, True))
    assert (hiding.was_complete, hiding.completed_ns) == (True, None)
    assert (leeching.was_complete, leeching.completed_ns) == (False, 3 * S)


def test_who_announces_that_nothing_is_left_had_what_did_not_arrive() -> None:
    def told(left_s: float) -> Any:
        ledger = Ledger(V1.hex())
        link = ledger.link("tcp", ((A, 50000), (B, 6881)), 0)
        ledger.say(1, link, 1, Type.have_all)
        ledger.say(2 * S, link, 1, Type.piece, 0, 0, BLOCK)
        ledger.say(4 * S, link, 1, Type.piece, 2, 0, BLOCK)
        contacts = Contacts()
        contacts.announce(round(left_s * S), (A, 6881), "started", left=0)
        return Torrent(ledger, contacts).peers[0]

    assert [(len(one.held), one.had, one.completed_ns) for one in (told(5), told(3))] == [
        (3, {1}, 4 * S), (2, None, None),  # a piece came later, so it was not true
    ]  # fmt: skip


def test_blocks_that_replace_wrong_ones_did_not_come_twice() -> None:
    ledger = Ledger(V1.hex())
    link = ledger.link("tcp", ((A, 50000), (B, 6881)), 0)
    ledger.say(1, link, 1, Type.have_all)
    for now in (1, 5):
        for number in (0, 1):
            ledger.say((now + number) * S, link, 0, Type.request, 0, number * BLOCK, BLOCK)
            ledger.say((now + number) * S + 1, link, 1, Type.piece, 0, number * BLOCK, BLOCK)
    torrent = Torrent(ledger)
    taker, (transfer,) = torrent.peers[0], torrent.transfers.values()
    assert (len(taker.failures), taker.duplicates, taker.wasted, transfer.duplicates) == (1, 0, 0, 0)
    assert (taker.bytes_down, taker.held) == (4 * BLOCK, {0: 6 * S + 1})


# ---- padding


def test_padding_is_not_sent_and_not_missed(tmp_path: Path) -> None:
    """BEP 47: libtorrent asks for no block that lies in padding wholly."""
    data, pad, length = b"a" * 20_000, 2 * BLOCK - 20_000, 2 * BLOCK
    whole = data + bytes(pad) + b"b" * 5
    hashes = b"".join(hashlib.sha1(whole[at : at + length]).digest() for at in (0, length))
    files: list[dict[bytes, Any]] = [{b"length": len(data), b"path": [b"a.bin"]}]
    files += [{b"attr": b"p", b"length": pad, b"path": [b".pad", b"%d" % pad]}, {b"length": 5, b"path": [b"b.bin"]}]
    metainfo = parse_info(encode({b"files": files, b"name": b"both", b"piece length": length, b"pieces": hashes}))
    assert Geometry.told(metainfo) == Geometry(2, length, 5, {0: 20_000, 1: 5})
    info_hash = metainfo.wire_hashes[0].hex()
    with BlockStore() as store:
        store.add(info_hash, 1, 0, 0, data[:BLOCK])
        store.add(info_hash, 1, 0, BLOCK, data[BLOCK:])
        store.add(info_hash, 1, 1, 0, b"b" * 5)
        made = extract(store, Torrent(Ledger(info_hash), metadata=metainfo), tmp_path)
    assert (made.good, made.missing) == ((0, 1), ())
    assert [path.read_bytes() for path in made.files] == [data, b"b" * 5]
