"""IP fragments put back together, for IPv4 and IPv6.

In go dissected packets in the order in which they were captured; out comes, with the fragment that fills the last
gap, the whole datagram. A datagram is kept under its key until it is complete, too old, too large, or crowded out.

Overlapping fragments are an attack on whoever reassembles differently, so the policy has a name: with ``"first"`` the
bytes that came first stay, with ``"last"`` later ones replace them, with ``"reject"`` the datagram is dropped, as
RFC 5722 demands of IPv6 hosts. Retransmitted fragments that bring the same bytes are no overlap.

Spec: RFC 791 section 3.2; RFC 815; RFC 8200 section 4.5; RFC 5722.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from pktlab.ranges import RangeSet
from pktlab.wire.dissection import Dissection
from pktlab.wire.header import Header
from pktlab.wire.ipv4 import Ip
from pktlab.wire.ipv6 import Fragment, Ipv6

__all__ = ["Fragments", "Piece", "Whole", "piece_of"]

MAX_DATAGRAM = 65_535
"""Bytes behind the header that an offset and a length can name; more is the "ping of death"."""
MAX_DATAGRAMS = 4096
"""Incomplete datagrams kept at a time."""
TIMEOUT_NS = 30_000_000_000
"""Linux's ipfrag_time; RFC 8200 asks for 60 s, RFC 791 suggests 15 s."""

Policy = Literal["first", "last", "reject"]


class Piece(NamedTuple):
    """One fragment.

    key : what the fragments of a datagram share; head : the header that goes in front of the whole, from the IP header
    on; offset : of `payload` in the datagram, bytes; start : of `payload` in the packet, bytes
    """

    key: tuple[object, ...]
    kind: type[Header]
    head: bytes
    offset: int
    more: bool
    payload: bytes
    start: int


class Whole(NamedTuple):
    """A datagram put together.

    kind : header that `data` start with; data : the first fragment's headers, `head_len` bytes, and the whole payload;
    frames : numbers of the fragments in the order in which they came; overlapped : some bytes came twice and differed
    """

    kind: type[Header]
    data: bytes
    head_len: int
    frames: tuple[int, ...]
    overlapped: bool


def piece_of(packet: Dissection) -> Piece | None:
    """Return the fragment that a packet is; None if it is none, or was cut when captured.

    A fragment in an outer packet counts, not one inside a tunnel in it, nor one quoted in an error.
    """
    below: Ipv6 | None = None
    start = 0
    for layer in packet.layers:
        header = layer.header
        if layer.quoted or layer.error is not None or layer.overrun is not None:
            return None
        payload = packet.data[layer.stop : layer.end]
        if isinstance(header, Ip) and (header.flags.mf or header.frag_offset):
            key: tuple[object, ...] = (4, header.src, header.dst, header.proto, header.id)
            head = packet.data[layer.start : layer.stop]
            return Piece(key, Ip, head, 8 * header.frag_offset, header.flags.mf, payload, layer.stop)
        if isinstance(header, Ipv6):
            below, start = header, layer.start
        if isinstance(header, Fragment) and below is not None:
            if not header.more and not header.offset:
                return None  # an atomic fragment is whole by itself (RFC 6946)
            head = packet.data[start : layer.stop]
            key = (6, below.src, below.dst, header.ident)
            return Piece(key, Ipv6, head, 8 * header.offset, header.more, payload, layer.stop)
    return None


@dataclass
class _Datagram:
    """What has come of one datagram. `total` is None until the last fragment is there."""

    kind: type[Header]
    since: int
    head: bytes = b""
    total: int | None = None
    data: bytearray = field(default_factory=bytearray)
    covered: RangeSet = field(default_factory=RangeSet)
    frames: list[int] = field(default_factory=list)
    overlapped: bool = False


class Fragments:
    """Reassembly with bounded memory.

    Parameters
    ----------
    overlap : what happens to bytes that come twice and differ: ``"first"``, ``"last"`` or ``"reject"``
    timeout_ns : age, from its first fragment, at which an incomplete datagram is dropped
    max_bytes : payload kept in all; beyond it the oldest datagrams are dropped

    `dropped` counts datagrams that were given up, `pending` the frames of those that are not complete.
    """

    def __init__(
        self, *, overlap: Policy = "first", timeout_ns: int = TIMEOUT_NS, max_bytes: int = 16 * 1024 * 1024
    ) -> None:
        if overlap not in ("first", "last", "reject"):
            raise ValueError(f"overlap is {overlap!r}; it is 'first', 'last' or 'reject'")
        self.overlap = overlap
        self.timeout_ns = timeout_ns
        self.max_bytes = max_bytes
        self.dropped = 0
        self._datagrams: dict[tuple[object, ...], _Datagram] = {}
        self._bytes = 0

    @property
    def pending(self) -> list[int]:
        """Numbers of the frames whose datagrams are not complete, in order."""
        return sorted(frame for datagram in self._datagrams.values() for frame in datagram.frames)

    def add(self, packet: Dissection, now: int, frame: int) -> Whole | None:
        """Take a packet; return the datagram that it completes, if it does.

        Parameters
        ----------
        packet : any dissected packet; what is no fragment is passed over
        now : ns, any origin, not decreasing by more than captures do
        frame : its number, to be given back in `Whole.frames`
        """
        piece = piece_of(packet)
        if piece is None:
            return None
        self._expire(now)
        datagram = self._datagrams.get(piece.key)
        if datagram is None:
            datagram = self._datagrams[piece.key] = _Datagram(piece.kind, now)
        datagram.frames.append(frame)
        if not self._accepts(datagram, piece):
            self._drop(piece.key)
            return None
        self._place(datagram, piece)
        if datagram.total is None or not datagram.covered.covers(0, datagram.total):
            self._make_room()
            return None
        del self._datagrams[piece.key]
        self._bytes -= len(datagram.data)
        data = datagram.head + bytes(datagram.data[: datagram.total])
        return Whole(datagram.kind, data, len(datagram.head), tuple(datagram.frames), datagram.overlapped)

    def _accepts(self, datagram: _Datagram, piece: Piece) -> bool:
        stop = piece.offset + len(piece.payload)
        if stop > MAX_DATAGRAM or (piece.more and len(piece.payload) % 8):
            return False
        ends = datagram.total
        if not piece.more and ends is not None and ends != stop:
            return False
        if ends is not None and stop > ends:
            return False
        if not piece.more and len(datagram.data) > stop:
            return False
        known = bytes(datagram.data[piece.offset : stop])
        differs = any(
            known[low - piece.offset : high - piece.offset] != piece.payload[low - piece.offset : high - piece.offset]
            for low, high in self._shared(datagram, piece)
        )
        datagram.overlapped = datagram.overlapped or differs
        return not (differs and self.overlap == "reject")

    @staticmethod
    def _shared(datagram: _Datagram, piece: Piece) -> list[tuple[int, int]]:
        """Return the ranges of `piece` that are there already."""
        stop = piece.offset + len(piece.payload)
        return [
            (max(low, piece.offset), min(high, stop))
            for low, high in datagram.covered
            if low < stop and high > piece.offset
        ]

    def _place(self, datagram: _Datagram, piece: Piece) -> None:
        stop = piece.offset + len(piece.payload)
        if len(datagram.data) < stop:
            self._bytes += stop - len(datagram.data)
            datagram.data.extend(bytes(stop - len(datagram.data)))
        fresh = [(piece.offset, stop)] if self.overlap == "last" else list(datagram.covered.gaps(piece.offset, stop))
        for low, high in fresh:
            datagram.data[low:high] = piece.payload[low - piece.offset : high - piece.offset]
        datagram.covered.add(piece.offset, stop)
        if piece.offset == 0:
            datagram.head = datagram.head or piece.head
        if not piece.more:
            datagram.total = stop

    def _expire(self, now: int) -> None:
        while self._datagrams:
            key, oldest = next(iter(self._datagrams.items()))
            if now - oldest.since <= self.timeout_ns:
                return
            self._drop(key)

    def _make_room(self) -> None:
        while self._bytes > self.max_bytes or len(self._datagrams) > MAX_DATAGRAMS:
            self._drop(next(iter(self._datagrams)))

    def _drop(self, key: tuple[object, ...]) -> None:
        self._bytes -= len(self._datagrams.pop(key).data)
        self.dropped += 1
