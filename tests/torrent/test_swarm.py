"""What a swarm did, held against what its clients say of themselves; and small swarms made up word by word."""

from __future__ import annotations

import os
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jsonschema
import pytest

import pktlab
from pktlab.capture import open_writer
from pktlab.flows.keys import FlowKey
from pktlab.flows.reassembly import Reassembly
from pktlab.flows.stream_table import Stream, Told
from pktlab.flows.streams import Begin, Data, End, Why
from pktlab.jsontext import json_schema
from pktlab.torrent.choking import choking_of
from pktlab.torrent.clients import client_of
from pktlab.torrent.ledger import Ledger, Type
from pktlab.torrent.listening import Listener, swarm_of
from pktlab.torrent.pictures import swarm_picture
from pktlab.torrent.rarest import rarest_of
from pktlab.torrent.report import swarm_document
from pktlab.torrent.swarm import Contacts, Swarm, Torrent
from pktlab.wire.apps.bittorrent.peer import (
    Bitfield,
    Extended,
    Handshake,
    Have,
    HaveNone,
    Interested,
    Piece,
    Request,
    Unchoke,
)

from .conftest import heard

ROOT = Path(__file__).resolve().parents[2]
BLOCK = 1 << 14
S = 1_000_000_000
A, B, C = ("192.0.2.1", 6881), ("192.0.2.2", 6881), ("192.0.2.3", 6881)


# ---- real swarms


def test_the_torrent_and_everybody_who_takes_part(swarm: Any) -> None:
    truth, torrent = swarm.truth, swarm.torrent
    assert (torrent.info_hash, torrent.geometry.pieces) == (truth["info_hash"], truth["pieces"])
    assert torrent.geometry.piece_length == truth["piece_length"]
    assert {peer.address for peer in torrent.peers} >= {
        (host["ip"], 6881) for host in truth["hosts"].values() if host["client"] != "transmission"
    }
    for host in truth["hosts"].values():
        peer = swarm.peer(host["ip"])
        assert peer.client.lower().startswith(host["client"])
        assert len(peer.held) == truth["pieces"]
        assert peer.was_complete == (host["role"] == "seed")
        if host["role"] == "leecher":
            assert sorted(peer.had or ()) == host["had"]


def test_when_each_leecher_had_everything(swarm: Any) -> None:
    for host in swarm.truth["hosts"].values():
        completed = swarm.peer(host["ip"]).completed_ns
        if host["role"] == "seed":
            assert completed is None
        else:  # its files were compared four times a second; the machine may have been busy
            assert completed is not None
            assert -1.5 < completed / S - host["completed"] < 1.0


def test_bytes_are_those_that_libtorrent_counts(swarm: Any) -> None:
    for host in swarm.truth["hosts"].values():
        if host["client"] == "libtorrent":
            # libtorrent counts the bytes of blocks that were cut off too: of each connection that ended, one at most
            peer = swarm.peer(host["ip"])
            assert abs(peer.bytes_down - host["downloaded"]) <= 2 * BLOCK * len(peer.links)
            assert abs(peer.wasted - host["wasted"]) <= 2 * BLOCK * len(peer.links)


def test_bytes_of_each_pair_are_those_that_both_ends_count(swarm: Any) -> None:
    hosts = {host["ip"]: host for host in swarm.truth["hosts"].values() if host["client"] == "libtorrent"}
    pairs = 0
    for giver, host in hosts.items():
        for taker, counts in host["peers"].items():
            if taker not in hosts or giver not in hosts[taker]["peers"]:
                continue
            gave, got = counts["uploaded"], hosts[taker]["peers"][giver]["downloaded"]
            if abs(gave - got) <= BLOCK:  # where they differ by more, a connection was replaced between two looks
                pairs += 1
                assert abs(swarm.given(giver, taker) - gave) <= 2 * BLOCK
    assert pairs >= 2


def test_peer_ids_are_those_that_the_others_saw(swarm: Any) -> None:
    for host in swarm.truth["hosts"].values():
        for ip, peer_id in host.get("peer_ids", {}).items():
            assert bytes.fromhex(peer_id) in swarm.peer(ip).peer_ids
    assert [peer.failures for peer in swarm.torrent.peers if peer.failures] == []


def test_the_document_is_as_its_schema_says(swarm: Any) -> None:
    document = swarm_document([swarm.torrent])
    jsonschema.validate(document, json_schema("bt-swarm"))
    (told,) = document["torrents"]
    assert sum(peer["bytes_down"] for peer in told["peers"]) == sum(one["bytes"] for one in told["transfers"])
    assert swarm_picture(swarm.torrent).svg().endswith("</svg>\n")


def test_foreign_swarms(foreign: Any) -> None:
    truth, torrent = foreign.truth, foreign.torrent
    assert torrent.info_hash == truth["info_hash"]
    leechers = [ip for ip, host in truth["hosts"].items() if host[1] == "leech" and ip in truth["done"]]
    for ip in leechers:
        peer = foreign.peer(ip)
        assert len(peer.held) == torrent.geometry.pieces
        assert peer.bytes_down - peer.wasted == torrent.geometry.pieces * torrent.geometry.piece_length
    # `done` is when somebody looked, every 2.1 s, and counts from a moment after `t0`: by it the leecher of `mseplain`
    # had everything 2 s before it came. So all are late by the same time, but for the 2.1 s in which nobody looked.
    late = [foreign.peer(ip).completed_ns / S - truth["t0"] - truth["done"][ip] for ip in leechers]
    assert max(late) - min(late) < 2.1


@pytest.mark.parametrize("name", ["plain", "mseplain", "udptrk", "utploss"])
def test_each_client_says_soon_that_it_is_complete(name: str) -> None:
    """A client tells its tracker when it has everything, on the wire, so by the same clock: libtorrent at once."""
    folder = os.environ.get("PKTLAB_SWARMS")
    if not folder or not Path(folder).is_dir():
        pytest.skip("PKTLAB_SWARMS names no folder of captured swarms")
    check_completions(heard(Path(folder) / f"{name}.pcap.zst").torrent)


@pytest.mark.parametrize("name", ["tcp", "trading", "udp-tracker", "utp", "ipv6"])
def test_each_client_of_ours_says_soon_that_it_is_complete(name: str) -> None:
    check_completions(heard(ROOT / "pcaps" / "swarms" / f"{name}.pcap.zst").torrent)


def check_completions(torrent: Torrent) -> None:
    """Compare `completed_ns` with the announces of event "completed" (BEP 3)."""
    told = {address: when for when, address, event in torrent.contacts.announced if event == "completed"}
    late = [(told[peer.address] - (peer.completed_ns or 0)) / S for peer in torrent.peers if peer.address in told]
    assert late
    assert all(0 <= one < 2 for one in late)


def test_pieces_are_held_when_libtorrent_says_so(trading: Any) -> None:
    """Its log has a piece when its hash was checked: the last block was on the wire just before."""
    for host in trading.truth["hosts"].values():
        held = trading.peer(host["ip"]).held
        own = [(when - held[piece] / S) for when, piece in host["pieces"] if piece not in host["had"]]
        if host["role"] == "leecher":
            assert len(own) == 64 - len(host["had"])
            assert all(-0.01 < one < 0.3 for one in own)


# ---- made up


def ledger_of(*messages: tuple[float, int, int, int] | tuple[float, int, int, int, int, int, int]) -> Ledger:
    """Return a ledger of A, who opens link 0 to B and link 1 to C, with messages (s, link, way, type, ...)."""
    ledger = Ledger("ab" * 20)
    links = [ledger.link("tcp", ((A[0], 50000 + n), end), 0) for n, end in enumerate((B, C))]
    for when, link, *rest in messages:
        ledger.say(round(when * S), links[link], *rest)
    return ledger


def block(when: float, link: int, piece: int, number: int) -> tuple[float, int, int, int, int, int, int]:
    """Return the message in which the other side gives A a block."""
    return (when, link, 1, Type.piece, piece, number * BLOCK, BLOCK)


def test_who_calls_from_any_port_listens_where_it_says() -> None:
    ledger = ledger_of((1, 0, 0, Type.have_none))
    assert [peer.address for peer in Torrent(ledger).peers[:1]] == [(A[0], 50000)]
    ledger.links[0].ports[0] = ledger.links[1].ports[0] = 6881
    assert [peer.address for peer in Torrent(ledger).peers] == [A, B, C]
    announced = Contacts()
    announced.announce(0, A)
    assert Torrent(ledger_of((1, 0, 0, Type.have_none)), announced).peers[0].address == A


def test_a_piece_is_held_when_its_last_block_arrived() -> None:
    contacts = Contacts()
    contacts.announce(0, A)
    ledger = ledger_of(
        (1, 0, 1, Type.have_all), (1, 0, 0, Type.have_none),
        (2, 0, 0, Type.request, 0, BLOCK, BLOCK), (2, 0, 0, Type.request, 1, 0, BLOCK),
        block(3, 0, 1, 0), block(4, 0, 0, 1), block(5, 1, 0, 0), block(6, 1, 0, 0), block(7, 0, 1, 1),
        (8, 0, 0, Type.have, 1, 0, 0),
    )  # fmt: skip
    torrent = Torrent(ledger, contacts)
    peer = torrent.peers[0]
    assert peer.held == {0: 5 * S, 1: 7 * S}
    assert (peer.completed_ns, peer.duplicates, peer.wasted) == (7 * S, 1, BLOCK)
    assert [(one.bytes, one.blocks, one.duplicates) for one in torrent.transfers.values()] == [
        (3 * BLOCK, 3, 0), (2 * BLOCK, 2, 1),
    ]  # fmt: skip


def test_who_had_everything_was_never_completed() -> None:
    torrent = Torrent(ledger_of((1, 0, 1, Type.have_all), block(2, 0, 3, 0)))
    seed = next(peer for peer in torrent.peers if peer.address == B)
    assert (len(seed.held), seed.was_complete, seed.completed_ns) == (4, True, None)


def test_a_block_asked_for_twice_is_end_game_only_while_the_first_waits() -> None:
    asked = [(1, 0, 0, Type.request, 0, 0, BLOCK), (2, 1, 0, Type.request, 0, 0, BLOCK)]
    assert Torrent(ledger_of(*asked)).peers[0].endgame + Torrent(ledger_of(*asked)).peers[2].endgame <= 1
    contacts = Contacts()
    contacts.announce(0, A)
    assert Torrent(ledger_of(*asked), contacts).peers[0].endgame == 1
    rejected = (1.5, 0, 1, Type.reject, 0, 0, BLOCK)
    assert Torrent(ledger_of(asked[0], rejected, asked[1]), contacts).peers[0].endgame == 0


def test_a_piece_that_is_whole_and_asked_for_again_had_a_wrong_hash() -> None:
    contacts = Contacts()
    contacts.announce(0, A)

    def asked(when: float, number: int) -> tuple[float, int, int, int, int, int, int]:
        return (when, 0, 0, Type.request, 0, number * BLOCK, BLOCK)

    first = [(1, 0, 1, Type.have_all), asked(1, 0), asked(1, 1), block(2, 0, 0, 0), block(3, 0, 0, 1)]
    once_more = [asked(4, 0), block(4.5, 0, 0, 0), asked(5, 1), block(6, 0, 0, 1)]
    peer = Torrent(ledger_of(*first, *once_more), contacts).peers[0]
    assert (peer.failures, peer.held) == ([(3 * S, 0)], {0: 6 * S})
    for harmless in (once_more[:2], [(3.5, 0, 0, Type.have, 0, 0, 0), *once_more]):
        peer = Torrent(ledger_of(*first, *harmless), contacts).peers[0]
        assert (peer.failures, peer.held) == ([], {0: 3 * S})


def test_clients_by_their_peer_ids() -> None:
    assert client_of(b"-qB4620-" + bytes(12)) == "qBittorrent 4.6.2"
    assert client_of(b"-TR4050-" + bytes(12)) == "Transmission 4.0.5"
    assert client_of(b"M7-10-5--" + bytes(11)) == "Mainline 7.10.5"
    assert client_of(b"S58B-----" + bytes(11)) == "Shadow 5.8.11"
    assert client_of(bytes(20)) == client_of(b"") == client_of(b"-??0000-" + bytes(12)) == ""


def test_a_capture_that_starts_in_the_middle_knows_the_torrent(tmp_path: Path) -> None:
    whole = pktlab.open(ROOT / "pcaps" / "swarms" / "tcp.pcap.zst")
    later = tmp_path / "later.pcap"
    with open_writer(later, link_type=1, nanoseconds=True) as writer:
        for record in list(whole.reader)[6000:]:
            writer.write(record)
    (torrent,) = swarm_of(pktlab.open(later)).torrents()
    assert torrent.info_hash == "c2d841c4f0834017b776315da39fd5684489c2dd"
    assert sorted(peer.address[0] for peer in torrent.peers) == [f"10.99.0.{number}" for number in range(2, 7)]


def test_one_liar_makes_no_torrent_larger() -> None:
    liar = (2, 0, 1, Type.have, (1 << 32) - 1, 0, 0)
    torrent = Torrent(ledger_of((1, 0, 1, Type.have_all), liar, block(3, 0, 2, 0)))
    assert torrent.geometry.pieces == 3
    assert Torrent(ledger_of((1, 0, 1, Type.have_all), (2, 0, 1, Type.have, 1 << 20, 0, 0))).geometry.pieces is None


def spoilt(data: bytearray, dice: random.Random) -> bytes:
    """Return a stream with a few bytes changed, taken out, or put in."""
    for _ in range(dice.randint(1, 6)):
        at = dice.randrange(len(data))
        kind = dice.randrange(3)
        if kind == 0:
            data[at] = dice.choice((0, 1, 4, 5, 7, 20, 255, dice.randrange(256)))
        elif kind == 1:
            del data[at : at + dice.randint(1, 40)]
        else:
            data[at:at] = dice.randbytes(dice.randint(1, 40))
    return bytes(data)


def conversation(dice: random.Random) -> tuple[bytearray, bytearray]:
    """Return what two peers say: handshakes, pieces that are there, requests and blocks."""
    out, back = bytearray(), bytearray()
    for stream, octet in ((out, b"a"), (back, b"b")):
        stream += Handshake(info_hash=b"h" * 20, peer_id=octet * 20, reserved=b"\0\0\0\0\0\x10\0\5").build()
        stream += Extended(id=0, payload=b"d1:md11:ut_metadatai2e6:ut_pexi1ee1:pi6881ee").build()
    back += Bitfield(bitfield=b"\xff\xf0").build() + Unchoke().build()
    out += HaveNone().build() + Interested().build()
    for piece in range(3):
        out += Request(index=piece, begin=0, length=64).build() + Have(index=piece).build()
        back += Piece(index=piece, begin=0, data=dice.randbytes(64)).build()
    out += Extended(id=1, payload=b"d5:added6:" + dice.randbytes(6) + b"e").build()
    back += Extended(id=2, payload=b"d8:msg_typei1e5:piecei0e10:total_sizei9ee" + b"d4:name1:").build()
    return out, back


def heard_all(ways: Sequence[bytes]) -> Swarm:
    """Return the swarm of one stream, each way of which comes in one piece."""
    stream = Stream("tcp", 0, FlowKey("tcp", "192.0.2.1", 50000, "192.0.2.2", 6881), Reassembly())
    listener = Listener(Swarm())
    for way, data in enumerate(ways):
        listener.hear([Told(stream, Begin(way, 0, True, 1, 5))])
        listener.hear([Told(stream, Data(way, 0, data, (1,), (len(data),), (7,)))])
    for way, data in enumerate(ways):
        listener.hear([Told(stream, End(way, len(data), Why.fin, 2, 9))])
    return listener.end()


def test_whatever_peers_say_there_is_an_answer() -> None:
    dice = random.Random(11)
    (whole,) = heard_all(list(map(bytes, conversation(dice)))).torrents()
    assert (whole.geometry.pieces, [len(peer.held) for peer in whole.peers]) == (12, [3, 12])
    for _ in range(400):
        for torrent in heard_all([spoilt(way, dice) for way in conversation(dice)]).torrents():
            document = swarm_document([torrent])
            assert sum(map(len, torrent.ledger.bitfields)) < 1 << 12
            assert all(
                peer["pieces"] <= (torrent.geometry.pieces or 1 << 22) for peer in document["torrents"][0]["peers"]
            )
            choking_of(torrent)
            rarest_of(torrent)


def test_a_capture_without_peers() -> None:
    assert swarm_of(pktlab.open(ROOT / "pcaps" / "first-light.pcapng")).torrents() == []
