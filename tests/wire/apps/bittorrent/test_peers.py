"""What is known for BitTorrent in one segment, and what is not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pktlab.columns.registry import registry
from pktlab.wire import Header, build, dissect
from pktlab.wire.apps.bittorrent.peer import (
    AllowedFast,
    Bitfield,
    Choke,
    Extended,
    Handshake,
    Have,
    HaveAll,
    KeepAlive,
    Piece,
    Request,
)
from pktlab.wire.apps.bittorrent.peers import Bittorrent, Part, PiecePart
from pktlab.wire.glance import stands
from pktlab.wire.ipv4 import Ip
from pktlab.wire.tcp import Tcp, TcpFlags

SHAKE = Handshake(reserved=bytes.fromhex("0000000000100005"), info_hash=bytes(20), peer_id=b"-PK0001-123456789012")
BLOCK = Piece(index=17, begin=16384, data=bytes(16384))


def segment(payload: bytes, port: int = 40001) -> bytes:
    return build(
        Ip(src="192.0.2.1", dst="192.0.2.2", proto=6),
        Tcp(srcport=40000, dstport=port, flags=TcpFlags.of("ack")),
        payload,
    )


def said(payload: bytes, port: int = 40001) -> str | None:
    """Return what the line says of BitTorrent; None if nothing."""
    packet = dissect(segment(payload, port), Ip, ranges=True)
    assert packet.stop is None
    assert sum(layer.stop - layer.start for layer in packet.layers) == len(packet.data)
    for layer in packet.layers[2:]:
        glances = () if layer.header is None else type(layer.header).glances
        assert stands(glances, packet.data, layer.start, layer.end)  # as the kernels look first
    header = packet.headers[-1]
    return header.summary() if isinstance(header, Bittorrent) else None


PROVEN: dict[str, tuple[bytes, str]] = {
    "a handshake": (
        SHAKE.build(), f"BitTorrent Handshake {'0' * 40} -PK0001-… (extension protocol, fast, DHT)",
    ),
    "a handshake and more": (
        SHAKE.build() + HaveAll().build() + AllowedFast(index=3).build(),
        f"BitTorrent Handshake {'0' * 40} -PK0001-… (extension protocol, fast, DHT), have all, allowed fast 3",
    ),
    "the start of one": (SHAKE.build()[:48], "BitTorrent start of a handshake"),
    "have": (Have(index=3).build(), "BitTorrent have 3"),
    "choke": (Choke().build(), "BitTorrent choke"),
    "five messages": (
        b"".join(Have(index=index).build() for index in range(5)),
        "BitTorrent have 0, have 1, have 2, have 3, … (5 messages)",
    ),
    "behind a keep-alive": (KeepAlive().build() + Have(index=3).build(), "BitTorrent keep-alive, have 3"),
    "a block that goes on": (BLOCK.build()[:1448], "BitTorrent piece 17 at 16384, 1435 of 16384 bytes"),
    "a whole block": (BLOCK.build(), "BitTorrent piece 17 at 16384, 16384 bytes"),
    "a message that is cut": (
        Have(index=3).build() + Request(index=1, begin=0, length=16384).build()[:9],
        "BitTorrent have 3, start of request, 5 of 13 bytes",
    ),
    "two octets of the next": (Have(index=3).build() + b"\0\0", "BitTorrent have 3"),
    "an extended handshake": (
        Extended(id=0, payload=b"d1:md11:ut_metadatai3eee").build(), "BitTorrent extended handshake",
    ),
    "a whole bitfield": (bytes.fromhex("00000003050101"), "BitTorrent bitfield 2 of at most 16 pieces"),
    "a whole extension": (bytes.fromhex("00000003140301"), "BitTorrent extended 3, 1 bytes"),
    "a bitfield of a seed": (
        Bitfield(bitfield=b"\xff" * 7 + b"\xf0").build(), "BitTorrent bitfield 60 of at most 64 pieces",
    ),
}  # fmt: skip
NOT_PROVEN = {
    "a keep-alive": bytes(4),
    "zeros": bytes(100),
    "a bitfield that goes on": bytes.fromhex("00000020051234567890abcdef"),
    "an SSH key exchange": bytes.fromhex("0000002c071e0000") + b"\x20" + bytes(range(39)),
    "an SSH proposal": bytes.fromhex("000001340514") + bytes(range(16)) * 19 + b"abcdef",
    "HTTP/2 settings": bytes.fromhex("000000040100000000"),
    "HTTP/2 ping": bytes.fromhex("000008060000000000") + bytes(8),
    "a type that nobody knows": bytes.fromhex("000000050a00000003"),
    "have and noise": Have(index=3).build() + b"\xff" * 20,
    "a length that does not belong": bytes.fromhex("00000006040000000300"),
    "the middle of a block": BLOCK.build()[1448:2000],
    "four gibibytes": bytes.fromhex("ffffffff0700000000000000"),
}


@pytest.mark.parametrize("name", PROVEN)
def test_known_for_what_it_is_on_any_port(name: str) -> None:
    payload, line = PROVEN[name]
    assert said(payload) == line
    assert said(payload, 6881) == line
    assert Bittorrent.parse(payload).build() == payload


@pytest.mark.parametrize("name", NOT_PROVEN)
def test_not_guessed_on_any_port(name: str) -> None:
    assert said(NOT_PROVEN[name]) is None
    assert said(NOT_PROVEN[name], 6881) is None


def test_what_is_here_of_a_message() -> None:
    (piece,) = Bittorrent.parse(BLOCK.build()[:100]).messages
    assert isinstance(piece, PiecePart)
    assert (piece.index, piece.begin, piece.size, len(piece.data)) == (17, 16384, 16393, 87)
    _, part = Bittorrent.parse(Have(index=3).build() + BLOCK.build()[:8]).messages
    assert isinstance(part, Part)


def test_the_tree_names_each_message() -> None:
    spans = Bittorrent.parse(Have(index=3).build() + Choke().build()).spans()
    assert [found.row.label for found in spans if not found.name] == ["have 3", "choke"]
    assert [(found.name, found.text, found.start) for found in spans if found.name] == [
        ("bittorrent.msg.length", "5", 0),
        ("bittorrent.msg.type", "4", 4),
        ("bittorrent.piece.index", "0x00000003", 5),
        ("bittorrent.msg.length", "1", 9),
        ("bittorrent.msg.type", "0", 13),
    ]


ANY: st.SearchStrategy[Header] = st.sampled_from([SHAKE, BLOCK, Have(index=3), Choke(), KeepAlive(), HaveAll()])


@given(st.lists(ANY, min_size=1, max_size=5), st.data())
def test_a_segment_that_ends_anywhere(parts: list[Header], data: st.DataObject) -> None:
    whole = b"".join(part.build() for part in parts)
    payload = whole[: data.draw(st.integers(1, len(whole)))]
    said(payload)
    assert Bittorrent.parse(payload).build() == payload


@given(st.binary(max_size=80), st.sampled_from([b"", b"\0\0\0\5\4\0\0\0\3", SHAKE.build()]))
def test_any_bytes(noise: bytes, before: bytes) -> None:
    said(before + noise)


@pytest.mark.parametrize(
    "name",
    [
        "bittorrent.piece.index", "bittorrent.msg.bitfield", "bittorrent.extended.m.ut_pex", "bittorrent.hashes.index",
        "bt-utp.seq_nr", "bt-utp.extension_bitmask", "bt-dht.info_hash", "bt-dht.ip", "bt-dht.bencoded.int",
        "bt-tracker.interval", "bt-tracker.info_hash", "bt-lsd.infohash", "http.request.uri.query.parameter",
    ],
)  # fmt: skip
def test_filters_know_the_names(name: str) -> None:
    assert registry().find(name).name == name
