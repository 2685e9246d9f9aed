"""The running kernel under the kit, and as an oracle: it fills sums in, judges them and updates them.

Found: nothing. It is Linux's own arithmetic, so what it takes and gives is what every receiver on Linux does.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from random import Random

import pytest

from pktlab.live import Sandbox
from pktlab.live.host import Host, Interface
from pktlab.live.inside import Tun, inside, opened_tun
from pktlab.testing import assert_checksum_conformant
from pktlab.wire import build
from pktlab.wire.checksum import checksum, swap, update, verify
from pktlab.wire.ipv4 import Ip
from pktlab.wire.udp import Udp

UNAVAILABLE = Sandbox.available()
IPV4, IPV6 = "198.51.100.0/24", "2001:db8:1::/64"
HOST, PEER = "198.51.100.1", "198.51.100.9"
PEER6 = "2001:db8:1::9"
IPV6_CHECKSUM = 7  # linux/in6.h


@pytest.fixture(scope="module")
def host() -> Iterator[Host]:
    if UNAVAILABLE is not None:
        pytest.skip(UNAVAILABLE)
    with Sandbox("kernel", "other") as box:
        yield box["kernel"]


@pytest.fixture(scope="module")
def tun(host: Host) -> Iterator[Tun]:
    with opened_tun(host, Interface.numbered("tun0", 1, ipv4=IPV4, ipv6=IPV6)) as made:
        host.run(["ip", "link", "set", "dev", "tun0", "mtu", 65535])
        host.sysctl("net/ipv4/conf/all", {"rp_filter": 0, "forwarding": 1})
        host.sysctl("net/ipv4", {"icmp_ratelimit": 0, "icmp_msgs_per_sec": 1_000_000, "icmp_msgs_burst": 1_000_000})
        yield made


def sent(tun: Tun, wanted: int) -> bytes:
    """Return the IPv6 packet with protocol `wanted` that the host has sent, its fragments put together."""
    data = b""
    for packet in tun.read_all():
        if packet[0] >> 4 == 6 and packet[6] == wanted:
            return packet
        if packet[0] >> 4 == 6 and packet[6] == 44 and packet[40] == wanted:
            data = (data or packet[:40]) + packet[48:]
    assert data, "the host sent nothing"
    return data


@pytest.mark.parametrize(("kind", "proto", "at"), [("udp6", 17, 6), ("tcp6", 6, 16), ("icmpv6", 58, 2)])
def test_what_the_kernel_fills_in_survives(host: Host, tun: Tun, kind: str, proto: int, at: int) -> None:
    """A raw socket sums any segment; that it has other addresses than the kit's is made up for (RFC 1624)."""
    raw = inside(host, socket.socket, socket.AF_INET6, socket.SOCK_RAW, proto)

    def kernel(packet: bytes) -> int:
        tun.read_all()
        raw.sendto(packet[40:], (PEER6, 0))
        whole = sent(tun, proto)
        filled = int.from_bytes(whole[40 + at : 42 + at], "big")
        found = update(filled, whole[8:40], packet[8:40])
        return found or (0xFFFF if proto == 17 else 0)

    with raw:
        if kind != "icmpv6":
            raw.setsockopt(socket.IPPROTO_IPV6, IPV6_CHECKSUM, at)
        assert_checksum_conformant(kernel, kind, max_examples=4500)


def echo(number: int, data: bytes) -> bytes:
    """Return a request for an echo, from the peer to the host."""
    message = b"\x08\0\0\0" + number.to_bytes(2, "big") + b"\0\7" + data
    message = message[:2] + checksum(message).to_bytes(2, "big") + message[4:]
    return build(Ip(src=PEER, dst=HOST, proto=1), message)


def payloads(count: int) -> Iterator[bytes]:
    """Yield data of every small length, of large ones, and such as bring carries and zeros about."""
    random = Random(1071)
    for number in range(count):
        size = number if number < 70 else random.choice((random.randrange(1500), random.randrange(60_000)))
        yield random.choice((bytes(size), b"\xff" * size, random.randbytes(size)))


def test_the_kernel_takes_our_sums_and_answers_with_its_own(tun: Tun) -> None:
    for number, data in enumerate(payloads(260)):
        asked = echo(number, data)
        tun.read_all()
        tun.write(asked)
        (answer,) = [packet for packet in tun.read_all() if packet[9] == 1]
        assert answer[28:] == data
        assert verify(answer[:20])
        assert verify(answer[20:] + b"\0" * (len(data) % 2))
        blank = answer[20:22] + b"\0\0" + answer[24:]
        assert int.from_bytes(answer[22:24], "big") == checksum(blank)


def test_the_kernel_refuses_every_other_sum(tun: Tun) -> None:
    asked = echo(1, b"odd")
    right = int.from_bytes(asked[22:24], "big")
    random, answered = Random(3), []
    for value in (
        right,
        right ^ 1,
        swap(right),
        right ^ 0xFFFF,
        0,
        0xFFFF,
        *(random.randrange(0xFFFF) for _ in "x" * 99),
    ):
        tun.read_all()
        tun.write(asked[:22] + value.to_bytes(2, "big") + asked[24:])
        answered += [value] * len(tun.read_all())
    assert set(answered) == {right}


def test_the_kernel_updates_a_header_s_sum_as_we_do(host: Host, tun: Tun) -> None:
    """A router takes one from the time to live; all sums are met at which a carry could go wrong."""
    with opened_tun(host, Interface.numbered("tun1", 1, ipv4="203.0.113.0/24", ipv6=None)) as other:
        forwarded = 0
        for ident in (*range(0, 0x10000, 97), *range(0x100), *range(0xFE00, 0x10000)):
            header = Ip(src=PEER, dst="203.0.113.9", proto=253, id=ident, ttl=ident % 254 + 2)
            packet = build(header, b"data")
            tun.write(packet)
            for routed in other.read_all():
                old, new = packet[8:10], routed[8:10]
                found = int.from_bytes(routed[10:12], "big")
                assert verify(routed[:20])
                assert found == update(int.from_bytes(packet[10:12], "big"), old, new)
                assert found == checksum(routed[:10] + routed[12:20])
                forwarded += 1
        assert forwarded > 1000


def test_the_kernel_sends_the_sums_of_udp_that_we_compute(host: Host, tun: Tun) -> None:
    """With the rest of the datagram fixed, the last word takes every kind of sum, 0 among them."""
    sender = inside(host, socket.socket, socket.AF_INET, socket.SOCK_DGRAM)
    seen = set()
    with sender:
        sender.bind((HOST, 4000))
        start = build(Ip(src=HOST, dst=PEER, proto=17), Udp(srcport=4000, dstport=9000), b"data\0\0")
        gap = int.from_bytes(start[26:28], "big")  # the word with which the sum is -0
        for word in (gap, *range(0, 0x10000, 211), gap - 1 & 0xFFFF, gap + 1 & 0xFFFF):
            tun.read_all()
            sender.sendto(b"data" + word.to_bytes(2, "big"), (PEER, 9000))
            (packet,) = [one for one in tun.read_all() if one[9] == 17]
            ours = build(Ip(src=HOST, dst=PEER, proto=17), Udp(srcport=4000, dstport=9000), packet[28:])
            assert packet[26:28] == ours[26:28]
            seen.add(packet[26:28])
    assert b"\xff\xff" in seen
    assert b"\0\0" not in seen
