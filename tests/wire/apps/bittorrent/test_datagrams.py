"""What BitTorrent programs say over UDP: uTP, trackers, the hash table, local discovery; by bytes, lines and proof."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pktlab.errors import Malformed, Truncated, WireError
from pktlab.testing import damaged, from_schema
from pktlab.wire import Header, build, dissect
from pktlab.wire.apps.bittorrent import tracker, utp
from pktlab.wire.apps.bittorrent.compact import Contact, contacts, packed
from pktlab.wire.apps.bittorrent.krpc import Krpc
from pktlab.wire.apps.bittorrent.lsd import Lsd
from pktlab.wire.apps.bittorrent.peer import Have
from pktlab.wire.apps.bittorrent.tracker import (
    Announce,
    Announced,
    Announced6,
    Connect,
    Connected,
    Option,
    Peer4,
    Peer6,
    Refused,
    Scrape,
    Scraped,
    answer_at,
    request_at,
)
from pktlab.wire.apps.bittorrent.utp import BitExtension, CloseReason, Sack, Utp, Utp0
from pktlab.wire.bencode import encode
from pktlab.wire.glance import stands
from pktlab.wire.ipv4 import Ip
from pktlab.wire.udp import Udp

from ...codecs import check_any_bytes, check_codec

HASH = bytes(range(1, 21))
ANNOUNCE: dict[str, Any] = {
    "connection_id": 0x7B452F6FFC36BFD8, "transaction_id": 0xBF9B65F0, "info_hash": HASH, "left": 2097152, "event": 2,
    "peer_id": b"-PK0001-123456789012", "port": 6881,
}  # fmt: skip
URL = Option(type=2, data=b"/dir?a=b&c=d")
END, NOP = (Option(type=kind, length=None) for kind in (0, 1))
SEARCH = (
    b"BT-SEARCH * HTTP/1.1\r\nHost: 239.192.152.143:6771\r\nPort: 6881\r\n"
    b"Infohash: " + HASH.hex().encode() + b"\r\ncookie: 1\r\n\r\n\r\n"
)
DATAGRAMS: dict[str, tuple[Header, str]] = {
    "connect": (Connect(transaction_id=0x5F541EA0), "Tracker connect"),
    "announce": (Announce(**ANNOUNCE), f"Tracker announce started {HASH.hex()} port 6881 left 2097152"),
    "announce with an address": (
        Announce(**ANNOUNCE, options=(URL, END)), f"Tracker announce started {HASH.hex()} port 6881 left 2097152",
    ),
    "scrape": (
        Scrape(
            connection_id=0x7B452F6FFC36BFD8, transaction_id=0x9C505680, torrents=(tracker.Torrent(info_hash=HASH),)
        ),
        f"Tracker scrape {HASH.hex()}",
    ),
    "announced": (
        Announced(transaction_id=0x5F541EA0, interval=1724, seeders=1, peers=(Peer4(ip="10.99.0.10", peer_port=6881),)),
        "Tracker announced: 1 peers, 1 seeds, 0 leechers, every 1724 s",
    ),
    "announced over IPv6": (
        Announced6(transaction_id=0x5F541EA0, interval=1800, peers=(Peer6(ip6="2001:db8::1", peer_port=6881),)),
        "Tracker announced: 1 peers, 0 seeds, 0 leechers, every 1800 s",
    ),
    "scraped": (
        Scraped(transaction_id=0x9C505680, torrents=(tracker.Counts(seeders=1, completed=2, leechers=3),)),
        "Tracker scraped: 1 seeds, 3 leechers, 2 completed",
    ),
    "refused": (
        Refused(transaction_id=0x9C505680, message="no such torrent"), "Tracker error: no such torrent",
    ),
    "syn": (Utp(type=4, connection_id=29768, seq_nr=1), "uTP SYN id=29768 seq=1 ack=0"),
    "syn of libutp": (
        Utp(type=4, connection_id=2630, seq_nr=1, extension=2, extensions=(BitExtension(),)),
        "uTP SYN id=2630 seq=1 ack=0, extension bits",
    ),
    "state": (Utp(type=2, connection_id=29768, seq_nr=46955, ack_nr=61009), "uTP STATE id=29768 seq=46955 ack=61009"),
    "state with a selective ack of one octet": (
        Utp(type=2, connection_id=7, seq_nr=1, ack_nr=2, extension=1, extensions=(Sack(bitmask=b"\x05"),)),
        "uTP STATE id=7 seq=1 ack=2, selective ack of 2",
    ),
    "fin of libtorrent": (
        Utp(type=1, connection_id=7, seq_nr=1, ack_nr=2, extension=3, extensions=(CloseReason(reason=6),)),
        "uTP FIN id=7 seq=1 ack=2, close reason: upload to upload",
    ),
    "reset": (Utp(type=3, connection_id=7, seq_nr=1), "uTP RESET id=7 seq=1 ack=0"),
    "reset of version 0": (
        Utp0(connection_id=0x11030A46, type=3, seq_nr=0xD23B, ack_nr=0x8C00),
        "uTP v0 RESET id=0x11030a46 seq=53819 ack=35840, to a FIN of 2630",
    ),
    "ping": (
        Krpc(message={"t": "aa", "y": "q", "q": "ping", "a": {"id": b"abcdefghij0123456789"}}),
        "DHT ping from 6162636465666768696a30313233343536373839",
    ),
    "search": (Lsd.parse(SEARCH), f"LSD port 6881 {HASH.hex()}"),
}  # fmt: skip
ON_ITS_PORT = {
    "connected": (Connected(transaction_id=0x5F541EA0, connection_id=0x92B455B47CE6F90A), "Tracker connected")
}
KINDS = tuple(dict.fromkeys(type(header) for header, _ in (*DATAGRAMS.values(), *ON_ITS_PORT.values())))
ROUTE = Ip(src="192.0.2.1", dst="192.0.2.2", proto=17)


def over(payload: bytes, port: int) -> bytes:
    return build(ROUTE, Udp(srcport=40000, dstport=port), payload)


def protocols(payload: bytes, port: int = 40001) -> list[str]:
    packet = dissect(over(payload, port), Ip, ranges=True)
    assert packet.stop is None
    assert sum(layer.stop - layer.start for layer in packet.layers) == len(packet.data)
    for layer in packet.layers[2:]:
        glances = () if layer.header is None else type(layer.header).glances
        assert stands(glances, packet.data, layer.start, layer.end)  # as the kernels look first
    return [layer.protocol for layer in packet.layers[2:]]


@pytest.mark.parametrize("name", DATAGRAMS)
def test_a_line_and_the_bytes_again(name: str) -> None:
    header, line = DATAGRAMS[name]
    data = header.build()
    read = type(header).parse(data)
    assert (read.summary(), read.build(), read.replace()) == (line, data, read)
    packet = dissect(over(data, 40001), Ip)
    assert [type(one) for one in packet.headers[2:]] == [type(header)]
    assert packet.headers[-1].summary() == line


def test_an_answer_to_connect_is_known_on_the_port_of_trackers_alone() -> None:
    header, line = ON_ITS_PORT["connected"]
    assert protocols(header.build(), 40001) == ["data"]
    assert protocols(header.build(), 6969) == ["bt-tracker"]
    assert answer_at(header.build()).summary() == line


def test_data_are_known_by_the_messages_in_them() -> None:
    head = Utp(type=0, connection_id=29769, seq_nr=61010, ack_nr=46954).build()
    assert protocols(head + Have(index=3).build()) == ["bt-utp", "bittorrent"]
    assert protocols(head + b"\xa5" * 40) == ["data"]


NOT_PROVEN = {
    "an RPC call": bytes.fromhex("67cfe46900000000 00000002 000186a0") + bytes(40),
    "an announce of an unknown event": Announce(**{**ANNOUNCE, "event": 9}).build(),
    "an announce that is cut": Announce(**ANNOUNCE).build()[:97],
    "an announce with half an option": Announce(**ANNOUNCE).build() + b"\x02\x09a",
    "a list of peers that is cut": DATAGRAMS["announced"][0].build()[:-1],
    "zeros": bytes(26),
    "a state with an octet too many": DATAGRAMS["state"][0].build() + b"\0",
    "a syn that acknowledges": Utp(type=4, connection_id=1, seq_nr=1, ack_nr=1).build(),
    "a window of a gibibyte": Utp(type=2, connection_id=1, seq_nr=1, wnd_size=1 << 30).build(),
    "extensions that never end": Utp(type=2, connection_id=1, seq_nr=1, extension=1).build() + b"\1\0" * 9,
    "version 2": b"\x22" + DATAGRAMS["state"][0].build()[1:],
    "a dictionary of something else": encode({"a": 1, "y": "q"}),
    "a dictionary and more": DATAGRAMS["ping"][0].build() + b"x",
    "a search for nothing": b"BT-SEARCH * HTTP/1.1\r\n\r\n",
}


@pytest.mark.parametrize("name", NOT_PROVEN)
def test_not_guessed(name: str) -> None:
    assert protocols(NOT_PROVEN[name]) == ["data"]
    assert protocols(NOT_PROVEN[name], 6881) == ["data"]


# ---- what the documents have as examples

KRPC = {
    "d1:eli201e23:A Generic Error Ocurrede1:t2:aa1:y1:ee": "DHT error 201 A Generic Error Ocurred",
    "d1:ad2:id20:abcdefghij0123456789e1:q4:ping1:t2:aa1:y1:qe": f"DHT ping from {b'abcdefghij0123456789'.hex()}",
    "d1:rd2:id20:mnopqrstuvwxyz123456e1:t2:aa1:y1:re": f"DHT response from {b'mnopqrstuvwxyz123456'.hex()}",
    "d1:ad2:id20:abcdefghij01234567896:target20:mnopqrstuvwxyz123456e1:q9:find_node1:t2:aa1:y1:qe": (
        f"DHT find_node {b'mnopqrstuvwxyz123456'.hex()}"
    ),
    "d1:rd2:id20:0123456789abcdefghij5:nodes9:def456...e1:t2:aa1:y1:re": (
        f"DHT response from {b'0123456789abcdefghij'.hex()}"
    ),
    "d1:ad2:id20:abcdefghij01234567899:info_hash20:mnopqrstuvwxyz123456e1:q9:get_peers1:t2:aa1:y1:qe": (
        f"DHT get_peers {b'mnopqrstuvwxyz123456'.hex()}"
    ),
    "d1:rd2:id20:abcdefghij01234567895:token8:aoeusnth6:valuesl6:axje.u6:idhtnmee1:t2:aa1:y1:re": (
        f"DHT response from {b'abcdefghij0123456789'.hex()}: 2 peers, token"
    ),
    "d1:rd2:id20:abcdefghij01234567895:nodes9:def456...5:token8:aoeusnthe1:t2:aa1:y1:re": (
        f"DHT response from {b'abcdefghij0123456789'.hex()}: token"
    ),
    "d1:ad2:id20:abcdefghij01234567899:info_hash20:mnopqrstuvwxyz1234564:porti6881e5:token8:aoeusnthe"
    "1:q13:announce_peer1:t2:aa1:y1:qe": f"DHT announce_peer {b'mnopqrstuvwxyz123456'.hex()}",
}


@pytest.mark.parametrize("text", KRPC)
def test_bep_5(text: str) -> None:
    read = Krpc.parse(text.encode())
    assert (read.summary(), read.build()) == (KRPC[text], text.encode())
    assert Krpc(message=read.message).build() == text.encode()
    assert protocols(text.encode()) == ["bt-dht"]


def test_peers_and_nodes() -> None:
    answer = {"id": HASH, "nodes": packed([Contact("192.0.2.1", 6881, HASH)]), "values": [packed([Contact("::1", 2)])]}
    read = Krpc.parse(Krpc(message={"t": "aa", "y": "r", "r": answer}).build())
    assert [str(one) for one in (*read.nodes, *read.peers)] == ["192.0.2.1:6881", "[::1]:2"]
    found = {(one.name, one.text) for one in read.spans()}
    assert found >= {("bt-dht.ip", "192.0.2.1"), ("bt-dht.port", "6881"), ("bt-dht.ip6", "::1"), ("bt-dht.type", "r")}


@pytest.mark.parametrize(
    "message",
    [[], 7, b"", {"y": "r", "r": 7}, {"y": "q", "a": []}, {"y": "r", "r": {"nodes": 1, "values": 2, "id": {}}}],
    ids=repr,
)
def test_a_message_of_other_kinds_of_values(message: Any) -> None:
    read = Krpc.parse(Krpc(message=encode(message)).build())
    assert isinstance(read.summary(), str)
    assert (read.nodes, read.peers) == ([], [])


BEP_41 = {
    b"\x02\x0c/dir?a=b&c=d": 1,
    b"\x02\x0c/dir?a=b&c=d\x00": 2,
    b"\x02\x05/dir?\x02\x07a=b&c=d": 2,
    b"\x01\x02\x01/\x01\x01\x02\x0bdir?a=b&c=d\x00": 6,
}
"""Ways to say the same address."""


@pytest.mark.parametrize("options", BEP_41, ids=repr)
def test_options_of_an_announce(options: bytes) -> None:
    data = Announce(**ANNOUNCE).build() + options
    read = request_at(data)
    assert (read.url_data, len(read.options), read.build()) == ("/dir?a=b&c=d", BEP_41[options], data)
    assert protocols(data) == ["bt-tracker"]


def test_a_selective_ack_as_bep_29_draws_it() -> None:
    """The first octet has the packets 9 to 2 behind the one acknowledged, the second 17 to 10."""
    for place in range(32):
        mask = bytearray(4)
        mask[place // 8] = 1 << place % 8
        assert Sack(bitmask=bytes(mask)).sequence_numbers(100) == [100 + 2 + place]


def test_what_a_reset_of_version_0_answers() -> None:
    reset = Utp0.parse(bytes.fromhex("11030a46000000000000000000000000000003d23b8c00"))
    assert reset.answers is not None
    assert (reset.answers.type, reset.answers.extension, reset.answers.connection_id) == (utp.FIN, utp.CLOSE, 2630)
    assert Utp0(connection_id=0xA5A5A5A5, type=3, seq_nr=0).answers is None


def test_who_knows_the_direction_reads_either() -> None:
    assert request_at(DATAGRAMS["connect"][0].build()) == DATAGRAMS["connect"][0]
    six = DATAGRAMS["announced over IPv6"][0]
    assert answer_at(six.build(), ipv6=True) == six
    assert len(answer_at(six.build()).peers) == 3
    with pytest.raises(Malformed, match="is none of these"):
        request_at(bytes(8) + b"\0\0\0\7" + bytes(8))
    with pytest.raises(Truncated):
        answer_at(b"\0\0")
    with pytest.raises(Truncated):
        answer_at(DATAGRAMS["announced"][0].build()[:-1])


@given(
    st.lists(st.tuples(st.ip_addresses(v=4), st.integers(0, 65535), st.just(b"") | st.binary(min_size=20, max_size=20)))
)
def test_compact_contacts(given_: list[Any]) -> None:
    plain = [Contact(str(ip), port) for ip, port, _ in given_]
    assert contacts(packed(plain)) == plain
    nodes = [Contact(str(ip), port, node or HASH) for ip, port, node in given_]
    assert contacts(packed(nodes), nodes=True) == nodes


def test_a_contact_that_is_none() -> None:
    with pytest.raises(ValueError, match="65536 is no port"):
        packed([Contact("192.0.2.1", 65536)])
    with pytest.raises(ValueError, match="Only hex digits"):
        packed([Contact("::g", 1)])


# ---- any bytes

DRAWN = (Connect, Announce, Scrape, Connected, Announced, Announced6, Scraped, Refused, Sack, BitExtension, CloseReason)


@pytest.mark.parametrize("page", DRAWN, ids=lambda page: page.__name__)
def test_codec(page: type[Header]) -> None:
    @settings(max_examples=20)
    @given(from_schema(page))
    def check(value: Header) -> None:
        check_codec(value)

    check()


@pytest.mark.parametrize("page", DRAWN, ids=lambda page: page.__name__)
def test_damage(page: type[Header]) -> None:
    @settings(max_examples=30)
    @given(damaged(page))
    def check(case: Any) -> None:
        check_any_bytes(page, case.data)

    check()


def check_bytes(kind: type[Header], data: bytes) -> None:
    try:
        header = kind.parse(data)
    except WireError:
        pass
    else:
        assert isinstance(header.summary(), str)
        assert data.startswith(header.build())
        assert all(0 <= found.start <= found.stop <= len(data) and found.text is not None for found in header.spans())
    protocols(data)


@given(st.sampled_from(KINDS), st.binary(max_size=120))
def test_any_bytes(kind: type[Header], data: bytes) -> None:
    check_bytes(kind, data)


def check_mutated(count: int, seed: int) -> None:
    dice = random.Random(seed)
    whole = [(type(header), header.build()) for header, _ in DATAGRAMS.values()]
    for _ in range(count):
        kind, data = dice.choice(whole)
        octets = bytearray(data)
        for _ in range(dice.randint(1, 4)):
            octets[dice.randrange(len(octets))] = dice.choice([0, 1, 255, dice.randrange(256)])
        if dice.random() < 0.3:
            del octets[dice.randrange(len(octets)) :]
        check_bytes(kind, bytes(octets))


def test_mutated_datagrams() -> None:
    check_mutated(1_000, 1)


@pytest.mark.thorough
def test_a_hundred_thousand_mutated_datagrams() -> None:
    check_mutated(100_000, 2)
