"""Blocks without packets: kept, understood, and written again in the other byte order."""

from __future__ import annotations

import io
import shutil
import subprocess

import pytest

from pktlab.capture import open_capture, open_writer
from pktlab.capture.blocks import MAX_OTHER_LEN


def names(build) -> bytes:
    v4 = build.pack("HH", 1, 10) + bytes([192, 0, 2, 1]) + b"host1\0" + bytes(2)
    v6 = build.pack("HH", 2, 18) + bytes.fromhex("20010db8" + "00" * 11 + "01") + b"h\0" + bytes(2)
    return build.block(4, v4 + v6 + build.pack("HH", 0, 0) + build.option(1, b"seen") + build.option(0, b""))


def statistics(build, interface: int, dropped: int) -> bytes:
    options = build.option(4, build.pack("Q", 1000)) + build.option(5, build.pack("Q", dropped)) + build.option(0, b"")
    return build.block(5, build.pack("III", interface, 0, 5) + options)


def secrets(build) -> bytes:
    return build.block(10, build.pack("II", 0x544C534B, 5) + b"KEYS\n" + bytes(3))


def capture(build) -> bytes:
    return (
        build.section()
        + names(build)
        + secrets(build)
        + build.interface(1)
        + build.interface(101)
        + build.enhanced(b"abcd", 1)
        + build.block(0xBAD, build.pack("I", 32473) + b"mine")
        + build.block(0x4000_0BAD, build.pack("I", 32473) + b"not to copy!")
        + build.block(9, b"__REALTIME_TIMESTAMP=1700000000000000\nMESSAGE=hello\n")
        + statistics(build, 1, 7)
    )


def test_blocks_are_kept(build, read_bytes):
    _, reader = read_bytes(capture(build))
    kinds = [4, 10, 0xBAD, 0x4000_0BAD, 9, 5]
    assert [block.kind for block in reader.blocks] == kinds
    assert reader.names == {"192.0.2.1": "host1", "2001:db8::1": "h"}
    assert reader.drops == {(0, 1): {"received": 1000, "dropped": 7}}
    assert reader.blocks[0].options == ((1, b"seen"),)
    assert reader.blocks[0].offset == 28
    assert reader.blocks_skipped["custom"] == 2


def test_blocks_are_written_again_from_sections_in_both_byte_orders(builders, read_bytes):
    source = open_capture(io.BytesIO(capture(builders["big"]) + capture(builders["little"])))
    file = io.BytesIO()
    with open_writer(file, like=source) as writer:
        for record in source:
            writer.write(record)
    little = builders["little"]
    records, again = read_bytes(file.getvalue())
    assert [(record.data, record.interface_id, record.link_type) for record in records] == [
        (b"abcd", 1, 101),
        (b"abcd", 3, 101),
    ]
    expected = [names(little), secrets(little)]
    assert [block.kind for block in again.blocks] == [4, 10, 0xBAD, 9, 5] * 2
    assert [block.body for block in again.blocks[:2]] == [each[8:-4] for each in expected]
    assert again.blocks[2].body == again.blocks[7].body == little.pack("I", 32473) + b"mine"
    assert again.drops == {(0, 1): {"received": 1000, "dropped": 7}, (0, 3): {"received": 1000, "dropped": 7}}
    assert again.names == source.names


def test_tshark_reads_the_blocks_that_were_written(builders, tmp_path):
    if not shutil.which("tshark"):
        pytest.skip("tshark is not installed")
    source, path = open_capture(io.BytesIO(capture(builders["big"]))), tmp_path / "a.pcapng"
    with open_writer(path, like=source) as writer:
        for record in source:
            writer.write(record)
    run = subprocess.run(["tshark", "-r", str(path), "-q", "-z", "hosts"], capture_output=True, text=True, check=True)
    assert "192.0.2.1\thost1" in run.stdout


def test_what_is_kept_has_a_bound(little):
    long = little.block(10, little.pack("II", 1, 0) + bytes(MAX_OTHER_LEN - 12))
    many = little.block(10, bytes(1 << 19))
    data = little.section() + long + many * 40 + little.interface() + little.enhanced(b"abc")
    reader = open_capture(io.BytesIO(data))
    assert [record.data for record in reader] == [b"abc"]
    assert reader.blocks_skipped == {"decryption secrets": 41}
    assert sum(len(block.body) for block in reader.blocks) <= 16 << 20
    assert len(reader.blocks) == 31


def test_nonsense_in_the_blocks_does_no_harm(build, read_bytes):
    bodies = [b"", b"\1", b"\xff" * 7, b"\0\1\xff\xff", b"\1\0\4\0abcd", bytes(12), b"\xff" * 64]
    blocks = b"".join(build.block(kind, body) for kind in (4, 5, 9, 10, 0xBAD, 77) for body in bodies)
    source = open_capture(io.BytesIO(build.section() + build.interface() + blocks + build.enhanced(b"abc")))
    file = io.BytesIO()
    with open_writer(file, like=source) as writer:
        for record in source:
            writer.write(record)
    assert (source.names, source.damage) == ({}, None)
    assert all(isinstance(block.options, tuple) for block in source.blocks)
    records, again = read_bytes(file.getvalue())
    assert ([record.data for record in records], again.damage) == ([b"abc"], None)
