"""Parts of real captures: what is said of them has to agree with what is said of the whole."""

from __future__ import annotations

import functools
import io
import random
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any

import jsonschema
import pytest

import pktlab
from pktlab.capture import Record, open_writer
from pktlab.jsontext import json_schema
from pktlab.torrent.choking import choking_of
from pktlab.torrent.listening import swarm_of
from pktlab.torrent.rarest import rarest_of
from pktlab.torrent.report import choking_document, rarest_document, swarm_document
from pktlab.torrent.swarm import Peer, Torrent

from .conftest import SWARMS

S = 1_000_000_000
Choose = Callable[[Iterator[Record]], Iterable[Record]]


def part(name: str, choose: Choose) -> Torrent:
    """Return the torrent of a part of a capture, whose documents are as their schemas say."""
    whole, made = pktlab.open(SWARMS / f"{name}.pcap.zst"), io.BytesIO()
    with open_writer(made, link_type=1, nanoseconds=True) as writer:
        for record in choose(iter(whole.reader)):
            writer.write(record)
    (torrent,) = swarm_of(pktlab.open(io.BytesIO(made.getvalue()))).torrents()
    jsonschema.validate(swarm_document([torrent]), json_schema("bt-swarm"))
    chokes, starts = choking_document(torrent, choking_of(torrent)), rarest_document(torrent, rarest_of(torrent))
    jsonschema.validate({"torrents": [chokes]}, json_schema("bt-choking"))
    jsonschema.validate({"torrents": [starts]}, json_schema("bt-rarest"))
    return torrent


@functools.cache
def later(name: str, frames: int) -> Torrent:
    """Return the torrent of a capture without its first frames."""
    return part(name, lambda records: (record for record in records if record.number > frames))


def by_ip(torrent: Torrent) -> dict[str, Peer]:
    """Return the peers of a torrent by their addresses, each of which has one."""
    found = {peer.address[0]: peer for peer in torrent.peers}
    assert len(found) == len(torrent.peers)
    return found


@pytest.mark.parametrize(("name", "frames"), [("tcp", 7000), ("trading", 12_000), ("trading", 30_000)])
def test_from_the_middle(swarms: Any, name: str, frames: int) -> None:
    """Who had everything is known by its announces, the others by what is asked of them and what arrives."""
    whole, torrent = swarms(name), later(name, frames)
    first = torrent.span_ns[0]
    assert (torrent.info_hash, torrent.geometry.pieces) == (whole.torrent.info_hash, whole.torrent.geometry.pieces)
    for ip, peer in by_ip(torrent).items():
        known = whole.peer(ip)
        assert (peer.address, peer.client, len(peer.held)) == (known.address, known.client, len(known.held))
        if known.completed_ns is None or known.completed_ns < first:
            assert (peer.was_complete, peer.completed_ns) == (True, None)
        else:
            assert abs((peer.completed_ns or 0) - known.completed_ns) < S // 100
            assert len(peer.had or ()) <= sum(when < first for when in known.held.values()) + 1


def test_whom_each_peer_unchoked_before_the_capture_began(swarms: Any) -> None:
    torrent = later("trading", 12_000)
    now = torrent.span_ns[0] + 5 * S
    whole, cut = (
        {
            (chooser.peer.address[0], one.taker.address[0]): (one.is_unchoked(now), one.is_interested(now))
            for chooser in choking_of(each).choosers
            for one in chooser.relations
        }
        for each in (swarms("trading").torrent, torrent)
    )
    known = [pair for pair, states in whole.items() if states == (True, True)]
    assert len(known) > 15
    assert sum(cut.get(pair) == (True, True) for pair in known) >= 0.9 * len(known)
    assert not any(cut[pair][0] for pair in cut if not whole[pair][0])
    assert {chooser.slots for chooser in choking_of(torrent).choosers} <= {3, 4}


def test_what_neighbours_told_before_the_capture_is_not_made_up() -> None:
    torrent = later("trading", 12_000)
    assert sum(len(picker.starts) for picker in rarest_of(torrent)) == 0


def test_at_one_peer_alone(swarms: Any) -> None:
    """What it gives and takes is the same; of the others it is known what they tell it."""
    here = bytes([10, 99, 0, 5])
    torrent = part("trading", lambda records: (one for one in records if here in one.data[26:34]))
    whole, peer = swarms("trading"), by_ip(torrent)["10.99.0.5"]
    known = whole.peer("10.99.0.5")
    assert (peer.had, peer.held, peer.completed_ns) == (known.had, known.held, known.completed_ns)
    assert (peer.bytes_down, peer.bytes_up, peer.duplicates) == (known.bytes_down, known.bytes_up, known.duplicates)
    for ip, other in by_ip(torrent).items():
        theirs = whole.peer(ip)
        assert len(other.held) == len(theirs.held)
        assert (other.completed_ns is None) == (theirs.completed_ns is None)
        if theirs.completed_ns is not None and other.completed_ns is not None:
            assert 0 <= other.completed_ns - theirs.completed_ns < 2 * S
    own, others = (
        next(one for one in choking_of(each).choosers if one.peer.address[0] == "10.99.0.5")
        for each in (torrent, whole.torrent)
    )
    assert (own.slots, own.period, own.n, own.score) == (others.slots, others.period, others.n, others.score)


@pytest.mark.parametrize("name", ["tcp", "utp"])
def test_each_frame_captured_twice(swarms: Any, name: str) -> None:
    def twice(records: Iterator[Record]) -> Iterator[Record]:
        for record in records:
            yield record
            yield replace(record, time_ns=(record.time_ns or 0) + 9_000)

    torrent = part(name, twice)
    whole = swarms(name).torrent
    for peer, known in zip(torrent.peers, whole.peers, strict=True):
        assert (peer.address, peer.held, peer.bytes_up, peer.bytes_down, peer.requests, peer.duplicates) == (
            known.address, known.held, known.bytes_up, known.bytes_down, known.requests, known.duplicates,
        )  # fmt: skip
    assert [one.closed_ns for one in torrent.ledger.links] != []


def test_cut_to_200_bytes(swarms: Any) -> None:
    """How long the streams are is known; that there is a torrent, who is who, and who has everything is too."""
    torrent = part("tcp", lambda records: (replace(one, data=one.data[:200]) for one in records))
    whole = swarms("tcp")
    for ip, peer in by_ip(torrent).items():
        known = whole.peer(ip)
        assert (peer.address, len(peer.held)) == (known.address, len(known.held))
        assert sorted(link.length for link, _ in peer.links) == sorted(link.length for link, _ in known.links)
        if known.completed_ns is not None:
            assert peer.completed_ns is not None
            assert abs(peer.completed_ns - known.completed_ns) < 1.5 * S


def test_one_side_of_the_road() -> None:
    """Only what two of them send: nobody is taken for two, but for who says nothing of itself at all."""
    said = {bytes([10, 99, 0, 2]), bytes([10, 99, 0, 4])}
    torrent = part("tcp", lambda records: (one for one in records if one.data[26:30] in said))
    peers = by_ip(torrent)
    assert peers["10.99.0.2"].was_complete
    assert {ip for ip, peer in peers.items() if peer.address[1] != 6881} <= {"10.99.0.5"}


def test_frames_that_got_lost(swarms: Any) -> None:
    dice = random.Random(5)
    torrent = part("tcp", lambda records: (one for one in records if dice.random() > 0.02))
    whole = swarms("tcp")
    for ip, peer in by_ip(torrent).items():
        known = whole.peer(ip)
        assert (peer.address, len(peer.held), peer.was_complete) == (known.address, len(known.held), known.was_complete)
        assert abs(peer.bytes_up - known.bytes_up) <= 0.1 * max(known.bytes_up, 1)
        if known.completed_ns is not None:
            assert abs((peer.completed_ns or 0) - known.completed_ns) < 1.5 * S
