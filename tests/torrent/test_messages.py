"""Messages one after another: of TCP and of uTP alike."""

from __future__ import annotations

from collections import defaultdict

import pytest

import pktlab
from pktlab.torrent.messages import heard_messages

from .conftest import SWARMS, heard


@pytest.mark.parametrize(("name", "transport"), [("utp", "utp"), ("tcp", "tcp")])
def test_every_block_that_leechers_got_is_told(name: str, transport: str) -> None:
    path = SWARMS / f"{name}.pcap.zst"
    truth = heard(path).truth
    got = defaultdict(set)
    for one in heard_messages(pktlab.open(path), ["piece"]):
        assert one.stream.partition(" ")[0] == transport
        assert one.message is not None
        got[one.receiver.rpartition(":")[0]].add(one.message.fields)
    blocks = truth["length"] >> 14
    leechers = {host["ip"] for host in truth["hosts"].values() if host["completed"]}
    assert {ip: len(found) for ip, found in got.items() if ip in leechers} == dict.fromkeys(leechers, blocks)
