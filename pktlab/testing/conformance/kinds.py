"""What a function under test is given, kind by kind, and what it has to answer.

A case is made of *parts*, strings of bytes that may be anything (addresses, options, data ...): `make` puts lengths and
header fields around them, so that whatever is drawn or left out in shrinking is a legal packet again. The kinds keep
to what every implementation has to handle; what only thorough ones do (source routes, extension headers, UDP options)
is in `hard`.

Spec: RFC 1071; RFC 768, 9293, 792, 4443 (which bytes), RFC 791, 8200 section 8.1 (pseudo-headers), RFC 1624.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

from pktlab.wire.checksum import checksum, fold, ones_sum, update

__all__ = ["KINDS", "Case", "Kind", "Made", "Part", "Parts", "case_of", "place_of", "tuned"]

Parts = tuple[bytes, ...]

MAX_IP = 65_535
MAX_DATA = 65_536
TCP, UDP, ICMP, ICMPV6 = 6, 17, 1, 58
ZERO_AS = {UDP: 0xFFFF}


class Part(NamedTuple):
    """Bytes that a case is drawn from: `least` to `most` of them in steps of `step`; `simple` is the plainest."""

    name: str
    least: int
    most: int
    step: int = 1
    simple: bytes = b""


class Made(NamedTuple):
    """A packet that was put together.

    data : what the function is given
    start, end : which of it is summed; at : where the checksum field stands in it, -1 if it has none
    addresses : those of the pseudo-header, 8 or 32 bytes; none if there is no pseudo-header
    proto : number of the transport
    free : ranges of `data` that may be damaged without making a length or a protocol something that cannot be
    head : where the IP header starts
    """

    data: bytes
    start: int
    end: int
    at: int = -1
    addresses: bytes = b""
    proto: int = 0
    free: tuple[tuple[int, int], ...] = ()
    head: int = 0

    @property
    def pseudo(self) -> bytes:
        """The pseudo-header."""
        length = self.end - self.start
        if len(self.addresses) == 8:
            return self.addresses + bytes((0, self.proto)) + length.to_bytes(2, "big")
        if self.addresses:
            return self.addresses + length.to_bytes(4, "big") + bytes((0, 0, 0, self.proto))
        return b""

    @property
    def summed(self) -> bytes:
        """All bytes that are summed, the pseudo-header's in front."""
        return self.pseudo + self.data[self.start : self.end]

    @property
    def zero_as(self) -> int:
        """What stands for a checksum of 0 on the wire."""
        return ZERO_AS.get(self.proto, 0) if self.addresses else 0

    @property
    def checksum(self) -> int:
        """What belongs into the field, which is zero in `data`."""
        return checksum(self.summed) or self.zero_as


class Case(NamedTuple):
    """One question to the function under test: `given` are its arguments, `right` the answer."""

    parts: Parts
    given: tuple[Any, ...]
    right: int
    made: Made

    @property
    def size(self) -> int:
        """Bytes that the function is given."""
        return sum(len(one) for one in self.given if isinstance(one, bytes))


class Kind(NamedTuple):
    """A kind of function.

    gives : what it is given, in words; tune : part and offset of a word with which any sum can be had
    link_type : of a capture with such packets (147 is nobody's, for bytes that are no packet)
    """

    name: str
    gives: str
    parts: tuple[Part, ...]
    make: Callable[[Parts], Made]
    tune: tuple[int, int]
    link_type: int = 101
    is_verify: bool = False

    @property
    def base(self) -> Kind:
        """The kind that computes what this one verifies."""
        return KINDS[self.name.removeprefix("verify-")]


def case_of(kind: Kind, parts: Parts) -> Case:
    """Return the case of `parts`.

    >>> case = case_of(KINDS["internet"], (bytes.fromhex("0001f203f4f5f6f7"),))
    >>> hex(case.right)
    '0x220d'
    """
    made = kind.make(parts)
    if kind.name == "update":
        given = (int.from_bytes(parts[0], "big") % 0xFFFF, parts[1][::2], parts[1][1::2])
        return Case(parts, given, update(*given), made)
    if kind.is_verify:
        return Case(parts, (made.data,), int(ones_sum(made.summed) == 0xFFFF), made)
    return Case(parts, (made.data,), made.checksum, made)


def tuned(kind: Kind, parts: Parts, total: int) -> Parts:
    """Return `parts` with one word changed so that everything sums to `total`, 1..0xFFFF.

    >>> kind = KINDS["internet"]
    >>> hex(case_of(kind, tuned(kind, (b"abcde",), 0xFFFF)).right)
    '0x0'
    """
    index, offset = kind.tune
    part = parts[index]
    if len(part) < offset + 2:
        return parts
    blank = (*parts[:index], part[:offset] + b"\0\0" + part[offset + 2 :], *parts[index + 1 :])
    if kind.name == "update":
        word = update(total ^ 0xFFFF, parts[1][1::2], parts[1][::2])
    else:
        word = fold(total + (ones_sum(kind.base.make(blank[: len(kind.base.parts)]).summed) ^ 0xFFFF))
    filled = blank[index][:offset] + word.to_bytes(2, "big") + blank[index][offset + 2 :]
    return (*parts[:index], filled, *parts[index + 1 :])


# ---- what is put around the parts


def _internet(parts: Parts) -> Made:
    return Made(parts[0], 0, len(parts[0]), free=((0, len(parts[0])),))


def _update(parts: Parts) -> Made:
    return Made(parts[1], 0, len(parts[1]))


def _options(content: bytes, kind: int) -> bytes:
    """Return options that read as such: one of an experiment with `content` in it; zeros are the end of the list."""
    return bytes((kind, len(content))) + content[2:] if any(content) else content


def _ipv4_header(parts: Parts) -> Made:
    fields, options = parts
    length = 20 + len(options)
    total = max(int.from_bytes(fields[1:3], "big"), length).to_bytes(2, "big")
    head = bytes((0x40 | length // 4, fields[0])) + total + fields[3:9] + b"\0\0" + fields[9:]
    return Made(head + _options(options, 94), 0, length, 10, free=((1, 2), (4, 20)))


def _in_ipv4(ip: bytes, addresses: bytes, options: bytes, segment: bytes, at: int, proto: int) -> Made:
    """Return an IPv4 packet; `at` is the offset of the checksum in `segment`, `ip` has TOS, identification and TTL."""
    start = 20 + len(options)
    segment = segment[: MAX_IP - start]
    head = bytes((0x40 | start // 4, ip[0])) + (start + len(segment)).to_bytes(2, "big") + ip[1:3] + b"\0\0"
    head += bytes((ip[3], proto, 0, 0)) + addresses + _options(options, 94)
    head = head[:10] + checksum(head).to_bytes(2, "big") + head[12:]
    data = head + segment
    pseudo = b"" if proto == ICMP else addresses
    return Made(data, start, len(data), start + at, pseudo, proto, ((12, 20), *_free(segment, start, at, proto)))


def _in_ipv6(ip: bytes, addresses: bytes, segment: bytes, at: int, proto: int) -> Made:
    """Return an IPv6 packet; `ip` has the flow's three bytes and the hop limit."""
    head = bytes((0x60 | ip[0] & 15,)) + ip[1:3] + b"\0" + len(segment).to_bytes(2, "big") + bytes((proto, ip[3]))
    data = head + addresses + segment
    return Made(data, 40, len(data), 40 + at, addresses, proto, ((8, 40), *_free(segment, 40, at, proto)))


def _free(segment: bytes, start: int, at: int, proto: int) -> tuple[tuple[int, int], ...]:
    """Return what may be damaged: all but the lengths in the header."""
    kept = {UDP: (4, 6), TCP: (12, 14)}.get(proto, (0, 0))
    return tuple(
        (start + one, start + end) for one, end in ((0, kept[0]), (kept[1], len(segment))) if one < end
    )  # fmt: skip


def _udp(ports: bytes, data: bytes, most: int) -> bytes:
    data = data[: most - 8]
    return ports + (8 + len(data)).to_bytes(2, "big") + b"\0\0" + data


def _tcp(fields: bytes, options: bytes, data: bytes) -> bytes:
    offset_flags = ((20 + len(options)) // 4 << 12 | int.from_bytes(fields[12:14], "big") & 0xFFF).to_bytes(2, "big")
    return fields[:12] + offset_flags + fields[14:16] + b"\0\0" + fields[16:18] + _options(options, 254) + data


def _udp4(parts: Parts) -> Made:
    ip, addresses, options, ports, data = parts
    return _in_ipv4(ip, addresses, options, _udp(ports, data, MAX_IP - 20 - len(options)), 6, UDP)


def _tcp4(parts: Parts) -> Made:
    ip, addresses, options, fields, more, data = parts
    return _in_ipv4(ip, addresses, options, _tcp(fields, more, data), 16, TCP)


def _icmp(parts: Parts) -> Made:
    ip, addresses, options, fields, data = parts
    return _in_ipv4(ip, addresses, options, _echo(fields, data, 8), 2, ICMP)


def _udp6(parts: Parts) -> Made:
    ip, addresses, ports, data = parts
    return _in_ipv6(ip, addresses, _udp(ports, data, MAX_IP), 6, UDP)


def _tcp6(parts: Parts) -> Made:
    ip, addresses, fields, more, data = parts
    return _in_ipv6(ip, addresses, _tcp(fields, more, data)[:MAX_IP], 16, TCP)


def _icmpv6(parts: Parts) -> Made:
    ip, addresses, fields, data = parts
    return _in_ipv6(ip, addresses, _echo(fields, data, 128)[:MAX_IP], 2, ICMPV6)


def _echo(fields: bytes, data: bytes, request: int) -> bytes:
    """Return an echo message; an odd first byte of `fields` makes it the reply (of ICMP type 0, of ICMPv6 129)."""
    reply = fields[0] & 1
    type_ = request + reply if request == 128 else 0 if reply else request
    return bytes((type_, 0, 0, 0)) + fields[1:5] + data


def _eth(parts: Parts) -> Made:
    macs, which, trailer, *rest = parts
    inner = _tcp4(tuple(rest)) if which[0] & 1 else _udp4((*rest[:3], rest[3][:4], rest[5]))
    free = tuple((14 + start, 14 + end) for start, end in inner.free)
    return inner._replace(
        data=macs + b"\x08\0" + inner.data + trailer, start=inner.start + 14, end=inner.end + 14, at=inner.at + 14,
        free=((0, 12), *free, (14 + len(inner.data), 14 + len(inner.data) + len(trailer))), head=14,
    )  # fmt: skip


def _verify(make: Callable[[Parts], Made], parts: Parts) -> Made:
    """Return a packet with its checksum filled in, and up to two bytes of it damaged: `where` and by which `mask`."""
    *rest, where, mask = parts
    made = make(tuple(rest))
    if made.at < 0:
        padded = made.data + b"\0" * (len(made.data) % 2)
        data, made = padded + b"\0\0", made._replace(at=len(padded), end=len(padded) + 2)
        made = made._replace(free=((0, made.end),))
    else:
        data = made.data
    data = data[: made.at] + made.checksum.to_bytes(2, "big") + data[made.at + 2 :]
    data = _damaged(data, made, where, mask)
    size = len(made.addresses)
    at = made.head + (12 if size == 8 else 8)
    return made._replace(data=data, addresses=data[at : at + size])


def _damaged(data: bytes, made: Made, where: bytes, mask: bytes) -> bytes:
    if not any(mask):
        return data
    place = int.from_bytes(where, "big") % sum(end - start for start, end in made.free)
    start, end = made.free[0]
    for start, end in made.free:
        if place < end - start:
            break
        place -= end - start
    at = start + place
    piece = data[at : min(at + 2, end)]
    broken = data[:at] + bytes(one ^ other for one, other in zip(piece, mask, strict=False)) + data[at + len(piece) :]
    return data if broken[made.at : made.at + 2] == b"\0\0" and _may_be_absent(made, broken) else broken


def _may_be_absent(made: Made, broken: bytes) -> bool:
    """Tell whether some may take 0 for no checksum: in UDP over IPv4, and over IPv6 in tunnels (RFC 6935).

    The ports of tunnels are all above 1023. Where the sum comes out right with 0, opinions differ.
    """
    if made.proto != UDP or not made.addresses:
        return False
    ports = broken[made.start], broken[made.start + 2]
    return len(made.addresses) == 8 or max(ports) > 3 or made.checksum == made.zero_as


def place_of(free: tuple[tuple[int, int], ...], at: int) -> bytes:
    r"""Return what `where` has to be for byte `at` of the packet to be damaged.

    >>> place_of(((12, 20), (26, 30)), 26)
    b'\x00\x08'
    """
    return (sum(min(end, at) - start for start, end in free if start <= at) & 0xFFFF).to_bytes(2, "big")


# ---- the table

_IPV4 = (
    Part("ip", 4, 4, simple=bytes.fromhex("00000040")),
    Part("addresses", 8, 8, simple=bytes.fromhex("0a0000010a000002")),
    Part("options", 0, 40, 4),
)
_IPV6 = (
    Part("ip", 4, 4, simple=bytes.fromhex("00000040")),
    Part("addresses", 32, 32, simple=bytes.fromhex(("20010db8" + "00" * 11 + "01") * 2)),
)
_PORTS = Part("ports", 4, 4, simple=bytes.fromhex("00010002"))
_FIELDS = (
    Part("header", 18, 18, simple=bytes.fromhex("00010002" + "00" * 8 + "0010" + "0400" + "0000")),
    Part("tcp options", 0, 40, 4),
)
_ECHO = Part("header", 5, 5, simple=bytes(5))
_HEADER = Part("header", 17, 17, simple=bytes.fromhex("000014000000004011" + "0a0000010a000002"))
_DATA = Part("data", 0, MAX_IP)
_WHOLE = "the whole IP packet, the checksum zero"
_COMPUTING = (
    Kind("internet", "data, of any length", (Part("data", 0, MAX_DATA),), _internet, (0, 0), 147),
    Kind("ipv4", "an IPv4 header, its checksum zero", (_HEADER, _IPV4[2]), _ipv4_header, (0, 3)),
    Kind("udp4", _WHOLE, (*_IPV4, _PORTS, _DATA), _udp4, (3, 0)),
    Kind("udp6", _WHOLE, (*_IPV6, _PORTS, _DATA), _udp6, (2, 0)),
    Kind("tcp4", _WHOLE, (*_IPV4, *_FIELDS, _DATA), _tcp4, (3, 4)),
    Kind("tcp6", _WHOLE, (*_IPV6, *_FIELDS, _DATA), _tcp6, (2, 4)),
    Kind("icmp", _WHOLE, (*_IPV4, _ECHO, _DATA), _icmp, (3, 1)),
    Kind("icmpv6", _WHOLE, (*_IPV6, _ECHO, _DATA), _icmpv6, (2, 1)),
    Kind(
        "eth", "the whole Ethernet frame with UDP or TCP over IPv4, the transport's checksum zero",
        (
            Part("macs", 12, 12, simple=bytes.fromhex("020000000002020000000001")), Part("which", 1, 1, simple=b"\0"),
            Part("trailer", 0, 64), *_IPV4, *_FIELDS, _DATA,
        ), _eth, (6, 0), 1,
    ),
)  # fmt: skip
_UPDATE = Kind(
    "update", "the old checksum, the old bytes and as many new ones",
    (Part("sum", 2, 2, simple=b"\0\0"), Part("bytes", 0, 8192, 2)), _update, (0, 0), 147,
)  # fmt: skip
_DAMAGE = (Part("where", 2, 2, simple=b"\0\0"), Part("mask", 2, 2, simple=b"\0\0"))


def _verifying(kind: Kind) -> Kind:
    gives = "data that end in their checksum" if kind.name == "internet" else kind.gives.split(",")[0]
    gives += ", right or damaged"
    return kind._replace(
        name=f"verify-{kind.name}", gives=gives, parts=(*kind.parts, *_DAMAGE), make=partial(_verify, kind.make),
        is_verify=True,
    )  # fmt: skip


KINDS: dict[str, Kind] = {
    one.name: one for one in (*_COMPUTING, _UPDATE, *(_verifying(kind) for kind in _COMPUTING))
}  # fmt: skip
"""Every kind by its name."""
