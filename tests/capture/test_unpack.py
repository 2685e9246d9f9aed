"""gzip and zstd: members, padding, cuts, damage, and bombs."""

from __future__ import annotations

import gzip
import io
import random
import sys
import tracemalloc
import zlib

import pytest
import zstandard

from pktlab.capture import open_capture
from pktlab.errors import CaptureError

PACKERS = {"gzip": gzip.compress, "zstd": zstandard.compress}
SKIPPABLE_FRAME = b"\x50\x2a\x4d\x18\x04\0\0\0skip"


def noise(size: int) -> bytes:
    return random.Random(1).randbytes(size)


@pytest.fixture(scope="module")
def big(little):
    """A capture longer than a chunk, with packets that do not pack well."""
    packets = (little.pcap_record(noise(n)) for n in range(1000))
    return little.pcap_header() + b"".join(packets)


@pytest.mark.parametrize("compression", PACKERS)
def test_packed_captures(samples, big, read_bytes, compression):
    for data in (*samples.values(), big):
        whole, _ = read_bytes(data)
        records, reader = read_bytes(PACKERS[compression](data))
        assert records == whole
        assert (reader.compression, reader.damage) == (compression, None)


@pytest.mark.parametrize("compression", PACKERS)
def test_many_members_read_as_one(samples, read_bytes, compression):
    pack = PACKERS[compression]
    for data in samples.values():
        whole, _ = read_bytes(data)
        members = b"".join(pack(data[at : at + 11]) for at in range(0, len(data), 11))
        assert read_bytes(members)[0] == whole
        assert read_bytes(pack(b"") + members)[0] == whole


def test_zstd_frames_to_skip(samples, read_bytes):
    data = samples["pcapng-big"]
    half = len(data) // 2
    frames = SKIPPABLE_FRAME + zstandard.compress(data[:half]) + SKIPPABLE_FRAME + zstandard.compress(data[half:])
    records, reader = read_bytes(frames)
    assert (len(records), reader.compression, reader.damage) == (4, "zstd", None)


def test_gzip_padding_and_what_is_none(samples, read_bytes):
    data = samples["pcap-us-little"]
    records, reader = read_bytes(gzip.compress(data, mtime=0) + bytes(1000))
    assert (len(records), reader.damage) == (4, None)
    records, reader = read_bytes(gzip.compress(data, mtime=0) + b"trailing")
    assert (len(records), reader.damage.offset) == (4, len(data))
    assert reader.damage.why == "the gzip data are damaged (incorrect header check)"


@pytest.mark.parametrize("compression", PACKERS)
def test_every_prefix(samples, read_bytes, compression):
    """A cut never gives a packet that is not there, and is always told."""
    data = samples["pcapng-little"]
    whole, _ = read_bytes(data)
    packed = PACKERS[compression](data)
    seen = set()
    for size in range(1, len(packed)):
        try:
            records, reader = read_bytes(packed[:size])
        except CaptureError:
            continue
        assert records == whole[: len(records)]
        assert f"the {compression} data are cut short" in reader.damage.why
        seen.add(len(records))
    if compression == "gzip":  # zstd has all of such a small file in one block
        assert seen == {0, 1, 2, 3, 4}


def test_gzip_cut_between_two_packets_is_told(little, read_bytes):
    """All packets are there, but the checksum of the file is not."""
    data = little.pcap_header() + little.pcap_record(b"abc")
    records, reader = read_bytes(gzip.compress(data, mtime=0)[:-4])
    assert (len(records), reader.damage.offset) == (1, len(data))
    assert reader.damage.why == "the gzip data are cut short"


def test_what_stands_before_damaged_gzip_data_is_read(big, read_bytes):
    packed = bytearray(gzip.compress(big, mtime=0))
    packed[-8] ^= 1  # the checksum is wrong: every packet is there
    records, reader = read_bytes(bytes(packed))
    assert len(records) == 1000
    assert reader.damage.why == "the gzip data are damaged (incorrect data check)"
    at = len(packed) // 2
    middle = bytes(packed[:at]) + b"\xff" * 40 + bytes(packed[at + 40 :])
    records, reader = read_bytes(middle)
    inflater = zlib.decompressobj(31)
    inflated = sum(len(inflater.decompress(middle[n : n + 1])) for n in range(at))  # what is surely good
    assert sum(r.offset + 16 + len(r.data) <= inflated for r in records) >= sum(
        r.offset + 16 + len(r.data) <= inflated for r in read_bytes(big)[0]
    )
    assert "gzip data" in reader.damage.why or "record" in reader.damage.why


def test_what_stands_before_damaged_zstd_data_is_read(big, read_bytes):
    packed = bytearray(zstandard.ZstdCompressor(write_checksum=True).compress(big))
    packed[-1] ^= 1
    records, reader = read_bytes(bytes(packed))
    lost = 1 << 17  # the last block, of 128 KiB at most, falls with the checksum that stands behind it
    whole = [record for record in read_bytes(big)[0] if record.offset + 16 + len(record.data) <= len(big) - lost]
    assert records[: len(whole)] == whole
    assert "the zstd data are damaged" in reader.damage.why


@pytest.mark.parametrize("compression", PACKERS)
def test_a_bomb_takes_little_memory(little, compression):
    """256 MiB of zeros behind a header are 16-byte records of nothing: all read, none kept."""
    header = little.pcap_header()
    if compression == "gzip":
        packer = zlib.compressobj(9, wbits=31)
    else:
        packer = zstandard.ZstdCompressor(level=3).compressobj()
    packed = packer.compress(header) + b"".join(packer.compress(bytes(1 << 20)) for _ in range(64)) + packer.flush()
    assert len(packed) < 100_000
    tracemalloc.start()
    reader = open_capture(io.BytesIO(packed))
    claims = sum(1 for _ in zip(range(20_000), reader, strict=False))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert claims == 20_000
    assert peak < 40 << 20


def test_zstd_without_the_package(samples, monkeypatch):
    monkeypatch.setitem(sys.modules, "zstandard", None)
    packed = zstandard.compress(samples["pcap-us-little"])
    with pytest.raises(CaptureError, match=r"^<stream>: zstd data need a package: pip install zstandard$"):
        open_capture(io.BytesIO(packed))
