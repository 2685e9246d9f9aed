"""The packets of a capture, each with the socket that gets it; and the sums, by socket and by flow."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from pktlab.flows.keys import FlowKey
from pktlab.flows.match import Match, Rule
from pktlab.flows.receiving import Delivery, ReceivingHost
from pktlab.flows.sockets import Endpoint, Socket
from pktlab.packets import Packet
from pktlab.wire.verdict import Verdict

__all__ = ["NOBODY", "Demuxed", "FlowTally", "SocketTally", "packet_document"]

MAX_FLOWS = 10_000
"""Flows that are kept one by one; the packets of more are counted with their sockets only."""
MAX_PEERS = 10_000
MAX_SOCKETS = 10_000
"""Sockets that have a tally each; those that come later share one."""
MORE = "more sockets"
DROPPED = (Verdict.bad, Verdict.illegal_zero, Verdict.malformed)
NOBODY = ""
"""Stands for the name of a socket where there is none."""


@dataclass
class SocketTally:
    """What one socket got: packets, bytes of them on the wire, and from how many ends, the first 10,000 of them.

    A group of SO_REUSEPORT is counted as one; `socket` is its first.
    """

    socket: Socket | None
    packets: int = 0
    length: int = 0
    peers: set[Endpoint] = field(default_factory=set)

    def add(self, packet: Packet, key: FlowKey) -> None:
        """Count a packet."""
        self.packets += 1
        self.length += packet.length
        if len(self.peers) < MAX_PEERS:
            self.peers.add(Endpoint(key.src, key.srcport))

    def document(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return {
            "demux.socket": self.socket and self.socket.name,
            "packets": self.packets,
            "bytes": self.length,
            "peers": len(self.peers),
        }


@dataclass
class FlowTally:
    """One direction of a conversation, and the sockets that got its packets: how many each.

    got : packets by the name of the socket, NOBODY where there is none
    asked : the listener that got its SYN, empty if none was seen; answer : what the host sent back by itself
    dropped : why the host dropped one before it looked for a socket, empty if it dropped none
    """

    key: FlowKey
    got: dict[str, int] = field(default_factory=dict)
    rules: set[Rule] = field(default_factory=set)
    asked: str = ""
    answer: str = ""
    dropped: str = ""

    def document(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        key = self.key
        return {
            "flow": [key.protocol, key.src, key.srcport, key.dst, key.dstport],
            "sockets": [{"demux.socket": name or None, "packets": count} for name, count in self.got.items()],
            "demux.rules": sorted(map(str, self.rules)),
            "demux.asked": self.asked or None,
            "demux.answer": self.answer or None,
            "demux.dropped": self.dropped or None,
        }


class Demuxed:
    """Shows packets to a host, and adds up.

    >>> import pktlab
    >>> demuxed = Demuxed(ReceivingHost())
    >>> done = list(demuxed.read(pktlab.open("pcaps/first-light.pcapng").where("frame.number in {9..12}")))
    >>> for packet, delivery in done:
    ...     print(packet.number, delivery)
    9 tcp:192.0.2.2:12000 (address); asks for a connection
    10 sent by tcp:192.0.2.2:12000
    11 tcp:192.0.2.2:12000,peer=192.0.2.1:43592 (handshake); the connection's own socket is made, on the listener's port
    12 tcp:192.0.2.2:12000,peer=192.0.2.1:43592 (four-tuple)
    """

    def __init__(self, host: ReceivingHost, *, explain: bool = False) -> None:
        self.host = host
        self.explain = explain
        self.packets = 0
        self.sockets: dict[str, SocketTally] = {}
        self.flows: dict[FlowKey, FlowTally] = {}
        self.more_flows = 0
        """Packets of flows beyond those that are kept."""
        self.others = 0
        """Packets that are neither TCP nor UDP, and fragments that wait for others."""

    def read(self, packets: Iterable[Packet]) -> Iterator[tuple[Packet, Delivery | None]]:
        """Yield each packet with what becomes of it; None if it is neither TCP nor UDP, or waits for fragments."""
        for packet in packets:
            delivery = None
            if packet.whole is not None or not packet.is_fragment:
                whole = packet.whole_dissection or packet.dissection
                delivery = self.host.take(whole, explain=self.explain, dropped=_wrong_sum(packet))
            self.packets += 1
            if delivery is None:
                self.others += 1
            elif delivery.match is not None:
                self._count(packet, delivery, delivery.match)
            elif delivery.is_dropped:
                self._count(packet, delivery, Match(None, Rule.nobody))
            yield packet, delivery
        self._take_back({name for name in self.host.closed if name in self.sockets and name not in self.host.table})

    def _count(self, packet: Packet, delivery: Delivery, match: Match) -> None:
        flow = self.flows.get(delivery.key)
        if flow is None and len(self.flows) < MAX_FLOWS:
            flow = self.flows[delivery.key] = FlowTally(delivery.key)
        for name, socket in _receivers(match):
            if name not in self.sockets and len(self.sockets) >= MAX_SOCKETS:
                name, socket = MORE, None
            self.sockets.setdefault(name, SocketTally(socket)).add(packet, delivery.key)
            if flow is not None:
                flow.got[name] = flow.got.get(name, 0) + 1
                if socket is not None and socket.is_listening and not match.answer:
                    flow.asked = name
        if flow is None:
            self.more_flows += 1
        elif delivery.is_dropped:
            flow.dropped = flow.dropped or delivery.event
        else:
            flow.rules.add(match.rule)
            flow.answer = flow.answer or match.answer

    def _take_back(self, names: set[str]) -> None:
        """Give to nobody what was counted for sockets that turned out not to be there."""
        for name in sorted(names):
            gone, nobody = self.sockets.pop(name), self.sockets.setdefault(NOBODY, SocketTally(None))
            nobody.packets += gone.packets
            nobody.length += gone.length
            nobody.peers |= gone.peers
        for flow in self.flows.values():
            for name in names & flow.got.keys():
                flow.got[NOBODY] = flow.got.get(NOBODY, 0) + flow.got.pop(name)
                flow.asked, flow.answer = "", self.host.closed[name]

    def document(self) -> dict[str, Any]:
        """Return the sums as JSON has them."""
        return {
            "packets": self.packets, "others": self.others, "more_flows": self.more_flows,
            "sockets": [one.document() for one in self.sockets.values()],
            "flows": [one.document() for one in self.flows.values()],
        }  # fmt: skip


def _receivers(match: Match) -> Iterator[tuple[str, Socket | None]]:
    """Yield each socket that gets a packet, with its name; a group of SO_REUSEPORT counts as one."""
    if match.rule is Rule.reuseport:
        yield f"one of {', '.join(one.name for one in match.sockets)}", match.socket
    elif match.sockets:
        yield from ((one.name, one) for one in match.sockets)
    else:
        yield NOBODY, None


def _wrong_sum(packet: Packet) -> str:
    """Return the first checksum for which a receiver drops the packet; empty if there is none."""
    judged = packet.whole_judgements if packet.whole is not None else packet.judgements
    wrong = (one for one in judged if one.verdict in DROPPED)
    return next((f"its {one.protocol} checksum is {one.verdict}" for one in wrong), "")


def packet_document(packet: Packet, delivery: Delivery | None) -> dict[str, Any]:
    """Return what becomes of a packet as JSON has it."""
    document: dict[str, Any] = {"frame.number": packet.number, "demux.socket": None, "demux.rule": None}
    if delivery is None:
        return document
    key, match = delivery.key, delivery.match
    document |= {"flow": [key.protocol, key.src, key.srcport, key.dst, key.dstport]}
    if delivery.sent_by is not None:
        document["demux.sent_by"] = delivery.sent_by.name
    if match is not None:
        document["demux.socket"] = match.socket.name if match.socket is not None else None
        document["demux.rule"] = str(match.rule)
        if len(match.sockets) > 1:
            document["demux.sockets"] = [one.name for one in match.sockets]
        if match.answer:
            document["demux.answer"] = match.answer
        if match.runners_up:
            document["demux.runners_up"] = [
                {"socket": one.socket.name, "reason": one.reason} for one in match.runners_up
            ]
    if delivery.event:
        document["demux.event"] = delivery.event
    return document
