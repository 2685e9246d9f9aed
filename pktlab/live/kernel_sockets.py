"""Real sockets in a sandbox, and packets from nowhere: what `pktlab.flows.demux` foretells, done by the kernel.

    with Sandbox() as box, KernelSockets.on(box["server"]) as kernel:
        kernel.bind(parse_socket("udp:10.9.0.1:53"))
        print(kernel.send(FlowKey("udp", "10.9.0.9", 4711, "10.9.0.1", 53), "tun0").taken)

The packets come in on two TUN interfaces, so no other kernel stands behind their senders and answers. Writing to such
an interface returns when the host has dealt with the packet: nothing waits for a time to pass.
"""

from __future__ import annotations

import itertools
import socket
import struct
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from ipaddress import IPv4Interface, IPv6Interface

from pktlab.flows.keys import FlowKey
from pktlab.flows.sockets import Endpoint, Socket, unmapped
from pktlab.live.host import Host, Interface
from pktlab.live.inside import Tun, inside, opened_tun
from pktlab.wire.dissection import dissect, first_header
from pktlab.wire.header import Header
from pktlab.wire.ipv4 import Ip
from pktlab.wire.ipv6 import Ipv6
from pktlab.wire.numbers import IpProtocol
from pktlab.wire.packet import build
from pktlab.wire.tcp import Tcp, TcpFlags
from pktlab.wire.udp import Udp

__all__ = ["Effect", "KernelSockets", "open_socket"]

INTERFACES = (
    Interface("tun0", IPv4Interface("10.9.0.1/24"), IPv6Interface("2001:db8:9::1/64")),
    Interface("tun1", IPv4Interface("10.9.1.1/24"), IPv6Interface("2001:db8:a::1/64")),
)
MORE_ADDRESSES = ("10.9.0.2/24", "2001:db8:9::2/64")
RAW_LINK_TYPE = 101
SYN, ACK, SYN_ACK, RST, DATA = (TcpFlags(bits) for bits in (0x002, 0x010, 0x012, 0x004, 0x018))
IP_MULTICAST_ALL, IPV6_MULTICAST_ALL = 49, 29  # include/uapi/linux/in.h and in6.h
BACKLOG = 16
FAMILIES = {4: socket.AF_INET, 6: socket.AF_INET6}


def open_socket(host: Host, wanted: Socket, *, groups_on: str = "eth0") -> socket.socket:
    """Return a real socket of a host with the options of `wanted`, bound and, for TCP without a peer, listening.

    Parameters
    ----------
    groups_on : the interface on which it joins groups that name none

    Raises
    ------
    OSError : the kernel refused one of it; the socket is closed again
    """
    kind = socket.SOCK_DGRAM if wanted.protocol == "udp" else socket.SOCK_STREAM
    made = inside(host, socket.socket, FAMILIES[wanted.family], kind)
    try:
        _set_options(made, wanted)
        for group, dev in wanted.groups:
            _join(made, group, inside(host, socket.if_nametoindex, dev or groups_on))
        made.bind(wanted.local)
        if wanted.is_listening:
            made.listen(BACKLOG if wanted.backlog is None else wanted.backlog)
    except OSError:
        made.close()
        raise
    return made


def _set_options(made: socket.socket, wanted: Socket) -> None:
    if wanted.reuseaddr:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if wanted.reuseport:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    if wanted.family == 6:
        made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, int(wanted.v6only))
    if wanted.dev:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, wanted.dev.encode())
    if not wanted.multicast_all:
        made.setsockopt(socket.IPPROTO_IP, IP_MULTICAST_ALL, 0)
        if wanted.family == 6:
            made.setsockopt(socket.IPPROTO_IPV6, IPV6_MULTICAST_ALL, 0)


def _join(made: socket.socket, group: str, index: int) -> None:
    if ":" in group:
        request = socket.inet_pton(socket.AF_INET6, group) + struct.pack("@I", index)
        made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, request)
    else:
        request = socket.inet_aton(group) + bytes(4) + struct.pack("@i", index)
        made.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, request)


@dataclass(frozen=True)
class Effect:
    """What the kernel did with a packet: names of the sockets that got it, and what the host sent back.

    child : the connection that a SYN led to, if it did
    """

    taken: tuple[str, ...]
    answer: str = ""
    child: str = ""


@dataclass
class _Connection:
    """A connection that the kernel has with a peer that is made up: the next numbers of both."""

    key: FlowKey
    seq: int
    ack: int


class KernelSockets:
    """The sockets of one host by name, and its two interfaces."""

    def __init__(self, host: Host, tuns: Mapping[str, Tun]) -> None:
        self.host = host
        self.tuns = tuns
        self.sockets: dict[str, socket.socket] = {}
        self.connections: dict[str, _Connection] = {}
        self._waiting: dict[FlowKey, _Connection] = {}  # that no program has accepted
        self._number = itertools.count(1)

    @classmethod
    @contextmanager
    def on(cls, host: Host) -> Iterator[KernelSockets]:
        """Give the sockets of a host, which gets the interfaces ``tun0`` and ``tun1``."""
        with ExitStack() as stack:
            tuns = {one.name: stack.enter_context(opened_tun(host, one)) for one in INTERFACES}
            for address in MORE_ADDRESSES:
                nodad = ["nodad"] if ":" in address else []
                host.run(["ip", "address", "add", address, "dev", "tun0", *nodad])
            for version, metric in itertools.product((4, 6), (0, 1)):
                route = ["default", "dev", f"tun{metric}", "metric", 100 + metric]
                host.run(["ip", f"-{version}", "route", "add", *route])
            for name in ("all", *tuns):
                host.sysctl(f"net/ipv4/conf/{name}", {"rp_filter": 0})
            host.sysctl("net/ipv4", {"icmp_ratelimit": 0, "icmp_msgs_per_sec": 1_000_000, "icmp_msgs_burst": 1_000_000})
            host.sysctl("net/ipv6/icmp", {"ratelimit": 0})
            made = cls(host, tuns)
            stack.callback(made.close_all)
            yield made

    # ---- what programs do

    def bind(self, wanted: Socket) -> None:
        """Make a socket, set its options, bind it and, for TCP, let it listen.

        Raises
        ------
        OSError : the kernel refused one of it; the socket is closed again
        """
        made = open_socket(self.host, wanted, groups_on="tun0")
        made.setblocking(False)
        self.sockets[wanted.name] = made

    def connect(self, name: str, peer: Endpoint) -> str:
        """Connect a UDP socket and return the local address that it then has."""
        self.sockets[name].connect(peer)
        return str(self.sockets[name].getsockname()[0])

    def close(self, name: str) -> None:
        """Close a socket; a connection is reset."""
        one = self.sockets.pop(name)
        self.connections.pop(name, None)
        if one.type == socket.SOCK_STREAM:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        one.close()

    def close_all(self) -> None:
        """Close all sockets."""
        for name in list(self.sockets):
            self.close(name)
        self._waiting.clear()
        for tun in self.tuns.values():
            tun.read_all()

    # ---- what arrives

    def send(
        self, key: FlowKey, dev: str, flags: TcpFlags = SYN, *, numbers_of: str = "", accepts: bool = True
    ) -> Effect:
        """Let a packet arrive on `dev`, and return what became of it; a SYN is led on to a connection.

        Parameters
        ----------
        numbers_of : the connection that has to find the sequence numbers of a segment right
        accepts : whether the program takes a new connection at once, or leaves it in the queue
        """
        for tun in self.tuns.values():
            tun.read_all()
        if key.protocol == "udp":
            payload = f"packet {next(self._number)}".encode()
            self.tuns[dev].write(_packet(key, Udp(srcport=key.srcport, dstport=key.dstport), payload))
            return Effect(tuple(self._readers(payload)), self._answer(key)[0])
        return self._syn(key, dev, accepts) if flags.syn else self._segment(key, dev, numbers_of)

    def _readers(self, payload: bytes) -> Iterator[str]:
        for name, one in self.sockets.items():
            if one.type == socket.SOCK_DGRAM or name in self.connections:
                with suppress(BlockingIOError):
                    while True:
                        assert one.recv(1 << 16) == payload
                        yield name
                        if one.type == socket.SOCK_STREAM:
                            break

    def waiting(self, listener: str) -> int:
        """Return how many connections wait in the queue of a listener: tcpi_unacked (include/uapi/linux/tcp.h)."""
        told = self.sockets[listener].getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 28)
        return int.from_bytes(told[24:28], sys.byteorder)

    def accept(self, listener: str, name: str) -> FlowKey:
        """Take the connection that waits longest in the queue of a listener, call it `name`, and return its key."""
        child, peer = self.sockets[listener].accept()
        child.setblocking(False)
        self.sockets[name] = child
        local = child.getsockname()
        key = FlowKey("tcp", unmapped(peer[0]), peer[1], unmapped(local[0]), local[1])
        self.connections[name] = self._waiting.pop(key)
        return key

    def _syn(self, key: FlowKey, dev: str, accepts: bool) -> Effect:
        seq = next(self._number) * 100_000 & 0xFFFFFFFF
        self._transmit(key, dev, SYN, seq)
        answer, header = self._answer(key)
        if answer != "SYN, ACK" or header is None:
            return Effect((), answer)
        self._transmit(key, dev, ACK, seq + 1, header.seq_raw + 1)
        made = _Connection(key, seq + 1, header.seq_raw + 1)
        if not accepts:
            self._waiting[key] = made
            return Effect((), answer)
        for name, listener in list(self.sockets.items()):
            if listener.type == socket.SOCK_STREAM and name not in self.connections:
                with suppress(BlockingIOError):
                    child, _ = listener.accept()
                    child.setblocking(False)
                    child_name = f"connection {seq} of {key}"
                    self.sockets[child_name] = child
                    self.connections[child_name] = made
                    return Effect((name,), answer, child_name)
        return Effect((), answer)

    def _segment(self, key: FlowKey, dev: str, numbers_of: str) -> Effect:
        state = self.connections.get(numbers_of) or _Connection(key, 1, 1)
        payload = f"segment {next(self._number)}".encode()
        self._transmit(key, dev, DATA, state.seq, state.ack, payload)
        taken = tuple(self._readers(payload))
        if taken:
            state.seq += len(payload)
        return Effect(taken, self._answer(key)[0])

    def _transmit(self, key: FlowKey, dev: str, flags: TcpFlags, seq: int, ack: int = 0, payload: bytes = b"") -> None:
        header = Tcp(srcport=key.srcport, dstport=key.dstport, seq_raw=seq & 0xFFFFFFFF, ack_raw=ack & 0xFFFFFFFF,
                     flags=flags)  # fmt: skip
        self.tuns[dev].write(_packet(key, header, payload))

    def _answer(self, key: FlowKey) -> tuple[str, Tcp | None]:
        """Return what the host sent back to the sender of a packet: the name of it, and the TCP header, if any."""
        for data in itertools.chain.from_iterable(tun.read_all() for tun in self.tuns.values()):
            packet = dissect(data, first_header(data, RAW_LINK_TYPE) or Ip)
            tcp = packet.layer("tcp")
            if tcp is not None and isinstance(tcp.header, Tcp) and tcp.header.dstport == key.srcport:
                return _said(tcp.header.flags), tcp.header
            network = packet.layers[0].header
            if isinstance(network, Ip | Ipv6) and network.dst == key.src and _is_unreachable(packet.headers):
                return "ICMP port unreachable", None
        return "", None


def _packet(key: FlowKey, transport: Header, payload: bytes) -> bytes:
    proto = IpProtocol.UDP if key.protocol == "udp" else IpProtocol.TCP
    network: Header
    if ":" in key.dst:
        network = Ipv6(nxt=proto, src=key.src, dst=key.dst)
    else:
        network = Ip(proto=proto, src=key.src, dst=key.dst)
    return build(network, transport, payload)


def _said(flags: TcpFlags) -> str:
    return "RST" if flags.reset else "SYN, ACK" if flags.syn else "ACK"


def _is_unreachable(headers: list[Header]) -> bool:
    """Tell whether it is a port unreachable: type 3 code 3 (RFC 792), in IPv6 type 1 code 4 (RFC 4443 section 3.1)."""
    return any((getattr(one, "type", None), getattr(one, "code", None)) in ((3, 3), (1, 4)) for one in headers)
