"""Strategies of whole packets and of their parts: right ones, and ones with a fault that is named.

What is drawn is a `pktlab.Packet`: `packet.data` are its bytes, and a failing example prints as a line. A packet with a
fault says in `packet.comments` which it is. Examples shrink to few and short headers, small numbers and no data.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from itertools import pairwise
from typing import Any, Literal

from hypothesis import strategies as st

from pktlab.api import packet as read_packet
from pktlab.packets import Packet
from pktlab.testing.faults import FAULTS, data_for, faults_of, faulty
from pktlab.testing.strategies import from_schema
from pktlab.wire import Header, build, ipv4, tcp
from pktlab.wire.ethernet import Ethernet, Vlan
from pktlab.wire.gre import Gre
from pktlab.wire.icmp import Icmp
from pktlab.wire.icmpv6 import Icmpv6
from pktlab.wire.ipv4 import Ip, IpOptions
from pktlab.wire.ipv6 import (
    DestinationOptions,
    Fragment,
    HomeAddress,
    HopByHop,
    Ipv6,
    Ipv6Option,
    OtherOption,
    PadN,
    RouterAlert,
    Routing,
    Type2,
)
from pktlab.wire.overlays import Vxlan
from pktlab.wire.packet import ETHERTYPES, IPV6_PROTOCOLS
from pktlab.wire.tcp import Tcp, TcpOptions
from pktlab.wire.udp import Udp

__all__ = [
    "extension_chains", "ip_options", "packets", "tcp_options", "tcp_segments", "tunnels", "udp_datagrams",
]  # fmt: skip

Draw = Callable[[st.SearchStrategy[Any]], Any]

LAYERS: dict[str, type[Header]] = {
    "eth": Ethernet, "vlan": Vlan, "ip": Ip, "ipv6": Ipv6, "hopopts": HopByHop, "dstopts": DestinationOptions,
    "routing": Routing, "fraghdr": Fragment, "udp": Udp, "tcp": Tcp, "icmp": Icmp, "icmpv6": Icmpv6, "gre": Gre,
    "vxlan": Vxlan,
}  # fmt: skip
"""What a stack may be made of, by the names that `frame.protocols` has."""
EXTENSIONS = ("hopopts", "dstopts", "routing", "fraghdr")
VXLAN_PORT = 4789
DATA = st.binary(max_size=64)
_ETHERTYPES = {header: number for number, header in reversed(ETHERTYPES.items())}
_PROTOCOLS = {header: number for number, header in reversed(IPV6_PROTOCOLS.items())}

_words = st.integers(0, 0xFFFF)
_macs = st.integers(0, (1 << 46) - 1).map(lambda number: (2 << 40 | number & ~(3 << 40)).to_bytes(6, "big").hex(":"))
_ipv4 = st.integers(0, 0xFFFFFF).map(lambda number: f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}")
_ipv6 = st.integers(0, 0xFFFFFFFF).map(lambda number: f"2001:db8::{number >> 16:x}:{number & 0xFFFF:x}")
_ports = st.integers(1024, 1899) | st.integers(49152, 65535)

_IP_OPTIONS = (
    ipv4.IpOption(type=1), ipv4.IpOption(type=148, body=ipv4.RouterAlert()),
    ipv4.IpOption(type=94, body=ipv4.OtherOption(data=b"own")),
    ipv4.IpOption(type=7, body=ipv4.RecordRoute(route=(ipv4.RecordedEntry(rec_rt="0.0.0.0"),))),
)  # fmt: skip
_TCP_OPTIONS = (
    tcp.TcpOption(kind=1), tcp.TcpOption(kind=2, body=tcp.Mss(mss_val=1460)),
    tcp.TcpOption(kind=3, body=tcp.WindowScale(shift=7)), tcp.TcpOption(kind=4, body=tcp.SackPermitted()),
    tcp.TcpOption(kind=8, body=tcp.Timestamps(tsval=1, tsecr=0)),
)  # fmt: skip
"""Options that are usual, which are quickly drawn; `ip_options` and `tcp_options` draw any."""


def packets(
    stack: str = "eth/ip/udp", *, valid: bool = True, fault: str | None = None,
    data: st.SearchStrategy[bytes] = DATA,
) -> st.SearchStrategy[Packet]:  # fmt: skip
    """Return a strategy of packets made of the layers of `stack`, from the outermost in.

    Parameters
    ----------
    stack : names with slashes between, of: eth vlan ip ipv6 hopopts dstopts routing fraghdr udp tcp icmp icmpv6 gre
        vxlan
    valid : lengths and checksums are right; if not, each packet has one fault
    fault : the fault that each packet has, one of `FAULTS`; it makes `valid` no matter
    data : what is behind the headers; it is made longer where the fault would not show

    Raises
    ------
    ValueError : a layer or a fault is unknown, one layer cannot follow another, or the stack cannot have the fault

    >>> from hypothesis import find
    >>> find(packets("ip/tcp"), lambda packet: True)["tcp.checksum.verdict"]
    'good'
    >>> find(packets("ip/udp", fault="swapped"), lambda packet: True).judgements[-1].cause
    'byte-swapped: the right bytes in the wrong order'
    """
    names = stack.split("/")
    unknown = [name for name in names if name not in LAYERS]
    if unknown:
        raise ValueError(f"{unknown[0]!r} is no layer of a stack; there are {', '.join(LAYERS)}")
    for lower, upper in pairwise(names):
        _number(LAYERS[lower], LAYERS[upper])
    if fault is not None and fault not in FAULTS:
        raise ValueError(f"there is no fault {fault!r}; there are {', '.join(FAULTS)}")
    if valid and fault is None:
        return _packets(names, data)
    possible = faults_of(names)
    if not possible or fault not in (None, *possible):
        raise ValueError(
            f"{stack} cannot have the fault {fault or 'any'!r}: it can have {', '.join(possible) or 'none'}"
        )
    return st.sampled_from(possible if fault is None else [fault]).flatmap(lambda name: _faulty(names, data, name))


@st.composite
def _packets(draw: Draw, names: Sequence[str], data: st.SearchStrategy[bytes]) -> Packet:
    kinds: list[Any] = [LAYERS[name] for name in names]  # mypy takes a header's own __hash__ for that of its class
    inside = [*kinds[1:], None]
    headers = [draw(_header(kind, upper)) for kind, upper in zip(kinds, inside, strict=True)]
    return read_packet(build(*headers, draw(data)), as_=names[0])


def _faulty(names: Sequence[str], data: st.SearchStrategy[bytes], fault: str) -> st.SearchStrategy[Packet]:
    shown = data.map(lambda drawn: data_for(fault, drawn))
    return _packets(names, shown).flatmap(lambda packet: faulty(packet, names[0], fault))


def _number(lower: type[Header], upper: type[Header] | None) -> int:
    """Return what `lower` has to hold for `upper` to follow; ValueError if it cannot."""
    if upper is None:
        return {Ethernet: 0x88B5, Vlan: 0x88B5, Gre: 0x88B5}.get(lower, 253)  # both are for experiments
    table = _ETHERTYPES if lower in (Ethernet, Vlan, Gre) else _PROTOCOLS
    ends = {Udp: (Vxlan,), Vxlan: (Ethernet,), Tcp: (), Icmp: (), Icmpv6: ()}
    if (upper not in ends[lower]) if lower in ends else upper not in table:
        raise ValueError(f"{upper.layer} cannot follow {lower.layer}")
    return table.get(upper, 0)


@cache
def _header(kind: Any, upper: Any) -> st.SearchStrategy[Any]:
    """Return the strategy of a header of `kind` with `upper` behind it, None for data; it is made and checked once."""
    number = _number(kind, upper)
    if kind in (Ethernet, Vlan, Gre, Vxlan):
        return _link(kind, number)
    if kind is Ip:
        options = st.lists(st.sampled_from(_IP_OPTIONS), max_size=3).map(lambda items: IpOptions(items=tuple(items)))
        return st.builds(
            Ip, src=_ipv4, dst=_ipv4, proto=st.just(number), ttl=st.integers(1, 255), id=_words, options=options
        )
    if kind is Ipv6:
        return st.builds(Ipv6, src=_ipv6, dst=_ipv6, nxt=st.just(number), hlim=st.integers(1, 255))
    if kind in (HopByHop, DestinationOptions, Routing, Fragment):
        return _extension(kind, number)
    if kind is Udp:
        to = st.just(VXLAN_PORT) if upper is Vxlan else _ports
        return st.builds(Udp, srcport=_ports, dstport=to)
    if kind is Tcp:
        return _tcp()
    types = (8, 0) if kind is Icmp else (128, 129)
    return st.one_of(*(from_schema(kind, fixed={"type": type_, "code": 0}) for type_ in types))


def _link(kind: type[Header], number: int) -> st.SearchStrategy[Any]:
    if kind is Ethernet:
        return st.builds(Ethernet, dst=_macs, src=_macs, type=st.just(number))
    if kind is Vlan:
        return st.builds(Vlan, id=st.integers(1, 4094), etype=st.just(number))
    if kind is Gre:
        return st.builds(Gre, proto=st.just(number), flags_and_version=st.sampled_from((0, 0x8000)))
    return st.builds(Vxlan, vni=st.integers(0, 0xFFFFFF))


def _tcp() -> st.SearchStrategy[Any]:
    long = st.integers(0, 0xFFFFFFFF)
    options = st.lists(st.sampled_from(_TCP_OPTIONS), max_size=3).map(lambda items: TcpOptions(items=tuple(items)))
    return st.builds(
        Tcp, srcport=_ports, dstport=_ports, seq_raw=long, ack_raw=long, flags=st.integers(0, 0x1FF),
        window_size_value=_words, options=options,
    )  # fmt: skip


def _extension(kind: type[Header], number: int) -> st.SearchStrategy[Any]:
    if kind is Fragment:
        return st.builds(Fragment, nxt=st.just(number), ident=st.integers(0, 0xFFFFFFFF))
    if kind is Routing:
        body = st.builds(Type2, home_address=_ipv6)
        return st.builds(Routing, nxt=st.just(number), type=st.just(2), segleft=st.integers(0, 1), body=body)
    special = Ipv6Option(type=5, body=RouterAlert())
    home = _ipv6.map(lambda address: Ipv6Option(type=0xC9, body=HomeAddress(mipv6_home_address=address)))
    other = st.binary(max_size=20).map(lambda data: Ipv6Option(type=0x1E, body=OtherOption(unknown=data)))
    option = st.just(special) | other if kind is HopByHop else other | home
    return st.lists(option, max_size=2).map(lambda options: kind(nxt=number, options=_aligned(options)))


def _aligned(options: list[Ipv6Option]) -> tuple[Ipv6Option, ...]:
    """Return options that come to 8n + 6 bytes."""
    left = -(sum(len(option.build()) for option in options) + 2) % 8
    if left == 0:
        return tuple(options)
    return (*options, Ipv6Option(type=0) if left == 1 else Ipv6Option(type=1, body=PadN(padn=bytes(left - 2))))


# ---- parts, and stacks that are usual


def ip_options(*, valid: bool = True) -> st.SearchStrategy[IpOptions]:
    """Return a strategy of IPv4 options, up to the 40 bytes that there is room for; if not `valid`, with wrong lengths.

    >>> from hypothesis import find
    >>> find(ip_options(), lambda options: True).build()
    b''
    """
    return from_schema(IpOptions, faults=not valid, most=40).filter(lambda options: len(options.build()) <= 40)


def tcp_options(*, valid: bool = True) -> st.SearchStrategy[TcpOptions]:
    """Return a strategy of TCP options, up to the 40 bytes that there is room for; if not `valid`, with wrong lengths.

    >>> from hypothesis import find
    >>> find(tcp_options(), lambda options: True).build()
    b''
    """
    return from_schema(TcpOptions, faults=not valid, most=40).filter(lambda options: len(options.build()) <= 40)


def udp_datagrams(
    version: Literal[4, 6] = 4, *, valid: bool = True, fault: str | None = None
) -> st.SearchStrategy[Packet]:
    """Return a strategy of IP packets with UDP in them; parameters as for `packets`.

    >>> from hypothesis import find
    >>> find(udp_datagrams(6), lambda packet: True)["udp.checksum.verdict"]
    'good'
    """
    return packets("ip/udp" if version == 4 else "ipv6/udp", valid=valid, fault=fault)


def tcp_segments(
    version: Literal[4, 6] = 4, *, valid: bool = True, fault: str | None = None
) -> st.SearchStrategy[Packet]:
    """Return a strategy of IP packets with TCP in them; parameters as for `packets`.

    >>> from hypothesis import find
    >>> find(tcp_segments(), lambda packet: True)["tcp.checksum.verdict"]
    'good'
    """
    return packets("ip/tcp" if version == 4 else "ipv6/tcp", valid=valid, fault=fault)


def extension_chains(upper: str = "udp", *, valid: bool = True, fault: str | None = None) -> st.SearchStrategy[Packet]:
    """Return a strategy of IPv6 packets with up to three extension headers, hop-by-hop options first.

    >>> from hypothesis import find
    >>> find(extension_chains(), lambda packet: True)["udp.checksum.verdict"]
    'good'
    """
    chains = st.lists(st.sampled_from(EXTENSIONS[1:]), max_size=2, unique=True)
    whole = st.tuples(st.sampled_from([(), ("hopopts",)]), chains)
    return whole.flatmap(
        lambda chain: packets("/".join(("ipv6", *chain[0], *chain[1], upper)), valid=valid, fault=fault)
    )


def tunnels(*, valid: bool = True, fault: str | None = None) -> st.SearchStrategy[Packet]:
    """Return a strategy of packets in packets: IP in IP, GRE, VXLAN; a fault is in the innermost.

    >>> from hypothesis import find
    >>> find(tunnels(), lambda packet: True)["udp.checksum.verdict"]
    'good'
    """
    stacks = ("ip/ip/udp", "ip/ipv6/udp", "ipv6/ip/tcp", "ip/gre/ip/udp", "ip/udp/vxlan/eth/ip/tcp")
    return st.sampled_from(stacks).flatmap(lambda stack: packets(stack, valid=valid, fault=fault))
