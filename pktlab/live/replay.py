"""A capture onto the wire again: its bytes at its times, or faster, or with other addresses.

    pktlab.replay("pcaps/first-light.pcapng", "lo", speed=2)

What does not suit the interface is not sent, and counted by its reason: a packet that was cut when it was captured, one
that is longer than the interface takes, one that starts with something else and holds no IP packet.
"""

from __future__ import annotations

import ipaddress
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import count

from pktlab.api import Capture, Protocols
from pktlab.capture import Record, canonical_link_type
from pktlab.columns.filters import compile_filter
from pktlab.errors import CaptureError
from pktlab.live.links import link_named
from pktlab.live.pacing import Pace, Permit, sleep_until
from pktlab.live.packet_socket import PacketSocket, TooLong
from pktlab.live.resolving import Asking
from pktlab.live.send import RAW_IP, ethernet_around
from pktlab.packets import Packet
from pktlab.repair import REPAIRED, sums_put_right
from pktlab.rewriting import Rewriter
from pktlab.sources import Sources, is_stored

__all__ = ["Replay", "Replayed", "replay"]

CUT = "cut when captured"
NO_IP = "without IP in it"
TOO_LONG = "longer than the interface takes"


@dataclass
class Replayed:
    """What became of the packets.

    sent, sent_len : packets and bytes that went; left : how many did not, by reason
    most_late_ns : by how much the one went too late that did most
    """

    sent: int = 0
    sent_len: int = 0
    left: Counter[str] = field(default_factory=Counter)
    most_late_ns: int = 0


def replay(
    source: Sources,
    interface: str,
    *,
    speed: float = 1.0,
    pps: float | None = None,
    topspeed: bool = False,
    loop: int = 1,
    rewrite: Mapping[str, str] | None = None,
    fix: bool = False,
    where: str | None = None,
    bpf: str | None = None,
    yes: bool = False,
    protocols: Protocols | None = None,
) -> Replayed:
    """Send the packets of a capture, and return what became of them.

    Parameters
    ----------
    source : as for `pktlab.open`; interface : where they go
    speed : times faster than they were captured
    pps : packets a second, in place of the capture's times; topspeed : as fast as goes
    loop : how often; 0 = until it is interrupted
    rewrite : addresses and what to put in their place, see `pktlab.rewriting.Rewriter`
    fix : put checksums right that are bad, partial or must not be zero
    where, bpf : filters that packets have to pass, as they are in the capture
    yes : it is known that `interface` leads to other people's machines
    protocols : a user's own, for `where`

    Raises
    ------
    CaptureError : there is nothing to read, or a stream is to be read twice
    PktlabError : the system does not allow it, or `interface` leads outside without a `yes`

    >>> replay("pcaps/first-light.pcapng", "no-such-interface")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ...
    pktlab.errors.PktlabError: there is no interface no-such-interface...
    """
    with Replay(
        source, interface, speed=speed, pps=pps, topspeed=topspeed, loop=loop, rewrite=rewrite, fix=fix, where=where,
        bpf=bpf, yes=yes, protocols=protocols,
    ) as made:  # fmt: skip
        for _ in made:
            pass
        return made.done


class Replay:
    """What `replay` does, step by step: made, everything is open; iterated over, each packet goes.

    Attributes
    ----------
    permit : over which interface, how fast; capture : what is sent; done : what has become of it so far
    """

    def __init__(
        self, source: Sources, interface: str, *, speed: float = 1.0, pps: float | None = None, topspeed: bool = False,
        loop: int = 1, rewrite: Mapping[str, str] | None = None, fix: bool = False, where: str | None = None,
        bpf: str | None = None, yes: bool = False, protocols: Protocols | None = None,
    ) -> None:  # fmt: skip
        if not 0 < speed < float("inf"):
            raise ValueError(f"speed = {speed}: it is a factor, such as 2 or 0.5")
        self._rewriter = Rewriter(rewrite) if rewrite else None
        self._fix, self._loop, self._speed = fix, loop, speed
        self._keeps_times = pps is None and not topspeed
        self.link = link_named(interface)
        self._filter = None if where is None and bpf is None else compile_filter(where, protocols or {}, bpf=bpf)
        if loop != 1 and not is_stored(source):
            raise CaptureError("a stream can be read once: save it to a file to send it more often")
        self._source, self._protocols = source, protocols
        self.capture = Capture(source, protocols)
        self.permit = Permit(self.link, None, f"the addresses in {self.capture.name}", pps=pps, agreed=yes)
        self.wire = PacketSocket(self.link, promiscuous=False)
        self._asking = Asking(self.link, self.wire)
        self.done = Replayed()

    def __iter__(self) -> Iterator[Record]:
        """Send the packets, and yield each when it has gone."""
        pace = Pace(self.permit.pps, time.monotonic_ns())
        yield from self._once(pace)
        turns = count(1) if self._loop == 0 else range(1, self._loop)
        for _ in turns:
            if not self.done.sent or self.capture.damage is not None:
                return
            self.capture.close()
            self.capture = Capture(self._source, self._protocols)
            yield from self._once(pace)

    def _once(self, pace: Pace) -> Iterator[Record]:
        """Send all packets once, the first at once."""
        start_ns, first_ns = time.monotonic_ns(), None
        chosen = self.capture if self._filter is None else self.capture.where(self._filter)
        for record in chosen.records():
            frame = self._frame(record)
            if isinstance(frame, str):
                self.done.left[frame] += 1
                continue
            wish_ns = 0
            if self._keeps_times and record.time_ns is not None:
                first_ns = record.time_ns if first_ns is None else first_ns
                wish_ns = start_ns + round((record.time_ns - first_ns) / self._speed)
            due_ns = pace.next_ns(wish_ns)
            sleep_until(due_ns)
            try:
                self.wire.put(frame)
            except TooLong:
                self.done.left[TOO_LONG] += 1
                continue
            self.done.most_late_ns = max(self.done.most_late_ns, time.monotonic_ns() - due_ns)
            self.done.sent += 1
            self.done.sent_len += len(frame)
            yield record

    def _frame(self, record: Record) -> bytes | str:
        """Return the bytes that go over the interface; a text that says why none do."""
        if len(record.data) < record.length:
            return CUT
        kind = canonical_link_type(record.link_type)
        data = record.data
        if self._rewriter is not None or self._fix:
            data = self._changed(self.capture.packet_of(record)).data
        if record.fcs_len:
            data = data[: -record.fcs_len]  # which the interface adds itself
        if kind == self.wire.link_type or (kind in RAW_IP and not self.link.is_ethernet):
            return data
        return self._converted(Packet(Record(record.number, None, data, len(data), kind), kind))

    def _changed(self, packet: Packet) -> Packet:
        """Return a packet with other addresses, and with right sums, as far as they were asked for."""
        if self._rewriter is not None:
            packet = self._rewriter(packet)
        if self._fix:
            data = bytearray(packet.data)
            sums_put_right(packet.dissection, packet.judgements, data, REPAIRED)
            packet = packet.with_data(bytes(data))
        return packet

    def _converted(self, packet: Packet) -> bytes | str:
        """Return the IP packet in `packet` as the interface carries it."""
        layer = next((one for one in packet.layers if one.protocol in ("ip", "ipv6")), None)
        if layer is None or layer.header is None or layer.error is not None:
            return NO_IP
        data = packet.data[layer.start : layer.end]
        if not self.link.is_ethernet:
            return data
        goal = ipaddress.ip_address(layer.header.dst)  # type: ignore[attr-defined]
        return ethernet_around(data, goal, self._asking)

    def close(self) -> None:
        """Close the capture and the socket."""
        self.capture.close()
        self.wire.close()

    def __enter__(self) -> Replay:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
