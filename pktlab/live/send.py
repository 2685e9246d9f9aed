"""Packets onto the wire, as they were crafted, byte by byte; and their answers.

    for sent, answer in pktlab.send('IP(dst="127.0.0.1")/ICMP()', wait_s=1):
        print(answer and answer.line())

What an expression leaves out is found out here and nowhere else: the source address, the way, the MAC addresses, and
what a name stands for (`pktlab.live.resolving`). A packet that starts with IP gets an Ethernet header where the
interface wants one. Nothing else is changed: a bad checksum stays bad.

On loopback a frame to 127.0.0.0/8 is one that a kernel throws away, since it cannot come from outside. So packets that
start with IPv4 go through a raw socket there, as long as the kernel would not change them on the way: it writes length
and checksum of the IP header itself, and an identification of 0. Others go as frames, and are seen but not answered.
"""

from __future__ import annotations

import ipaddress
import secrets
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from pktlab.capture import Record, link_type_name
from pktlab.errors import PktlabError
from pktlab.live.access import raw_ip_socket
from pktlab.live.answers import MOST, Pairing
from pktlab.live.building import Address
from pktlab.live.craft import crafted
from pktlab.live.links import ETHERNET, Link, link_named, links, route_to
from pktlab.live.pacing import NS_PER_S, Pace, Permit, sleep_until
from pktlab.live.packet_socket import PacketSocket
from pktlab.live.resolving import Asking, LookingUp
from pktlab.packets import Packet
from pktlab.spoil import with_checksum
from pktlab.wire import build
from pktlab.wire.ethernet import Ethernet
from pktlab.wire.header import Header
from pktlab.wire.ipv4 import Ip
from pktlab.wire.notation import Expression, read_expression
from pktlab.wire.verdict import Verdict

__all__ = ["RAW_IP", "Exchange", "Sending", "ethernet_around", "send"]

RAW_IP = (101, 228, 229)
MOST_NAMED = 3
IPV4, IPV6 = 0x0800, 0x86DD


class Exchange(NamedTuple):
    """A packet that was sent, and one that answers it; None if none came."""

    sent: Packet
    answer: Packet | None


def send(
    what: str | Packet | Iterable[Packet],
    interface: str | None = None,
    *,
    count: int = 1,
    pps: float | None = None,
    wait_s: float | None = None,
    yes: bool = False,
    checksum: str | int | None = None,
    seed: int | None = None,
    protocols: Mapping[str, type[Header]] | None = None,
) -> list[Exchange]:
    """Send packets, and return each with its answers.

    Parameters
    ----------
    what : an expression as for `pktlab.craft`, or packets
    interface : where; by the routes of the machine if not given
    count : how often all of them are sent
    pps : packets a second at most; as fast as goes if not given, but 100 where packets may reach other people
    wait_s : wait so long for answers after the last one; None pairs none
    yes : it is known that `interface` leads to other people's machines
    checksum : of the innermost transport header: ``"good"``, ``"bad"``, ``"zero"``, ``"partial"``, or the value itself
    seed : of random values
    protocols : a user's own, as for `pktlab.craft`

    Raises
    ------
    ExpressionError : `what` does not read
    PktlabError : there is no way, the system does not allow it, or `interface` leads outside without a `yes`

    >>> send('IP(dst="127.0.0.1")/UDP(dport=9)', "no-such-interface")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ...
    pktlab.errors.PktlabError: there is no interface no-such-interface...
    """
    with Sending(
        what, interface, count=count, pps=pps, wait_s=wait_s, yes=yes, checksum=checksum, seed=seed,
        protocols=protocols,
    ) as sending:  # fmt: skip
        return list(sending)


class Sending:
    """What `send` does, step by step: made, everything is known and the socket open; iterated over, packets go.

    Attributes
    ----------
    permit : how many packets, to whom, how fast
    sent, sent_len, answered : packets and bytes sent so far, and how many of them have an answer
    """

    def __init__(
        self, what: str | Packet | Iterable[Packet], interface: str | None = None, *, count: int = 1,
        pps: float | None = None, wait_s: float | None = None, yes: bool = False, checksum: str | int | None = None,
        seed: int | None = None, protocols: Mapping[str, type[Header]] | None = None,
    ) -> None:  # fmt: skip
        self._expression: Expression | None = None
        self._protocols = protocols
        self._checksum = checksum
        self._seed = secrets.randbits(32) if seed is None else seed
        if isinstance(what, str):
            self._expression = read_expression(what)
            self._packets = list(crafted(self._expression, seed=self._seed, protocols=protocols, answers=LookingUp()))
        else:
            self._packets = [what] if isinstance(what, Packet) else list(what)
        if not self._packets:
            raise PktlabError("there is no packet to send")
        self._count, self._wait_s = count, wait_s
        self.link = _link_for(self._packets, interface)
        for packet in self._packets:
            _check(packet, self.link)
        self.permit = Permit(self.link, len(self._packets) * count, _target(self._packets), pps=pps, agreed=yes)
        self.sent = self.sent_len = self.answered = 0
        self.wire = PacketSocket(self.link, promiscuous=False)
        self._frames = any(packet.link_type == ETHERNET for packet in self._packets)
        self._raw = raw_ip_socket() if self.link.is_loopback else None

    def __iter__(self) -> Iterator[Exchange]:
        """Send, and yield each answer when it comes; at the end those without any. Without waiting, each as it goes."""
        asking = Asking(self.link, self.wire)
        self.wire.start()
        packets = self._made(asking, 0)  # which may ask the network: the pace counts from after it
        pairing = None if self._wait_s is None else Pairing()
        pace = Pace(self.permit.pps, time.monotonic_ns())
        unanswered: dict[int, Packet] = {}
        for turn in range(self._count):
            for packet in packets if turn == 0 else self._made(asking, turn):
                due_ns = pace.next_ns()
                if pairing is not None:
                    yield from self._answers(pairing, unanswered, due_ns)
                sleep_until(due_ns)
                sent = self._put(packet)
                if pairing is None:
                    yield Exchange(sent, None)
                else:
                    pairing.add(sent)
                    unanswered[id(sent)] = sent
                    if len(unanswered) > MOST:
                        yield Exchange(unanswered.pop(next(iter(unanswered))), None)
        if pairing is not None:
            until_ns = time.monotonic_ns() + round((self._wait_s or 0) * NS_PER_S)
            yield from self._answers(pairing, unanswered, until_ns, is_last=True)
            yield from (Exchange(sent, None) for sent in unanswered.values())

    def _made(self, asking: Asking, turn: int) -> list[Packet]:
        """Return the packets as they go: an expression is built with what the machine knows, random values anew."""
        packets: Sequence[Packet] = self._packets
        if self._expression is not None:
            seed = self._seed + turn
            packets = list(crafted(self._expression, seed=seed, protocols=self._protocols, answers=asking))
        framed = (_on_link(packet, self.link, asking) for packet in packets)
        return [packet if self._checksum is None else with_checksum(packet, self._checksum) for packet in framed]

    def _put(self, packet: Packet) -> Packet:
        now = time.time_ns()
        if self._raw is not None and not self._frames and _stays_as_it_is(packet):
            self._put_raw(packet)
        else:
            self.wire.put(packet.data)
        self.sent += 1
        self.sent_len += len(packet.data)
        return packet.with_record(replace(packet.record, number=self.sent, time_ns=now))

    def _put_raw(self, packet: Packet) -> None:
        assert self._raw is not None
        try:
            self._raw.sendto(packet.data[14:], (str(packet["ip.dst"]), 0))
        except OSError as error:
            raise PktlabError(f"{self.link.name}: packet {self.sent + 1} is not sent: {error.strerror}") from None

    def _answers(
        self, pairing: Pairing, unanswered: dict[int, Packet], until_ns: int, *, is_last: bool = False
    ) -> Iterator[Exchange]:
        """Yield answers that come before `until_ns`; if nothing more is sent, it ends when nothing is unanswered."""
        if is_last and not unanswered:
            return
        for number, record in enumerate(self.wire.until(until_ns / NS_PER_S), 1):
            received = Packet(replace(record, number=number), record.link_type)
            sent = pairing.find(received)
            if sent is None:
                continue
            self.answered += unanswered.pop(id(sent), None) is not None
            yield Exchange(sent, received)
            if is_last and not unanswered:
                return

    def close(self) -> None:
        """Close the sockets."""
        self.wire.close()
        if self._raw is not None:
            self._raw.close()

    def __enter__(self) -> Sending:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _link_for(packets: Sequence[Packet], interface: str | None) -> Link:
    """Return the interface that is named, or that the first packet's destination is reached by."""
    if interface is not None:
        return link_named(interface)
    goal = _goal(packets[0])
    if goal is None:
        raise PktlabError("where to? The packet says no IP address, so name the interface with -i")
    index = route_to(goal).link_index
    return next(link for link in links() if link.index == index)


def _goal(packet: Packet) -> str | None:
    """Return the outermost destination address of a packet; None if it has none."""
    for layer in packet.layers:
        if layer.protocol in ("ip", "ipv6") and layer.header is not None and layer.error is None:
            return str(layer.header.dst)  # type: ignore[attr-defined]
    return None


def _target(packets: Sequence[Packet]) -> str:
    """Return to whom packets go, as the part of a line."""
    goals = list(dict.fromkeys(_goal(packet) or str(packet.get("eth.dst", "everybody")) for packet in packets))
    more = len(goals) - MOST_NAMED
    return ", ".join(goals[:MOST_NAMED]) + (f" and {more:,} more" if more > 0 else "")


def _check(packet: Packet, link: Link) -> None:
    """Raise PktlabError if a packet does not suit an interface."""
    kind = packet.link_type
    if kind == ETHERNET and not link.is_ethernet:
        raise PktlabError(f"{link.name} carries IP packets without an Ethernet header: leave Ether() away")
    if kind not in (ETHERNET, *RAW_IP):
        raise PktlabError(
            f"packet {packet.number} starts with {link_type_name(kind)}, and {link.name} carries "
            f"{'Ethernet: put Ether() in front' if link.is_ethernet else 'IP'}"
        )


def _on_link(packet: Packet, link: Link, asking: Asking) -> Packet:
    """Return a packet as it goes over an interface: one that starts with IP gets an Ethernet header if it needs one."""
    if packet.link_type == ETHERNET or not link.is_ethernet:
        return packet
    goal = _goal(packet)
    data = ethernet_around(packet.data, None if goal is None else ipaddress.ip_address(goal), asking)
    return Packet(Record(packet.number, None, data, len(data), ETHERNET), ETHERNET)


def ethernet_around(data: bytes, goal: Address | None, asking: Asking) -> bytes:
    """Return an IP packet to `goal` in Ethernet, with the addresses that `asking` finds out."""
    kind = IPV6 if data[:1] and data[0] >> 4 == 6 else IPV4
    return build(Ethernet(dst=asking.destination_mac(goal), src=asking.source_mac(), type=kind), data)


def _stays_as_it_is(packet: Packet) -> bool:
    """Tell whether the kernel sends the IPv4 packet in a frame through a raw socket without changing a byte.

    Spec: raw(7), IP_HDRINCL.
    """
    if len(packet.layers) < 2:
        return False
    ip = packet.layers[1]
    if not isinstance(ip.header, Ip) or ip.error is not None or not ip.header.id or ip.header.src == "0.0.0.0":
        return False
    return ip.header.len == len(packet.data) - ip.start and packet["ip.checksum.verdict"] == Verdict.good
