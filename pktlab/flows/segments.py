"""What puts streams together is given: TCP segments and uTP packets, out of packets that know their conversations."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from pktlab.flows.fragments import Piece, Whole, piece_of
from pktlab.flows.keys import FlowKey
from pktlab.flows.reassembly import Segment
from pktlab.flows.table import Seen
from pktlab.flows.transports import Transport, transports
from pktlab.wire.cursor import BUFFER
from pktlab.wire.dissection import Dissection, Layer, dissect
from pktlab.wire.tcp import Tcp, TcpFlags
from pktlab.wire.udp import Udp

__all__ = ["Datagram", "Found", "SegmentReader", "datagrams"]

_ACK = TcpFlags.ack.mask
_MOST_PIECES = 4096
"""Fragmented segments of which the conversation is kept in mind."""


class Found(NamedTuple):
    """A segment and its connection: the number of it, and who sent this to whom; its way is not told yet, but 0."""

    number: int
    key: FlowKey
    segment: Segment


class Datagram(NamedTuple):
    """What a datagram of UDP carries: who sent it to whom, its data, and how many more there were on the wire."""

    key: FlowKey
    data: bytes
    missing: int


class SegmentReader:
    """Finds the segments of packets, in file order; those in fragments where their datagram completes.

    >>> SegmentReader().read(dissect(b""), (), None, 1, 0)
    []
    """

    def __init__(self) -> None:
        self._pieces: dict[tuple[object, ...], tuple[int, FlowKey]] = {}

    def read(
        self, packet: Dissection, flows: Sequence[Seen], whole: Whole | None, frame: int, time_ns: int, cut: int = 0
    ) -> list[Found]:
        """Return the segments of a packet, the outermost first; quoted ones are none.

        Parameters
        ----------
        flows : what a flow table says of the packet
        whole : the datagram that it completes
        frame, time_ns : its number, and when it was captured
        cut : bytes of it that were not captured
        """
        piece = piece_of(packet)
        if piece is None:
            return list(_segments(packet, flows, frame, time_ns, cut))
        return self._whole(piece, flows, whole, frame, time_ns)

    def _whole(self, piece: Piece, flows: Sequence[Seen], whole: Whole | None, frame: int, time_ns: int) -> list[Found]:
        """Keep the conversation of a first fragment in mind; return the segment of a datagram that is complete."""
        for seen in flows:
            if seen.flow is not None and seen.flow.key.protocol == "tcp":
                if len(self._pieces) >= _MOST_PIECES:
                    del self._pieces[next(iter(self._pieces))]
                self._pieces[piece.key] = seen.flow.stream, _key(seen)
        if whole is None or piece.key not in self._pieces:
            return []
        number, key = self._pieces.pop(piece.key)
        packet = dissect(whole.data, whole.kind, whole=True)
        return [
            Found(number, key, _segment(packet, packet.layers[one.layer], frame, time_ns, 0))
            for one in transports(packet)
            if one.key == key and _is_there(one)
        ][:1]


def datagrams(packet: Dissection, flows: Sequence[Seen], cut: int = 0) -> Iterator[Datagram]:
    """Yield what the datagrams of a packet carry, quoted ones left out; parameters as of `SegmentReader.read`.

    >>> list(datagrams(dissect(b""), ()))
    []
    """
    for seen in flows:
        layer = packet.layers[seen.layer]
        if seen.flow is None or not seen.is_counted or not isinstance(layer.header, Udp) or layer.quoted:
            continue
        missing = _missing(packet.layers[: seen.layer + 1], cut) if cut > 0 else 0
        yield Datagram(_key(seen), packet.data[layer.stop : layer.end], missing)


def _key(seen: Seen) -> FlowKey:
    """Return who sent a packet to whom."""
    assert seen.flow is not None
    return seen.flow.key.reversed() if seen.way else seen.flow.key


def _is_there(one: Transport | Seen) -> bool:
    return one.is_whole if isinstance(one, Transport) else one.is_counted


def _segments(packet: Dissection, flows: Sequence[Seen], frame: int, time_ns: int, cut: int) -> Iterator[Found]:
    for seen in flows:
        if seen.flow is not None and seen.is_counted and seen.flow.key.protocol == "tcp":
            missing = _missing(packet.layers[: seen.layer + 1], cut) if cut > 0 else 0
            segment = _segment(packet, packet.layers[seen.layer], frame, time_ns, missing)
            yield Found(seen.flow.stream, _key(seen), segment)


def _segment(packet: Dissection, layer: Layer, frame: int, time_ns: int, missing: int) -> Segment:
    header = layer.header
    assert isinstance(header, Tcp)
    flags = int(header.flags)
    data = packet.data[min(layer.start + header.hdr_len, layer.end) : layer.end]
    return Segment(0, header.seq_raw, header.ack_raw if flags & _ACK else -1, flags, data, missing, frame, time_ns)


def _missing(layers: Sequence[Layer], cut: int) -> int:
    """Return how many bytes behind the last of the layers are missing, of a packet that `cut` bytes are missing of."""
    for layer in reversed(layers):
        if layer.overrun is not None:
            return min(layer.overrun.needed - layer.overrun.available, cut)
    return cut if layers[-1].limit == BUFFER else 0
