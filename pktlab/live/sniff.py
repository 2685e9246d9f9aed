"""Packets off the wire: those of an interface, as they come, dissected and judged; or straight into a file.

    with pktlab.sniff("lo", bpf="udp port 53", count=10) as packets:
        for packet in packets:
            print(packet.line())

A packet is what it would be in a file that tcpdump wrote, with one thing more: the kernel says which checksums are left
to a network card, so a partial one is known for what it is (see `pktlab.live.packet_socket`).
"""

from __future__ import annotations

import struct
import time
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from typing import TYPE_CHECKING, Any, Literal, Self

from pktlab.capture import Block, CaptureWriter, Interface, Record, Section, open_writer
from pktlab.columns.bpf import CaptureFilter
from pktlab.columns.filters import Clock, Filter, compile_filter
from pktlab.flows import FlowTable, Fragments
from pktlab.live.links import link_named
from pktlab.live.packet_socket import Counters, PacketSocket, Stop
from pktlab.packets import Packet
from pktlab.wire.bindings import bind
from pktlab.wire.header import Header

if TYPE_CHECKING:
    from pktlab.live.ring import Ring

__all__ = ["Sniffer", "sniff"]

STATISTICS, IF_DROP, END_TIME, RECEIVED = 5, 5, 3, 4
"""pcapng: the interface statistics block, and its options (draft-ietf-opsawg-pcapng section 4.6)."""


def sniff(
    interface: str,
    *,
    where: str | Filter | None = None,
    bpf: str | None = None,
    count: int | None = None,
    seconds: float | None = None,
    snaplen: int = 0,
    promiscuous: bool = True,
    protocols: Mapping[str, type[Header]] | None = None,
) -> Sniffer:
    """Return the packets of an interface, to be iterated over as they come.

    Parameters
    ----------
    interface : its name, e.g. ``"lo"``
    where : a display filter that packets have to pass, as in Wireshark
    bpf : one in libpcap's language, as for tcpdump, that the kernel asks first
    count, seconds : end after so many packets, after so long; without both, it ends when `Sniffer.stop` is called
    snaplen : most bytes that are kept of a packet; 0 = 262144
    promiscuous : packets to others are taken in too
    protocols : the user's own, as for `pktlab.open`

    Raises
    ------
    PktlabError : there is no such interface, or the system does not allow it; the message has the command that would
    FilterError : a filter does not read

    >>> sniff("no-such-interface")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ...
    pktlab.errors.PktlabError: there is no interface no-such-interface...
    """
    return Sniffer(
        interface, where=where, bpf=bpf, count=count, seconds=seconds, snaplen=snaplen, promiscuous=promiscuous,
        protocols=protocols,
    )  # fmt: skip


class Sniffer:
    """The packets of an interface; `sniff` makes these, and has the parameters.

    Attributes
    ----------
    captured : packets that passed all filters so far
    first_ns : time of the first packet, whether it passed or not, ns since the epoch; None before
    interfaces, sections, format : what a capture of them is like, for `pktlab.capture.open_writer`
    """

    format: Literal["pcapng"] = "pcapng"

    def __init__(
        self, interface: str, *, where: str | Filter | None = None, bpf: str | None = None, count: int | None = None,
        seconds: float | None = None, snaplen: int = 0, promiscuous: bool = True,
        protocols: Mapping[str, type[Header]] | None = None,
    ) -> None:  # fmt: skip
        self._filter = where if isinstance(where, Filter) or where is None else compile_filter(where, protocols or {})
        self._bindings = tuple(bind(condition, header) for condition, header in (protocols or {}).items())
        chosen = None if bpf is None else CaptureFilter(bpf)
        self.count, self.seconds = count, seconds
        self.wire = PacketSocket(link_named(interface), bpf=chosen, snaplen=snaplen, promiscuous=promiscuous)
        self.link = self.wire.link
        self.captured = 0
        self.first_ns: int | None = None
        described = () if bpf is None else ((11, b"\0" + bpf.encode(errors="replace")),)
        self.interfaces = [
            Interface(self.wire.link_type, snaplen, interface, "", 1_000_000_000, options=described, interface_id=0)
        ]
        self.sections = [Section("little", (1, 0), application="pktlab", interfaces=self.interfaces)]
        self._watchers: list[Callable[[Block], None]] = []
        self._stop = Stop()
        self._ring: Ring | None = None
        self._fragments = Fragments()
        self._flow_table = FlowTable()

    # ---- reading

    def __iter__(self) -> Iterator[Packet]:
        clock = Clock()
        packets = map(self._packet, self._frames())
        chosen = packets if self._filter is None else self._filter.select(packets, clock)
        for packet in islice(chosen, self.count):
            self.captured += 1
            yield packet
        self.wire.stop()

    def _frames(self) -> Iterator[Record]:
        until = self.wire.start(self.seconds)
        for number, record in enumerate(self.wire.frames(self._stop, until), 1):
            record.number = number
            self.first_ns = record.time_ns if self.first_ns is None else self.first_ns
            yield record

    def _packet(self, record: Record) -> Packet:
        return Packet(record, record.link_type, self._bindings, self._fragments, self._flow_table)

    def write(self, target: Any, *, format: Literal["pcap", "pcapng"] | None = None) -> int:
        """Write the packets to a capture as they come, and return how many they were.

        Unless they have to pass a display filter no packet is looked at: blocks of them go from the kernel's memory
        into the file, hundreds of thousands of packets a second.

        Parameters
        ----------
        target, format : as for `pktlab.capture.open_writer`

        Raises
        ------
        CaptureError : the target cannot be written to
        PktlabError : the interface was switched off, or is gone
        """
        with self.opened(target, format) as writer:
            self.write_to(writer)
        return self.captured

    def write_to(self, writer: CaptureWriter) -> None:
        """Write the packets to what `opened` gave."""
        if self._filter is not None:
            for packet in self:
                writer.write(packet.record)
        else:
            self.prepare()
            assert self._ring is not None
            self.captured = self._ring.write(writer, self._stop, seconds=self.seconds, most=self.count)
        self.end()

    def prepare(self) -> None:
        """Make ready what `write` needs, for somebody who drops privileges before; packets can only be written then."""
        if self._ring is None and self._filter is None:
            from pktlab.live.ring import Ring

            self._ring = Ring(self.wire)

    def opened(self, target: Any, format: Literal["pcap", "pcapng"] | None = None) -> CaptureWriter:
        """Return a writer for these packets; `end` writes the counters into it while it is open."""
        return open_writer(target, format=format, like=self, flush=True)

    # ---- ending

    def stop(self) -> None:
        """End it, from another thread or the handler of a signal: packets that were taken in before still come."""
        self._stop.set()

    @property
    def counters(self) -> Counters:
        """How many packets passed the capture filter so far, and how many of these were lost for want of room."""
        return self.wire.counters()

    def end(self) -> None:
        """Take in no more, and write the counters into the capture that is being written, if it can hold them."""
        self.wire.stop()
        block = _statistics(self.counters)
        for watcher in self._watchers:
            watcher(block)

    def close(self) -> None:
        """Close the socket."""
        if self._ring is not None:
            self._ring.close()
        self.wire.close()
        self._stop.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # ---- what a writer asks

    def interface_of(self, record: Record) -> Interface:
        """Return the interface that a packet was seen on."""
        return self.interfaces[0]

    def watch_blocks(self, watcher: Callable[[Block], None]) -> None:
        """Have each block without a packet told; a pcap, which cannot hold it, is not."""
        self._watchers.append(watcher)

    def __repr__(self) -> str:
        return f"<Sniffer {self.link.name}>"


def _statistics(counters: Counters) -> Block:
    """Return the counters as a block of a pcapng, as dumpcap writes them."""
    now = time.time_ns()
    body = struct.pack("<3I", 0, now >> 32, now & 0xFFFFFFFF)
    for code, value in (
        (END_TIME, now >> 32 | (now & 0xFFFFFFFF) << 32),
        (RECEIVED, counters.received),
        (IF_DROP, counters.dropped),
    ):
        body += struct.pack("<HHQ", code, 8, value)
    return Block(STATISTICS, "interface statistics", 0, 0, body + bytes(4), "little")
