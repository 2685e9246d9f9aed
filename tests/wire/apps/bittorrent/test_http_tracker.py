"""Requests to HTTP trackers and their answers: over the HTTP that carries them, and in a segment of their own."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pktlab.errors import WireError
from pktlab.wire import build, dissect
from pktlab.wire.apps.bittorrent.compact import Contact, packed
from pktlab.wire.apps.bittorrent.http_tracker import TrackerAnswer, TrackerGet, announce_uri, query_of
from pktlab.wire.bencode import encode
from pktlab.wire.dissection import Dissection
from pktlab.wire.ipv4 import Ip
from pktlab.wire.tcp import Tcp, TcpFlags

HASH = bytes(range(20))
PEERS = [Contact("192.0.2.1", 6881), Contact("192.0.2.2", 6882)]
SIX = [Contact("2001:db8::1", 6881)]
ANNOUNCE = announce_uri(
    "/announce", info_hash=HASH, peer_id="-PK0001-123456789012", port=6881, left=5, event="started"
)  # fmt: skip
SCRAPE = announce_uri("/scrape", info_hash=HASH)


def get(uri: str) -> bytes:
    return f"GET {uri} HTTP/1.1\r\nHost: tracker.example\r\n\r\n".encode()


def over(payload: bytes) -> Dissection:
    ip = Ip(src="192.0.2.1", dst="192.0.2.2", proto=6)
    data = build(ip, Tcp(srcport=80, dstport=40000, flags=TcpFlags.of("ack")), payload)
    packet = dissect(data, Ip, ranges=True)
    assert packet.stop is None
    assert sum(layer.stop - layer.start for layer in packet.layers) == len(data)
    return packet


def said(payload: bytes) -> str:
    header = over(payload).layers[-1].header
    return "" if header is None else header.summary()


ANSWERS: dict[str, tuple[dict[str, Any], str]] = {
    "compact": (
        {"interval": 10, "complete": 1, "incomplete": 2, "peers": packed(PEERS)},
        "HTTP tracker answer: 2 peers, 1 seeds, 2 leechers, every 10 s",
    ),
    "of both families": (
        {"interval": 10, "peers": packed(PEERS), "peers6": packed(SIX)},
        "HTTP tracker answer: 3 peers, every 10 s",
    ),
    "listed": (
        {"interval": 10, "peers": [{"ip": "192.0.2.1", "port": 6881, "peer id": HASH}, {"ip": 1}, 7, []]},
        "HTTP tracker answer: 1 peers, every 10 s",
    ),
    "nobody": ({"interval": 10, "peers": b""}, "HTTP tracker answer: 0 peers, every 10 s"),
    "failure": ({"failure reason": "no such torrent"}, "HTTP tracker failure reason: no such torrent"),
    "warning": (
        {"interval": 10, "peers": b"", "warning message": "slow down"}, "HTTP tracker warning message: slow down",
    ),
    "scrape": (
        {"files": {HASH: {"complete": 1, "downloaded": 2, "incomplete": 3}}}, "HTTP tracker answer: 1 torrents",
    ),
}  # fmt: skip
OTHERS = {
    "another dictionary": encode({"interval": 10}),
    "a cut one": encode({"interval": 10, "peers": packed(PEERS)})[:-1],
    "a torrent": encode({"announce": "http://t", "info": {}}),
    "no dictionary": b"drive home",
}


def test_an_announce() -> None:
    packet = over(get(ANNOUNCE))
    read = packet.layers[2].header
    assert isinstance(read, TrackerGet)
    assert (packet.layers[2].protocol, read.info_hash) == ("http", HASH)
    assert read.summary() == f"HTTP tracker announce started {HASH.hex()} port 6881 left 5"
    assert read.query["peer_id"] == b"-PK0001-123456789012"
    assert read.build() == get(ANNOUNCE)
    places = [(found.name, found.text) for found in packet.layers[2].spans() if ".uri." in found.name]
    assert places[:2] == [
        ("http.request.uri.path", "/announce"), ("http.request.uri.query", ANNOUNCE.partition("?")[2]),
    ]  # fmt: skip
    assert [text for _, text in places[2:]] == ANNOUNCE.partition("?")[2].split("&")


def test_a_scrape_and_what_is_neither() -> None:
    assert said(get(SCRAPE)) == f"HTTP tracker scrape {HASH.hex()}"
    assert said(get("/search?info_hash=short")) == "HTTP GET /search?info_hash=short tracker.example"
    assert said(get("/?q=what+is+info_hash")) == "HTTP GET /?q=what+is+info_hash tracker.example"


@given(st.binary(min_size=20, max_size=20), st.binary(max_size=20))
def test_octets_in_a_query(info_hash: bytes, peer_id: bytes) -> None:
    uri = announce_uri("/a", info_hash=info_hash, peer_id=peer_id, port=1)
    assert dict(query_of(uri.encode())) == {"info_hash": info_hash, "peer_id": peer_id, "port": b"1"}
    read = TrackerGet.parse(get(uri))
    assert (read.info_hash, TrackerGet.looks_like(get(uri), 0, len(get(uri)))) == (info_hash, True)


@pytest.mark.parametrize("name", ANSWERS)
def test_an_answer(name: str) -> None:
    message, line = ANSWERS[name]
    body = TrackerAnswer(message=message).build()
    assert said(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n" + body) == line
    assert said(body) == line
    assert TrackerAnswer.parse(body).build() == body


@pytest.mark.parametrize("name", OTHERS)
def test_what_is_no_answer(name: str) -> None:
    for before in (b"", b"HTTP/1.1 200 OK\r\n\r\n"):
        assert over(before + OTHERS[name]).layers[-1].protocol == "data"


def test_whom_an_answer_names() -> None:
    assert TrackerAnswer(message=ANSWERS["of both families"][0]).peers == [*PEERS, *SIX]
    assert TrackerAnswer(message=ANSWERS["listed"][0]).peers == [Contact("192.0.2.1", 6881, HASH)]
    assert TrackerAnswer(message=ANSWERS["scrape"][0]).torrents[HASH][b"incomplete"] == 3
    found = TrackerAnswer.parse(encode(ANSWERS["of both families"][0])).spans()
    assert [(one.name, one.text) for one in found if "ip" in one.name] == [
        ("bt-tracker.ip", "192.0.2.1"), ("bt-tracker.ip", "192.0.2.2"), ("bt-tracker.ip6", "2001:db8::1"),
    ]  # fmt: skip


def check(data: bytes) -> None:
    over(data)
    try:
        answer = TrackerAnswer.parse(data)
    except WireError:
        return
    assert isinstance(answer.summary(), str)
    assert data.startswith(answer.build())
    assert len(answer.peers) >= 0
    assert all(isinstance(one, dict) for one in answer.torrents.values())


@given(st.binary(max_size=80))
def test_any_bytes(noise: bytes) -> None:
    check(noise)
    check(get(ANNOUNCE)[:30] + noise)
    check(b"d8:intervali10e5:peers" + noise)


def check_mutated(count: int, seed: int) -> None:
    dice = random.Random(seed)
    whole = [get(ANNOUNCE), get(SCRAPE), *(encode(message) for message, _ in ANSWERS.values())]
    for _ in range(count):
        octets = bytearray(dice.choice(whole))
        for _ in range(dice.randint(1, 3)):
            octets[dice.randrange(len(octets))] = dice.choice(b"ilde0123456789:-\x00\xff%&=? \r\n")
        check(bytes(octets))


def test_mutated_requests_and_answers() -> None:
    check_mutated(1_000, 1)


@pytest.mark.thorough
@pytest.mark.parametrize("seed", range(2, 7))
def test_a_hundred_thousand_mutated_requests_and_answers(seed: int) -> None:
    check_mutated(20_000, seed)
