"""Packets that are taken along a trail are as if walked: the same places, lengths and verdicts, of any packet."""

from __future__ import annotations

import io
import random
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from construct import Int16ub

from pktlab.capture import CaptureReader, open_capture
from pktlab.columns import kernels_trails, trails
from pktlab.columns.plan import Plan, plan_for
from pktlab.columns.rules import Rules, compile_rules
from pktlab.columns.scan import Array, Walked
from pktlab.columns.windows import WINDOW_LEN, Window, Windows, max_packets
from pktlab.errors import PktlabError
from pktlab.wire import Header, field
from pktlab.wire.bindings import bind

from .captures import first_light, mutants, pcapng


class Own(Header, layer="own"):
    """A user's protocol with a number."""

    number: int = field(Int16ub, "Number")


def plans(rules: Rules) -> list[Plan]:
    return [
        plan_for(rules, ["ip.src", "ipv6.src"], sums=None, every=True),
        plan_for(rules, ["ip.src", "ip.ttl", "tcp.srcport", "udp.dstport", "tcp.flags"]),
        plan_for(rules, ["ip.dst", "ip.proto", "tcp.seq_raw", "udp.length", "vlan.id", "dns.id"], every=True),
        plan_for(rules, ["eth.src", "ip.id"], sums=["ip", "udp"]),
        plan_for(rules, ["own.number"] if Own in rules.numbers else ["arp.opcode"]),
    ]


def spoil(window: Window, dice: random.Random) -> None:
    """Change some bits near the start of packets, and cut some packets short, where they lie."""
    index = window.index
    for place in dice.sample(range(window.count), window.count // 3):
        if index.captured[place]:
            at = int(index.starts[place]) + dice.randrange(min(int(index.captured[place]), 70))
            window.data[at] ^= np.uint8(1 << dice.randrange(8))
    for place in dice.sample(range(window.count), window.count // 8):
        index.captured[place] = dice.randint(0, int(index.captured[place]))
        if dice.random() < 0.5:
            index.lengths[place] = index.captured[place]


def told(walked: Walked, window: Window) -> list[Array]:
    """Return what a walk says, without what nobody may look at."""
    walked.run(window)
    places, payloads, verdicts, found, expected = (array[:, : window.count] for array in walked.arrays)
    plain, given = ~walked.exact, verdicts > 0
    return [
        walked.exact.copy(), np.where(plain, places, 0), np.where(plain & (places >= 0), payloads, 0),
        np.where(plain, verdicts, 0), np.where(plain & given, found, 0), np.where(plain & given, expected, 0),
        walked.codes.copy(),
    ]  # fmt: skip


class Pair:
    """One walk that learns trails, and one that does not."""

    def __init__(self, plan: Plan, patch: pytest.MonkeyPatch) -> None:
        self.patch = patch
        self.walker, self.learner = (Walked(plan, max_packets(WINDOW_LEN)) for _ in range(2))

    def hits(self, window: Window) -> int:
        """Hold both against each other; return how many packets went along trails."""
        self.patch.setattr(trails, "_LEAST_PACKETS", 1 << 60)
        walked = told(self.walker, window)
        self.patch.setattr(trails, "_LEAST_PACKETS", 1)
        known = self.learner._trails.known
        for _ in range(3):  # what is learned in one is used in the next
            before = int(known[kernels_trails.HITS])
            for one, other in zip(told(self.learner, window), walked, strict=True):
                np.testing.assert_array_equal(one, other)
        return int(known[kernels_trails.HITS]) - before


def hits_of(reader: CaptureReader, chosen: Sequence[Plan], patch: pytest.MonkeyPatch, seed: int) -> Iterator[int]:
    """Yield how many packets of each window went along trails, as they are and after some damage."""
    patch.setattr(trails, "_FEW", 0.0)  # trails are not given up, however few packets take them
    pairs, dice = [Pair(plan, patch) for plan in chosen], random.Random(seed)
    for window in Windows(reader, 0):
        for damage in range(3):
            if damage:
                spoil(window, dice)
            yield sum(pair.hits(window) for pair in pairs)


@pytest.mark.parametrize("seed", range(3))
def test_changed_packets(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    found = first_light() * 3 + mutants(seed, 600)
    with open_capture(io.BytesIO(pcapng(found))) as reader:
        assert sum(hits_of(reader, plans(compile_rules()), monkeypatch, seed)) > 500


def test_what_follows_by_a_users_rule(monkeypatch: pytest.MonkeyPatch) -> None:
    rules = compile_rules([bind("udp.port=53", Own), bind("ip.proto=6", Own)])
    with open_capture(io.BytesIO(pcapng(first_light() * 4))) as reader:
        assert sum(hits_of(reader, plans(rules), monkeypatch, 0)) > 100


def real(folder: Path, part: int, parts: int) -> int:
    with pytest.MonkeyPatch.context() as patch:
        chosen, taken = plans(compile_rules()), 0
        for path in sorted(one for one in folder.rglob("*.pcap*") if one.is_file())[part::parts]:
            try:
                with open_capture(path) as reader:
                    taken += sum(hits_of(reader, chosen, patch, part))
            except PktlabError:
                continue
    return taken


def test_real_captures(corpus: Path) -> None:
    assert real(corpus, 7, 100) > 1000


@pytest.mark.thorough
@pytest.mark.parametrize("part", range(8))
def test_all_real_captures(corpus: Path, part: int) -> None:
    assert real(corpus, part, 8) > 10_000


def test_trails_that_few_packets_take_are_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trails, "_LEAST_PACKETS", 1)
    monkeypatch.setattr(trails, "_ENOUGH", 4)
    walked = Walked(plan_for(compile_rules(), ["ip.ttl"]), max_packets(WINDOW_LEN))
    with open_capture(io.BytesIO(pcapng(first_light()))) as reader:
        window = next(iter(Windows(reader, 0)))
        walked.run(window)
        assert walked._trails.known[kernels_trails.TRAILS] > 0
        monkeypatch.setattr(trails, "_FEW", 1.1)
        for _ in range(9):
            walked.run(window)
    assert walked._trails.known[kernels_trails.TRAILS] == 0
