"""One way of a connection read as messages: where it is entered, what is broken by missing bytes, what is no message.

A way is entered at its handshake. Where that does not stand at its first byte, it is entered at the first messages that
chance does not explain (`framing.find_chain`): behind a key exchange, in the middle, behind missing bytes, behind what
is no message. Bytes that are missing inside of a message whose length is known cost that message only.

Bytes wait in memory until the message that they begin is whole (a mebibyte at most), or as long as messages are looked
for, in `SCAN_LEN`. If there were none in `HOPE_LEN` bytes, and none on the other way, it is something else: nothing is
looked for until the other way says something.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from enum import Enum
from typing import Any

from pktlab.errors import Malformed, Truncated
from pktlab.flows.streams import Buffer, Data, End, Gap
from pktlab.torrent.events import Broken, Closed, Entered, Entry, Lost, Message, PeerEvent, Rule, Unknown, Violation
from pktlab.wire.apps.bittorrent.framing import HANDSHAKE, PIECE, Frame, find_chain, frames
from pktlab.wire.apps.bittorrent.peer import PROTOCOL

__all__ = ["OPENING", "State", "WayReader"]

OPENING = bytes([len(PROTOCOL)]) + PROTOCOL
SCAN_LEN = 1 << 17
"""Bytes in which messages are looked for at a time: some blocks of 16 KiB."""
HOPE_LEN = 1 << 18
NEW_BITS, KNOWN_BITS = 72, 48
"""Bits that messages have to be other than chance: where there was none yet, and where some were, and were lost: then a
whole block of 16 KiB is enough."""
LIKELY_LEN = 4096
"""Bytes behind which messages are looked for less often, unless there are some on the other way."""
_AT_ONCE = 4096  # messages that are cut out at a time
_EMPTY = memoryview(b"")


class State(Enum):
    """What a way is doing."""

    start = "start"  # nothing was seen yet
    messages = "messages"  # the next byte begins a message
    broken = "broken"  # the rest of a message is passed over, of which bytes are missing
    lost = "lost"  # messages are looked for
    other = "other"  # there are none


class WayReader:
    """Reads one way.

    way : 0 or 1; other : the reader of the other one, to be set
    state : see `State`; entry : how it is entered next, if messages are found
    """

    def __init__(self, way: int) -> None:
        self.way = way
        self.other: WayReader = self
        self.restart(0)

    def restart(self, offset: int) -> None:
        """Begin anew, with a new connection."""
        self.state, self.entry = State.start, Entry.exchange
        self._at = offset  # in the stream, of the first byte that waits
        self._parts: list[Buffer] = []
        self._size = self._needed = self._passed = 0  # bytes that wait, that make it worth looking, that were nothing
        self._was_entered = False
        self._broken: Broken | None = None
        self._stops: list[int] = []  # in the stream, where each piece of data ends; by whom, and when
        self._frames: list[int] = []
        self._times: list[int] = []

    @property
    def is_entered(self) -> bool:
        """Whether messages were found, and it was not lost since."""
        return self.state in (State.messages, State.broken)

    def data(self, event: Data) -> Iterator[PeerEvent]:
        """Take bytes."""
        self._mark(event)
        data = event.data
        if self.state is State.broken:
            data = data[len(data) - self._pass(len(data)) :]
            if self._broken is not None and not self._left:
                yield self._end_broken()
        if not len(data):
            return
        self._size += len(data)
        is_worth = self._size >= self._needed or self.state is State.other
        self._parts.append(data if is_worth else bytes(data))  # what waits is our own
        if self.state is State.other:
            if not self.other.is_entered:
                yield from self._give_up("other", self._size)
                return
            self.state, self._needed = State.lost, 0
        if self._size >= self._needed:
            yield from self._read(is_last=False)

    def gap(self, event: Gap) -> Iterator[PeerEvent]:
        """Take it that bytes are missing."""
        length = event.length or 0
        if self.state in (State.lost, State.start):
            yield from self._read(is_last=True)
        if self.state is State.messages and event.length is not None and self._needed and self._size >= 4:
            yield from self._break(event)
            return
        if self._broken is not None:
            inside = min(length, self._left)
            self._broken = self._broken._replace(missing=self._broken.missing + inside, frame=event.frame)
            length = self._pass(length)
            if self._left and event.length is not None:
                return
            yield self._end_broken()
            if not length and event.length is not None:
                return
        yield from self._flush("cut" if self.state is State.messages else self._why)
        yield Lost(self.way, self._at, length, event.frame, event.time_ns)
        self._at += length
        if self.state is not State.other:
            self._lose(Entry.gap)

    def end(self, event: End) -> Iterator[PeerEvent]:
        """Take it that it is over."""
        if self.state in (State.lost, State.start):
            yield from self._read(is_last=True)
        if self._broken is not None:
            yield self._end_broken()
            self._lose(Entry.gap)
        elif self._size:
            yield from self._flush("cut" if self.state is State.messages else self._why)
            if self.state is State.messages:
                self._lose(Entry.gap)
        yield Closed(self.way, event.why.value, event.offset, event.frame, event.time_ns)

    # ---- messages

    def _read(self, *, is_last: bool) -> Iterator[PeerEvent]:
        """Tell what the bytes that wait are; `is_last` if none follow them."""
        data = self._parts[0] if len(self._parts) == 1 else b"".join(self._parts)
        view, at, stop, head = memoryview(data), 0, len(data), bytes(data[: len(OPENING)])
        while at < stop:
            if self.state is State.start:
                if stop < len(OPENING) and OPENING.startswith(head) and not is_last:
                    self._needed = len(OPENING)
                    break
                if head == OPENING:
                    self.state, self._was_entered = State.messages, True
                    yield Entered(self.way, Entry.handshake, self._at, *self._when(1))
                else:
                    self._lose(self.entry)
            elif self.state is State.messages:
                found = frames(data, at, most=_AT_ONCE)
                yield from self._messages(view, found.frames)
                at = found.stop
                if isinstance(found.error, Malformed):
                    why = f"{found.error.field.rpartition('.')[2]} {found.error.value} {found.error.why}"
                    yield Violation(self.way, Rule.length, why, self._at + at, *self._when(at + 1))
                    self._lose(Entry.fault)
                elif isinstance(found.error, Truncated):
                    self._needed = found.error.needed
                    break
            else:
                place = self._find(data, at)
                if place is None:
                    break
                yield from self._enter(data, at, place)
                at = place
        yield from self._keep(data, at)

    def _messages(self, view: memoryview, found: Sequence[Frame]) -> Iterator[Message]:
        """Yield the messages that stand at some places in the bytes that wait."""
        way, offset, stops, numbers, times, place = self.way, self._at, self._stops, self._frames, self._times, 0
        for kind, start, size, fields in found:
            end = start + size
            place = bisect_left(stops, offset + end, place)
            yield Message(way, kind, fields, "", view[start:end], offset + start, numbers[place], times[place])

    def _find(self, data: Any, at: int) -> int | None:
        """Return where messages are that chance does not explain; None if there are none yet."""
        start = at + (self.entry is Entry.fault and not self._passed)
        bits = KNOWN_BITS if self._was_entered else NEW_BITS
        place = find_chain(data, start, bits=bits) if len(data) - at >= 5 else None
        if place is None:
            size = len(data) - at
            is_likely = self.other.is_entered or size < LIKELY_LEN
            self._needed = size + 1 if is_likely else min(2 * size, SCAN_LEN)
        return place

    def retry(self) -> Iterator[PeerEvent]:
        """Look for messages again, as there are some on the other way."""
        if self.state is State.lost and self._size:
            yield from self._read(is_last=False)

    def _enter(self, data: Any, at: int, place: int) -> Iterator[PeerEvent]:
        is_hello = data[place : place + len(OPENING)] == OPENING
        how = self.entry
        if is_hello and how is Entry.middle:
            how = Entry.exchange
        if place > at:
            yield Unknown(self.way, self._why_before(how), self._at + at, place - at, *self._when(place))
        if is_hello and self._at + place == 0:
            how = Entry.handshake
        self.state, self._passed, self._was_entered = State.messages, 0, True
        yield Entered(self.way, how, self._at + place, *self._when(place + 1))

    def _keep(self, data: Buffer, at: int) -> Iterator[PeerEvent]:
        """Keep what waits from `at` on; of bytes that are nothing no more than is worth looking at again."""
        self._at += at
        self._parts = [bytes(data[at:])] if at < len(data) else []
        self._size = len(data) - at
        if not self._size:
            self._needed = 0
        done = bisect_right(self._stops, self._at)
        del self._stops[:done], self._frames[:done], self._times[:done]
        if self.state is State.lost and self._size >= SCAN_LEN:
            is_hopeless = self._passed + self._size >= HOPE_LEN and not self.other.is_entered
            if is_hopeless:
                self.state = State.other
            yield from self._give_up(self._why, self._size if is_hopeless else self._size - SCAN_LEN // 2)
            self._needed = SCAN_LEN

    def _give_up(self, why: str, size: int) -> Iterator[PeerEvent]:
        """Tell of the first bytes that wait that they are nothing."""
        if not size:
            return
        self._parts = [b"".join(self._parts)[size:]] if size < self._size else []
        yield Unknown(self.way, why, self._at, size, *self._when(size))
        self._passed += size
        self._at += size
        self._size -= size
        done = bisect_right(self._stops, self._at)
        del self._stops[:done], self._frames[:done], self._times[:done]

    def _flush(self, why: str) -> Iterator[PeerEvent]:
        """Tell of all bytes that wait that they are nothing."""
        yield from self._give_up(why, self._size)

    @property
    def _why(self) -> str:
        return "other" if self.state is State.other else self._why_before(self.entry)

    @staticmethod
    def _why_before(how: Entry) -> str:
        return {Entry.exchange: "exchange", Entry.fault: "fault"}.get(how, "before")

    # ---- what is missing

    def _break(self, event: Gap) -> Iterator[PeerEvent]:
        """Break the message that waits; if the gap goes on behind it, nothing is known of what follows."""
        length, data, size = event.length or 0, b"".join(self._parts), self._needed
        if length > size - self._size:
            yield from self._flush("cut")
            yield Lost(self.way, self._at, length, event.frame, event.time_ns)
            self._at += length
            self._lose(Entry.gap)
            return
        kind = data[4] if len(data) > 4 else None
        fields = ()
        if kind == PIECE and len(data) >= 13:
            fields = int.from_bytes(data[5:9], "big"), int.from_bytes(data[9:13], "big")  # type: ignore[assignment]
        if data.startswith(OPENING[:4]):
            kind = HANDSHAKE
        self._broken = Broken(self.way, kind, fields, self._at, size, length, event.frame, event.time_ns)
        self._at += self._size + length
        self._parts, self._size, self._needed = [], 0, 0
        self.state = State.broken
        if not self._left:
            yield self._end_broken()

    @property
    def _left(self) -> int:
        """How many bytes of the broken message are still to come."""
        return 0 if self._broken is None else self._broken.offset + self._broken.size - self._at

    def _pass(self, length: int) -> int:
        """Pass over the rest of a broken message; return how many of `length` bytes are behind it."""
        inside = min(length, self._left)
        self._at += inside
        return length - inside

    def _end_broken(self) -> Broken:
        """Tell of the broken message, as far as it goes."""
        assert self._broken is not None
        broken, self._broken = self._broken._replace(size=self._broken.size - self._left), None
        self.state = State.messages
        frame, time_ns = self._when(0)
        return broken._replace(frame=frame or broken.frame, time_ns=time_ns or broken.time_ns)

    def _lose(self, entry: Entry) -> None:
        self.state, self.entry, self._passed = State.lost, entry, 0
        self._needed = 0

    # ---- where bytes came from

    def _mark(self, event: Data) -> None:
        """Note which frames bring which bytes, and when."""
        self._stops += map(event.offset.__add__, event.stops)
        self._frames += event.frames
        self._times += event.times_ns

    def _when(self, size: int) -> tuple[int, int]:
        """Return which frame brought the last of the first `size` bytes that wait, and when it was there."""
        place = bisect_left(self._stops, self._at + size)
        if place >= len(self._stops):
            return 0, 0
        return self._frames[place], self._times[place]
