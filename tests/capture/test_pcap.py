"""pcap: each variant, version and quirk, every cut, and what a writer of it refuses."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pktlab.capture import Record, open_capture, open_writer
from pktlab.errors import CaptureError

US, NS, KUZNETSOV = 0xA1B2C3D4, 0xA1B23C4D, 0xA1B2CD34
VARIANTS = {US: (1000, 16, "microseconds"), NS: (1, 16, "nanoseconds"), KUZNETSOV: (1000, 24, "microseconds, Kuz")}


@pytest.mark.parametrize("magic", VARIANTS)
def test_every_variant_in_both_byte_orders(build, read_bytes, magic):
    unit_ns, header_len, unit = VARIANTS[magic]
    first = build.pcap_record(b"abcd", 1_700_000_000, 5, length=60, magic=magic)
    second = build.pcap_record(b"", 0, 999_999, magic=magic)
    records, reader = read_bytes(build.pcap_header(magic, snaplen=96, link=113) + first + second)
    order = "little" if build.endian == "<" else "big"
    assert reader.format == "pcap"
    assert reader.description.startswith(f"pcap 2.4, {order}-endian, {unit}")
    assert (reader.version, reader.snaplen, reader.link_types, reader.compression) == ((2, 4), 96, [113], None)
    assert (reader.damage, reader.blocks_skipped, reader.sections[0].byte_order) == (None, {}, order)
    assert records == [
        Record(1, 1_700_000_000 * 10**9 + 5 * unit_ns, b"abcd", 60, 113, offset=24),
        Record(2, 999_999 * unit_ns, b"", 0, 113, offset=24 + header_len + 4),
    ]
    assert reader.interface_of(records[0]) is reader.interfaces[0]


@pytest.mark.parametrize(
    ("version", "first", "second", "captured"),
    [
        ((2, 4), 3, 60, 3),
        ((2, 3), 3, 60, 3),  # the order of 2.3, and it makes sense
        ((2, 3), 60, 3, 3),  # the order of 2.2 in a file that says 2.3
        ((2, 2), 60, 3, 3),
        ((2, 0), 60, 3, 3),
        ((543, 0), 60, 3, 3),  # DG/UX
        ((2, 8224), 3, 60, 3),
        ((3, 0), 3, 60, 3),
    ],
)
def test_old_versions_have_the_lengths_the_other_way_round(build, read_bytes, version, first, second, captured):
    record = build.pcap_record(b"abc", captured=first, length=second)
    records, reader = read_bytes(build.pcap_header(version=version) + record)
    assert [(len(each.data), each.length) for each in records] == [(captured, 60)]
    assert reader.damage is None


def test_versions_before_2_are_refused(build, read_bytes):
    with pytest.raises(CaptureError, match=r"^<stream>: pcap version 1\.9 is unknown: versions from 2\.0 are read$"):
        read_bytes(build.pcap_header(version=(1, 9)))


@pytest.mark.parametrize(
    ("field", "link_type", "fcs_len"),
    [
        (0x00000001, 1, None),
        (0x24000001, 1, 4),
        (0x04000001, 1, 0),  # the length is known, and there is none
        (0x30000001, 1, None),  # a length, but not the bit that says that there is one
        (0x08000001, 1, None),
        (0x00200001, 0x200001, None),  # reserved bits: a link type that nobody knows
        (0xF400FFFF, 0xFFFF, 30),
    ],
)
def test_upper_bits_of_the_link_type(build, read_bytes, field, link_type, fcs_len):
    (record,), reader = read_bytes(build.pcap_header(link=field) + build.pcap_record(b"abc"))
    assert (record.link_type, record.fcs_len) == (link_type, fcs_len)
    assert (reader.interfaces[0].link_type, reader.interfaces[0].fcs_len) == (link_type, fcs_len)


def test_quirks_that_do_not_hide_the_next_record(build, read_bytes):
    odd = [
        build.pcap_record(bytes(100), length=10),  # captured > length
        build.pcap_record(bytes(200)),  # captured > snapshot length
        build.pcap_record(b"a", seconds=1, fraction=0xFFFFFFFF),  # more than an hour of microseconds
        build.pcap_record(b"", length=0xFFFFFFFF),
    ]
    records, reader = read_bytes(build.pcap_header(snaplen=50) + b"".join(odd))
    assert [(len(each.data), each.length) for each in records] == [(100, 10), (200, 200), (1, 1), (0, 0xFFFFFFFF)]
    assert records[2].time_ns == (1_000_000 + 0xFFFFFFFF) * 1000
    assert reader.damage is None


@pytest.mark.parametrize(("link_type", "longest"), [(1, 262_144), (231, 128 << 20), (249, 128 << 20), (279, 8 << 20)])
def test_the_longest_packet_of_a_link_type(build, read_bytes, link_type, longest):
    start = build.pcap_header(link=link_type) + build.pcap_record(b"abc")
    records, reader = read_bytes(start + build.pcap_record(b"", captured=longest + 1))
    assert (len(records), reader.damage.offset, reader.damage.packets) == (1, 43, 1)
    assert reader.damage.why == f"the record claims {longest + 1} captured bytes, {longest} are the most there can be"
    _, reader = read_bytes(start + build.pcap_record(b"xy", captured=longest))
    assert reader.damage.why == f"the record needs {16 + longest} bytes, the file ends after 18"


def test_a_packet_longer_than_a_chunk(build, read_bytes):
    data = bytes(range(256)) * 1024
    records, reader = read_bytes(build.pcap_header() + build.pcap_record(data) * 3)
    assert [each.data == data for each in records] == [True] * 3
    assert reader.damage is None


def test_every_prefix(samples, read_bytes):
    """Each cut gives the packets before it and names the place, or says that there is nothing to read."""
    for name, data in samples.items():
        if not name.startswith("pcap-"):
            continue
        whole, reader = read_bytes(data)
        assert reader.damage is None
        starts = [record.offset for record in whole] + [len(data)]
        for size in range(1, len(data)):
            if size < 24:
                with pytest.raises(CaptureError) as caught:
                    read_bytes(data[:size])
                short = (
                    "is not a capture (pcap, pcapng): it has only"
                    if size < 4
                    else "the pcap file header needs 24 bytes"
                )
                assert short in str(caught.value)
                continue
            records, reader = read_bytes(data[:size])
            complete = sum(start <= size for start in starts) - 1
            assert records == whole[:complete]
            if size in starts:
                assert reader.damage is None
            else:
                assert (reader.damage.offset, reader.damage.packets) == (starts[complete], complete)
                assert reader.damage.why.endswith(f"the file ends after {size - starts[complete]}")


@given(
    order=st.sampled_from(["little", "big"]),
    magic=st.sampled_from(sorted(VARIANTS)),
    link=st.integers(0, 0xFFFF),
    packets=st.lists(
        st.tuples(st.binary(max_size=40), st.integers(0, 2**32 - 1), st.integers(0, 999_999), st.integers(0, 2**32 - 1))
    ),
)
def test_what_is_built_is_read(builders, read_bytes, order, magic, link, packets):
    build = builders[order]
    unit_ns = VARIANTS[magic][0]
    written = [build.pcap_record(d, s, f, length, magic=magic) for d, s, f, length in packets]
    records, reader = read_bytes(build.pcap_header(magic, link=link) + b"".join(written))
    assert reader.damage is None
    assert [(r.data, r.time_ns, r.length, r.link_type) for r in records] == [
        (d, s * 10**9 + f * unit_ns, length, link) for d, s, f, length in packets
    ]
    assert [r.number for r in records] == list(range(1, len(packets) + 1))


def write(records, **options):
    file = io.BytesIO()
    with open_writer(file, format="pcap", **options) as writer:
        for record in records:
            writer.write(record)
    return file.getvalue()


def test_written_bytes(little):
    record = Record(1, 1_700_000_000_123_456_789, b"abc", 60, 101)
    expected = little.pcap_header(NS, snaplen=262144, link=101)
    assert write([record]) == expected + little.pcap_record(b"abc", 1_700_000_000, 123_456_789, 60)
    expected = little.pcap_header(US, snaplen=96, link=101)
    micro = write([record], nanoseconds=False, snaplen=96)
    assert micro == expected + little.pcap_record(b"abc", 1_700_000_000, 123_456, 60)


def test_an_empty_pcap(little):
    assert write([]) == little.pcap_header(NS, snaplen=262144, link=1)
    assert write([], link_type=113) == little.pcap_header(NS, snaplen=262144, link=113)


def test_a_pcap_like_another_keeps_its_clock_and_fcs(build):
    source = open_capture(io.BytesIO(build.pcap_header(US, link=0x24000001) + build.pcap_record(b"abc")))
    again = open_capture(io.BytesIO(write(source, like=source)))
    assert again.description.endswith("microseconds")
    assert [record.fcs_len for record in again] == [4]


@pytest.mark.parametrize(
    ("second", "what"),
    [
        (Record(2, 0, b"", 0, 113), "link type Linux cooked v1 after Ethernet"),
        (Record(2, -1, b"", 0, 1), "a time of -1 s since 1970"),
        (Record(2, 10**9 << 32, b"", 0, 1), "a time of 4294967296 s since 1970"),
        (Record(2, 0, b"", 0, 1, fcs_len=4), "a frame check sequence of 4 bytes after .* of unknown length"),
        (Record(2, 0, bytes(262_145), 262_145, 1), "262145 bytes, more than readers take"),
    ],
)
def test_what_a_pcap_cannot_hold(second, what):
    message = rf"^<stream>: packet 2 has {what}, which pcap cannot hold: write pcapng instead$"
    with pytest.raises(CaptureError, match=message):
        write([Record(1, 0, b"", 0, 1), second])


@pytest.mark.parametrize("fcs_len", [1, 3, 32])
def test_fcs_lengths_that_cannot_be_held(fcs_len):
    with pytest.raises(CaptureError, match=f"a frame check sequence of {fcs_len} bytes, which pcap cannot hold"):
        write([Record(1, 0, b"", 0, 1, fcs_len=fcs_len)])


@pytest.mark.parametrize("fcs_len", [None, 0, 2, 30])
@pytest.mark.parametrize("link_type", [None, 1])
def test_fcs_lengths_that_can(fcs_len, link_type):
    written = write([Record(1, 0, b"", 0, 1, fcs_len=fcs_len)], link_type=link_type)
    (record,) = open_capture(io.BytesIO(written))
    assert record.fcs_len == fcs_len


def test_a_packet_without_a_time_gets_time_0():
    (record,) = open_capture(io.BytesIO(write([Record(1, None, b"a", 1, 1)])))
    assert record.time_ns == 0
