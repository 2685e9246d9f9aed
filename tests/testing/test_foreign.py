"""Foreign implementations under the kit, and the rules of two stacks written anew; the kernel is in `test_kernel`.

Found, and listed in docs/testing.md: Scapy's `in4_chksum` and `in6_chksum` give a UDP sum of 0 as it is (what builds
UDP sends 0xffff for it); dpkt sends it so in UDP over IPv6.
"""

from __future__ import annotations

import struct
from collections.abc import Callable

import dpkt
import pytest
from dpkt import in_cksum
from scapy.layers.inet import IP, UDP, in4_chksum
from scapy.layers.inet6 import IPv6, in6_chksum
from scapy.utils import checksum as scapy_checksum

from pktlab.testing import NotConformant, assert_checksum_conformant
from pktlab.wire.checksum import swap


def smoltcp(data: bytes) -> int:
    """Sum in chunks of 32 bytes, each folded, then the rest; the last odd byte is a high half."""

    def folded(total: int) -> int:
        total = (total >> 16) + (total & 0xFFFF)
        return ((total >> 16) + total) & 0xFFFF

    total, at = 0, 0
    while len(data) - at >= 32:
        total = folded(total + sum(struct.unpack_from(">16H", data, at)))
        at += 32
    rest = data[at:]
    while len(rest) >= 2:
        total, rest = total + (rest[0] << 8 | rest[1]), rest[2:]
    return folded(total + (rest[0] << 8 if rest else 0)) ^ 0xFFFF


def lwip(data: bytes) -> int:
    """Sum in network order byte by byte into 32 bits; fold twice."""
    total = 0
    for at in range(0, len(data) - 1, 2):
        total = (total + (data[at] << 8) + data[at + 1]) & 0xFFFFFFFF
    if len(data) % 2:
        total += data[-1] << 8
    total = (total >> 16) + (total & 0xFFFF)
    if total & 0xFFFF0000:
        total = (total >> 16) + (total & 0xFFFF)
    return ~total & 0xFFFF


def lwip_by_words(data: bytes, at: int) -> int:
    """Sum little-endian words at even addresses; what starts at an odd one is a byte out of step, and swapped."""
    odd, total = at % 2 and len(data) > 0, 0
    if odd:
        total, data = data[0] << 8, data[1:]
    total += sum(struct.unpack_from(f"<{len(data) // 2}H", data)) + (data[-1] if len(data) % 2 else 0)
    for _ in range(2):
        total = (total >> 16) + (total & 0xFFFF)
    return ~(total if odd else swap(total)) & 0xFFFF


SUMS: dict[str, Callable[[bytes], int]] = {
    "scapy": scapy_checksum, "dpkt": in_cksum, "smoltcp": smoltcp, "lwip": lwip,
    "lwip even": lambda data: lwip_by_words(data, 0), "lwip odd": lambda data: lwip_by_words(data, 1),
}  # fmt: skip


@pytest.mark.parametrize("function", SUMS.values(), ids=SUMS)
def test_sums_of_others_survive(function: Callable[[bytes], int]) -> None:
    assert_checksum_conformant(function, max_examples=2500)


def segment(packet: bytes) -> bytes:
    return packet[4 * (packet[0] & 15) :]


def pseudo(packet: bytes) -> bytes:
    return packet[12:20] + bytes((0, packet[9])) + len(segment(packet)).to_bytes(2, "big")


def smoltcp_udp(packet: bytes) -> int:
    """All ones where the sum is zero."""
    return smoltcp(pseudo(packet) + segment(packet)) or 0xFFFF


def smoltcp_verifies(packet: bytes) -> bool:
    """The sum of pseudo-header and segment is all ones; a UDP field of zero is taken for no checksum."""
    return segment(packet)[6:8] == b"\0\0" or smoltcp(pseudo(packet) + segment(packet)) == 0


def lwip_verifies(header: bytes) -> bool:
    """A header is taken if its checksum comes to zero."""
    return lwip(header) == 0


def scapy4(proto: int) -> Callable[[bytes], int]:
    return lambda packet: int(in4_chksum(proto, IP(packet), segment(packet)))


def scapy6(proto: int) -> Callable[[bytes], int]:
    return lambda packet: int(in6_chksum(proto, IPv6(packet), packet[40:]))


def scapy_udp(packet: bytes) -> int:
    read = IP(packet)
    del read[UDP].chksum
    return field(bytes(read), 4 * read.ihl + 6)


def dpkt4(packet: bytes) -> int:
    """It fills in the transport's sum if the header's is zero too."""
    read = dpkt.ip.IP(packet)
    read.sum = 0
    return field(bytes(read), 4 * read.hl + (6 if read.p == 17 else 16))


def dpkt_icmp(packet: bytes) -> int:
    return field(bytes(dpkt.ip.IP(packet).data), 2)


def dpkt6(at: int) -> Callable[[bytes], int]:
    return lambda packet: field(bytes(dpkt.ip6.IP6(packet)), 40 + at)


def dpkt_eth(frame: bytes) -> int:
    read = dpkt.ethernet.Ethernet(frame)
    read.data.sum = 0
    return field(bytes(read), 14 + 4 * read.data.hl + (6 if read.data.p == 17 else 16))


def field(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + 2], "big")


RIGHT: dict[str, tuple[str, Callable[[bytes], int]]] = {
    "scapy tcp": ("tcp4", scapy4(6)), "scapy tcp6": ("tcp6", scapy6(6)), "scapy icmpv6": ("icmpv6", scapy6(58)),
    "scapy udp built": ("udp4", scapy_udp), "dpkt udp": ("udp4", dpkt4), "dpkt tcp": ("tcp4", dpkt4),
    "dpkt icmp": ("icmp", dpkt_icmp), "dpkt tcp6": ("tcp6", dpkt6(16)), "dpkt icmpv6": ("icmpv6", dpkt6(2)),
    "dpkt eth": ("eth", dpkt_eth), "smoltcp udp": ("udp4", smoltcp_udp),
    "smoltcp verifies udp": ("verify-udp4", smoltcp_verifies), "lwip verifies": ("verify-ipv4", lwip_verifies),
}  # fmt: skip


@pytest.mark.parametrize("name", RIGHT)
def test_checksums_of_packets_survive(name: str) -> None:
    kind, function = RIGHT[name]
    assert_checksum_conformant(function, kind, max_examples=500)


@pytest.mark.thorough
@pytest.mark.parametrize("name", RIGHT)
def test_checksums_of_packets_survive_the_whole_schedule(name: str) -> None:
    kind, function = RIGHT[name]
    assert_checksum_conformant(function, kind, max_examples=6000, max_seconds=100)


@pytest.mark.parametrize(
    ("kind", "function"), [("udp4", scapy4(17)), ("udp6", scapy6(17)), ("udp6", dpkt6(6))],
    ids=["scapy udp4", "scapy udp6", "dpkt udp6"],
)  # fmt: skip
def test_a_sum_of_udp_that_is_zero_is_found(kind: str, function: Callable[[bytes], int]) -> None:
    with pytest.raises(NotConformant, match="a checksum of 0 is not sent as 0xffff"):
        assert_checksum_conformant(function, kind, max_examples=500)
