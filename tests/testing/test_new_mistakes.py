"""Mistakes that the kit has no name for, or had none: they are killed as quickly, and by as little.

Each is a right implementation with one line wrong, and the bytes of the smallest input that shows it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from pktlab.testing.conformance.kinds import KINDS
from pktlab.testing.conformance.run import fuzz
from pktlab.testing.conformance.targets import Direct
from pktlab.wire.checksum import checksum, fold, ones_sum, swap, update

Function = Callable[..., Any]
ROOM = 4


def ip(packet: bytes) -> tuple[bytes, bytes]:
    """Return addresses and segment of an IPv4 packet."""
    return packet[12:20], packet[4 * (packet[0] & 15) : int.from_bytes(packet[2:4], "big")]


def v4(packet: bytes, proto: int, segment: bytes | None = None, length: int | None = None, rest: bytes = b"") -> int:
    """Return the checksum of a packet, of another segment or length if they are given, and of `rest` behind."""
    addresses, own = ip(packet)
    size = len(own) if length is None else length
    pseudo = addresses + proto.to_bytes(2, "big") + (size & 0xFFFF).to_bytes(2, "big")
    return checksum(pseudo + (own if segment is None else segment) + rest)


def v6(packet: bytes, proto: int, length: int | None = None) -> int:
    size = len(packet) - 40 if length is None else length
    return checksum(packet[8:40] + size.to_bytes(4, "big") + proto.to_bytes(4, "big") + packet[40:])


def eth(frame: bytes, packet: bytes | None = None, rest: bytes = b"") -> int:
    packet = frame[14 : 14 + int.from_bytes(frame[16:18], "big")] if packet is None else packet
    size = int.from_bytes(packet[2:4], "big") - 4 * (packet[0] & 15)
    return v4(packet, packet[9], packet[4 * (packet[0] & 15) :], size, rest) or (0xFFFF if packet[9] == 17 else 0)


def blank(packet: bytes, at: int) -> bytes:
    return packet[:at] + b"\0\0" + packet[at + 2 :]


def good(packet: bytes, proto: int) -> bool:
    return v4(packet, proto) == 0


def every(size: int, test: Callable[[int, int], bool]) -> Function:
    """Return a sum that is off by one for data of a length that compares so with `size`."""
    return lambda data: checksum(data) ^ test(len(data), size)


def carries_dropped_between_blocks(data: bytes) -> int:
    total = 0
    for at in range(0, len(data), 4096):
        total = ones_sum(data[at : at + 4096]) + total & 0xFFFF
    return total ^ 0xFFFF


def up_to_zero(data: bytes) -> int:
    words = [data[at : at + 2] for at in range(0, len(data), 2)]
    return checksum(b"".join(words[: words.index(b"\0\0")] if b"\0\0" in words else words))


def summed_apart(data: bytes) -> int:
    return ((sum(data[::2]) & 0xFF) << 8 | sum(data[1::2]) & 0xFF) ^ 0xFFFF


def check_sequence_taken_off(frame: bytes) -> int:
    """Take the last four bytes of a frame that is long enough for an FCS, though they are not always one."""
    end = 14 + int.from_bytes(frame[16:18], "big")
    return eth(frame, frame[14 : min(end, len(frame) - 4) if len(frame) > 63 else end])


def borrow_lost(old: int, before: bytes, after: bytes) -> int:
    return old + ones_sum(before) - ones_sum(after) & 0xFFFF


def by_amount(old: int, before: bytes, after: bytes) -> int:
    return fold(abs(old + ones_sum(before) - ones_sum(after)))


NEW: dict[str, tuple[str, int, Function]] = {
    "odd byte in the low half": ("internet", 1, lambda d: checksum(d[: len(d) & ~1] + b"\0" * (len(d) % 2) + d[-1:])
                                 if len(d) % 2 else checksum(d)),
    "odd byte is followed by what lay there": ("internet", 1, lambda d: checksum(d + b"\x5a" * (len(d) % 2))),
    "odd byte is signed": ("internet", 1, lambda d: checksum(d) ^ (0xFF if len(d) % 2 and d[-1] > 127 else 0)),
    "block border at 4096": ("internet", 4097, carries_dropped_between_blocks),
    "one byte lost at 65535": ("internet", 65536, lambda d: checksum(d[:65535])),
    "past 1500": ("internet", 1501, every(1500, int.__gt__)),
    "past 60000": ("internet", 60001, every(60000, int.__gt__)),
    "512 bytes only": ("internet", 512, every(512, int.__eq__)),
    "1472 bytes only": ("internet", 1472, every(1472, int.__eq__)),
    "65507 bytes only": ("internet", 65507, every(65507, int.__eq__)),
    "ends at a zero word": ("internet", 3, up_to_zero),
    "halves apart": ("internet", 3, summed_apart),
    "line ends translated": ("internet", 1, lambda d: checksum(d.replace(b"\r", b"\n"))),
    "line ends joined": ("internet", 2, lambda d: checksum(d.replace(b"\r\n", b"\n"))),
    "zeros stripped": ("internet", 2, lambda d: checksum(d.strip(b"\0"))),
    "a number of its own": ("internet", 0, lambda d: ~ones_sum(d)),
    "flags left out": ("ipv4", 20, lambda h: checksum(h[:6] + bytes((h[6] & 31,)) + h[7:])),
    "congestion bits left out": ("ipv4", 20, lambda h: checksum(h[:1] + bytes((h[1] & 0xFC,)) + h[2:])),
    "options end at a zero": ("ipv4", 24, lambda h: checksum(h[:20] + h[20:].split(b"\0")[0])),
    "60 bytes too many": ("ipv4", 60, lambda h: checksum(h[:58])),
    "length less 20": ("udp4", 32, lambda p: v4(p, 17, length=len(p) - 20) or 0xFFFF),
    "padding counted": ("udp4", 29, lambda p: v4(p, 17, length=len(ip(p)[1]) + len(p) % 2) or 0xFFFF),
    "length of 8 bits": ("udp4", 276, lambda p: v4(p, 17, length=len(ip(p)[1]) & 255) or 0xFFFF),
    "0 sent as 1": ("udp4", 28, lambda p: v4(p, 17) or 1),
    "time to live": ("udp4", 28, lambda p: v4(p, p[8] << 8 | 17) or 0xFFFF),
    "reserved bits": ("tcp4", 40, lambda p: v4(p, 6, ip(p)[1][:12] + bytes((ip(p)[1][12] & 0xF1,)) + ip(p)[1][13:])),
    "urgent pointer": ("tcp4", 40, lambda p: v4(p, 6, blank(ip(p)[1], 18))),
    "header's length": ("tcp4", 41, lambda p: v4(p, 6, length=(ip(p)[1][12] >> 4) * 4)),
    "acknowledged or not": ("tcp4", 40, lambda p: v4(p, 6) if ip(p)[1][13] & 16 else v4(p, 6, ip(p)[1][:8] + bytes(4)
                                                                                       + ip(p)[1][12:])),
    "hop limit": ("udp6", 48, lambda p: checksum(p[8:40] + p[4:6] + p[6:8] + p[40:]) or 0xFFFF),
    "addresses of IPv4": ("udp6", 48, lambda p: checksum(p[12:20] + b"\0\x11" + p[4:6] + p[40:]) or 0xFFFF),
    "whole length": ("udp6", 48, lambda p: v6(p, 17, len(p)) or 0xFFFF),
    "flow label": ("udp6", 48, lambda p: fold((v6(p, 17) ^ 0xFFFF) + int.from_bytes(p[2:4], "big")) ^ 0xFFFF or 0xFFFF),
    "half an address": ("tcp6", 60, lambda p: checksum(p[16:40] + p[4:6] + b"\0\6" + p[40:])),
    "type not summed": ("icmp", 28, lambda p: checksum(ip(p)[1][2:])),
    "type of a request": ("icmp", 28, lambda p: checksum(b"\x08" + ip(p)[1][1:])),
    "length less the header": ("icmpv6", 48, lambda p: v6(p, 58, len(p) - 44)),
    "protocol of ICMP": ("icmpv6", 48, lambda p: v6(p, 1)),
    "last four bytes are no data": ("eth", 64, check_sequence_taken_off),
    "odd data are padded by the trailer": ("eth", 44, lambda f: eth(
        f, rest=f[14 + int.from_bytes(f[16:18], "big") :][: int.from_bytes(f[16:18], "big") % 2])),
    "always UDP": ("eth", 54, lambda f: v4(f[14 : 14 + int.from_bytes(f[16:18], "big")], 17) or 0xFFFF),
    "FFFF rule for TCP": ("eth", 54, lambda f: eth(f) or 0xFFFF),
    "borrow lost": ("update", 0, borrow_lost),
    "amount of the difference": ("update", 2, by_amount),
    "zero kept": ("update", 2, lambda old, a, b: update(old, a, b) if old else 0),
    "bytes in reverse": ("update", 4, lambda old, a, b: update(old, a[::-1], b[::-1])),
    "nothing changed": ("update", 0, lambda old, a, b: old ^ 0xFFFF if a == b else update(old, a, b)),
    "zero accepted (IPv4)": ("verify-ipv4", 20, lambda h: ones_sum(h) == 0xFFFF or h[10:12] == b"\0\0"),
    "FFFF refused": ("verify-udp4", 28, lambda p: good(p, 17) and ip(p)[1][6:8] != b"\xff\xff"),
    "partial accepted": ("verify-udp4", 28, lambda p: good(p, 17) or v4(p, 17, b"") ^ 0xFFFF == int.from_bytes(
        ip(p)[1][6:8], "big")),
    "either order accepted": ("verify-udp4", 28, lambda p: good(p, 17) or swap(v4(p, 17, blank(ip(p)[1], 6)))
                              == int.from_bytes(ip(p)[1][6:8], "big")),
    "zero accepted (TCP)": ("verify-tcp4", 40, lambda p: good(p, 6) or ip(p)[1][16:18] == b"\0\0"),
    "low byte only": ("verify-tcp4", 40, lambda p: v4(p, 6) & 255 == 0),
    "four bits unseen": ("verify-tcp6", 60, lambda p: v6(p, 6) & 0xFFF0 == 0),
    "with or without pseudo-header": ("verify-icmpv6", 48, lambda p: v6(p, 58) == 0 or checksum(p[40:]) == 0),
    "zero accepted (IPv6)": ("verify-udp6", 48, lambda p: v6(p, 17) == 0 or p[46:48] == b"\0\0"),
    "TCP is let through": ("verify-eth", 54, lambda f: f[23] == 6 or good(f[14 : 14 + f[16] * 256 + f[17]], 17)),
    "remainder": ("verify-internet", 2, lambda d: int.from_bytes(d, "big") % 0xFFFF == 0),
}  # fmt: skip


@pytest.mark.parametrize("name", list(NEW))
def test_a_new_mistake_is_killed_by_a_small_counter_example(name: str) -> None:
    kind, least, function = NEW[name]
    report = fuzz(Direct(function, KINDS[kind]), KINDS[kind], max_examples=6000)
    assert report.case is not None
    assert least <= report.case.size <= least + ROOM


def test_there_are_mistakes_of_every_kind_of_function() -> None:
    kinds = {kind for kind, _, _ in NEW.values()}
    assert kinds >= {"internet", "ipv4", "udp4", "udp6", "tcp4", "tcp6", "icmp", "icmpv6", "eth", "update"}


class Remembering:
    """A sum that goes on where the last one ended."""

    def __init__(self) -> None:
        self.total = 0

    def __call__(self, data: bytes) -> int:
        self.total += ones_sum(data)
        return fold(self.total) ^ 0xFFFF


class Reusing:
    """A sum over a buffer that is never cleared, so that an odd last byte meets what was there before."""

    def __init__(self) -> None:
        self.buffer = bytearray(70_000)

    def __call__(self, data: bytes) -> int:
        self.buffer[: len(data)] = data
        return checksum(bytes(self.buffer[: len(data) + len(data) % 2]))


@pytest.mark.parametrize("make", [Remembering, Reusing])
def test_what_is_kept_between_calls_is_found_out_on_little(make: Callable[[], Function]) -> None:
    report = fuzz(Direct(make(), KINDS["internet"]), KINDS["internet"], max_examples=1000)
    assert report.case is not None
    assert report.case.size <= 1
    assert "depends on what was asked before" in report.note


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("past 1500", "those of 1,501 bytes and more"), ("512 bytes only", "those of 512 bytes"),
        ("0 sent as 1", "those whose answer is 0xffff"), ("a number of its own", "outside 0..0xffff"),
    ],
)  # fmt: skip
def test_what_the_wrong_ones_have_in_common_is_said(name: str, said: str) -> None:
    kind, _, function = NEW[name]
    report = fuzz(Direct(function, KINDS[kind]), KINDS[kind], max_examples=6000)
    assert said in "\n".join(report.lines())
