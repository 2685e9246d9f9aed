"""Chokes and unchokes against libtorrent's own log; and choosers made up, whose rules are known."""

from __future__ import annotations

import random
from itertools import chain
from typing import Any

import jsonschema
import pytest

import pktlab
from pktlab.flows.stream_table import Stream
from pktlab.jsontext import json_schema
from pktlab.torrent.choke_picture import choke_picture
from pktlab.torrent.choking import choking_of
from pktlab.torrent.connection import PeerConnection
from pktlab.torrent.events import Message
from pktlab.torrent.ledger import Ledger, Type
from pktlab.torrent.periods import infer_period
from pktlab.torrent.rarest import rarest_of
from pktlab.torrent.report import choking_document, rarest_document
from pktlab.torrent.swarm import Torrent

from .conftest import SWARMS

S = 1_000_000_000
BLOCK = 1 << 14
WORDS = {"choke": Type.choke, "unchoke": Type.unchoke}


def test_each_choke_is_where_libtorrent_received_it(swarm: Any) -> None:
    torrent, compared = swarm.torrent, 0
    heard: dict[tuple[str, str, int], list[float]] = {}
    for said in torrent.ledger.said():
        if said.type in (Type.choke, Type.unchoke):
            speaker, listener = torrent.sides[said.link][said.way], torrent.sides[said.link][1 - said.way]
            heard.setdefault((speaker.address[0], listener.address[0], said.type), []).append(said.time_ns / S)
    for host in swarm.truth["hosts"].values():
        for when, what, way, ip, _ in host.get("chokes", ()):
            if way == "received":
                times = heard.get((ip, host["ip"], WORDS[what]), [])
                assert min(abs(time - when) for time in times) < 0.1
                compared += 1
    assert compared >= 2


def test_each_choke_that_libtorrent_sent_is_heard_soon(trading: Any) -> None:
    """A choke waits behind the content that was queued before it; an unchoke has less to wait for."""
    torrent, delays = trading.torrent, []
    for host in trading.truth["hosts"].values():
        for when, what, way, ip, _ in host["chokes"]:
            if way == "sent":
                later = [
                    said.time_ns / S - when
                    for said in torrent.ledger.said()
                    if said.type == WORDS[what]
                    and torrent.sides[said.link][said.way].address[0] == host["ip"]
                    and torrent.sides[said.link][1 - said.way].address[0] == ip
                    and -0.1 < said.time_ns / S - when < 5
                ]
                delays.append(min(later, default=5.0))
    assert sum(delay < 2.1 for delay in delays) >= 0.98 * len(delays)


@pytest.mark.parametrize("name", ["tcp", "trading"])
def test_no_earlier_frame_carries_a_choke(name: str) -> None:
    """What libtorrent's log says it sent up to 2 s before was in its queue: the wire has it where we say, not before.

    The log of who receives it agrees, see above.
    """
    path = SWARMS / f"{name}.pcap.zst"
    said: dict[tuple[int, str], list[Message]] = {}
    connections: dict[Stream, PeerConnection] = {}
    for stream, event in chain.from_iterable(pktlab.open(path).streams()):
        for one in connections.setdefault(stream, PeerConnection()).hear(event):
            if isinstance(one, Message) and one.type in (Type.choke, Type.unchoke):
                said.setdefault((stream.number, stream.sender(one.way).src), []).append(one)
    names = "tcp.stream", "ip.src", "tcp.seq", "tcp.len"
    table = pktlab.open(path).table(*names)
    first: dict[tuple[int, str, int], int] = {}
    for frame, (number, src, seq, length) in enumerate(zip(*(table[name].to_list() for name in names), strict=True), 1):
        for one in said.get((number, src), ()) if length else ():
            if seq - 1 < one.offset + one.size <= seq - 1 + length:
                first.setdefault((number, src, one.offset), frame)
    found = [(one, first[*key, one.offset]) for key, own in said.items() for one in own]
    assert len(found) > 40
    assert all(frame <= one.frame for one, frame in found)
    assert sum(frame == one.frame for one, frame in found) >= 0.95 * len(found)  # the others came out of order


def test_the_ten_and_the_thirty_seconds_of_the_shipped_swarm(trading: Any) -> None:
    found = choking_of(trading.torrent)
    ((client, (rounds, turns)),) = found.periods.items()
    assert client.startswith("libtorrent")
    assert rounds is not None
    assert turns is not None
    assert (abs(rounds.seconds - 10) < 0.3, abs(turns.seconds - 30) < 0.5) == (True, True)
    assert {chooser.slots for chooser in found.choosers} == {4}
    total = found.total
    assert total.score is not None
    assert total.random is not None
    assert total.n > 100
    assert total.score > total.random + 0.05
    assert {decision.kind for chooser in found.choosers for decision in chooser.decisions} == {
        "round", "free slot", "not interested",
    }  # fmt: skip


def test_rarest_first_in_the_trade_bound_swarm(trading: Any) -> None:
    pickers = rarest_of(trading.torrent)
    assert len(pickers) == 7
    assert all(picker.place is not None and picker.place < 0.4 for picker in pickers)


def test_documents_are_as_their_schemas_say(swarm: Any) -> None:
    torrent = swarm.torrent
    chokes, starts = choking_document(torrent, choking_of(torrent)), rarest_document(torrent, rarest_of(torrent))
    for name, document in (("bt-choking", chokes), ("bt-rarest", starts)):
        jsonschema.validate({"torrents": [document]}, json_schema(name))
    assert choke_picture(torrent).svg().endswith("</svg>\n")


# ---- choosers whose rule is known


def simulated(choose: Any, seconds: int = 300, step: int = 10, others: int = 9) -> Torrent:
    """Return a torrent in which one leecher, all others being interested, unchokes those that `choose` says."""
    dice = random.Random(5)
    ledger = Ledger("cd" * 20)
    links = [ledger.link("tcp", (("192.0.2.1", 6881), (f"192.0.2.{n + 10}", 6881)), 0) for n in range(others)]
    rates = [dice.randint(0, 8) for _ in links]
    for link in links:
        ledger.say(1, link, 1, Type.interested)
        ledger.say(1, link, 0, Type.have_none)
    ledger.say(2, links[0], 1, Type.have, 200)
    unchoked: set[int] = set()
    for second in range(1, seconds):
        for number, link in enumerate(links):
            for part in range(rates[number]):
                ledger.say(second * S + part, link, 1, Type.piece, second % 200, (number * 10 + part) * BLOCK, BLOCK)
        if second % step == 0:
            rates = [max(0, rate + dice.choice((-2, 0, 2))) for rate in rates]
            wanted = set(choose(second // step, rates, dice))
            for number in sorted(unchoked - wanted):
                ledger.say(second * S + 100, links[number], 0, Type.choke)
            for number in sorted(wanted - unchoked):
                ledger.say(second * S + 200, links[number], 0, Type.unchoke)
            unchoked = wanted
    return Torrent(ledger)


def best_four(_: int, rates: list[int], __: random.Random) -> list[int]:
    return sorted(range(len(rates)), key=lambda number: -rates[number])[:4]


def any_four(_: int, rates: list[int], dice: random.Random) -> list[int]:
    return dice.sample(range(len(rates)), 4)


def test_tit_for_tat_is_told_from_dice() -> None:
    fair, blind = (choking_of(simulated(choose)).choosers[0] for choose in (best_four, any_four))
    assert fair.slots == blind.slots == 4
    assert fair.score is not None
    assert blind.score is not None
    assert blind.random is not None
    assert fair.score > 0.7
    assert abs(blind.score - blind.random) < 0.15
    assert abs(blind.random - 4 / 9) < 0.01


def test_the_period_is_found_whatever_it_is() -> None:
    for step in (7, 10, 15):
        (chooser,) = choking_of(simulated(any_four, 400, step)).choosers
        assert chooser.period is not None
        assert abs(chooser.period.seconds - step) < 0.2


def test_moments_without_a_rhythm_have_no_period() -> None:
    dice = random.Random(3)
    found = 0
    for _ in range(40):
        moments = sorted(dice.randrange(300 * S) for _ in range(12))
        found += infer_period([moments]) is not None
    assert found <= 2
