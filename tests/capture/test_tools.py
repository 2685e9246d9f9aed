"""Merging, slicing and converting, against editcap and mergecap where they do the same."""

from __future__ import annotations

import io
import shutil
import subprocess

import pytest

from pktlab.capture import between, convert, merge, numbered, open_capture, open_writer
from pktlab.errors import CaptureError


def pcap(build, seconds, link=1) -> bytes:
    return build.pcap_header(link=link) + b"".join(build.pcap_record(bytes([s]) * 20, seconds=s) for s in seconds)


def opened(data: bytes):
    return open_capture(io.BytesIO(data))


def test_merge_is_by_time_and_stable(little):
    merged = merge(
        [opened(pcap(little, (1, 5, 5, 9))), opened(pcap(little, (5, 2, 10), link=101)), opened(pcap(little, ()))]
    )
    got = [(record.number, record.time_ns // 10**9, record.section, record.link_type) for record in merged]
    assert got == [
        (1, 1, 0, 1),
        (2, 5, 0, 1),
        (3, 5, 0, 1),
        (4, 5, 1, 101),
        (5, 2, 1, 101),
        (6, 9, 0, 1),
        (7, 10, 1, 101),
    ]


def test_packets_without_a_time_follow_the_one_before_them(little):
    second = 10**6
    one = little.section() + little.interface() + little.simple(b"first")
    one += little.enhanced(b"a", ticks=5 * second) + little.simple(b"after a") + little.enhanced(b"b", ticks=9 * second)
    other = little.section() + little.interface() + little.enhanced(b"c", ticks=5 * second) + little.simple(b"after c")
    got = [record.data for record in merge([opened(one), opened(other)])]
    assert got == [b"first", b"a", b"after a", b"c", b"after c", b"b"]


def test_merged_interfaces_are_kept_apart(builders, read_bytes):
    def source(order, name):
        build = builders[order]
        statistics = build.block(5, build.pack("III", 0, 0, 0) + build.option(5, build.pack("Q", 3)))
        described = build.interface(1, options=build.option(2, name))
        return opened(build.section() + described + build.enhanced(name, ticks=7) + statistics)

    file = io.BytesIO()
    assert convert(merge([source("little", b"eth0"), source("big", b"eth1")]), file) == 2
    records, reader = read_bytes(file.getvalue())
    assert [(record.data, reader.interface_of(record).name) for record in records] == [
        (b"eth0", "eth0"),
        (b"eth1", "eth1"),
    ]
    assert reader.drops == {(0, 0): {"dropped": 3}, (0, 1): {"dropped": 3}}


def test_merge_agrees_with_mergecap(tmp_path, little):
    if not shutil.which("mergecap"):
        pytest.skip("mergecap is not installed")
    (tmp_path / "a.pcap").write_bytes(pcap(little, (1, 4, 4, 8)))
    (tmp_path / "b.pcap").write_bytes(pcap(little, (2, 4, 9)))
    subprocess.run(["mergecap", "-w", "m.pcapng", "a.pcap", "b.pcap"], cwd=tmp_path, check=True, capture_output=True)
    theirs = [(record.time_ns, record.data) for record in open_capture(tmp_path / "m.pcapng")]
    ours = merge([open_capture(tmp_path / "a.pcap"), open_capture(tmp_path / "b.pcap")])
    assert [(record.time_ns, record.data) for record in ours] == theirs


def test_slices(little):
    data = pcap(little, range(1, 10))
    assert [record.number for record in numbered(opened(data), 8)] == [8, 9]
    assert [record.number for record in numbered(opened(data), 2, 3)] == [2, 3]
    assert list(numbered(opened(data), 5, 4)) == []
    assert [record.number for record in between(opened(data), end_ns=3 * 10**9)] == [1, 2]
    assert [record.number for record in between(opened(data), 8 * 10**9)] == [8, 9]
    with pytest.raises(ValueError, match="counted from 1"):
        numbered(opened(data), 0)


def test_a_slice_is_written(little, read_bytes):
    source, file = opened(pcap(little, range(1, 10))), io.BytesIO()
    assert convert(source, file, format="pcapng", records=numbered(source, 3, 5)) == 3
    assert [record.data[0] for record in read_bytes(file.getvalue())[0]] == [3, 4, 5]


def test_nanoseconds_are_kept_or_refused(little, read_bytes, tmp_path):
    magic = 0xA1B23C4D
    data = little.pcap_header(magic) + little.pcap_record(b"abc", 7, 123_456_789, magic=magic)
    for form in ("pcap", "pcapng"):
        file = io.BytesIO()
        convert(opened(data), file, format=form)
        assert read_bytes(file.getvalue())[0][0].time_ns == 7_123_456_789
    with pytest.raises(CaptureError, match="packet 1 has a time of 7123456789 ns: microseconds cannot hold it"):
        convert(opened(data), tmp_path / "a.pcap", nanoseconds=False)
    assert list(tmp_path.iterdir()) == []


def test_what_a_pcap_cannot_hold_is_refused(little, tmp_path):
    start = little.section() + little.interface(1) + little.interface(101)
    with pytest.raises(CaptureError, match="has no time: write pcapng instead"):
        convert(opened(start + little.simple(b"abc")), tmp_path / "a.pcap")
    with pytest.raises(CaptureError, match="link type raw IP after Ethernet"):
        convert(opened(start + little.enhanced(b"a", 0) + little.enhanced(b"b", 1)), tmp_path / "a.pcap")
    assert list(tmp_path.iterdir()) == []


def test_sections_in_both_byte_orders_become_one(builders, read_bytes, samples):
    source, file = opened(samples["pcapng-little"] + samples["pcapng-big"]), io.BytesIO()
    with open_writer(file, like=source) as writer:
        kept = []
        for record in source:
            kept.append((record.data, record.link_type, source.interface_of(record).name))
            writer.write(record)
    records, again = read_bytes(file.getvalue())
    assert [(record.data, record.link_type, again.interface_of(record).name) for record in records] == kept
    assert (len(again.sections), len(again.interfaces)) == (1, len(source.interfaces))
