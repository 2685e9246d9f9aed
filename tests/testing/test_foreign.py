"""Foreign implementations under the kit, and the rules of two stacks written anew; what is found is listed.

Found in Scapy: `in4_chksum` gives a UDP sum of 0 as it is; that 0xffff is sent for it is the doing of what builds UDP.
"""

from __future__ import annotations

import struct
from collections.abc import Callable

import pytest
from dpkt import in_cksum
from scapy.layers.inet import IP, UDP, in4_chksum
from scapy.utils import checksum as scapy_checksum

from pktlab.testing import NotConformant, assert_checksum_conformant


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


@pytest.mark.parametrize(
    "function", [scapy_checksum, in_cksum, smoltcp, lwip], ids=["scapy", "dpkt", "smoltcp", "lwip"]
)
def test_sums_of_others_survive(function: Callable[[bytes], int]) -> None:
    assert_checksum_conformant(function, max_examples=2500)


def scapy_udp(packet: bytes) -> int:
    read = IP(packet)
    return int(in4_chksum(17, read, packet[4 * read.ihl :]))


def scapy_built(packet: bytes) -> int:
    read = IP(packet)
    del read[UDP].chksum
    return int.from_bytes(bytes(read)[4 * read.ihl + 6 : 4 * read.ihl + 8], "big")


def test_scapy_s_sum_of_udp_is_not_sent_as_ffff_by_itself() -> None:
    with pytest.raises(NotConformant, match="a checksum of 0 is not sent as 0xffff"):
        assert_checksum_conformant(scapy_udp, "udp4", max_examples=500)


def test_scapy_builds_udp_right() -> None:
    assert_checksum_conformant(scapy_built, "udp4", max_examples=300)
