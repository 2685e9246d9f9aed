"""What real programs sent: every header builds its own bytes again, and libtorrent reads the same dictionaries."""

from __future__ import annotations

from collections import Counter
from itertools import islice

import pytest

import pktlab
from pktlab.wire.apps.bittorrent.extended import ExtendedHandshake, Metadata, Said
from pktlab.wire.apps.bittorrent.http_tracker import TrackerAnswer, TrackerGet
from pktlab.wire.apps.bittorrent.krpc import Krpc
from pktlab.wire.apps.bittorrent.peers import Bittorrent
from pktlab.wire.bencode import decode, encode

from ..conftest import Captures
from .conftest import Swarm

LAYERS = {"bittorrent", "bt-utp", "bt-dht", "bt-tracker", "bt-lsd"}
SWARMS = {
    ("plain", 2000): {"bittorrent": 60, "bt-tracker": 5}, ("magnet", 4000): {"bittorrent": 60, "bt-dht": 100},
    ("v2", 2000): {"bittorrent": 40, "bt-lsd": 2}, ("utploss", 3000): {"bittorrent": 60, "bt-utp": 1000},
    ("udptrk", 1000): {"bittorrent": 20, "bt-tracker": 5}, ("mseplain", 1332): {"bittorrent": 5, "bt-tracker": 2},
}  # fmt: skip


@pytest.mark.parametrize(("name", "count"), SWARMS, ids=str)
def test_every_header_builds_its_bytes(name: str, count: int, swarm: Swarm) -> None:
    found: Counter[str] = Counter()
    for packet in pktlab.open(swarm(name, count)):
        for layer in packet.layers:
            if layer.protocol in LAYERS or isinstance(layer.header, TrackerGet):
                assert layer.header is not None
                assert layer.header.build() == packet.data[layer.start : layer.stop]
                assert layer.error is None
                found[layer.protocol] += 1
        assert packet.stop is None
    assert all(found[protocol] >= least for protocol, least in SWARMS[name, count].items()), found


@pytest.mark.parametrize(("name", "count"), [("magnet", 4000), ("plain", 2000)])
def test_libtorrent_reads_the_same(name: str, count: int, swarm: Swarm) -> None:
    lt = pytest.importorskip("libtorrent")
    seen = 0
    for packet in pktlab.open(swarm(name, count)):
        for layer in packet.layers:
            header = layer.header
            said = header.messages if isinstance(header, Bittorrent) else [header]
            for one in [message.body if isinstance(message, Said) else message for message in said]:
                if isinstance(one, Krpc | TrackerAnswer | ExtendedHandshake | Metadata):
                    raw = one._raw[0]
                    assert one.message == lt.bdecode(raw) == decode(raw)
                    assert encode(one.message) == raw
                    seen += 1
    assert seen > 20


REAL = ("bittorrent", "radius_wrong", "targusdataspeed", "lru_ipv6_caches")
"""What captures of the corpus are called that have BitTorrent in them; the second has uTP on a port of RADIUS."""


@pytest.mark.parametrize("part", [0, *(pytest.param(part, marks=pytest.mark.thorough) for part in range(1, 16))])
def test_nothing_else_is_taken_for_it(part: int, captures_with: Captures) -> None:
    paths = dict.fromkeys([*captures_with("udp", 10**6), *captures_with("tcp", 10**6)])
    packets = 0
    for path in list(paths)[part::16]:
        for packet in islice(pktlab.open(path), 5_000):
            packets += 1
            found = [layer.protocol for layer in packet.layers if layer.protocol in LAYERS]
            assert not found or any(name in str(path) for name in REAL), (path, packet.number, found)
    assert packets > 1_000
