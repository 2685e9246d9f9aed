"""Where peers listen, as datagrams and PEX tell it: every kind made up, real ones, and spoilt ones."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import pktlab
from pktlab.capture import open_writer
from pktlab.flows.keys import FlowKey
from pktlab.flows.segments import Datagram
from pktlab.torrent.announces import Announces
from pktlab.torrent.contacts import MAX_PORTS, Contacts
from pktlab.torrent.ledger import Ledger, Type
from pktlab.torrent.listening import swarm_of
from pktlab.torrent.meeting import MAX_ASKED, Meeting
from pktlab.torrent.swarm import MAX_TORRENTS, Swarm, Torrent
from pktlab.wire.apps.bittorrent.compact import Contact, packed
from pktlab.wire.apps.bittorrent.tracker import Announce, Announced, Announced6, Option, Peer4, Peer6
from pktlab.wire.bencode import encode

from .conftest import SWARMS

HASH = b"h" * 20
NAME = HASH.hex()
A, B, C = "192.0.2.1", "192.0.2.2", "192.0.2.9"
LSD = (
    b"BT-SEARCH * HTTP/1.1\r\nHost: 239.192.152.143:6771\r\nPort: %s\r\nInfohash: "
    + NAME.encode()
    + b"\r\nInfohash: "
    + b"ab" * 32
    + b"\r\n\r\n\r\n"
)


def heard(*said: tuple[str, int, str, int, bytes]) -> Swarm:
    """Return what datagrams say: from address and port, to address and port, data; one a nanosecond."""
    swarm = Swarm()
    meeting = Meeting(swarm)
    for now, (src, srcport, dst, dstport, data) in enumerate(said, 1):
        meeting.hear(Datagram(FlowKey("udp", src, srcport, dst, dstport), data, 0), now)
    return swarm


def announce(event: int = 0, transaction: int = 7, **more: Any) -> bytes:
    """Return an announce of port 7001."""
    told = {"info_hash": HASH, "peer_id": b"-LT2110-aaaaaaaaaaaa", "left": 5, "port": 7001} | more
    return Announce(connection_id=1 << 40, transaction_id=transaction, event=event, **told).build()


def query(what: bytes, **arguments: Any) -> bytes:
    """Return a query of the DHT, transaction ``aa``."""
    told = {b"id": b"n" * 20, b"info_hash": HASH, **{key.encode(): one for key, one in arguments.items()}}
    return encode({b"a": told, b"q": what, b"t": b"aa", b"y": b"q"})


# ---- UDP trackers


def test_an_announce_has_the_port_the_event_and_the_peer_id() -> None:
    told = heard(
        (A, 40000, C, 6969, announce(2)), (A, 40000, C, 6969, announce()), (A, 40000, C, 6969, announce()),
        (A, 40000, C, 6969, announce(1)), (A, 40000, C, 6969, announce(3, options=(Option(type=2, data=b"/a"),))),
    ).contacts[NAME]  # fmt: skip
    assert dict(told.own) == dict(told.listening) == {A: {7001}}
    assert told.announced == [
        (1, (A, 7001), "started"), (4, (A, 7001), "completed"), (5, (A, 7001), "stopped"),
    ]  # fmt: skip
    assert told.ids == {(A, b"-LT2110-aaaaaaaaaaaa"): 7001}


def test_an_answer_names_peers_of_the_torrent_that_was_asked_for() -> None:
    answer = Announced(transaction_id=7, interval=10, peers=(Peer4(ip=B, peer_port=7002),)).build()
    six = Announced6(transaction_id=8, interval=10, peers=(Peer6(ip6="2001:db8::2", peer_port=7003),)).build()
    swarm = heard(
        (C, 6969, A, 40000, answer),  # nobody asked
        (A, 40000, C, 6969, announce()), (C, 6969, B, 40000, answer), (C, 6969, A, 40000, answer),
        ("2001:db8::1", 40000, "2001:db8::9", 6969, announce(0, 8)),
        ("2001:db8::9", 6969, "2001:db8::1", 40000, six),
    )  # fmt: skip
    assert dict(swarm.contacts[NAME].listening) == {
        A: {7001}, B: {7002}, "2001:db8::1": {7001}, "2001:db8::2": {7003},
    }  # fmt: skip
    assert set(swarm.contacts[NAME].own) == {A, "2001:db8::1"}


# ---- the DHT, the neighbourhood, PEX


def test_announces_in_the_dht() -> None:
    swarm = heard(
        (A, 6881, B, 6881, query(b"announce_peer", port=7001, implied_port=0, token=b"x")),
        (B, 7777, A, 6881, query(b"announce_peer", port=7001, implied_port=1, token=b"x")),
        (C, 7777, A, 6881, query(b"announce_peer", port=1 << 16, token=b"x")),
    )
    assert swarm.contacts[NAME].announced == [(1, (A, 7001), ""), (2, (B, 7777), "")]


def test_values_belong_to_what_was_asked_for() -> None:
    values = [packed([Contact(B, 7002)]), packed([Contact("2001:db8::2", 7003)]), b"odd"]
    answer = encode({b"r": {b"id": b"m" * 20, b"values": values}, b"t": b"aa", b"y": b"r"})
    swarm = heard((C, 6881, A, 6881, answer), (A, 6881, C, 6881, query(b"get_peers")), (C, 6881, A, 6881, answer))
    told = swarm.contacts[NAME]
    assert (dict(told.listening), dict(told.own)) == ({B: {7002}, "2001:db8::2": {7003}}, {})


def test_neighbours_say_where_they_listen() -> None:
    swarm = heard((A, 6771, "239.192.152.143", 6771, LSD % b"7001"), (B, 6771, "239.192.152.143", 6771, LSD % b"0"))
    assert {name: told.announced for name, told in swarm.contacts.items()} == {
        NAME: [(1, (A, 7001), "")], "ab" * 20: [(1, (A, 7001), "")],
    }  # fmt: skip


def test_what_is_kept_is_bounded() -> None:
    swarm = Swarm()
    meeting = Meeting(swarm)
    dice = random.Random(1)
    for number in range(MAX_TORRENTS + 50):
        key = FlowKey("udp", A, 6881, B, 6881)
        asked = query(b"get_peers").replace(HASH, dice.randbytes(20)).replace(b"2:aa", b"4:%04x" % (number & 0xFFFF))
        meeting.hear(Datagram(key, asked, 0), 1)
        meeting.hear(Datagram(key, query(b"announce_peer", port=number).replace(HASH, dice.randbytes(20)), 0), 1)
    assert len(meeting._asked) == MAX_ASKED
    assert len(swarm.contacts) <= MAX_TORRENTS
    told = Contacts()
    for port in range(1, 1 << 16):
        told.name(A, port)
    assert len(told.listening[A]) == MAX_PORTS


# ---- HTTP trackers, in one connection


def test_several_announces_in_one_connection_and_peers_that_are_listed() -> None:
    swarm = Swarm()
    asked = Announces(swarm, FlowKey("tcp", A, 50000, C, 80))
    for name, port, peers in (
        (b"a", 7001, [{b"ip": B.encode(), b"port": 7002}, {b"ip": b"2001:DB8:0::2", b"port": 7003}]),
        (b"b", 7004, packed([Contact(B, 7005)])),
    ):
        target = b"/announce?info_hash=%s&peer_id=%s&port=%d&event=started" % (name * 20, b"p+" * 10, port)
        asked.take(0, b"GET %s HTTP/1.1\r\n\r\n" % target, 5)
        body = encode({b"interval": 10, b"peers": peers})
        for part in (b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body), body):
            asked.take(1, part, 6)
    asked.end()
    first, second = (swarm.contacts[name.hex() * 20] for name in (b"a", b"b"))
    assert dict(first.listening) == {A: {7001}, B: {7002}, "2001:db8::2": {7003}}
    assert dict(second.listening) == {A: {7004}, B: {7005}}
    assert first.ids == {(A, b"p+" * 10): 7001}


# ---- who is who


def torrent_of(contacts: Contacts, *callers: tuple[str, int, bytes]) -> Torrent:
    """Return a torrent in which each of them called B from some port, with its peer id."""
    ledger = Ledger(NAME)
    for ip, port, peer_id in callers:
        link = ledger.link("tcp", ((ip, port), (B, 6881)), 1)
        link.peer_ids[0] = peer_id
        ledger.say(2, link, 0, Type.have_none)
    return Torrent(ledger, contacts)


def names(torrent: Torrent) -> list[str]:
    return [peer.name for peer in torrent.peers]


def test_two_peers_behind_one_address_are_told_apart_by_their_announces() -> None:
    contacts = Contacts()
    contacts.announce(1, (A, 7001), "started", b"-TR3000-111111111111")
    contacts.announce(1, (A, 7002), "started", b"-TR3000-222222222222")
    torrent = torrent_of(contacts, (A, 50001, b"-TR3000-222222222222"), (A, 50002, b"-TR3000-111111111111"))
    assert [peer.name for peer, _ in torrent.sides] == [f"{A}:7002", f"{A}:7001"]


def test_who_says_of_itself_where_it_listens_is_believed_before_others() -> None:
    contacts = Contacts()
    contacts.announce(1, (A, 7001))
    contacts.name(A, 57626)  # rtorrent's DHT has the bytes of ports swapped
    assert names(torrent_of(contacts, (A, 50001, b""))) == [f"{A}:7001", f"{B}:6881"]
    alone = Contacts()
    alone.name(A, 7003)
    assert names(torrent_of(alone, (A, 50001, b"")))[0] == f"{A}:7003"


def test_who_announced_itself_is_a_peer_though_nobody_called_it() -> None:
    contacts = Contacts()
    contacts.announce(5, (C, 7001), "started", b"-TR3000-111111111111")
    contacts.announce(9, (C, 7001), "stopped", b"-TR3000-111111111111")
    (peer,) = [one for one in torrent_of(contacts, (A, 50001, b"")).peers if one.address[0] == C]
    assert (peer.client, peer.links, peer.joined_ns, peer.left_ns) == ("Transmission 3.00", [], 5, 9)


def test_a_peer_that_others_say_is_gone() -> None:
    contacts = Contacts()
    contacts.drop(7, (A, 50001))  # libtorrent names the port that it was called from
    contacts.drop(8, (B, 6881))
    torrent = torrent_of(contacts, (A, 50001, b""))
    assert [(peer.address[0], peer.dropped_ns) for peer in torrent.peers] == [(A, [7]), (B, [8])]


# ---- real ones


@pytest.mark.parametrize(("name", "events"), [("udp-tracker", {"started", "completed", "stopped"}), ("magnet", {""})])
def test_each_host_announced_itself(name: str, events: set[str]) -> None:
    swarm = swarm_of(pktlab.open(SWARMS / f"{name}.pcap.zst"))
    (torrent,) = swarm.torrents()
    told = swarm.contacts[torrent.info_hash]
    assert {event for _, _, event in told.announced} >= events
    assert {address for _, address, _ in told.announced} <= {peer.address for peer in torrent.peers}
    assert all(ports == {6881} for ports in told.own.values())
    assert {peer.address[1] for peer in torrent.peers} == {6881}


def test_foreign_peers_are_where_they_listen(foreign: Any) -> None:
    hosts = {ip for ip, host in foreign.truth["hosts"].items() if host}
    assert {peer.address for peer in foreign.torrent.peers} == {(ip, 6881) for ip in hosts}


# ---- anything


def test_spoilt_datagrams() -> None:
    dice = random.Random(3)
    whole = [announce(2), query(b"announce_peer", port=7001), query(b"get_peers"), LSD % b"7001"]
    whole.append(Announced(transaction_id=7, interval=10, peers=(Peer4(ip=B, peer_port=7002),)).build())
    whole.append(encode({b"r": {b"id": HASH, b"values": [b"12345678"[:6]]}, b"t": b"aa", b"y": b"r"}))
    swarm = Swarm()
    meeting = Meeting(swarm)
    for _ in range(5000):
        data = bytearray(dice.choice(whole))
        for _ in range(dice.randint(0, 3)):
            data[dice.randrange(len(data))] = dice.choice((0, 1, 0x64, 0x65, 0x69, 0x3A, 0x39, 255))
        if dice.random() < 0.2:
            del data[dice.randrange(len(data)) :]
        meeting.hear(Datagram(FlowKey("udp", A, 6881, B, 6881), bytes(data), 0), 1)
    assert all(0 < port < 1 << 16 for told in swarm.contacts.values() for _, (_, port), _ in told.announced)


def test_a_cut_datagram_tells_what_is_there(tmp_path: Path) -> None:
    cut, whole = tmp_path / "cut.pcap", pktlab.open(SWARMS / "udp-tracker.pcap.zst")
    with open_writer(cut, link_type=1, nanoseconds=True) as writer:
        for record in whole.reader:
            writer.write(replace(record, data=record.data[: 42 + Announce.HEADER_LEN]))
    swarm = swarm_of(pktlab.open(cut))
    assert {ip for told in swarm.contacts.values() for ip in told.own} == {f"10.99.0.{n}" for n in range(2, 6)}
