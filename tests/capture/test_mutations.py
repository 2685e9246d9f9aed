"""Changed captures: packets, damage or a CaptureError, never anything else, and no memory for what is only claimed."""

from __future__ import annotations

import gzip
import io
import random
import tracemalloc
from contextlib import suppress

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from pktlab.capture import open_capture, open_writer
from pktlab.errors import CaptureError

NASTY = (b"\xff\xff\xff\xff", b"\0\0\0\0", b"\x7f\xff\xff\xff", b"\xff\xff\xff\x7f", b"\x80\0\0\0", b"\0\0\x04\0")


def outcome(data: bytes) -> tuple[int, str]:
    """Read to the end; return the packets, and how it ended."""
    try:
        reader = open_capture(io.BytesIO(data))
    except CaptureError as error:
        return 0, str(error)
    records = list(reader)
    assert [record.number for record in records] == list(range(1, len(records) + 1))
    if reader.damage is None:
        return len(records), ""
    assert reader.damage.packets == len(records)
    return len(records), str(reader.damage)


@pytest.mark.parametrize("pack", [bytes, gzip.compress, zstandard.compress])
def test_changed_samples(samples, pack):
    dice = random.Random(2)
    seen = set()
    for data in samples.values():
        packed = pack(data)
        for _ in range(300):
            mutant = bytearray(packed)
            for _ in range(dice.randint(1, 4)):
                at = dice.randrange(len(mutant))
                mutant[at : at + 4] = dice.choice(NASTY) if dice.random() < 0.5 else dice.randbytes(4)
            seen.add(outcome(bytes(mutant)))
    assert len(seen) > 20


def test_every_field_changed(samples):
    """Each aligned place of each sample gets each nasty value."""
    for name, data in samples.items():
        whole = outcome(data)
        assert whole == (4, ""), name
        for at in range(0, len(data) - 3, 2):
            for value in NASTY:
                outcome(data[:at] + value + data[at + 4 :])


@given(st.binary(max_size=200))
def test_any_bytes(data):
    outcome(data)


@given(st.sampled_from(["d4c3b2a1", "a1b2c3d4", "34cdb2a1", "0a0d0d0a1c0000004d3c2b1a"]), st.binary(max_size=200))
def test_any_bytes_behind_a_magic_number(magic, data):
    outcome(bytes.fromhex(magic) + data)


@pytest.mark.parametrize("claim", [0x7FFFFFFF, 0xFFFFFFFF, 0x80000000, 0xFFFFFFFC, 200 << 20, 262_144, 100 << 20])
def test_a_claimed_length_takes_no_memory(build, claim):
    """Of pcap records (Ethernet, and D-Bus with its 128 MiB), of blocks, and of packets in them."""
    pcaps = [build.pcap_header(link=link) + build.pcap_record(b"abc", captured=claim) for link in (1, 231)]
    start = build.section() + build.interface(231)
    blocks = [build.enhanced(b"abc", total=claim), build.enhanced(b"abc", captured=claim), build.simple(b"abc", claim)]
    blocks += [build.block(kind, b"", total=claim) for kind in (0x0A0D0D0A, 1, 2, 3, 4, 0xBAD)]
    for data in (*pcaps, *(start + block for block in blocks)):
        tracemalloc.start()
        packets, why = outcome(data)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert (packets, "damaged at byte" in why) == (0, True)
        assert peak < 1 << 20


DUMP = b"12:34:56.789 IP a > b\n\t0x0000:  4500 001c 0000  E...\n\t0x0006:  0102\n0000  01 02 03   ...\n000003\n"


def survives(data: bytes, *, salvage: bool) -> int:
    """Read, and write what was read, under a bound of memory; return how many packets there were."""
    try:
        reader = open_capture(io.BytesIO(data), salvage=salvage)
    except CaptureError:
        return 0
    count = 0
    with suppress(CaptureError), open_writer(io.BytesIO(), format="pcapng", like=reader) as writer:
        for record in reader:
            count += 1
            with suppress(CaptureError):  # a link type or a time that pcapng cannot hold
                writer.write(record)
    assert isinstance(reader.names, dict)
    assert isinstance(reader.drops, dict)
    assert [hole.start for hole in reader.holes] == sorted(hole.start for hole in reader.holes)
    return count


def mutate(data: bytes, dice: random.Random) -> bytes:
    mutant = bytearray(data)
    for _ in range(dice.randint(1, 6)):
        at, count = dice.randrange(len(mutant)), dice.choice((1, 2, 4, 16, 64))
        how = dice.randrange(5)
        if how == 0:
            mutant[at : at + count] = dice.randbytes(count)
        elif how == 1:
            mutant[at : at + 4] = dice.choice(NASTY)
        elif how == 2 and len(mutant) > count + 1:
            del mutant[at : at + count]
        elif how == 3:
            mutant[at:at] = mutant[at : at + count]
        else:
            mutant[at : at + count] = bytes(count)
        mutant = mutant or bytearray(1)
    return bytes(mutant)


def run_mutants(samples, each: int, seed: int) -> int:
    dice = random.Random(seed)
    packets = 0
    for data in (*samples.values(), DUMP):
        for pack in (bytes, gzip.compress, zstandard.compress):
            for _ in range(each):
                packets += survives(mutate(pack(data), dice), salvage=dice.random() < 0.7)
    return packets


def test_mutants_in_all_forms(samples):
    assert run_mutants(samples, 12, 7) > 100


@pytest.mark.thorough
def test_ten_thousand_mutants(samples):
    tracemalloc.start()
    assert run_mutants(samples, 10_000 // (3 * (len(samples) + 1)) + 1, 8) > 1000
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 64 << 20
