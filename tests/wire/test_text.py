"""What people read: escaping, hex dumps, lines, trees, and the sum on the blackboard."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pktlab.wire import build, dissect
from pktlab.wire.checksum import checksum, ones_sum
from pktlab.wire.ethernet import Ethernet, Vlan
from pktlab.wire.explain import explain, explain_bytes
from pktlab.wire.icmp import Icmp, Unused
from pktlab.wire.ipv4 import Ip
from pktlab.wire.ipv6 import Ipv6
from pktlab.wire.tcp import Mss, SackBlock, Tcp, TcpFlags, TcpOption, TcpOptions
from pktlab.wire.text import escape, hexdump, one_line, printable, tree
from pktlab.wire.udp import Udp
from pktlab.wire.verdict import judge

ENDS = {"src": "192.0.2.1", "dst": "192.0.2.2"}


@given(st.text())
def test_nothing_that_acts_on_a_terminal_gets_through(text: str) -> None:
    shown = escape(text)
    assert shown.isprintable()
    assert escape(shown) == shown


@given(st.binary(max_size=200))
def test_bytes_as_text_are_printable(data: bytes) -> None:
    assert escape(printable(data)) == printable(data)


@given(st.binary(max_size=100), st.integers(0, 70000))
def test_a_hex_dump_holds_the_bytes(data: bytes, offset: int) -> None:
    lines = hexdump(data, offset)
    pairs = "".join(line.split("  ", 1)[1][:48] for line in lines)
    assert bytes.fromhex(pairs) == data
    assert [int(line.split()[0], 16) for line in lines] == list(range(offset, offset + len(data), 16))
    assert all(line.isprintable() for line in lines)


def line(data: bytes) -> str:
    packet = dissect(data)
    return one_line(packet, judge(packet))


ETH = Ethernet(dst="02:00:00:00:00:02", src="02:00:00:00:00:01", type=0x0800)


def test_a_line_says_who_to_whom_and_what_is_wrong() -> None:
    udp = build(Ip(proto=17, **ENDS), Udp(srcport=1, dstport=2), b"hi")
    assert line(build(ETH, udp)) == "192.0.2.1 → 192.0.2.2 UDP 1 → 2 Len=2"
    tagged = build(ETH.replace(type=0x8100), Vlan(id=100, etype=0x0800), udp)
    assert line(tagged) == "VLAN 100 192.0.2.1 → 192.0.2.2 UDP 1 → 2 Len=2"
    wrong = udp[:26] + udp[26:28][::-1] + udp[28:]
    assert line(build(ETH, wrong)).endswith("[udp checksum bad: byte-swapped: the right bytes in the wrong order]")


def test_a_line_of_a_cut_packet_says_where_it_ends() -> None:
    tcp = build(ETH, Ip(proto=6, **ENDS), Tcp(srcport=1, dstport=2, flags=TcpFlags.of("syn")))
    assert line(tcp[:40]).endswith(
        "tcp (cut) [tcp checksum unverified] [tcp at byte 34 needs 20 bytes, but the data end after 6]"
    )


def test_a_line_of_an_error_quotes_what_it_is_about() -> None:
    quote = build(Ip(proto=17, **ENDS), Udp(srcport=1, dstport=2))
    data = build(ETH, Ip(proto=1, src="192.0.2.2", dst="192.0.2.1"), Icmp(type=3, code=3, body=Unused()), quote)
    about = "about [192.0.2.1 → 192.0.2.2 UDP 1 → 2 Len=0]"
    assert line(data) == f"192.0.2.2 → 192.0.2.1 ICMP Destination unreachable (port unreachable) {about}"


def test_unknown_bytes_are_shown_as_such() -> None:
    assert one_line(dissect(b"\x1b[2Jx", -1)) == '5 bytes "\\x1b[2Jx"'


def test_a_tree_puts_parts_under_their_field_and_options_under_theirs() -> None:
    options = TcpOptions(
        items=(TcpOption(kind=2, body=Mss(mss_val=1460)), TcpOption(kind=5, body=(SackBlock(sack_le=1, sack_re=2),)))
    )
    packet = dissect(
        build(Ip(proto=6, **ENDS), Tcp(srcport=1, dstport=2, flags=TcpFlags.of("syn"), options=options)), Ip
    )
    depth = {(one.label, one.value): one.depth for one in tree(packet, judge(packet))}
    assert depth["Transmission Control Protocol", "TCP 1 → 2 [SYN] Seq=0 Win=8192"] == 0
    assert depth["Flags", "0x0002 syn"] == 1
    assert depth["Syn", "set"] == 2
    assert depth["Options", ""] == 1
    assert depth["Maximum segment size", ""] == 2
    assert depth["MSS Value", "1460"] == 3
    assert depth["Left edge", "1"] == 3
    assert depth["verdict", "good"] == 2


@given(st.binary(max_size=80))
def test_the_blackboard_ends_at_the_checksum(data: bytes) -> None:
    lines = explain_bytes(data)
    assert f"complement  {checksum(data):#06x}" in lines[-1]
    words = re.findall(r"\b[0-9a-f]{4}\b", " ".join(row.split("sum")[0] for row in lines[1:-2]))
    assert bytes.fromhex("".join(words)) == data + b"\0" * (len(data) % 2)


@pytest.mark.parametrize("size", [0, 1, 7, 100])
def test_the_running_sums_are_those_of_the_words(size: int) -> None:
    data = build(Ipv6(nxt=17, src="2001:db8::1", dst="2001:db8::2"), Udp(srcport=1, dstport=2), b"\xfe" * size)
    packet = dissect(data, Ipv6)
    lines = explain(packet, judge(packet)[0])
    rows = [row for row in lines if re.match(r"       [0-9a-f]{4}", row)]
    summed = b""
    for row in rows:
        summed += bytes.fromhex(row[:47].replace(" ", ""))
        shown = re.search(r"sum (0x[0-9a-f]{4})", row)
        assert shown is not None
        assert int(shown[1], 16) == ones_sum(summed)
    assert "verdict: good: with the stored value the sum is 0xffff" in lines[-1]
