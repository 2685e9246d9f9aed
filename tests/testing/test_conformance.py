"""The conformance kit: known mistakes are killed with small counter-examples, right implementations survive."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

import pktlab
from pktlab.testing import assert_checksum_conformant
from pktlab.testing.conformance.kinds import KINDS, Case, Kind, case_of
from pktlab.testing.conformance.mistakes import Mistake, mistakes_of
from pktlab.testing.conformance.report import Report
from pktlab.testing.conformance.run import NotConformant, fuzz
from pktlab.testing.conformance.schedule import drawn, scheduled
from pktlab.testing.conformance.targets import Answer, Direct
from pktlab.wire.checksum import checksum, fold, ones_sum, swap

Function = Callable[..., Any]
AS = {1: "eth", 101: "raw"}


class Mistaken:
    """A target that makes a known mistake."""

    def __init__(self, mistake: Mistake) -> None:
        self.name = mistake.name
        self.mistake = mistake

    def ask(self, cases: Sequence[Case]) -> Iterator[Answer]:
        for case in cases:
            yield Answer((self.mistake.answer(case),))

    def close(self) -> None:
        pass


SMALLEST = {
    "internet": {
        "odd-dropped": 1, "odd-low": 1, "odd-front": 1, "no-carry": 3, "one-fold": 5, "one-fold-swapped": 4,
        "swapped": 1, "no-complement": 0, "negated": 0, "last-byte": 1, "last-word": 1, "first-word": 1,
        "first-byte": 1, "signed-words": 1, "signed-bytes": 1, "ffff-rule": 2, "carry-32": 5, "carry-64": 9,
        "length-16": 65536, "length-15": 32768, "length-8": 256, "xor": 3, "bytes": 1, "empty-0": 0, "zeros-0": 0,
        "rest-4": 1, "rest-8": 1, "rest-16": 1, "rest-32": 1, "rest-64": 1,
    },
    "udp4": {
        "no-ffff": 28, "no-pseudo": 28, "no-proto": 28, "no-length": 28, "other-proto": 28, "total-length": 28,
        "data-length": 28, "with-pseudo-length": 28, "no-source": 28, "no-destination": 28, "swapped-length": 28,
        "proto-high": 28, "with-ttl": 28, "header-only": 29, "data-only": 28, "whole-packet": 28, "ihl-20": 32,
        "odd-dropped": 29, "one-fold": 28,
    },
    "tcp6": {"no-pseudo": 60, "header-only": 61, "header-20": 64, "ffff-rule": 60},
    "icmp": {"icmp-pseudo": 28, "ihl-20": 32, "header-only": 29},
    "eth": {"trailer": 43, "ihl-20": 46, "no-ffff": 42},
    "ipv4": {"ihl-20": 24, "ffff-rule": 20, "no-carry": 20},
    "update": {
        "rfc-1141": 0, "odd-low": 2, "odd-dropped": 2, "no-carry": 2, "one-fold": 2, "exchanged": 2, "not-removed": 2,
        "not-added": 2, "no-complement": 2, "not-complemented": 0, "first-word": 6, "ffff-rule": 0, "swapped": 0,
        "unchanged": 2,
    },
    "verify-udp4": {"not-zeroed": 28, "yes": 28, "no": 28, "reversed": 28, "no-pseudo": 28, "header-only": 29},
    "verify-tcp4": {"compared": 40},
    "verify-internet": {"compared": 2, "zeros-accepted": 2, "no-carry": 2},
}  # fmt: skip
"""How many bytes the smallest counter-example has, worked out by hand."""
ROOM = 4
FAULTS = [(kind, name) for kind, names in SMALLEST.items() for name in names]


@pytest.mark.parametrize(("kind", "name"), FAULTS)
def test_a_known_mistake_is_killed_by_a_small_counter_example_and_named(kind: str, name: str) -> None:
    mistake = next(one for one in mistakes_of(KINDS[kind]) if one.name == name)
    report = fuzz(Mistaken(mistake), KINDS[kind], max_examples=3500)
    assert report.case is not None
    assert SMALLEST[kind][name] <= report.case.size <= SMALLEST[kind][name] + ROOM
    assert report.mistake is not None
    if kind != "verify-internet" and not kind.startswith("verify-"):
        said = report.mistake.answer
        assert all(said(case) == mistake.answer(case) for case in first_cases(KINDS[kind], 300))


def first_cases(kind: Kind, count: int) -> list[Case]:
    return [case_of(kind, parts) for parts in islice(scheduled(kind), 60, 60 + count)]


# ---- right ones


def loop(data: bytes) -> int:
    total = 0
    for high, low in zip(data[::2], (data + b"\0")[1::2], strict=False):
        total += high << 8 | low
        total = (total & 0xFFFF) + (total >> 16)
    return total ^ 0xFFFF


def swapped(data: bytes) -> int:
    """RFC 1071 section 2(B): summed in the other byte order."""
    padded = data + b"\0" * (len(data) % 2)
    return swap(fold(sum(struct.unpack(f"<{len(padded) // 2}H", padded)))) ^ 0xFFFF


def modulo(data: bytes) -> int:
    number = int.from_bytes(data + b"\0" * (len(data) % 2), "big")
    return 0xFFFF - (number % 0xFFFF or (0xFFFF if number else 0))


TABLE = [[byte << 8 for byte in range(256)], list(range(256))]


def table(data: bytes) -> int:
    total = sum(TABLE[at % 2][byte] for at, byte in enumerate(data))
    while total > 0xFFFF:
        total = (total >> 16) + (total & 0xFFFF)
    return ~total & 0xFFFF


def wide(data: bytes) -> int:
    padded = data + bytes(-len(data) % 8)
    return fold(sum(struct.unpack(f">{len(padded) // 8}Q", padded))) ^ 0xFFFF


def udp4(packet: bytes) -> int:
    """Addresses in the other order, which no sum minds."""
    start = 4 * (packet[0] & 15)
    segment = packet[start:]
    pseudo = packet[16:20] + packet[12:16] + bytes((0, packet[9])) + len(segment).to_bytes(2, "big")
    return loop(pseudo + segment) or 0xFFFF


def tcp6(packet: bytes) -> int:
    """A length of 16 bits is as good."""
    return loop(packet[8:40] + b"\0\6" + packet[4:6] + packet[40:])


def icmp(packet: bytes) -> int:
    return loop(packet[4 * (packet[0] & 15) :])


def eth(frame: bytes) -> int:
    packet = frame[14 : 14 + int.from_bytes(frame[16:18], "big")]
    value = udp4(packet)
    return value if packet[9] == 17 or value != 0xFFFF else 0


def equation_4(total: int, old: bytes, new: bytes) -> int:
    """RFC 1624 section 3, equation 4: by subtraction."""
    value = total - (ones_sum(old) ^ 0xFFFF) - ones_sum(new)
    while not 0 <= value <= 0xFFFF:
        value = (value & 0xFFFF) + (value >> 16)
    return value


def verify(data: bytes) -> bool:
    return ones_sum(data) == 0xFFFF


def verify_tcp4(packet: bytes) -> bool:
    segment = packet[4 * (packet[0] & 15) :]
    return loop(packet[12:20] + b"\0\6" + len(segment).to_bytes(2, "big") + segment) == 0


RIGHT: list[tuple[str, Function]] = [
    *[("internet", one) for one in (loop, swapped, modulo, table, wide, checksum)],
    *[("ipv4", one) for one in (loop, swapped, modulo, table)],
    ("udp4", udp4), ("tcp6", tcp6), ("icmp", icmp), ("eth", eth), ("update", equation_4),
    ("update", pktlab.checksum.update), ("verify-internet", verify), ("verify-ipv4", verify),
    ("verify-tcp4", verify_tcp4), ("verify-icmp", lambda packet: icmp(packet) == 0),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "function"), RIGHT, ids=[f"{kind}-{one.__name__}" for kind, one in RIGHT])
def test_right_implementations_survive(kind: str, function: Function) -> None:
    assert_checksum_conformant(function, kind, max_examples=3000)


@pytest.mark.thorough
@pytest.mark.parametrize(("kind", "function"), RIGHT, ids=[f"{kind}-{one.__name__}" for kind, one in RIGHT])
def test_right_implementations_survive_a_hundred_thousand(kind: str, function: Function) -> None:
    assert_checksum_conformant(function, kind, max_examples=100_000, max_seconds=250)


# ---- the kit itself


@pytest.mark.parametrize("name", list(KINDS))
def test_what_is_given_is_legal_and_the_right_answer_is_ours(name: str) -> None:
    """Every packet reads to its end, and our verdict on what the kit calls right is good."""
    kind = KINDS[name]
    if kind.link_type not in AS or kind.name == "ipv4":
        return
    for parts in [*islice(scheduled(kind), 60, 400, 7), *islice(drawn(kind, 3), 60)]:
        case = case_of(kind, parts)
        packet = case.given[0]
        if not kind.is_verify:
            packet = packet[: case.made.at] + case.right.to_bytes(2, "big") + packet[case.made.at + 2 :]
        read = pktlab.packet(packet, as_=AS[kind.link_type])
        if kind.name != "verify-ipv4":
            assert read.stop is None or read.stop.offset > case.made.at  # only data may look like another protocol
            said = [one for one in read.judgements if one.offset == case.made.at]
            assert [str(one.verdict) for one in said] in (["good"], ["bad"], ["partial"])
            assert (str(said[0].verdict) == "good") == (bool(case.right) if kind.is_verify else True)


def test_big_sizes_come_first() -> None:
    sizes = [case_of(KINDS["internet"], parts).size for parts in islice(scheduled(KINDS["internet"]), 50)]
    assert max(sizes[:2]) < 10
    assert min(sizes[2:]) > 1500
    assert max(sizes) == 65536


def test_the_same_seed_gives_the_same_cases() -> None:
    kind = KINDS["udp4"]
    assert list(islice(drawn(kind, 7), 50)) == list(islice(drawn(kind, 7), 50)) != list(islice(drawn(kind, 8), 50))


def test_the_same_seed_repeats_a_run_exactly() -> None:
    def rarely_wrong(packet: bytes) -> int:
        return udp4(packet) ^ (zlib.crc32(packet) % 2000 == 7 and packet[0] > 0x45 and len(packet) > 60)

    def run(seed: int) -> Report:
        return replace(fuzz(Direct(rarely_wrong, KINDS["udp4"]), KINDS["udp4"], seed=seed), seconds=0)

    first, again, other = run(7), run(7), run(8)
    assert first == again
    assert first.case is not None
    assert (other.tried, other.case) != (first.tried, first.case)


def test_an_exception_is_a_failure() -> None:
    with pytest.raises(NotConformant, match="it raised IndexError: ") as failed:
        assert_checksum_conformant(lambda data: data[len(data)], max_examples=10)
    assert failed.value.report.case is not None
    assert failed.value.report.case.size == 0


@pytest.mark.parametrize(("answer", "said"), [(None, "no number"), (65536, "outside 0"), ("220d", "no number")])
def test_what_is_no_checksum_is_a_failure(answer: Any, said: str) -> None:
    with pytest.raises(NotConformant, match=said):
        assert_checksum_conformant(lambda data: answer, max_examples=10)


def test_a_function_with_a_memory_is_found_out() -> None:
    calls = iter(range(10**9))
    with pytest.raises(NotConformant, match="depends on what was asked before"):
        assert_checksum_conformant(lambda data: checksum(data) if next(calls) % 7 else 1, max_examples=100)


def test_no_such_kind() -> None:
    with pytest.raises(ValueError, match="there is no kind 'udp'; there are internet, ipv4, udp4"):
        assert_checksum_conformant(checksum, "udp")


def test_the_capture_holds_what_was_given_what_is_right_and_what_came_back(tmp_path: Path) -> None:
    kind = KINDS["udp4"]
    report = fuzz(Direct(lambda packet: udp4(packet) ^ 1, kind), kind, max_examples=10)
    report.write(tmp_path / "found.pcapng")
    packets = list(pktlab.open(str(tmp_path / "found.pcapng")))
    assert [packet["udp.checksum.verdict"] for packet in packets] == ["absent", "good", "bad"]
    assert packets[1].comments[0].startswith("with the right checksum")
