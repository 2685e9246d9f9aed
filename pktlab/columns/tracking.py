"""The flow table in bulk: conversations found by a kernel, a window of packets at a time, in file order.

What has one IP header and one transport header is the kernel's; every other packet is the exact reader's, and its
headers go into the same table, in their turn. So numbers are those of `pktlab.flows.FlowTable`, which is also where a
`Tracker` starts from.
"""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address
from typing import Any

import numpy as np

from pktlab.columns import kernels_flows as kernel
from pktlab.columns.scan import IPV4_KEY, Walked, address_text
from pktlab.columns.windows import NO_TIME, WINDOW_LEN, max_packets
from pktlab.flows import Flow, FlowKey, FlowTable, Seen, Transport, tell_of_eviction, transports
from pktlab.wire.dissection import Dissection

__all__ = [
    "ENDS", "TRACKED", "Tracker", "ends_of", "key_of", "keys_of", "seen_of", "side_of", "sides_of", "told_of",
]  # fmt: skip

Array = np.ndarray[Any, Any]
ENDS = (
    "ip.src", "ip.dst", "ipv6.src", "ipv6.dst", "tcp.srcport", "tcp.dstport", "udp.srcport", "udp.dstport",
)  # fmt: skip
"""The fields that tell who talks to whom."""
TRACKED = (*ENDS, "tcp.seq_raw", "tcp.ack_raw", "tcp.flags")
"""The fields that conversations are told by."""
_PROTOCOLS = {"tcp": 1, "udp": 2}
_SPARE = max_packets(WINDOW_LEN) + 1  # rows that are finished and not yet freed; more than a window has packets


def ends_of(walked: Walked) -> tuple[Array, Array]:
    """Return who talks to whom, in the rows that the kernel has for it; and which packets are for the exact reader.

    walked : by a plan for `ENDS`, every occurrence of them, and with fragments left to the exact reader
    """
    places = walked.plan.places
    packets = np.zeros((kernel.PACKET_LEN, walked.count), np.int64)
    headers = np.zeros(walked.count, np.int8)
    for protocol, number in _PROTOCOLS.items():
        for place in places[f"{protocol}.srcport"]:
            values, has = walked.values([place])
            headers += has
            packets[kernel.PROTOCOL][has] = number
            packets[kernel.SRCPORT][has] = values[has]
        dstport, has = walked.values(places[f"{protocol}.dstport"])
        packets[kernel.DSTPORT][has] = dstport[has]
    packets[kernel.SRC_HIGH : kernel.SRC_LOW + 1] = walked.addresses(places["ip.src"], places["ipv6.src"])
    packets[kernel.DST_HIGH : kernel.DST_LOW + 1] = walked.addresses(places["ip.dst"], places["ipv6.dst"])
    has_one = walked.payloads(places["ip.src"])[1] ^ walked.payloads(places["ipv6.src"])[1]
    return packets, (headers > 1) | ((headers > 0) & ~has_one)


def keys_of(walked: Walked) -> tuple[Array, Array]:
    """Return the packets of a window as the kernel takes them; as `ends_of`, for which the plan is for `TRACKED`."""
    packets, is_odd = ends_of(walked)
    for row, name in ((kernel.SEQ, "tcp.seq_raw"), (kernel.ACK, "tcp.ack_raw"), (kernel.FLAGS, "tcp.flags")):
        packets[row] = walked.values(walked.plan.places[name])[0]
    packets[kernel.MARKS] = kernel.ANALYSED | kernel.COUNTED
    packets[kernel.LENGTH] = walked.window.index.lengths[: walked.count]
    packets[kernel.TIME] = walked.window.index.times[: walked.count]
    return packets, is_odd


def key_of(packets: Array, place: int) -> FlowKey:
    """Return the ends of one of the packets that `ends_of` gives."""
    one = packets[:, place].tolist()
    return FlowKey(
        "tcp" if one[kernel.PROTOCOL] == kernel.TCP else "udp",
        address_text(one[kernel.SRC_HIGH], one[kernel.SRC_LOW]), one[kernel.SRCPORT],
        address_text(one[kernel.DST_HIGH], one[kernel.DST_LOW]), one[kernel.DSTPORT],
    )  # fmt: skip


def side_of(key: FlowKey) -> int:
    """Return 1 if the sender is the larger end, as the kernel orders them.

    >>> side_of(FlowKey("tcp", "10.0.0.1", 4711, "10.0.0.2", 80))
    0
    """
    return int((*_halves(key.src), key.srcport) > (*_halves(key.dst), key.dstport))


def sides_of(packets: Array) -> Array:
    """Return the same for each of the packets that `ends_of` gives, int64."""
    sides: Array = packets[kernel.SRCPORT] > packets[kernel.DSTPORT]
    for src, dst in ((kernel.SRC_LOW, kernel.DST_LOW), (kernel.SRC_HIGH, kernel.DST_HIGH)):
        left, right = packets[src], packets[dst]
        sides = np.where(left == right, sides, left > right)
    as_numbers: Array = sides.astype(np.int64)
    return as_numbers


def told_of(name: str, packets: Array, told: Array) -> tuple[Array, Array]:
    """Return the values of one of `FLOW_FIELDS`, int64, and which packets have it.

    packets, told : as `Tracker.run` takes them
    """
    protocol, _, what = name.partition(".")
    rows = {"stream": kernel.OUT_STREAM, "seq": kernel.OUT_SEQ, "ack": kernel.OUT_ACK}
    return told[rows[what]], packets[kernel.PROTOCOL] == _PROTOCOLS[protocol]


def seen_of(packet: Dissection, place: int, told: Array) -> tuple[Seen, ...]:
    """Return what the kernel told of a packet of a window; the conversation in it is a copy, which nothing counts."""
    stream, seq, ack = map(int, told[:, place])
    found = []
    for one in transports(packet):
        is_tcp = one.key.protocol == "tcp"
        numbers = {"seq": seq, "ack": ack} if is_tcp else {"seq": None, "ack": None}
        found.append(Seen(one.layer, Flow(one.key, stream), 0, one.flags, **numbers, is_counted=False))
    return tuple(found)


class Tracker:
    """The table of conversations.

    Parameters
    ----------
    table : what was seen of the capture so far; it is told conversations that are finished
    """

    def __init__(self, table: FlowTable) -> None:
        self.table = table
        rows = table.max_flows + _SPARE
        self._entries = np.zeros((rows + 1, kernel.ENTRY_LEN), np.int64)
        self._buckets = np.zeros(1 << max(rows - 1, 1).bit_length(), np.int64)
        self._free = np.arange(rows, 0, -1, dtype=np.int64)
        self._done = np.zeros(rows, np.int64)
        self._state = np.zeros(kernel.STATE_LEN, np.int64)
        self._state[kernel.MOST], self._state[kernel.FREE] = table.max_flows, rows
        self._one, self._told = np.zeros((kernel.PACKET_LEN, 1), np.int64), np.zeros((3, 1), np.int64)
        self._adopt(table)

    def _adopt(self, table: FlowTable) -> None:
        """Take over the conversations of a table."""
        for flow in table:
            self._see(Transport(0, flow.key, is_whole=False, is_analysed=False), 0, None)
            row = self._entries[self._state[kernel.NEWEST]]
            row[kernel.STREAM] = flow.stream
            row[kernel.BASE : kernel.BASE + 2] = [-1 if base is None else base for base in flow.bases]
            row[kernel.PACKETS : kernel.FIRST] = [*flow.packets, *flow.bytes, *flow.flags]
            row[kernel.FIRST], row[kernel.LAST] = (_time(one) for one in (flow.first_ns, flow.last_ns))
            row[kernel.TURNED] = flow.turned
        for protocol, number in _PROTOCOLS.items():
            self._state[kernel.STREAMS + number - 1] = table.streams[protocol]

    def run(self, packets: Array, start: int, stop: int, out: Array) -> None:
        """Track some packets of a window; `out` is int64, shape (3, packets): stream, seq and ack."""
        self._settle(stop - start)
        self._track(packets, start, stop, out)

    def add(self, packet: Dissection, length: int, time_ns: int | None) -> tuple[Seen, ...]:
        """Track a packet of the exact reader; as `FlowTable.add`, but it is counted at once."""
        return tuple(self._see(one, length, time_ns) for one in transports(packet))

    def _see(self, one: Transport, length: int, time_ns: int | None) -> Seen:
        if not one.is_placed:
            return self.table.see(one)
        self._settle(1)
        protocol = _PROTOCOLS[one.key.protocol]
        marks = kernel.ANALYSED * one.is_analysed | kernel.COUNTED * one.is_whole
        self._one[:, 0] = (
            protocol, *_halves(one.key.src), one.key.srcport, *_halves(one.key.dst), one.key.dstport, one.seq, one.ack,
            one.flags, marks, length, _time(time_ns),
        )  # fmt: skip
        self._track(self._one, 0, 1, self._told)
        stream, seq, ack = map(int, self._told[:, 0])
        is_tcp = one.key.protocol == "tcp"
        return Seen(
            one.layer, Flow(one.key, stream), 0, one.flags, seq if is_tcp else None,
            ack if is_tcp and one.has_ack else None, one.is_whole,
        )  # fmt: skip

    def _track(self, packets: Array, start: int, stop: int, out: Array) -> None:
        before = int(self._state[kernel.EVICTED])
        kernel.track(
            packets, start, stop, self._entries, self._buckets, self._free, self._done, self._state, out,
        )  # fmt: skip
        evicted = int(self._state[kernel.EVICTED]) - before
        if evicted:
            tell_of_eviction(self.table.evicted, self.table.max_flows)
            self.table.evicted += evicted

    def _settle(self, wanted: int) -> None:
        """Free finished rows if fewer than `wanted` are free."""
        if self._state[kernel.FREE] >= wanted:
            return
        done = self._done[: int(self._state[kernel.DONE])]
        for row in done.tolist():
            self.table.finished(self._flow(row))
        free = int(self._state[kernel.FREE])
        self._free[free : free + len(done)] = done
        self._state[kernel.FREE] += len(done)
        self._state[kernel.DONE] = 0

    def flows(self) -> Iterator[Flow]:
        """Yield the conversations that are kept, and those that are finished and were not told yet."""
        self._settle(len(self._entries))
        row = int(self._state[kernel.OLDEST])
        while row:
            yield self._flow(row)
            row = int(self._entries[row, kernel.NEWER])

    def _flow(self, row: int) -> Flow:
        one = self._entries[row].tolist()
        ends = [
            (address_text(one[kernel.LEFT_HIGH], one[kernel.LEFT_LOW]), one[kernel.PORTS] >> 24),
            (address_text(one[kernel.RIGHT_HIGH], one[kernel.RIGHT_LOW]), one[kernel.PORTS] >> 8 & 0xFFFF),
        ]
        protocol = "tcp" if one[kernel.PORTS] & 0xFF == kernel.TCP else "udp"
        first, second = ends[:: -1 if one[kernel.SIDE] else 1]
        first_ns, last_ns = (None if one[at] == NO_TIME else one[at] for at in (kernel.FIRST, kernel.LAST))
        return Flow(
            FlowKey(protocol, *first, *second), one[kernel.STREAM], [None, None],
            one[kernel.PACKETS : kernel.BYTES], one[kernel.BYTES : kernel.SEEN_FLAGS],
            one[kernel.SEEN_FLAGS : kernel.FIRST], first_ns, last_ns, bool(one[kernel.TURNED]),
        )  # fmt: skip


def _time(time_ns: int | None) -> int:
    """Return a time as the kernel has it."""
    return NO_TIME if time_ns is None or not -(1 << 63) < time_ns < 1 << 63 else time_ns


def _signed(half: int) -> int:
    return half - (1 << 64) if half >> 63 else half


def _halves(address: str) -> tuple[int, int]:
    """Return an address as the kernel has it."""
    packed = ip_address(address).packed
    if len(packed) == 4:
        return IPV4_KEY, int.from_bytes(packed, "big")
    return _signed(int.from_bytes(packed[:8], "big")), _signed(int.from_bytes(packed[8:], "big"))
