"""Spoilt connections: from TCP segments to what is said of a swarm there is an answer, whatever was done to them."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import pytest

from pktlab.flows.keys import FlowKey
from pktlab.flows.reassembly import Segment
from pktlab.flows.stream_table import StreamTable
from pktlab.torrent.choking import choking_of
from pktlab.torrent.listening import Listener
from pktlab.torrent.rarest import rarest_of
from pktlab.torrent.report import choking_document, rarest_document, swarm_document
from pktlab.torrent.swarm import Swarm
from pktlab.wire.apps.bittorrent import peer
from pktlab.wire.bencode import encode
from pktlab.wire.tcp import TcpFlags

S = 1_000_000_000
KEY = FlowKey("tcp", "192.0.2.1", 50000, "192.0.2.2", 6881)
RESERVED = b"\0\0\0\0\0\x10\0\5"
INFO = b"d6:lengthi1024e4:name1:a12:piece lengthi256e6:pieces0:e"
SYN, FIN, ACK = TcpFlags.syn.mask, TcpFlags.fin.mask, TcpFlags.ack.mask
LIKELY = (0, 1, 4, 5, 6, 7, 13, 20, 0x13, 0x64, 0x65, 0x80, 255)


def talk() -> list[tuple[int, bytes]]:
    """Return what two peers say in their turns: most kinds of messages, short blocks."""
    said: list[tuple[int, bytes]] = []
    for way in (0, 1):
        hello = peer.Handshake(info_hash=b"h" * 20, peer_id=b"-LT2110-" + bytes([97 + way]) * 12, reserved=RESERVED)
        numbers = {b"m": {b"ut_pex": 1, b"ut_metadata": 2, b"lt_donthave": 3}, b"p": 6881, b"v": b"peer"}
        said.append((way, hello.build() + peer.Extended(id=0, payload=encode(numbers)).build()))
    said += [(0, peer.HaveNone().build()), (1, peer.Bitfield(bitfield=b"\xf0").build() + peer.Unchoke().build())]
    said += [(0, peer.Interested().build()), (1, peer.AllowedFast(index=2).build())]
    part = encode({b"msg_type": 1, b"piece": 0, b"total_size": len(INFO)}) + INFO
    pex = {b"added": bytes([192, 0, 2, 3, 26, 225]), b"added.f": b"\2", b"dropped": bytes([192, 0, 2, 4, 26, 225])}
    said += [(1, peer.Extended(id=2, payload=part).build() + peer.Extended(id=1, payload=encode(pex)).build())]
    for piece in range(4):
        asked = [peer.Request(index=piece, begin=begin, length=64) for begin in (0, 64, 128, 192)]
        said.append((0, b"".join(one.build() for one in asked)))
        given = [peer.Piece(index=piece, begin=one.begin, data=b"p%03d o%07d.... " % (piece, one.begin) * 4)
                 for one in asked]  # fmt: skip
        said.append((1, b"".join(one.build() for one in given)))
        said.append((0, peer.Have(index=piece).build()))
    said += [(1, peer.Choke().build() + peer.Extended(id=3, payload=bytes(4)).build())]
    return [*said, (0, peer.NotInterested().build() + peer.KeepAlive().build())]


TALK = talk()


def spoilt(data: bytes, dice: random.Random) -> bytes:
    """Return bytes of which some are changed, taken out, put in, or said twice."""
    said = bytearray(data)
    at = dice.randrange(len(said))
    kind = dice.randrange(5)
    if kind == 0:
        said[at] = dice.choice((*LIKELY, dice.randrange(256)))
    elif kind == 1:
        said[at : at + 4] = dice.choice((b"\xff\xff\xff\xff", b"\0\0\0\0", b"\0\1\0\0", b"\0\0\0\1"))
    elif kind == 2:
        del said[at : at + dice.choice((1, 4, 40))]
    elif kind == 3:
        said[at:at] = dice.choice((b"\0", b"\0\0\0\1", b"d" * 30, b"l" * 60, dice.randbytes(20)))
    else:
        said[at:at] = said[dice.randrange(len(said)) :]
    return bytes(said)


def segments(dice: random.Random) -> Iterator[Segment]:
    """Yield a connection with up to five faults: in its messages, or in the segments that carry them."""
    said = [(way, spoilt(data, dice) if dice.random() < 0.12 else data) for way, data in TALK]
    begun = [dice.randrange(1 << 32), dice.choice((0, (1 << 32) - 300))]
    found = [Segment(way, begun[way], -1, SYN, b"", 0, 1, S) for way in (0, 1)]
    seqs = [begun[0] + 1, begun[1] + 1]
    for now, (way, data) in enumerate(said, 2):
        size = dice.choice((len(data), 50, 300)) or 1
        for at in range(0, len(data), size):
            part, missing = data[at : at + size], 0
            if dice.random() < 0.01:
                part, missing = part[: len(part) // 2], len(part) - len(part) // 2
            seq, ack = seqs[way] & 0xFFFFFFFF, seqs[1 - way] & 0xFFFFFFFF
            found.append(Segment(way, seq, ack, ACK, part, missing, now, now * S))
            seqs[way] += len(part) + missing
    for way in (0, 1):
        found.append(Segment(way, seqs[way] & 0xFFFFFFFF, -1, FIN, b"", 0, 99, 99 * S))
    for _ in range(dice.choice((0, 0, 1, 2))):
        at = dice.randrange(len(found))
        one = found[at]
        if dice.random() < 0.3:
            del found[at]
        elif dice.random() < 0.5:
            found.insert(dice.randrange(len(found)), one._replace(seq=one.seq + dice.choice((0, 0, 7)) & 0xFFFFFFFF))
        else:
            found.insert(dice.randrange(len(found)), found.pop(at))
    yield from found[dice.choice((0, 0, 0, dice.randrange(len(found)))) :]


def heard(dice: random.Random) -> tuple[Swarm, int]:
    """Return the swarm of a spoilt connection, and how many bytes of blocks were heard in it."""
    table, moved = StreamTable(), 0

    def block(_: str, __: int, ___: int, ____: int, data: Any) -> None:
        nonlocal moved
        moved += len(data)

    listener = Listener(Swarm(), block)
    stream, told = table.open(0, KEY, 1, S)
    listener.hear(told)
    listener.hear(table.add(stream, segments(dice)))
    listener.hear(table.end())
    return listener.end(), moved


def check(count: int, seed: int) -> int:
    """Hear spoilt connections; return how many of them were still known to be of a torrent."""
    dice, known = random.Random(seed), 0
    for _ in range(count):
        swarm, moved = heard(dice)
        torrents = swarm.torrents()
        document = swarm_document(torrents)
        for torrent, told in zip(torrents, document["torrents"], strict=True):
            known += torrent.info_hash == (b"h" * 20).hex()
            most = torrent.geometry.pieces or 1 << 22
            assert all(one["pieces"] <= most and one["wasted"] <= one["bytes_down"] for one in told["peers"])
            assert sum(one["bytes"] for one in told["transfers"]) >= moved * (len(torrents) == 1)
            choking_document(torrent, choking_of(torrent))
            rarest_document(torrent, rarest_of(torrent))
    return known


def test_spoilt_connections() -> None:
    assert check(300, 1) > 200


@pytest.mark.thorough
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("seed", range(2, 12))
def test_a_hundred_thousand_spoilt_connections(seed: int) -> None:
    assert check(10_000, seed) > 6_000
