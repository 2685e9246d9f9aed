"""Packets at the edges of the checksum contract, each with the verdict that is due and where that comes from.

They are put together from octets here, with a sum of their own, so that no mistake of pktlab's can hide in them.
"""

from __future__ import annotations

import ipaddress
import struct
from typing import NamedTuple

from scapy.layers.sctp import crc32c

__all__ = ["EDGES", "Edge"]

IP4, IP6, ETHERNET, RAW = 228, 229, 1, 101


class Edge(NamedTuple):
    """Frames of one link type, and the verdict on a checksum in the last of them.

    verdict : ``""`` where no verdict is due; occurrence : which checksum of the protocol, from the outermost; length :
    octets that the last frame had on the wire, 0 for those that are there
    """

    name: str
    link_type: int
    frames: tuple[bytes, ...]
    protocol: str
    verdict: str
    truth: str
    occurrence: int = 0
    length: int = 0


def ones(data: bytes) -> int:
    """Return the one's complement sum, as RFC 1071 section 4.1 has it in C."""
    total = sum(struct.unpack(f"!{(len(data) + 1) // 2}H", data + bytes(len(data) % 2)))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total


def word(value: int) -> bytes:
    return struct.pack("!H", value)


def put(data: bytes, at: int, new: bytes) -> bytes:
    return data[:at] + new + data[at + len(new) :]


def summed(data: bytes, at: int, front: bytes = b"", zero_as: int = 0) -> bytes:
    """Return `data` with its checksum at `at`, taken with `front` before it."""
    zeroed = put(data, at, b"\0\0")
    return put(zeroed, at, word((ones(front + zeroed) ^ 0xFFFF) or zero_as))


def address(text: str) -> bytes:
    return ipaddress.ip_address(text).packed


A, B, C, D = "192.0.2.1", "192.0.2.2", "198.51.100.1", "198.51.100.2"
A6, B6, C6, D6 = "2001:db8::1", "2001:db8::2", "2001:db8::8", "2001:db8::9"


def pseudo(src: str, dst: str, proto: int, length: int) -> bytes:
    """RFC 768, RFC 9293 section 3.1, RFC 8200 section 8.1."""
    ends = address(src) + address(dst)
    return ends + (struct.pack("!BBH", 0, proto, length) if "." in src else struct.pack("!II", length, proto))


def ip4(proto: int, body: bytes, src: str = A, dst: str = B, **more: int) -> bytes:
    """Return an IPv4 packet; `more`: ident, fragment (the word), length."""
    head = struct.pack("!BBHHHBBH", 0x45, 0, more.get("length", 20 + len(body)), more.get("ident", 0),
                       more.get("fragment", 0), 64, proto, 0)  # fmt: skip
    return summed(head + address(src) + address(dst), 10) + body


def routed4(proto: int, body: bytes, options: bytes) -> bytes:
    """Return an IPv4 packet with options."""
    options += bytes(-len(options) % 4)
    head = put(ip4(proto, options + body), 0, bytes((0x45 + len(options) // 4,)))
    size = 20 + len(options)
    return summed(head[:size], 10) + body


def ip6(nxt: int, body: bytes, src: str = A6, dst: str = B6, plen: int | None = None) -> bytes:
    head = struct.pack("!IHBB", 6 << 28, len(body) if plen is None else plen, nxt, 64)
    return head + address(src) + address(dst) + body


def udp(payload: bytes = b"hello", src: str = A, dst: str = B, **more: int) -> bytes:
    """Return a UDP datagram summed between two ends; `more`: sport, dport, length, summed_length."""
    length = 8 + len(payload)
    data = (
        struct.pack("!HHHH", more.get("sport", 4711), more.get("dport", 4712), more.get("length", length), 0) + payload
    )
    return summed(data, 6, pseudo(src, dst, 17, more.get("summed_length", length)), 0xFFFF)


def tcp(payload: bytes = b"hello", src: str = A, dst: str = B, urgent: int = 0, offset: int = 5) -> bytes:
    data = struct.pack("!HHIIBBHHH", 4711, 4712, 1, 2, offset << 4, 0x18, 512, 0, urgent) + payload
    return summed(data, 16, pseudo(src, dst, 6, len(data)))


def icmp(payload: bytes = b"ping", kind: int = 8) -> bytes:
    return summed(struct.pack("!BBHHH", kind, 0, 0, 1, 2) + payload, 2)


def icmp6(payload: bytes = b"ping", front: bool = True) -> bytes:
    data = struct.pack("!BBHHH", 128, 0, 0, 1, 2) + payload
    return summed(data, 2, pseudo(A6, B6, 58, len(data)) if front else b"")


def broken(data: bytes) -> bytes:
    """Return `data` with a bit of its last octet changed."""
    return data[:-1] + bytes((data[-1] ^ 0x04,))


def partial(data: bytes, at: int, src: str, dst: str, proto: int) -> bytes:
    """Return `data` as Linux leaves it to the network card: the pseudo-header's sum, not complemented."""
    return put(data, at, word(ones(pseudo(src, dst, proto, len(data)))))


def ether(kind: int, body: bytes) -> bytes:
    return bytes.fromhex("020000000002 020000000001") + word(kind) + body


def route(kind: int, pointer: int) -> bytes:
    """Return a source route over two hops (RFC 791 section 3.1)."""
    return bytes((kind, 11, pointer)) + address(C) + address(D)


def routing(kind: int, left: int, *hops: str) -> bytes:
    """Return an IPv6 routing header in front of UDP (RFC 8200 section 4.4, RFC 6275 6.4, RFC 8754 2)."""
    extra = bytes((len(hops) - 1, 0, 0, 0)) if kind == 4 else bytes(4)
    return bytes((17, 2 * len(hops), kind, left)) + extra + b"".join(map(address, hops))


def home(src: str) -> bytes:
    """Return destination options with the Home Address (RFC 6275 section 6.3), in front of UDP."""
    return bytes((17, 2, 1, 2, 0, 0, 0xC9, 16)) + address(src)


AUTHENTICATED = bytes((17, 4)) + bytes(22)  # RFC 4302 section 2: 24 octets, so length 4
V4, V6 = ip4(17, udp()), ip6(17, udp(src=A6, dst=B6))
ZERO_SUM = word(ones(udp(b"\0\0")[6:8]))
"""A payload that makes the UDP checksum come out as zero."""


def zeroed6(port: int) -> bytes:
    return put(ip6(17, udp(src=A6, dst=B6, dport=port)), 46, b"\0\0")


def one(name: str, frame: bytes, protocol: str, verdict: str, truth: str, link: int = -1, **more: int) -> Edge:
    link = link if link >= 0 else (IP4 if frame[0] >> 4 == 4 else IP6)
    return Edge(name, link, (frame,), protocol, verdict, truth, **more)


ARITHMETIC = (
    one("odd length", V4, "udp", "good", "RFC 1071 section 4.1"),
    one("odd length, last octet wrong", broken(V4), "udp", "bad", "RFC 1071 section 4.1"),
    one("odd length of TCP", ip4(6, tcp()), "tcp", "good", "RFC 9293 section 3.1"),
    one("no data", ip4(17, udp(b"")), "udp", "good", "RFC 768"),
    one("64 KiB of ones", ip4(17, udp(b"\xff" * 65507)), "udp", "good", "RFC 1071 section 2"),
    one("all zero", ip4(1, bytes(8)), "icmp", "bad", "RFC 1071: the sum of nothing is +0, its complement 0xffff"),
    one("sent as ffff", ip4(17, udp(ZERO_SUM)), "udp", "good", "RFC 768: zero is sent as all ones"),
    one("absent", put(V4, 26, b"\0\0"), "udp", "absent", "RFC 768: all zero means that none was generated"),
    one("illegal zero", put(V6, 46, b"\0\0"), "udp", "illegal-zero", "RFC 8200 section 8.1"),
    *(
        one(f"zero of {name}", zeroed6(port), "udp", "absent", "RFC 6935, RFC 6936")
        for name, port in (("VXLAN", 4789), ("Geneve", 6081), ("GTP-U", 2152), ("LISP", 4341), ("AMT", 2268),
            ("MPLS", 6635))
    ),
    one("zero of another port", zeroed6(4788), "udp", "illegal-zero", "RFC 8200 section 8.1"),
    one("header sum of zero", put(ip4(253, b"", ident=ones(ip4(253, b"")[10:12])), 10, b"\0\0"), "ip", "good",
        "RFC 791"),
    one("minus-zero header", put(ip4(253, b"", ident=ones(ip4(253, b"")[10:12])), 10, b"\xff\xff"), "ip", "good",
        "RFC 1071: the sum with the field folds to ffff; Linux takes it"),
    one("TCP sum of zero", ip4(6, tcp(b"", urgent=ones(tcp(b"")[16:18]))), "tcp", "good", "RFC 9293: no rule for zero"),
    one("minus-zero of TCP", put(ip4(6, tcp(b"", urgent=ones(tcp(b"")[16:18]))), 36, b"\xff\xff"), "tcp", "good",
        "RFC 1071: as good as +0"),
    one("swapped words", ip4(17, put(udp(b"\x12\x34\x56\x78"), 8, b"\x56\x78\x12\x34")), "udp", "good",
        "RFC 1071 section 2: the order of words does not count"),
    one("ffff for 0000", ip4(17, put(udp(b"\0\0ab"), 8, b"\xff\xff")), "udp", "good", "RFC 1071: both are zero"),
    one("byte-swapped", put(V4, 26, V4[27:25:-1]), "udp", "bad", "RFC 1071 section 1"),
    one("ffff in the field", put(V4, 26, b"\xff\xff"), "udp", "bad", "RFC 768"),
)  # fmt: skip
HEADERS = (
    one("options in the sum", routed4(253, b"data", b"\x01\x01\x01\x00"), "ip", "good", "RFC 791 section 3.1"),
    one("damaged options", put(routed4(253, b"data", b"\x01\x01\x01\x00"), 22, b"\x02"), "ip", "bad",
        "RFC 791 section 3.1"),
    one("damaged data", broken(ip4(253, b"data")), "ip", "good", "RFC 791 section 3.1: of the header only"),
    one("IHL of 4", put(V4, 0, b"\x44"), "ip", "malformed", "RFC 791 section 3.1: at least 5"),
    one("UDP over IPv6", V6, "udp", "good", "RFC 8200 section 8.1"),
    one("rewritten address", put(V4, 15, b"\x09"), "udp", "bad", "RFC 768"),
    *(
        one(f"{name} route {how}", routed4(17, udp(dst=end), route(kind, at)), "udp", verdict, "RFC 791 section 3.1")
        for name, kind in (("loose", 131), ("strict", 137))
        for how, at, end, verdict in (
            ("under way", 4, D, "good"), ("exhausted", 12, B, "good"), ("under way, summed for the next hop", 4, B,
                "bad"),
            ("exhausted, summed for the last entry", 12, D, "bad"),
        )
    ),
    *(
        one(f"routing type {kind} {how}", ip6(43, routing(kind, left, *hops) + udp(src=A6, dst=end)), "udp", verdict,
            truth)
        for kind, hops, truth in (
            (0, (C6, D6), "RFC 8200 section 8.1"), (2, (D6,), "RFC 6275 section 6.4"),
            (4, (D6, C6), "RFC 8754 section 4.3"),
        )
        for how, left, end, verdict in (
            ("under way", 1, D6, "good"), ("arrived", 0, B6, "good"), ("ignored", 1, B6, "bad"),
        )
    ),
    one("unknown routing type", ip6(43, routing(250, 1, C6) + udp(src=A6, dst=C6)), "udp", "unverified",
        "RFC 8200 section 8.1: its final destination is not known"),
    one("Home Address", ip6(60, home(C6) + udp(src=C6, dst=B6)), "udp", "good", "RFC 6275 section 11.3.1"),
    one("Home Address ignored", ip6(60, home(C6) + udp(src=A6, dst=B6)), "udp", "bad", "RFC 6275 section 11.3.1"),
    one("behind AH", ip4(51, AUTHENTICATED + udp()), "udp", "good", "RFC 4302 section 3.1"),
    one("wrong behind AH", broken(ip4(51, AUTHENTICATED + udp())), "udp", "bad", "RFC 4302 section 3.1"),
    one("behind ESP", ip4(50, bytes(8) + udp()), "udp", "", "RFC 4303: encrypted"),
)  # fmt: skip


def pieces(body: bytes, at: int = 16) -> tuple[bytes, bytes]:
    """Return a datagram in two IPv4 fragments."""
    return ip4(17, body[:at], ident=7, fragment=0x2000), ip4(17, body[at:], ident=7, fragment=at // 8)


def piece6(body: bytes, at: int, more: int) -> bytes:
    return ip6(44, struct.pack("!BBHI", 17, 0, at | more, 7) + body)


LONG = udp(b"a longer datagram than sixteen octets")
LONG6 = udp(b"a longer datagram than sixteen octets", A6, B6)
JUMBO = udp(b"j" * 70_000, A6, B6, length=0)
JUMBO_PACKET = ip6(0, bytes((17, 0, 0xC2, 4)) + struct.pack("!I", 8 + len(JUMBO)) + JUMBO, plen=0)
OFFLOADED = tcp(b"y" * 3000)
FRAGMENTS = (
    one("first fragment alone", pieces(LONG)[0], "udp", "unverified", "RFC 791 section 3.2"),
    one("first fragment alone, IPv6", piece6(LONG6[:16], 0, 1), "udp", "unverified", "RFC 8200 section 4.5"),
    Edge("in fragments", IP4, pieces(LONG), "udp", "good", "RFC 791 section 3.2"),
    Edge("in fragments, the last first", IP4, pieces(LONG)[::-1], "udp", "good", "RFC 791 section 3.2", 1),
    Edge("in fragments, wrong", IP4, pieces(broken(LONG)), "udp", "bad", "RFC 768"),
    Edge("in fragments, IPv6", IP6, (piece6(LONG6[:16], 0, 1), piece6(LONG6[16:], 16, 0)), "udp", "good",
         "RFC 8200 section 4.5"),
    one("atomic fragment", piece6(LONG6, 0, 0), "udp", "good", "RFC 6946"),
    one("atomic fragment, wrong", piece6(broken(LONG6), 0, 0), "udp", "bad", "RFC 6946"),
    one("surplus area", ip4(17, udp() + b"options!"), "udp", "good", "RFC 9868: not in the sum"),
    one("surplus area summed", ip4(17, put(udp() + b"options!", 6, summed(udp() + b"options!", 6, pseudo(A, B, 17,
        21))[6:8])),
        "udp", "bad", "RFC 9868"),
    one("jumbogram", JUMBO_PACKET, "udp", "good", "RFC 2675 section 4"),
    one("jumbogram, wrong", broken(JUMBO_PACKET), "udp", "bad", "RFC 2675 section 4"),
    one("total length 0", ip4(6, OFFLOADED, length=0), "tcp", "good", "Linux leaves it so with segmentation offload"),
    one("total length 0, partial", ip4(6, partial(OFFLOADED, 16, A, B, 6), length=0), "tcp", "partial",
        "Linux, CHECKSUM_PARTIAL"),
    one("cut in the data", ip4(17, LONG)[:40], "udp", "unverified", "not all was captured", length=65),
    one("cut in the data, header", ip4(17, LONG)[:40], "ip", "good", "RFC 791: the header is there", length=65),
    one("cut in the header", ip4(17, LONG)[:14], "ip", "unverified", "not all was captured", length=65),
    one("partial", ip4(17, partial(udp(), 6, A, B, 17)), "udp", "partial", "Linux, CHECKSUM_PARTIAL"),
    one("partial of TCP over IPv6", ip6(6, partial(tcp(src=A6, dst=B6), 16, A6, B6, 6)), "tcp", "partial",
        "Linux, CHECKSUM_PARTIAL"),
    one("UDP length of 7", ip4(17, put(udp(), 4, b"\0\x07")), "udp", "malformed", "RFC 768: at least 8"),
    one("UDP length of 0", ip4(17, put(udp(), 4, b"\0\0")), "udp", "malformed", "RFC 768; RFC 2675 is IPv6's"),
    one("UDP length past the packet", ip4(17, put(udp(), 4, b"\0\x0e")), "udp", "malformed", "RFC 768"),
    one("data offset of 4", ip4(6, tcp(offset=4)), "tcp", "malformed", "RFC 9293 section 3.1: at least 5"),
    one("data offset past the end", ip4(6, tcp(offset=15)), "tcp", "malformed", "RFC 9293 section 3.1"),
)  # fmt: skip

TAGGED = ether(0x8100, b"\x00\x05\x08\x00" + ip4(17, udp(b"x")))
DOUBLE = ether(0x88A8, b"\x00\x05\x81\x00\x00\x06\x08\x00" + ip4(17, udp(b"x")))
OVER_PADDING = summed(udp(b"x") + b"\xde\xad" * 8, 6, pseudo(A, B, 17, 9))[6:8]
LINKS = (
    one("padding", ether(0x800, ip4(17, udp(b"x"))) + bytes(17), "udp", "good", "RFC 894: not part of the packet", 1),
    one("trailer", ether(0x800, ip4(17, udp(b"x"))) + b"\xde\xad" * 8, "udp", "good", "RFC 894", 1),
    one("trailer summed", ether(0x800, ip4(17, put(udp(b"x"), 6, OVER_PADDING))) + b"\xde\xad" * 8, "udp", "bad",
        "RFC 894", 1),
    one("VLAN padding", TAGGED + b"\xff" * 20, "udp", "good", "IEEE 802.1Q", 1),
    one("QinQ padding", DOUBLE + b"\xff" * 12, "udp", "good", "IEEE 802.1ad", 1),
    one("LLC and SNAP", ether(8 + len(V4), bytes.fromhex("aaaa03 000000 0800") + V4), "udp", "good", "RFC 1042", 1),
    one("PPPoE", ether(0x8864, bytes.fromhex("1100 0001") + word(2 + len(V4)) + b"\x00\x21" + V4 + bytes(9)), "udp",
        "good",
        "RFC 2516", 1),
    one("MPLS", ether(0x8847, bytes.fromhex("00010140") + V4), "udp", "good", "RFC 3032", 1),
    one("cooked", bytes.fromhex("0000 0001 0006 020000000001 0000 0800") + V4, "udp", "good", "LINKTYPE_LINUX_SLL",
        113),
    one("cooked 2", bytes.fromhex("0800 0000 00000001 0001 00 06 020000000001 0000") + V4, "udp", "good",
        "LINKTYPE_LINUX_SLL2",
        276),
    one("null, little-endian", b"\x02\0\0\0" + V4, "udp", "good", "LINKTYPE_NULL", 0),
    one("null, big-endian", b"\0\0\0\x02" + V4, "udp", "good", "LINKTYPE_NULL: of the host that wrote it", 0),
    one("loop", b"\0\0\0\x18" + V6, "udp", "good", "LINKTYPE_LOOP", 108),
    one("raw", V6, "udp", "good", "LINKTYPE_RAW", RAW),
    one("PPP", b"\xff\x03\x00\x21" + V4, "udp", "good", "RFC 1662", 9),
    one("PPP, no address", b"\x00\x21" + V4, "udp", "good", "RFC 1661 section 6.6", 9),
    one("Cisco HDLC", b"\x0f\x00\x08\x00" + V4, "udp", "good", "LINKTYPE_C_HDLC", 104),
)  # fmt: skip


def udp_lite(covered: int, payload: bytes = b"sixteen octets..") -> bytes:
    data = struct.pack("!HHHH", 4711, 4712, covered, 0) + payload
    total = ones(pseudo(A, B, 136, len(data)) + (data[:covered] if covered else data)) ^ 0xFFFF
    return put(data, 6, word(total or 0xFFFF))


def sctp() -> bytes:
    data = struct.pack("!HHII", 1, 2, 7, 0) + bytes.fromhex("0003 0010 00000001 0000 0000 00000000")
    return put(data, 8, struct.pack("!I", crc32c(data)))


def dccp(coverage: int, payload: bytes = b"twelve bytes") -> bytes:
    data = struct.pack("!HHBBHBBHI", 4711, 5001, 5, coverage, 0, 5, 0, 0, 1) + bytes(4) + payload
    covered = data if not coverage else data[: 20 + 4 * (coverage - 1)]
    return put(data, 6, word(ones(pseudo(A, B, 33, len(data)) + covered) ^ 0xFFFF))


def outer(proto: int, body: bytes) -> bytes:
    return ip4(proto, body, C, D)


def tunnel(port: int, body: bytes, check: bool = True) -> bytes:
    """Return UDP to `port` around `body`."""
    data = udp(body, C, D, dport=port)
    return ip4(17, data if check else put(data, 6, b"\0\0"), C, D)


FRAME = ether(0x800, V4)
BROKEN_FRAME = ether(0x800, broken(V4))
VXLAN, GENEVE = bytes.fromhex("08000000 00000100"), bytes.fromhex("0000 6558 00000100")
GTP = bytes.fromhex("30ff") + word(len(V4)) + bytes(4)
WITH_SUM = summed(bytes.fromhex("8000 0800 0000 0000") + V4, 4)
OTHERS = (
    *(
        one(f"UDP-Lite over {covered or 'all'}", ip4(136, udp_lite(covered)), "udplite", "good", "RFC 3828 section 3.1")
        for covered in (0, 8, 12, 24)
    ),
    one("UDP-Lite, damage outside", broken(ip4(136, udp_lite(8))), "udplite", "good", "RFC 3828 section 3.1"),
    one("UDP-Lite, damage inside", broken(ip4(136, udp_lite(0))), "udplite", "bad", "RFC 3828 section 3.1"),
    *(
        one(f"UDP-Lite over {covered}", ip4(136, put(udp_lite(8), 4, word(covered))), "udplite", "malformed",
            "RFC 3828 section 3.1: 0 or at least 8")
        for covered in (1, 7)
    ),
    one("UDP-Lite past the end", ip4(136, put(udp_lite(8), 4, b"\0\x19")), "udplite", "malformed",
        "RFC 3828 section 3.1"),
    one("UDP-Lite of zero", ip4(136, put(udp_lite(8), 6, b"\0\0")), "udplite", "illegal-zero", "RFC 3828 section 3.1"),
    one("ICMP", ip4(1, icmp()), "icmp", "good", "RFC 792: no pseudo-header"),
    one("ICMP, wrong", broken(ip4(1, icmp())), "icmp", "bad", "RFC 792"),
    one("ICMPv6", ip6(58, icmp6()), "icmpv6", "good", "RFC 4443 section 2.3"),
    one("ICMPv6 without a pseudo-header", ip6(58, icmp6(front=False)), "icmpv6", "bad", "RFC 4443 section 2.3"),
    one("quoted", ip4(1, icmp(put(V4, 26, b"\x12\x34")[:28], kind=3)), "udp", "", "RFC 792: a packet of the past"),
    one("error around a wrong quote", ip4(1, icmp(put(V4, 26, b"\x12\x34")[:28], kind=3)), "icmp", "good", "RFC 792"),
    one("IP in IP", outer(4, V4), "udp", "good", "RFC 2003"),
    one("IP in IP, inner header wrong", outer(4, put(V4, 8, b"\x07")), "ip", "bad", "RFC 2003", occurrence=1),
    one("6in4", outer(41, V6), "udp", "good", "RFC 4213"),
    one("GRE", outer(47, bytes.fromhex("0000 0800") + V4), "udp", "good", "RFC 2784"),
    one("GRE's sum", outer(47, WITH_SUM), "gre", "good", "RFC 2784 section 2.3"),
    one("GRE's sum, wrong", broken(outer(47, WITH_SUM)), "gre", "bad", "RFC 2784 section 2.3"),
    one("GRE without a sum", outer(47, bytes.fromhex("0000 0800") + V4), "gre", "", "RFC 2784 section 2.1"),
    one("VXLAN, inner", tunnel(4789, VXLAN + BROKEN_FRAME, check=False), "udp", "bad", "RFC 7348", occurrence=1),
    one("VXLAN, outer of zero", tunnel(4789, VXLAN + BROKEN_FRAME, check=False), "udp", "absent", "RFC 7348 section 5"),
    one("VXLAN, inner padding", tunnel(4789, VXLAN + FRAME + b"\xff" * 9), "udp", "good", "RFC 7348", occurrence=1),
    one("Geneve", tunnel(6081, GENEVE + FRAME), "udp", "good", "RFC 8926", occurrence=1),
    one("GTP-U", tunnel(2152, GTP + V4), "udp", "good", "3GPP TS 29.281", occurrence=1),
    one("IGMP", ip4(2, summed(bytes.fromhex("1600 0000 e00000fb"), 2)), "igmp", "good", "RFC 2236 section 2.3"),
    one("IGMP, wrong", ip4(2, bytes.fromhex("1600 1234 e00000fb")), "igmp", "bad", "RFC 2236 section 2.3"),
    one("SCTP", ip4(132, sctp()), "sctp", "good", "RFC 9260 appendix A"),
    one("SCTP, wrong", broken(ip4(132, sctp())), "sctp", "bad", "RFC 9260 appendix A"),
    one("SCTP, swapped words", ip4(132, put(sctp(), 4, sctp()[6:8] + sctp()[4:6])), "sctp", "bad",
        "a CRC sees the order"),
    one("DCCP over all", ip4(33, dccp(0)), "dccp", "good", "RFC 4340 section 9.1"),
    one("DCCP, damage outside", broken(ip4(33, dccp(1))), "dccp", "good", "RFC 4340 section 9.2"),
    one("DCCP, damage inside", broken(ip4(33, dccp(0))), "dccp", "bad", "RFC 4340 section 9.1"),
    one("DCCP past the end", ip4(33, put(dccp(1), 5, b"\x05")), "dccp", "malformed", "RFC 4340 section 9.2"),
)  # fmt: skip
EDGES = (*ARITHMETIC, *HEADERS, *FRAGMENTS, *LINKS, *OTHERS)
