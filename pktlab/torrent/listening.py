"""Hear the peers of a swarm in the streams of a capture: what `pktlab.flows` puts together is written into ledgers.

Each way of a stream is entered at its handshake, or, if that was not captured or is hidden by a key exchange (MSE), at
the first messages that chance does not explain. Where bytes are missing inside of a message whose length is known, the
next one starts behind it; otherwise the way is entered anew. What is no message is counted as unknown, and nothing is
guessed from a port.

Spec: BEP 3 (messages), BEP 9 and 10 (metadata, extended handshake), BEP 11 (PEX), BEP 54 (a piece is gone).
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from pktlab.columns.streams import read_streams
from pktlab.errors import Malformed, Truncated
from pktlab.flows.stream_table import Stream, Told
from pktlab.flows.streams import Begin, Data, End, Gap
from pktlab.torrent.announces import Announces
from pktlab.torrent.extensions import Extensions
from pktlab.torrent.ledger import Ledger, Link, Type
from pktlab.torrent.swarm import Swarm
from pktlab.wire.apps.bittorrent.framing import HANDSHAKE, Frame, find_chain, frames

__all__ = ["Block", "Listener", "swarm_of"]

OPENING = b"\x13BitTorrent protocol"
HEAD_LEN = 1 << 16
"""Bytes of a way in which a first message must stand; a key exchange has some 600 at most."""
SCAN_LEN = 1 << 18
"""Bytes in which messages are looked for at a time, where they are lost: many blocks of 16 KiB."""
PIECE_HEAD_LEN = 13
EXTENDED = 20
PLAIN = frozenset({0, 1, 2, 3, 14, 15})  # types without a number
NUMBERED = frozenset({4, 6, 8, 16})
Block = Callable[[str, int, int, int, bytes], None]
"""Takes each block that is heard: info-hash, time in ns, piece, offset in it, bytes."""


def swarm_of(capture: Any, block: Block | None = None) -> Swarm:
    """Return the swarms of a capture, of which nothing was read yet; `block` as for `Listener`."""
    listener = Listener(Swarm(), block)
    for _ in listener.read(capture):
        pass
    return listener.end()


class Listener:
    """Takes what is told of streams, and fills the ledgers of a swarm.

    Parameters
    ----------
    swarm : what is heard goes there
    block : is called with the bytes of each block

    >>> listener = Listener(Swarm())
    >>> listener.hear([])
    >>> listener.end().ledgers
    {}
    """

    def __init__(self, swarm: Swarm, block: Block | None = None) -> None:
        self.swarm, self.block = swarm, block
        self._open: dict[Stream, _Conversation] = {}
        self._nameless: list[_Conversation] = []

    def read(self, capture: Any) -> Iterator[None]:
        """Hear a capture, of which nothing was read yet, a step at a time."""
        for told in read_streams(capture):
            self.hear(told)
            yield

    def hear(self, told: Iterable[Told]) -> None:
        """Take what is told of streams, that of each in order."""
        for stream, event in told:
            conversation = self._open.get(stream)
            if conversation is None:
                conversation = self._open[stream] = _Conversation(self, stream)
            if not conversation.is_deaf:
                conversation.hear(event)
            if isinstance(event, End) and conversation.is_over:
                del self._open[stream]
                self._finish(conversation)

    def _finish(self, conversation: _Conversation) -> None:
        conversation.finish()
        if conversation.link is None and conversation.waiting:
            self._nameless.append(conversation)

    def end(self) -> Swarm:
        """Return the swarm when nothing more comes; connections whose torrent nobody named join the one they fit."""
        for conversation in list(self._open.values()):
            self._finish(conversation)
        self._open.clear()
        for conversation in self._nameless:
            conversation.name(self._fitting(conversation))
            conversation.finish()
        self._nameless.clear()
        return self.swarm

    def _fitting(self, conversation: _Conversation) -> Ledger:
        """Return the torrent in which both addresses take part, if there is just one."""
        key = conversation.stream.key
        fitting = [
            ledger
            for ledger in self.swarm.ledgers.values()
            if {key.src, key.dst} <= {ip for link in ledger.links for ip, _ in link.ends}
        ]
        return fitting[0] if len(fitting) == 1 else self.swarm.ledger("")


class _Way:
    """One way of a conversation: the bytes that are not read yet, and when each of them was there."""

    def __init__(self) -> None:
        self.pending = bytearray()
        self.start = 0  # offset of the first of them
        self.stops: list[int] = []  # offsets behind each segment
        self.times: list[int] = []
        self.entered = False
        self.from_start = False
        self.is_over = False
        self.skip = 0  # bytes of a message of which some are missing
        self.needed = 0  # bytes that have to be there before it is worth looking
        self.length = self.missing = self.unknown = self.violations = 0

    def when(self, stop: int) -> int:
        """Return when the bytes in front of an offset were there, ns."""
        return self.times[min(bisect_left(self.stops, stop), len(self.times) - 1)]

    def forget(self) -> None:
        """Forget the times of what was read."""
        read = bisect_left(self.stops, self.start + 1)
        if read > 64:
            del self.stops[:read], self.times[:read]

    def drop(self, count: int) -> None:
        """Take bytes away."""
        del self.pending[:count]
        self.start += count


class _Conversation:
    """One stream: two ways, and the link that it becomes when a handshake says of which torrent it is."""

    def __init__(self, listener: Listener, stream: Stream) -> None:
        self.listener, self.stream = listener, stream
        self.ways = (_Way(), _Way())
        self.link: Link | None = None
        self.ledger: Ledger | None = None
        self.waiting: list[tuple[Any, ...]] = []
        self.peer_ids = [b"", b""]
        self.extensions = Extensions()
        self.announces: Announces | None = None
        self.is_deaf = False
        self.is_peer = False
        self.opened_ns = self.closed_ns = 0

    @property
    def is_over(self) -> bool:
        """Whether both ways have ended."""
        return all(way.is_over for way in self.ways)

    # ---- events

    def hear(self, event: Any) -> None:
        """Take an event of the stream."""
        way = self.ways[event.way]
        if isinstance(event, Data):
            self._note_time(event.times_ns[0])
            self._data(event.way, way, event)
            self.closed_ns = event.times_ns[-1]
        elif isinstance(event, Gap):
            self._gap(event.way, way, event.length)
        elif isinstance(event, Begin):
            self._note_time(event.time_ns)
            way.start, way.from_start = event.offset, event.is_first
        elif isinstance(event, End):
            way.is_over = True
            if event.frame:
                self.closed_ns = max(self.closed_ns, event.time_ns)

    def _note_time(self, time_ns: int) -> None:
        self.opened_ns = self.opened_ns or time_ns

    def _data(self, number: int, way: _Way, event: Data) -> None:
        way.length += len(event.data)
        if not way.pending:
            way.start = event.offset
        way.stops += [event.offset + stop for stop in event.stops]
        way.times += event.times_ns
        data = event.data
        if way.skip:
            skipped = min(way.skip, len(data))
            way.skip -= skipped
            way.missing += skipped
            way.start, data = way.start + skipped, data[skipped:]
        if self.announces is not None:
            self.announces.take(number, bytes(data), event.times_ns[0])
            return
        way.pending += data
        if len(way.pending) >= way.needed:
            self._read(number, way)

    def _gap(self, number: int, way: _Way, length: int | None) -> None:
        """Go over bytes that are missing."""
        way.missing += length or 0
        if way.entered and length is not None and len(way.pending) >= 5:
            rest = int.from_bytes(way.pending[:4], "big") + 4 - len(way.pending)
            if 0 <= length <= rest:
                way.missing += len(way.pending)
                way.skip, way.needed = rest - length, 0
                way.pending.clear()
                return
        if way.skip and length is not None and length <= way.skip:
            way.skip -= length
            return
        way.unknown += len(way.pending)
        way.pending.clear()
        way.skip, way.needed, way.from_start = 0, 0, False
        way.entered = False

    # ---- reading

    def _read(self, number: int, way: _Way) -> None:
        if not way.entered and not self._enter(number, way):
            return
        buffer = bytes(way.pending)
        found = frames(buffer)
        for frame in found.frames:
            self._frame(number, way, frame, buffer)
        way.drop(found.stop)
        way.forget()
        error = found.error
        way.needed = error.needed if isinstance(error, Truncated) else 0
        if isinstance(error, Malformed):
            way.violations += 1
            way.entered, way.from_start, way.needed = False, False, 0
            way.unknown += 1
            way.drop(1)
            self._read(number, way)

    def _enter(self, number: int, way: _Way) -> bool:
        """Find where messages begin; True if the first one stands in front now."""
        pending = way.pending
        if way.from_start and OPENING.startswith(bytes(pending[: len(OPENING)])):
            way.needed = len(OPENING)
            way.entered = len(pending) >= len(OPENING)
            return way.entered
        if way.from_start and number == 0 and pending.startswith(b"GET /"):
            self.announces = Announces(self.listener.swarm, self.stream.key)
            self.announces.take(number, bytes(pending), way.times[0])
            return False
        at = find_chain(bytes(pending))
        if at is None:
            self._go_on_looking(way)
            return False
        way.unknown += at
        way.drop(at)
        way.entered = self.is_peer = True
        return True

    def _go_on_looking(self, way: _Way) -> None:
        way.needed = 2 * len(way.pending)
        if len(way.pending) >= SCAN_LEN:
            half = len(way.pending) // 2
            way.unknown += half
            way.drop(half)
            way.forget()
            way.needed = SCAN_LEN
        if not self.is_peer and way.length > HEAD_LEN and not any(one.entered for one in self.ways):
            self.is_deaf = True
            for one in self.ways:
                one.pending.clear()

    def _frame(self, number: int, way: _Way, frame: Frame, buffer: bytes) -> None:
        """Write one message down."""
        kind = frame.type
        now = way.when(way.start + frame.start + frame.size)
        if kind == Type.piece:
            piece, begin = frame.fields
            self._say(now, number, kind, piece, begin, frame.size - PIECE_HEAD_LEN)
            if self.listener.block is not None and self.ledger is not None:
                start = frame.start + PIECE_HEAD_LEN
                data = buffer[start : frame.start + frame.size]
                self.listener.block(self.ledger.info_hash, now, piece, begin, data)
        elif kind in NUMBERED:
            self._say(now, number, kind, *frame.fields)
        elif kind in PLAIN:
            self._say(now, number, kind)
        elif kind == Type.bitfield:
            self._say_bitfield(now, number, buffer[frame.start + 5 : frame.start + frame.size])
        elif kind == EXTENDED:
            self._extended(now, number, buffer[frame.start + 5 : frame.start + frame.size])
        elif kind == HANDSHAKE:
            self._handshake(number, way, frame)

    def _say(self, now: int, way: int, kind: int, *numbers: int) -> None:
        if self.link is None or self.ledger is None:
            self.waiting.append((now, way, kind, *numbers))
        else:
            self.ledger.say(now, self.link, way, kind, *numbers)

    def _say_bitfield(self, now: int, way: int, octets: bytes) -> None:
        if self.link is None or self.ledger is None:
            self.waiting.append((now, way, int(Type.bitfield), octets))
        else:
            self.ledger.say_bitfield(now, self.link, way, octets)

    def _handshake(self, number: int, way: _Way, frame: Frame) -> None:
        info_hash, peer_id = frame.fields[-2:]
        self.is_peer = True
        if self.ledger is None:
            self.name(self.listener.swarm.ledger(info_hash.hex()))
        if self.ledger is not None and self.ledger.info_hash != info_hash.hex():
            way.violations += 1
        self.peer_ids[number] = peer_id
        if self.link is not None:
            self.link.peer_ids[number] = peer_id
            self.link.began[number] = way.start + frame.start == 0

    def _extended(self, now: int, number: int, message: bytes) -> None:
        told = self.extensions.take(number, message)
        for piece in told.gone:
            self._say(now, number, Type.donthave, piece)
        if self.ledger is None:
            return
        contacts = self.listener.swarm.contacts[self.ledger.info_hash]
        for ip, port in told.contacts:
            contacts.listening[ip].add(port)
        for part, total, data in told.metadata:
            self.listener.swarm.add_metadata(self.ledger.info_hash, part, total, data)

    # ---- the link

    def name(self, ledger: Ledger) -> None:
        """Say of which torrent it is, and write down what waited for that."""
        key = self.stream.key
        ends = ((key.src, key.srcport), (key.dst, key.dstport))
        self.ledger = ledger
        self.link = link = ledger.link(self.stream.protocol, ends, self.opened_ns, self.stream.number)
        for now, way, kind, *numbers in self.waiting:
            if kind == Type.bitfield:
                ledger.say_bitfield(now, link, way, numbers[0])
            else:
                ledger.say(now, link, way, kind, *numbers)
        self.waiting.clear()

    def finish(self) -> None:
        """Read what is left, and note what is known of the whole conversation."""
        for number, way in enumerate(self.ways):
            if not self.is_deaf and way.pending and not way.entered:
                way.needed = 0
                self._read(number, way)
        if self.announces is not None:
            self.announces.end()
        link = self.link
        if link is None or self.ledger is None:
            return
        for number, way in enumerate(self.ways):
            link.length[number], link.missing[number] = way.length, way.missing
            link.unknown[number] = way.unknown + len(way.pending)
            link.violations[number] = way.violations
        link.versions, link.ports = list(self.extensions.versions), list(self.extensions.ports)
        link.peer_ids = list(self.peer_ids)
        link.is_encrypted = any(not began for began in link.began) and any(link.unknown)
        link.is_over = self.is_over
        link.closed_ns = max(link.closed_ns, self.closed_ns)
        self.ledger.say(link.closed_ns, link, 0, Type.closed)
