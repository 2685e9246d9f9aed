"""The figure of a header agrees with its schema to the bit, and with the RFC's own figure where there is one."""

from __future__ import annotations

import re
import textwrap
from typing import Any

import pytest
from construct import Bytes, GreedyBytes, Int8ub, Int16ub, Int16ul, Int24ub, Int32ul, obj_, this

from pktlab.wire import AUTO, PROTOCOLS, Bounded, Flags, Header, Items, Switch, When, bits, field, flag
from pktlab.wire.arp import Arp
from pktlab.wire.diagram import diagram, extent
from pktlab.wire.ethernet import Ethernet, Vlan
from pktlab.wire.icmpv6 import NeighborAdvertisement
from pktlab.wire.ipv4 import Ip
from pktlab.wire.ipv6 import Ipv6
from pktlab.wire.loopback import Loop, Null
from pktlab.wire.tcp import Tcp, TcpOption

SCALE = """\
 0                   1                   2                   3
 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
"""


def figure(text: str) -> list[str]:
    """The scale and the figure that is written in a test, without its indentation."""
    return [*SCALE.splitlines(), *textwrap.dedent(text).strip("\n").splitlines()]


def boundaries(lines: list[str]) -> set[int]:
    """The bits at which a vertical line stands in a figure, counted over all of its lines of 32 bits.

    A line may stand for many, and then says how many bytes.
    """
    found = set()
    row = -1
    for line in lines[2:]:
        if line.startswith(("+-", "+ ")):
            is_new = True
            continue
        row += is_new
        is_new = False
        if long := re.search(r"/ .*\((\d+) bytes\)", line):
            row += int(long[1]) // 4 - 1
        found |= {32 * row + at // 2 for at, char in enumerate(line) if char in "|/" and at % 2 == 0}
    return found


def test_ipv4_is_the_figure_of_rfc_791() -> None:
    assert diagram(Ip) == figure(
        """
        +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
        |       | Header| Differentiated|                               |
        |Version| Length| Services Field|          Total Length         |
        +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
        |                               |R|D|M|                         |
        |         Identification        |B|F|F|     Fragment Offset     |
        +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
        |  Time to Live |    Protocol   |        Header Checksum        |
        +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
        |                         Source Address                        |
        +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
        |                      Destination Address                      |
        +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
        /                  Options (hdr_len - 20 bytes)                 /
        +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
        """
    )


def test_ipv6_is_the_figure_of_rfc_8200() -> None:
    assert diagram(Ipv6) == figure(
        """
        +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
        |Version| Traffic Class |               Flow Label              |
        +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
        |         Payload Length        |  Next Header  |   Hop Limit   |
        +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
        |                                                               |
        +                                                               +
        |                                                               |
        +                         Source Address                        +
        |                                                               |
        +                                                               +
        |                                                               |
        +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
        |                                                               |
        +                                                               +
        |                                                               |
        +                      Destination Address                      +
        |                                                               |
        +                                                               +
        |                                                               |
        +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
        """
    )


def test_tcp_draws_each_flag_as_rfc_9293_does() -> None:
    flags = diagram(Tcp)[9:14]
    assert flags == [
        "|       |     |A|C|E|U|A|P|R|S|F|                               |",
        "|       |     |E|W|C|R|C|U|E|Y|I|                               |",
        "| Header| res | |R|E|G|K|S|S|N|N|             Window            |",
        "| Length|     | | | | | |H|E| | |                               |",
        "|       |     | | | | | | |T| | |                               |",
    ]


def test_fields_across_lines_are_boxes_with_steps() -> None:
    assert diagram(Ethernet) == figure(
        """
        +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
        |                          Destination                          |
        +                               +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
        |                               |                               |
        +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+                               +
        |                             Source                            |
        +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
        |              Type             |
        +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
        """
    )


def test_vlan_has_a_tag_of_3_1_and_12_bits() -> None:
    lines = diagram(Vlan)
    assert boundaries(lines) == {0, 3, 4, 16, 32}
    assert [line[7] for line in lines[3:6]] == ["D", "E", "I"]


def test_arp_says_under_which_condition_an_address_is_there() -> None:
    text = "\n".join(diagram(Arp))
    assert "6 bytes, if ((hw_type == 1) | (hw_type == 6)) & (hw_size == 6)" in text
    assert "proto_size bytes, if (proto_type != 2048) | (proto_size != 4)" in text
    assert text.count("/\n") == 14  # two addresses twice in boxes that are not of fixed size, of three and four lines


def test_little_endian_words_say_so() -> None:
    assert "Family (little-endian)" in "\n".join(diagram(Null))
    assert "little-endian" not in "\n".join(diagram(Loop))


@pytest.mark.parametrize("header", PROTOCOLS, ids=lambda header: header.__name__)
def test_lines_stand_where_fields_start_and_end(header: type[Header]) -> None:
    """Read the figure back: every field that is drawn to scale starts and ends at a vertical line."""
    drawn = boundaries(diagram(header))
    for declared in header.schema.fields[: header.schema.fixed_count]:
        row = declared.row
        assert row.offset is not None
        if declared.wire_name and row.width <= 16:
            start, stop = 8 * row.offset, 8 * (row.offset + row.width)
            if start // 32 == (stop - 1) // 32:
                assert {start, stop} <= drawn, declared.attr
        if not declared.wire_name:
            for part in (one for one in declared.bits if "." not in (one.wire_name or "")):
                top = 8 * row.width - part.mask.bit_length()
                assert 8 * row.offset + top in drawn, part.attr
                assert 8 * (row.offset + row.width) - part.shift in drawn, part.attr


@pytest.mark.parametrize("header", PROTOCOLS, ids=lambda header: header.__name__)
def test_every_figure_is_65_wide_at_most_and_ascii(header: type[Header]) -> None:
    for line in diagram(header):
        assert len(line) <= 65
        assert line.isascii()
        assert line == line.rstrip()


class Own(Header, layer="own"):
    kind: int = field(Int8ub, "Kind")
    length: int = field(Int8ub, "Length", default=AUTO)
    text: bytes = field(Bounded(this.length * 4 - 2, GreedyBytes), "Text")
    crc: int = field(Int16ub, "CRC")


def test_a_users_own_header_with_a_field_behind_a_varying_one() -> None:
    assert diagram(Own) == figure(
        """
        +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
        |      Kind     |     Length    |                               /
        +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+                               +
        /                  Text (length * 4 - 2 bytes)                  /
        +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
        |              CRC              |
        +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
        """
    )
    assert diagram(Own) == diagram(Own.schema)


class Torn(Header, layer="torn"):
    _word = field(Int16ul)
    kind: int = bits(_word, 0x0FFF, "Kind")
    level: int = bits(_word, 0xE000, "Level")


def test_a_part_that_little_endian_order_tears_apart_is_drawn_in_pieces() -> None:
    assert diagram(Torn)[2:] == [
        "+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+",
        "|               |     |-|  Kind |",
        "|   Kind [7:0]  |Level| | [11:8]|",
        "+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+",
    ]
    assert Torn.parse(bytes.fromhex("34f2")).kind == 0x234  # so the low byte is first, bits 11 to 8 are the last 4


class Gaps(Header, layer="gaps"):
    _word = field(Int32ul)
    low: int = bits(_word, 0x000000F0, "Low")
    _more = field(Int16ub)
    high: int = bits(_more, 0x8000, "High")


def test_bits_that_nobody_named_are_reserved() -> None:
    text = "\n".join(diagram(Gaps))
    assert boundaries(diagram(Gaps)) == {0, 4, 32, 33, 48}
    assert text.count("Reserved") == 2  # the rest of either word in one piece


class Mode(Flags):
    fast = flag(0x80)
    safe = flag(0x01)


class Moded(Header, layer="moded"):
    mode: Mode = field(Int8ub, "Mode", as_=Mode)
    rest: bytes = field(Bytes(3), "Rest")


def test_flags_of_a_whole_field_are_drawn_bit_by_bit() -> None:
    assert boundaries(diagram(Moded)) == {0, 1, 7, 8, 32}


class Long(Header, layer="long"):
    head: int = field(Int8ub, "Head")
    blob: bytes = field(Bytes(64), "Blob")
    tail: int = field(Int24ub, "Tail")


def test_a_long_field_is_not_drawn_to_scale_and_says_its_size() -> None:
    assert diagram(Long) == figure(
        """
        +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
        |      Head     |                                               /
        +-+-+-+-+-+-+-+-+                                               +
        /                        Blob (64 bytes)                        /
        +               +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
        /               |                      Tail                     |
        +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
        """
    )


def test_conditions_stand_in_small_cells_too() -> None:
    text = "\n".join(diagram(TcpOption))
    assert "if kind > 1" in text
    assert "Body (len - 2 bytes, if kind > 1)" in text


def test_a_named_word_with_flag_bits_is_drawn_in_parts() -> None:
    """RFC 4861 section 4.4 draws R, S, O and the reserved bits, not the word that Wireshark names too."""
    assert diagram(NeighborAdvertisement)[3] == "|R|S|O|                         Reserved                        |"


class Empty(Header, layer="empty"):
    pass


def test_a_header_without_fields() -> None:
    assert diagram(Empty) == ["(no fields)"]


@pytest.mark.parametrize(
    ("node", "words"),
    [
        (Int8ub, "1 byte"),
        (Int16ul, "2 bytes"),
        (Bytes(6), "6 bytes"),
        (Vlan, "4 bytes"),
        (GreedyBytes, "to the end"),
        (Bounded(4, GreedyBytes), "4 bytes"),
        (Bounded(this.n, GreedyBytes), "n bytes"),
        (When(this.n > 1, Bounded(this.n * 8 + 6, GreedyBytes)), "n * 8 + 6 bytes, if n > 1"),
        (Switch(this.kind, {1: Int8ub}, default=Int16ub), "depends on kind"),
        (Items(Int8ub), "repeated to the end"),
        (Items(TcpOption, stop=obj_.kind == 0), "repeated until kind == 0"),
        (Bytes(this.n), "length varies"),
    ],
)
def test_extent(node: Any, words: str) -> None:
    assert extent(node) == words
