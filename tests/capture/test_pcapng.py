"""pcapng: sections, interfaces, packets and their options, and how each kind of damage is told."""

from __future__ import annotations

import io

import pytest

from pktlab.capture import Record, Section, open_capture
from pktlab.errors import CaptureError

SECOND = 10**9


def test_a_section_its_interfaces_and_packets(build, read_bytes):
    end = build.option(0, b"")
    data = (
        build.section(
            build.option(1, b"one")
            + build.option(2, b"PC")
            + build.option(3, b"Linux 6.1")
            + build.option(4, b"dumpcap")
            + build.option(1, b"two\0junk")
            + end
        )
        + build.interface(
            113,
            96,
            build.option(2, b"eth0")
            + build.option(3, "Büro".encode())
            + build.option(8, build.pack("Q", 10**9))
            + build.option(2988, build.pack("I", 32473) + b"mine")
            + end,
        )
        + build.enhanced(
            b"abc",
            ticks=1_700_000_000_123_456,
            length=60,
            options=build.option(1, b"first") + build.option(2, build.pack("I", 0x0A)) + build.option(1, b"") + end,
        )
    )
    records, reader = read_bytes(data)
    order = "little" if build.endian == "<" else "big"
    assert (reader.format, reader.description) == ("pcapng", f"pcapng 1.0, {order}-endian")
    assert (reader.version, reader.snaplen, reader.link_types, reader.damage) == ((1, 0), 96, [113], None)
    (interface,) = reader.interfaces
    assert reader.sections == [
        Section(order, (1, 0), "PC", "Linux 6.1", "dumpcap", ("one", "two"), [interface]),
    ]
    assert (interface.name, interface.description, interface.snaplen) == ("eth0", "Büro", 96)
    assert (interface.interface_id, interface.section, interface.ticks_per_second) == (0, 0, 10**6)
    assert interface.options == (
        (8, (10**9).to_bytes(8, "little")),
        (2988, (32473).to_bytes(4, "little") + b"mine"),
    )
    offset = block_starts(data)[2]
    time_ns = 1_700_000_000_123_456_000
    assert records == [Record(1, time_ns, b"abc", 60, 113, 0, offset, 0x0A, ("first", ""), None, 0)]
    assert reader.interface_of(records[0]) is interface


def test_all_three_packet_blocks(build, read_bytes):
    start = build.section() + build.interface(1, 4)
    data = start + build.enhanced(b"enhanced") + build.simple(b"simp", 9) + build.obsolete(b"old", ticks=1 << 40)
    records, reader = read_bytes(data)
    assert reader.damage is None
    assert [(r.data, r.length, r.time_ns, r.interface_id) for r in records] == [
        (b"enhanced", 8, SECOND, 0),
        (b"simp", 9, None, 0),
        (b"old", 3, (1 << 40) * 1000, 0),
    ]
    assert records[0].offset == len(start)


def test_a_simple_packet_block_without_a_snapshot_length(build, read_bytes):
    (record,), reader = read_bytes(build.section() + build.interface(1, 0) + build.simple(b"whole"))
    assert (record.data, reader.damage) == (b"whole", None)


@pytest.mark.parametrize(
    ("resolution", "ticks", "time_ns"),
    [
        (0x00, 3, 3 * SECOND),
        (0x03, 1500, 1_500_000_000),
        (0x09, 1_234_567_890_123, 1_234_567_890_123),
        (0x0C, 1_234_567_890_123, 1_234_567_890),
        (0x80, 3, 3 * SECOND),
        (0x8A, 1537, 1537 * SECOND // 1024),
        (0xA0, 0xFFFFFFFF, 999_999_999),
        (0xBC, (5 << 60) // 3, 1_666_666_666),  # Wireshark 4.0 gets this wrong: its product overflows
        (0xBF, 2**64 - 1, 1_999_999_999),
        (0x7F, 2**64 - 1, 0),
    ],
)
def test_time_stamp_resolutions_are_exact(build, read_bytes, resolution, ticks, time_ns):
    options = build.option(9, bytes([resolution]))
    (record,), _ = read_bytes(build.section() + build.interface(options=options) + build.enhanced(b"", ticks=ticks))
    assert record.time_ns == time_ns


@pytest.mark.parametrize(("offset_s", "time_ns"), [(5, 6_500_000_000), (-5, -3_500_000_000), (2**62, None)])
def test_time_stamp_offset(build, read_bytes, offset_s, time_ns):
    options = build.option(14, build.pack("q", offset_s))
    packet = build.enhanced(b"", ticks=1_500_000)
    (record,), _ = read_bytes(build.section() + build.interface(options=options) + packet)
    assert record.time_ns == (offset_s * SECOND + 1_500_000_000 if time_ns is None else time_ns)


@pytest.mark.parametrize(
    ("if_fcslen", "flags", "fcs_len"),
    [
        (None, None, None),
        (0, None, 0),
        (4, None, 4),
        (7, None, 7),
        (8, None, 1),
        (32, None, 4),
        (16, None, 2),
        (32, 2 << 5, 2),
        (32, 1, 4),
    ],
)
def test_fcs_length_in_bits_or_bytes_or_of_one_packet(build, read_bytes, if_fcslen, flags, fcs_len):
    of_interface = b"" if if_fcslen is None else build.option(13, bytes([if_fcslen]))
    of_packet = b"" if flags is None else build.option(2, build.pack("I", flags))
    data = build.section() + build.interface(options=of_interface) + build.enhanced(b"abc", options=of_packet)
    (record,), _ = read_bytes(data)
    assert (record.fcs_len, record.flags) == (fcs_len, flags)


@pytest.mark.parametrize("code", [2988, 2989, 19372, 19373])
def test_enterprise_numbers_of_custom_options_are_little_endian(build, read_bytes, code):
    options = build.option(code, build.pack("I", 32473) + b"own bytes")
    _, reader = read_bytes(build.section() + build.interface(options=options))
    assert reader.interfaces[0].options == ((code, (32473).to_bytes(4, "little") + b"own bytes"),)


def test_options_of_a_wrong_length_say_nothing(build, read_bytes):
    bad = build.option(9, b"\x09\0") + build.option(13, b"") + build.option(14, b"1234")
    packet = build.enhanced(b"", options=build.option(2, b"12"))
    (record,), reader = read_bytes(build.section() + build.interface(options=bad) + packet)
    assert (record.time_ns, record.fcs_len, record.flags) == (SECOND, None, None)
    assert reader.damage is None


def test_sections_of_both_byte_orders_count_their_interfaces_anew(builders, read_bytes):
    little, big = builders["little"], builders["big"]
    one = little.section() + little.interface(1) + little.interface(101) + little.enhanced(b"a", interface=1)
    two = big.section() + big.interface(113) + big.enhanced(b"b")
    records, reader = read_bytes(one + two + little.section() + little.interface(276) + little.enhanced(b"c"))
    assert [(r.number, r.section, r.interface_id, r.link_type) for r in records] == [
        (1, 0, 1, 101),
        (2, 1, 0, 113),
        (3, 2, 0, 276),
    ]
    assert [section.byte_order for section in reader.sections] == ["little", "big", "little"]
    assert [interface.section for interface in reader.interfaces] == [0, 0, 1, 2]
    assert reader.link_types == [1, 101, 113, 276]
    assert [reader.interface_of(r).link_type for r in records] == [101, 113, 276]


def test_interfaces_are_known_once_they_were_met(build):
    data = build.section() + build.interface(1) + build.enhanced(b"a") + build.interface(101) + build.enhanced(b"b")
    with open_capture(io.BytesIO(data)) as reader:
        assert (reader.interfaces, reader.snaplen) == ([], 0)
        next(reader)
        assert reader.link_types == [1]
        next(reader)
        assert reader.link_types == [1, 101]


def test_other_blocks_are_passed_over_and_counted(build, read_bytes):
    others = [build.block(kind, b"12345678") for kind in (4, 4, 5, 10, 0xBAD, 0x40000BAD, 0x80000001, 9)]
    packet = build.enhanced(b"abc")
    records, reader = read_bytes(build.section() + build.interface() + packet + b"".join(others) + packet)
    assert [r.number for r in records] == [1, 2]
    assert reader.damage is None
    assert reader.blocks_skipped == {
        "name resolution": 2,
        "interface statistics": 1,
        "decryption secrets": 1,
        "custom": 2,
        "unknown (0x80000001)": 1,
        "systemd journal": 1,
    }


def test_a_long_block_is_passed_over_in_little_memory(build, read_bytes):
    import tracemalloc

    data = build.section() + build.interface() + build.block(0x80000001, bytes(8 << 20)) + build.enhanced(b"abc")
    tracemalloc.start()
    records, reader = read_bytes(data)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (len(records), reader.damage) == (1, None)
    assert peak < 2 << 20


def test_block_lengths_that_leave_out_the_padding(build, read_bytes):
    """Some writers do; libpcap reads it too."""
    body = build.pack("IIIII", 0, 0, 1, 5, 5) + b"abcde"
    total = 12 + len(body)
    packet = build.pack("II", 6, total) + body + bytes(3) + build.pack("I", total)
    records, reader = read_bytes(build.section() + build.interface() + packet + build.enhanced(b"next"))
    assert ([r.data for r in records], reader.damage) == ([b"abcde", b"next"], None)


@pytest.mark.parametrize(
    ("make", "packets", "why"),
    [
        (
            lambda b: b.enhanced(b"abc", last=8),
            1,
            "the enhanced packet block begins with length 36 and ends with length 8",
        ),
        (lambda b: b.enhanced(b"abc", interface=5), 1, "interface 5 is not described, this section has 1"),
        (lambda b: b.section() + b.enhanced(b"abc"), 1, "interface 0 is not described, this section has 0"),
        (lambda b: b.section() + b.simple(b"abc"), 1, "interface 0 is not described, this section has 0"),
        (
            lambda b: b.enhanced(b"abc", captured=300),
            1,
            "the packet claims 300 captured bytes, the block has room for 4",
        ),
        (lambda b: b.simple(b"abc", 90), 1, "the packet claims 90 captured bytes, the block has room for 4"),
        (
            lambda b: b.enhanced(bytes(262148)),
            1,
            "the packet claims 262148 captured bytes, 262144 are the most there can be",
        ),
        (
            lambda b: b.enhanced(b"abc", options=b.pack("HH", 1, 9) + b"1234"),
            2,
            "option 1 claims 9 bytes, the block leaves 4",
        ),
        (
            lambda b: b.interface(options=b.pack("HH", 2, 400) + b"eth0"),
            1,
            "option 2 claims 400 bytes, the block leaves 4",
        ),
        (lambda b: b.section(b.pack("HH", 3, 400) + b"eth0"), 1, "option 3 claims 400 bytes, the block leaves 4"),
        (lambda b: b.section(version=(2, 0)), 1, "pcapng version 2.0 is unknown: 1.0 is read"),
        (
            lambda b: b.block(0x0A0D0D0A, bytes(16)),
            1,
            "the byte-order magic of the section is 00000000, neither 1a2b3c4d nor 4d3c2b1a",
        ),
        (lambda b: bytes(64), 1, "the unknown (0x00000000) block claims 0 bytes, 12 are the least it can have"),
        (
            lambda b: b.block(4, bytes(4), last=12),
            1,
            "the name resolution block begins with length 16 and ends with length 12",
        ),
        (
            lambda b: b.enhanced(b"", total=28),
            1,
            "the enhanced packet block claims 28 bytes, 32 are the least it can have",
        ),
        (
            lambda b: b.interface(total=16),
            1,
            "the interface description block claims 16 bytes, 20 are the least it can have",
        ),
        (
            lambda b: b.enhanced(b"", total=0xFFFFFFFC),
            1,
            "the enhanced packet block claims 4294967292 bytes, 134348832 are the most it can have",
        ),
        (
            lambda b: b.enhanced(b"", total=1 << 20),
            1,
            "the enhanced packet block needs 1048576 bytes, the file ends after 32",
        ),
        (
            lambda b: b.block(5, b"", total=0xFFFFFFF0),
            1,
            "the interface statistics block needs 4294967280 bytes, the file ends after 12",
        ),
        (
            lambda b: b.block(2, bytes(16)),
            1,
            "the packet block claims 28 bytes, 32 are the least it can have",
        ),
        (
            lambda b: b.block(3, b""),
            1,
            "the simple packet block claims 12 bytes, 16 are the least it can have",
        ),
        (lambda b: b"\6\0\0", 1, "a block needs 12 bytes, the file ends after 3"),
    ],
)
def test_damage_is_named(build, read_bytes, make, packets, why):
    start = build.section() + build.interface() + build.enhanced(b"good")
    damaged = make(build)
    records, reader = read_bytes(start + damaged)
    before = len(build.section()) if damaged.startswith(build.section()) else 0  # a good section, then the damage
    assert (len(records), reader.damage.packets, reader.damage.why) == (packets, packets, why)
    assert reader.damage.offset == len(start) + before
    assert str(reader.damage).startswith(f"<stream>: damaged at byte {reader.damage.offset}, after {packets} packet")


def test_a_packet_with_broken_options_is_not_lost(build, read_bytes):
    options = build.option(1, b"read") + build.pack("HH", 1, 900)
    start = build.section() + build.interface()
    (record,), reader = read_bytes(start + build.enhanced(b"abc", options=options) + build.enhanced(b"def"))
    assert (record.data, record.comments) == (b"abc", ("read",))
    assert reader.damage.offset == len(start)


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (lambda b: b.section(version=(1, 1)), "pcapng version 1.1 is unknown: 1.0 is read"),
        (lambda b: b.block(0x0A0D0D0A, bytes(16)), "the byte-order magic of the section is 00000000"),
        (lambda b: b.section(total=36, last=36), "the section header block needs 36 bytes, the file ends after 28"),
        (lambda b: b.section()[:20], "the section header block needs 28 bytes, the file ends after 20"),
        (lambda b: b.section(last=4), "the section header block begins with length 28 and ends with length 4"),
    ],
)
def test_a_damaged_start_is_no_capture(build, read_bytes, make, why):
    with pytest.raises(CaptureError) as caught:
        read_bytes(make(build))
    assert str(caught.value).startswith(f"<stream>: the first pcapng block is damaged: {why}")


def test_version_1_2_means_1_0(build, read_bytes):
    records, reader = read_bytes(build.section(version=(1, 2)) + build.interface() + build.enhanced(b"abc"))
    assert (len(records), reader.damage) == (1, None)


def test_every_prefix(samples, read_bytes):
    for name, data in samples.items():
        if not name.startswith("pcapng-"):
            continue
        whole, reader = read_bytes(data)
        assert (len(whole), reader.damage) == (4, None)
        starts = block_starts(data)
        for size in range(1, len(data)):
            if size < starts[1]:
                with pytest.raises(CaptureError):
                    read_bytes(data[:size])
                continue
            records, reader = read_bytes(data[:size])
            at = max(start for start in starts if start <= size)
            assert records == [record for record in whole if record.offset < at]
            if size in starts:
                assert reader.damage is None
            else:
                assert (reader.damage.offset, reader.damage.packets) == (at, len(records))


def block_starts(data: bytes) -> list[int]:
    """Walk the blocks as the draft says, with nothing of the reader in it."""
    starts, order = [0], "little"
    while starts[-1] < len(data):
        at = starts[-1]
        if data[at : at + 4] == b"\n\r\r\n":
            order = "big" if data[at + 8] == 0x1A else "little"
        starts.append(at + int.from_bytes(data[at + 4 : at + 8], order))
    return starts
