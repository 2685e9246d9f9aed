"""The packets that are compared: picked from the corpus, built from the schemas, damaged, and random.

Values built from a schema share its mistakes where they stand in the way of seeing them (a mask that is too narrow is
never filled), so every protocol is also given random bytes behind valid lower headers.
"""

from __future__ import annotations

import csv
import os
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from pktlab.testing import damaged, from_schema
from pktlab.testing.damage import steering_names
from pktlab.testing.plan import plan_of
from pktlab.wire import FOLLOWS, LINK_TYPES, Found, Header, icmp, icmpv6, ipv4, mld, tcp
from pktlab.wire import build as build_packet
from pktlab.wire.icmp import Icmp
from pktlab.wire.icmpv6 import Icmpv6
from pktlab.wire.ipv6 import Routing
from pktlab.wire.sll import Sll, Sll2

from .capfiles import Packet, read_pcap
from .tshark import COMPARED

__all__ = ["corpus_packets", "draw_many", "made_packets", "needs_corpus", "packets_of", "pointed_packets", "way_to"]

CORPUS = os.environ.get("PKTLAB_CORPUS", "")
needs_corpus = pytest.mark.skipif(not CORPUS, reason="PKTLAB_CORPUS names no folder of captures")

RARE = {
    "qinq", "vlan3", "vlan", "arp", "ip-options", "ip6-hbh", "ip6-routing", "ip6-frag", "ip6-dstopt", "ip6-ah",
    "ip4-frag", "ip6-atomic-frag", "ip6-ext", "icmp", "cksum-needs-final-dst", "eth-trailer", "eth-llc", "tunnel",
    "malformed", "udp-badlen", "ip-len>frame", "tso-gro", "udp6-zero", "tcp-urg", "ip-malformed",
}  # fmt: skip
"""Tags of files from which more packets are taken."""


def corpus_packets(common: int, rare: int) -> list[Packet]:
    """Return up to `common` packets of every file of a link type known here, and `rare` of those with a rare tag."""
    packets: list[Packet] = []
    for row in _index():
        wanted = rare if RARE & set(row["tags"].split(",")) else common
        path = Path(CORPUS, row["path"])
        if path.is_file():
            known = (packet for packet in read_pcap(path) if packet.link_type in LINK_TYPES and packet.data)
            packets += [packet for packet, _ in zip(known, range(wanted), strict=False)]
    return packets


def _index() -> list[dict[str, str]]:
    with Path(CORPUS, "INDEX.tsv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))


def draw_many(strategy: st.SearchStrategy[Any], count: int) -> list[Any]:
    """Return `count` examples of `strategy`, the same ones in every run."""
    examples: list[Any] = []

    @settings(
        max_examples=count, database=None, deadline=None, derandomize=True, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(strategy)
    def collect(example: Any) -> None:
        examples.append(example)

    collect()
    return examples


def way_to(header: type[Header]) -> tuple[int, list[tuple[type[Header], str, int]]]:
    """Return a link type and the headers below `header`, each with the field and the value that lead on."""
    first = {kind: link for link, kind in LINK_TYPES.items() if isinstance(kind, type)}
    ways: dict[type[Header], tuple[int, list[Any]]] = {kind: (link, []) for kind, link in first.items()}
    queue = list(ways)
    for below in queue:
        if below not in FOLLOWS or FOLLOWS[below].quotes:
            continue
        link, steps = ways[below]
        for value, kind in FOLLOWS[below].table.items():
            if kind not in ways:
                by = FOLLOWS[below].by
                ways[kind] = link, [*steps, (below, by if isinstance(by, str) else by[0], value)]
                queue.append(kind)
    ways.update({kind: ways[same] for same, kind in _instead() if same in ways})
    return ways[header]


def _instead() -> Iterator[tuple[type[Header], type[Header]]]:
    from pktlab.wire.packet import INSTEAD

    for kind, rules in INSTEAD.items():
        for _, other in rules:
            yield kind, other


def packets_of(header: type[Header], valid: int, broken: int, noise: int) -> list[Packet]:
    """Return packets in which `header` lies behind valid lower headers: valid ones, damaged ones, random bytes."""
    link, steps = way_to(header)
    below = [_plain(kind, by, value) for kind, by, value in steps]
    rng = random.Random(header.__name__)
    bodies: list[Header | bytes] = []
    for value in draw_cases(header, valid):
        bodies += [value, scrambled(value, rng), scrambled(value, rng, steer=True)]
    bodies += [case.data for case in draw_many(damaged(header), broken)]
    bodies += [rng.randbytes(rng.randrange(8, 90)) for _ in range(noise)]
    packets = [build_packet(*below, body, rng.randbytes(rng.choice([0, 8, 40]))) for body in bodies]
    return [Packet(link, data, len(data)) for data in packets if data]


def scrambled(header: Header, rng: random.Random, steer: bool = False) -> bytes:
    """Return the bytes of `header` with random bits in every field that does not steer its parse, or in one that does.

    Hypothesis prefers small numbers, in which a mask that lacks its upper bits is not missed.
    """
    data = header.build(b"", lambda length: b"")
    steering = steering_names(type(header))
    fields = [found for found in type(header).parse(data).spans() if found.name and found.row.kind != "header"]
    aimed = [_bits(found, len(data)) for found in fields if found.name in steering]
    free = fixed = 0
    if not steer:
        for found in fields:
            free |= _bits(found, len(data))
        for bits in aimed:
            fixed |= bits
    elif aimed:
        free = rng.choice(aimed)
    noise = rng.getrandbits(8 * len(data) + 1)
    return (int.from_bytes(data, "big") ^ free & ~fixed & noise).to_bytes(len(data), "big")


def _bits(found: Found, size: int) -> int:
    """Return the bits of `found` as ones in a big-endian number of `size` bytes."""
    start, lead, count = found.bit_range
    return (1 << count) - 1 << 8 * (size - start) - lead - count


def _plain(kind: type[Header], by: str, value: int) -> Header:
    """Return a header of `kind` that says that `value` follows, and otherwise what it says by itself."""
    needed = (
        {"dst": "10.0.0.2", "src": "10.0.0.1"} if kind.layer == "ip" else {"dst": "2001:db8::2", "src": "2001:db8::1"}
    )
    if kind.layer in {"eth", "sll", "vlan", "ieee8021ad", "null"}:
        needed = {"dst": "02:00:00:00:00:02", "src": "02:00:00:00:00:01", "pkttype": "0", "id": "7"}
    known = {name: given for name, given in needed.items() if name in kind.schema.declared}
    numbers = {name: int(given) if given.isdigit() else given for name, given in known.items()}
    return kind(**{**numbers, by: value})


KEYS: dict[type[Header], str] = {
    Icmp: "type", Icmpv6: "type", Routing: "type", Sll: "halen", Sll2: "halen",
    ipv4.IpOption: "type", tcp.TcpOption: "kind", icmpv6.NdOption: "type",
}  # fmt: skip
"""Headers whose inside depends on a number, and the field that holds it."""


def draw_cases(header: type[Header], count: int) -> list[Any]:
    """Return `count` values of `header`, or as many of every case that it has and of those that it has not."""
    values = draw_many(from_schema(header), count)
    if header in KEYS:
        for case in plan_of(header).telling[KEYS[header]]:
            values += draw_many(from_schema(header, fixed={KEYS[header]: case}), count)
    return values


def made_packets(valid: int, broken: int, noise: int) -> list[Packet]:
    """Return packets of every protocol (see `packets_of`), and of every kind of option."""
    packets: list[Packet] = []
    for header in COMPARED:
        packets += packets_of(header, valid, broken, noise)
    return packets + pointed_packets(2 * valid) + option_packets(valid)


def option_packets(count: int) -> list[Packet]:
    """Return packets with one option each, `count` of every kind."""
    rng = random.Random("options")
    packets = []
    for kind in (ipv4.IpOption, tcp.TcpOption, icmpv6.NdOption):
        for option in draw_cases(kind, count):
            one = kind.parse(scrambled(option, rng))
            if kind is icmpv6.NdOption or len(one.build()) <= MOST_OPTIONS:
                packets.append(build_packet(*carriers(one), b"data"))
    return [Packet(228, data, len(data)) for data in packets]


MOST_OPTIONS = 40
"""Bytes of options that an IPv4 or TCP header has room for."""


def carriers(option: Header) -> tuple[Header, ...]:
    """Return headers that hold `option`."""
    match option:
        case ipv4.IpOption():
            return (ipv4.Ip(src="10.0.0.1", dst="10.0.0.2", proto=253, options=ipv4.IpOptions(items=(option,))),)
        case tcp.TcpOption():
            segment = tcp.Tcp(srcport=1, dstport=2, options=tcp.TcpOptions(items=(option,)))
            return ipv4.Ip(src="10.0.0.1", dst="10.0.0.2", proto=6), segment
        case icmpv6.NdOption():
            message = Icmpv6(type=133, body=icmpv6.RouterSolicitation(options=(option,)))
            return ipv4.Ip(src="10.0.0.1", dst="10.0.0.2", proto=58), message
    raise TypeError(f"no header carries a {type(option).__name__}")


def pointed_packets(count: int) -> list[Packet]:
    """Return IPv4 options with pointers that fit, messages with a pointer, an MTU or a size, and short MLD queries.

    Few pointers drawn over their full range fit; with one that does not, tshark reads none of the option's slots.
    Nor does a size that a parser refuses come up often.
    """
    rng = random.Random("pointers")

    def word(size: int = 4) -> Any:
        return int.from_bytes(rng.randbytes(size), "big")

    packets = []
    for _ in range(count):
        stamps = [ipv4.Stamp(time_stamp=word()) for _ in range(3)]
        addressed = [ipv4.AddressStamp(time_stamp_addr=word(), time_stamp=word()) for _ in range(2)]
        bodies: list[tuple[int, Header]] = [
            (68, ipv4.TimeStamp(ptr=17, overflow=rng.randrange(16), flag=0, stamps=tuple(stamps))),
            (68, ipv4.TimeStamp(ptr=21, overflow=rng.randrange(16), flag=rng.choice([1, 3]), stamps=tuple(addressed))),
            (7, ipv4.RecordRoute(ptr=16, route=tuple(ipv4.RecordedEntry(rec_rt=word()) for _ in range(3)))),
            (
                131,
                ipv4.SourceRoute(ptr=rng.choice([4, 8]), route=tuple(ipv4.RouteEntry(src_rt=word()) for _ in range(3))),
            ),
        ]
        for type_, body in bodies:
            options = ipv4.IpOptions(items=(ipv4.IpOption(type=type_, body=body),))
            packets.append(build_packet(ipv4.Ip(src=word(), dst=word(), proto=253, options=options), b"data"))
        messages: list[tuple[int, Header]] = [
            (58, Icmpv6(type=4, body=icmpv6.Problem(pointer=word()))),
            (58, Icmpv6(type=2, body=icmpv6.TooBig(mtu=word()))),
            (1, Icmp(type=3, code=4, body=icmp.Unreachable(mtu=word(2)))),
            (
                1,
                Icmp(
                    type=9, body=icmp.Advertisement(num_addrs=0, addr_entry_size=word(1), lifetime=word(2), routers=())
                ),
            ),
        ]
        query = mld.MldQuery(maximum_response_delay=word(2), multicast_address=rng.randbytes(16))
        packets.append(build_packet(ipv4.Ip(src=word(), dst=word(), proto=58), Icmpv6(type=130, body=query)))
        for proto, message in messages:
            packets.append(build_packet(ipv4.Ip(src=word(), dst=word(), proto=proto), message, rng.randbytes(48)))
    return [Packet(228, data, len(data)) for data in packets]
