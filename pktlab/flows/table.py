"""The flow table: which conversation a packet belongs to, and what TCP's numbers are relative to its start.

In go the transport headers of packets in the order in which they were captured; out comes for each its conversation,
numbered as Wireshark 4.0 numbers them: TCP and UDP by themselves, from 0, in the order in which they are first seen. A
SYN whose sequence number is not the one that its side began with opens a new conversation between the same ends.

Relative numbers count from the sequence number of a side's SYN; without one, from just before the first number seen of
it, sent or acknowledged. A SYN and ACK with another number than before moves where its side began.

Memory is bounded: beyond `max_flows` conversations the one that was idle longest is forgotten.

Spec: Wireshark 4.0's `tcp.stream`, `udp.stream`, `tcp.seq`, `tcp.ack`; RFC 9293 section 3.4 (sequence numbers).
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from pktlab.flows.keys import FlowKey
from pktlab.flows.transports import Transport, transports
from pktlab.wire.dissection import Dissection
from pktlab.wire.tcp import TcpFlags

__all__ = ["FLOW_FIELDS", "MAX_FLOWS", "Flow", "FlowTable", "Seen", "tell_of_eviction"]

MAX_FLOWS = 1 << 18
"""Conversations that are told apart at a time; each takes some 700 bytes here, and 150 in columns."""
FLOW_FIELDS = ("tcp.stream", "udp.stream", "tcp.seq", "tcp.ack")
"""What a packet is said by its flow table."""
_MOD = 1 << 32
_SYN, _ACK = TcpFlags.syn.mask, TcpFlags.ack.mask
_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Flow:
    """A conversation; what has two entries is of those who sent its first packet, and of those who answered.

    key : who sent the first packet to whom; stream : Wireshark's number of it
    bases : the sequence number that is 0 in relative ones; None as long as it is not known
    packets, bytes : on the wire, that were counted; flags : TCP's, all that were seen
    first_ns, last_ns : times of the earliest and the latest of them; None if they have none
    """

    key: FlowKey
    stream: int
    bases: list[int | None] = field(default_factory=lambda: [None, None])
    packets: list[int] = field(default_factory=lambda: [0, 0])
    bytes: list[int] = field(default_factory=lambda: [0, 0])
    flags: list[int] = field(default_factory=lambda: [0, 0])
    first_ns: int | None = None
    last_ns: int | None = None
    turned: bool = False  # the first packet that was counted came from the other side


class Seen(NamedTuple):
    """What the table says of one header: `layer` is its place in the packet, `way` 1 if it is an answer.

    seq, ack : relative where the conversation tells, else as sent; None where there is none
    """

    layer: int
    flow: Flow | None  # None in a quote that is too short to tell it
    way: int
    flags: int
    seq: int | None
    ack: int | None
    is_counted: bool

    def value(self, name: str) -> int | None:
        """Return the value of one of `FLOW_FIELDS`; None if it has none."""
        protocol, _, what = name.partition(".")
        if what != "stream":
            return self.seq if what == "seq" else self.ack
        return None if self.flow is None or self.flow.key.protocol != protocol else self.flow.stream

    def tally(self, length: int, time_ns: int | None) -> None:
        """Count the packet for its conversation: `length` bytes on the wire."""
        flow = self.flow
        if flow is None or not self.is_counted:
            return
        if not any(flow.packets):
            flow.turned = self.way == 1
        flow.packets[self.way] += 1
        flow.bytes[self.way] += length
        flow.flags[self.way] |= self.flags
        if time_ns is not None:
            flow.first_ns = time_ns if flow.first_ns is None else min(flow.first_ns, time_ns)
            flow.last_ns = time_ns if flow.last_ns is None else max(flow.last_ns, time_ns)


def _forget(_: Flow) -> None:
    """Keep nothing of a conversation that is over."""


class FlowTable:
    """The conversations of a capture.

    Parameters
    ----------
    max_flows : conversations that are kept in mind at a time
    finished : told each conversation that is forgotten: crowded out, or followed by another between the same ends

    `evicted` counts those that were crowded out.
    """

    def __init__(self, max_flows: int = MAX_FLOWS, finished: Callable[[Flow], None] = _forget) -> None:
        self.max_flows = max_flows
        self.finished = finished
        self.evicted = 0
        self.streams = {"tcp": 0, "udp": 0}
        """How many conversations there were."""
        self._flows: OrderedDict[FlowKey, Flow] = OrderedDict()  # the one idle longest is first

    def __iter__(self) -> Iterator[Flow]:
        """Yield the conversations that are kept, the one idle longest first."""
        return iter(self._flows.values())

    def add(self, packet: Dissection) -> tuple[Seen, ...]:
        """Take a packet; return what is to be said of each transport header in it, the outermost first."""
        return tuple(map(self.see, transports(packet)))

    def see(self, one: Transport) -> Seen:
        """Take one transport header."""
        if not one.is_placed:
            return Seen(one.layer, None, 0, 0, one.seq, None, is_counted=False)
        flow, way = self._flow(one)
        if one.key.protocol == "udp":
            return Seen(one.layer, flow, way, 0, None, None, one.is_whole)
        opening = one.flags & (_SYN | _ACK)
        if opening == _SYN | _ACK and flow.bases[way] not in (None, one.seq):
            flow.bases[way] = one.seq
        seq, ack = one.seq, one.ack
        if one.is_analysed:
            seq, ack = _relative(flow.bases, way, one)
        return Seen(one.layer, flow, way, one.flags, seq, ack if one.has_ack else None, one.is_whole)

    def _flow(self, one: Transport) -> tuple[Flow, int]:
        """Return the conversation of a header, and which way it goes in it."""
        between = one.key.conversation
        flow = self._flows.get(between)
        if flow is not None:
            way = int(flow.key != one.key)
            if one.flags & (_SYN | _ACK) != _SYN or flow.bases[way] in (None, one.seq):
                self._flows.move_to_end(between)
                return flow, way
            self.finished(self._flows.pop(between))
        flow = self._flows[between] = Flow(one.key, self.streams[one.key.protocol])
        self.streams[one.key.protocol] += 1
        if len(self._flows) > self.max_flows:
            tell_of_eviction(self.evicted, self.max_flows)
            self.evicted += 1
            self.finished(self._flows.popitem(last=False)[1])
        return flow, 0


def _relative(bases: list[int | None], way: int, one: Transport) -> tuple[int, int]:
    """Return the relative numbers of a segment; what its sides began with is noted."""
    base, other = bases[way], bases[1 - way]
    if base is None:
        base = bases[way] = one.seq if one.flags & _SYN else (one.seq - 1) % _MOD
    if not one.flags & _ACK:
        return (one.seq - base) % _MOD, one.ack
    if other is None:
        other = bases[1 - way] = (one.ack - 1) % _MOD
    return (one.seq - base) % _MOD, (one.ack - other) % _MOD


def tell_of_eviction(evicted: int, max_flows: int) -> None:
    """Log that conversations are forgotten, the first time: when none was `evicted` before."""
    if not evicted:
        _log.warning(
            "more than %s conversations at a time: the one idle longest is forgotten, and counts as a new one if it "
            "goes on", f"{max_flows:,}",
        )  # fmt: skip
