"""Writing pcapng: what is read and written again is the same, interfaces keep their numbers, clocks are fine enough."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pktlab.capture import Interface, Record, open_capture, open_writer
from pktlab.errors import CaptureError

SECOND = 10**9

texts = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8)
interfaces = st.tuples(st.integers(0, 0xFFFF), st.sampled_from([0, 6, 9, 12, 0x80 | 20]), texts)
packets = st.tuples(
    st.integers(0, 2), st.integers(0, 2**64 - 1), st.binary(max_size=20), st.integers(0, 2**32 - 1), st.lists(texts)
)


@given(
    order=st.sampled_from(["little", "big"]),
    described=st.lists(interfaces, min_size=3, max_size=3),
    sent=st.lists(packets),
)
def test_what_is_built_is_read_and_written_again(builders, read_bytes, order, described, sent):
    build = builders[order]
    data = build.section()
    for link_type, resolution, name in described:
        data += build.interface(link_type, 0, build.option(9, bytes([resolution])) + build.option(2, name.encode()))
    for interface, ticks, payload, length, comments in sent:
        options = b"".join(build.option(1, comment.encode()) for comment in comments)
        data += build.enhanced(payload, interface, ticks, length, options=options)
    records, reader = read_bytes(data)
    assert reader.damage is None
    for record, (interface, ticks, payload, length, comments) in zip(records, sent, strict=True):
        resolution = described[interface][1]
        units = 2 ** (resolution & 0x7F) if resolution & 0x80 else 10**resolution
        assert record.time_ns == ticks * SECOND // units
        assert (record.data, record.length, record.comments) == (payload, length, tuple(comments))
        assert (record.link_type, record.interface_id) == (described[interface][0], interface)
    too_late = any(record.time_ns >= 1 << 64 for record in records if record.time_ns is not None)
    if not too_late:
        assert_same(records, reader, *read_bytes(write(open_capture(io.BytesIO(data)))))


def assert_same(records, reader, again, reader_again):
    assert reader_again.damage is None
    assert [facts(record) for record in again] == [facts(record) for record in records]
    names = [(each.link_type, each.snaplen, each.name, each.description) for each in reader.interfaces]
    assert [(e.link_type, e.snaplen, e.name, e.description) for e in reader_again.interfaces] == names


def facts(record):
    kept = (record.number, record.time_ns, record.data, record.length, record.link_type)
    return (*kept, record.flags, record.comments, record.fcs_len)


def write(source, records=None, **options):
    file = io.BytesIO()
    with open_writer(file, format="pcapng", like=source, **options) as writer:
        for record in source if records is None else records:
            writer.write(record)
    return file.getvalue()


def test_the_samples_survive_being_written(samples, read_bytes):
    for name, data in samples.items():
        records, reader = read_bytes(data)
        assert_same(records, reader, *read_bytes(write(open_capture(io.BytesIO(data))))), name


def test_options_of_interfaces_and_sections_are_kept(builders, read_bytes):
    for build in builders.values():
        described = (
            build.option(8, build.pack("Q", 10**9))
            + build.option(10, build.pack("i", 3600))
            + build.option(16, build.pack("Q", 10**6))
            + build.option(17, build.pack("Q", 10**7))
            + build.option(2989, build.pack("I", 32473) + b"mine")
            + build.option(19373, build.pack("I", 32473) + b"not to be copied")
            + build.option(14, build.pack("q", 7))
            + build.option(13, b"\x20")
            + build.option(12, b"Linux")
        )
        start = build.section(build.option(1, b"note") + build.option(2, b"PC") + build.option(3, b"OS"))
        data = start + build.interface(1, 96, described) + build.enhanced(b"a", ticks=5)
        again = write(open_capture(io.BytesIO(data)))
        _, reader = read_bytes(again)
        section, (interface,) = reader.sections[0], reader.interfaces
        assert (section.comments, section.hardware, section.os, section.application) == (
            ("note",),
            "PC",
            "OS",
            "pktlab",
        )
        assert interface.options == (
            (8, (10**9).to_bytes(8, "little")),
            (10, (3600).to_bytes(4, "little")),
            (16, (10**6).to_bytes(8, "little")),
            (17, (10**7).to_bytes(8, "little")),
            (2989, (32473).to_bytes(4, "little") + b"mine"),
            (12, b"Linux"),
        )
        assert (interface.ts_offset_s, interface.fcs_len, interface.snaplen) == (7, 4, 96)
        assert interface.ticks_per_second == 10**6


def test_interfaces_keep_their_numbers_whatever_comes_first(little, read_bytes):
    data = little.section() + b"".join(little.interface(link) for link in (1, 101, 113))
    data += little.enhanced(b"c", interface=2) + little.enhanced(b"a", interface=0)
    records, _ = read_bytes(write(open_capture(io.BytesIO(data))))
    assert [(r.interface_id, r.link_type) for r in records] == [(2, 113), (0, 1)]


def test_interfaces_without_packets_are_kept(little, read_bytes):
    data = little.section() + little.interface(1) + little.interface(101)
    _, reader = read_bytes(write(open_capture(io.BytesIO(data))))
    assert reader.link_types == [1, 101]


def test_a_time_too_fine_for_its_interface_gets_a_finer_one(little, read_bytes):
    data = little.section() + little.interface(options=little.option(2, b"eth0")) + little.enhanced(b"a", ticks=5)
    source = open_capture(io.BytesIO(data))
    first = next(source)
    edited = Record(2, 5_001, b"b", 1, 1, interface_id=0)
    records, reader = read_bytes(write(source, [first, edited, first, edited]))
    assert [(r.time_ns, r.interface_id) for r in records] == [(5000, 0), (5001, 1), (5000, 0), (5001, 1)]
    assert [(i.name, i.ticks_per_second) for i in reader.interfaces] == [("eth0", 10**6), ("eth0", 10**9)]


def test_an_interface_can_be_given_with_the_packet(read_bytes):
    """So that packets of several captures go into one."""
    file = io.BytesIO()
    left, right = Interface(1, name="left"), Interface(1, name="right")
    with open_writer(file) as writer:
        for interface in (left, right, left):
            writer.write(Record(1, 0, b"", 0, 1), interface)
    records, reader = read_bytes(file.getvalue())
    assert [reader.interface_of(record).name for record in records] == ["left", "right", "left"]


def test_what_a_pcapng_cannot_hold():
    with pytest.raises(CaptureError, match="pcapng cannot hold link type 65536"):
        write(None, [Record(1, 0, b"", 0, 0x10000)])
    with pytest.raises(
        CaptureError, match="packet 1 has a time -1 s after its interface's origin, which pcapng cannot"
    ):
        write(None, [Record(1, -1, b"", 0, 1)])
    with pytest.raises(ValueError, match="a pcapng option holds at most 65535 bytes, not 65536"):
        write(None, [Record(1, 0, b"", 0, 1, comments=("x" * 65536,))])
    with pytest.raises(CaptureError, match="packet 1 has a time 18446744073 s after its interface's origin"):
        write(None, [Record(1, 1 << 64, b"", 0, 1)])
    for length in (-1, 1 << 32):
        with pytest.raises(ValueError, match=f"a packet's length is a number of 32 bits, not {length}"):
            write(None, [Record(1, 0, b"", length, 1)])


def test_the_greatest_values(read_bytes):
    greatest = Record(1, (1 << 64) - 1, b"", (1 << 32) - 1, 0xFFFF, flags=0xFFFFFE1F)
    (record,), _ = read_bytes(write(None, [greatest]))
    assert facts(record) == facts(greatest)


def test_a_packet_without_a_time_keeps_that_if_it_can(read_bytes):
    """A simple packet block is of interface 0 and has no options."""
    sent = [
        Record(1, None, b"abc", 3, 1),
        Record(2, None, b"abc", 60, 1),  # cut, which only a snapshot length could say
        Record(3, None, b"abc", 3, 1, comments=("hello",)),
        Record(4, None, b"abc", 3, 1, flags=0),
        Record(5, None, b"abc", 3, 101),
    ]
    records, _ = read_bytes(write(None, sent))
    assert [(r.time_ns, r.length, r.data) for r in records] == [(None, 3, b"abc"), (0, 60, b"abc")] + [
        (0, 3, b"abc")
    ] * 3
    cut, _ = read_bytes(write(None, sent[1:2], snaplen=3))
    assert [(r.time_ns, r.length, r.data) for r in cut] == [(None, 60, b"abc")]


def test_written_bytes(little):
    written = write(None, [Record(1, 5, b"abc", 60, 101, flags=1, comments=("hi",))])
    end = little.option(0, b"")
    packet_options = little.option(1, b"hi") + little.option(2, little.pack("I", 1)) + end
    assert written == (
        little.section(little.option(4, b"pktlab") + end)
        + little.interface(101, 0, little.option(9, b"\x09") + end)
        + little.enhanced(b"abc", ticks=5, length=60, options=packet_options)
    )


def test_an_empty_pcapng(little):
    header = little.section(little.option(4, b"pktlab") + little.option(0, b""))
    assert write(None, []) == header
    described = little.interface(113, 96, little.option(9, b"\x06") + little.option(0, b""))
    assert write(None, [], link_type=113, snaplen=96, nanoseconds=False) == header + described
