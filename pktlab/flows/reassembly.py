"""TCP streams: the bytes of both ways of a connection, in order, out of segments as they were captured.

In go segments in file order; out come the events of `pktlab.flows.streams`. The numbers of a way, 32 bits that wrap,
are held against the next one that is expected, so that offsets are numbers of any size. Bytes that come before their
turn wait. What lies in front of them is given up for missing (a `Gap`) when

- the receiver has acknowledged it and something behind it waits: it passed, but was not captured;
- more waits than `max_held`, or `relieve` is asked for;
- the way ends: at a RST of its sender, at a SYN of a new connection, when the capture ends. A FIN ends it once all
  before is there; at a RST of the receiver bytes may be under way, so it is told later, with the frame of the RST.

A segment that was cut when captured gives what is there, and a `Gap` for the rest at once if it came in its turn.
Keep-alives, zero window probes and retransmissions bring nothing new, or little, and need no rule of their own.

Overlapping segments are an attack on whoever reassembles differently, so the policy has a name: of bytes that wait,
with ``"first"`` those that came first stay, with ``"last"`` later ones replace them; what was given out stays. An
`Overlap` tells where bytes that wait and new ones differ. Checksums are not looked at, as offloading makes them wrong.

A connection of which the SYN was not seen begins with the first segment of each way; what comes later from before it
is passed over. Numbers that are further off than any window reaches are a mistake if the next segment does not go on
there, else a jump: a connection that was reused unseen, or a long hole in the capture.

Spec: RFC 9293 sections 3.4, 3.8.4 (keep-alives), 3.8.6.1 (probes), 3.10.7; RFC 7323 (windows up to 1 GiB).
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from operator import itemgetter
from typing import Literal, NamedTuple

from pktlab.flows.assembly import MAX_HELD, Assembly
from pktlab.flows.streams import Begin, Buffer, Data, Event, Gap, Overlap, Why
from pktlab.flows.tcp_way import WINDOW, WORD, Piece, Way
from pktlab.wire.tcp import TcpFlags

__all__ = ["MAX_HELD", "Reassembly", "Segment"]

_SYN, _FIN, _RESET = TcpFlags.syn.mask, TcpFlags.fin.mask, TcpFlags.reset.mask
_start, _stop = itemgetter(0), itemgetter(1)

Policy = Literal["first", "last"]


class Segment(NamedTuple):
    """A TCP segment.

    way : 0 or 1, see `streams`; seq, ack : as sent, `ack` -1 without the flag; flags : of the header
    data : the bytes behind the header that were captured; missing : how many more there were on the wire
    frame : its number; time_ns : when it was captured, any origin
    """

    way: int
    seq: int
    ack: int
    flags: int
    data: Buffer
    missing: int
    frame: int
    time_ns: int


class Reassembly(Assembly[Way]):
    """A connection, both ways.

    Parameters
    ----------
    overlap : of bytes that wait and come again, which ones are kept: ``"first"`` or ``"last"``
    max_held : bytes of a way that wait, at most

    Raises
    ------
    ValueError : there is no such policy

    >>> connection = Reassembly()
    >>> def segment(seq, data, frame):
    ...     return Segment(0, seq, -1, 0x10, data, 0, frame, frame)
    >>> [one.data for one in connection.add(segment(1, b"Hello ", 1)) if isinstance(one, Data)]
    [b'Hello ']
    >>> connection.add(segment(10, b"ld!", 2))
    []
    >>> [(one.data, one.frames) for one in connection.add(segment(7, b"wor", 3)) if isinstance(one, Data)]
    [(b'wor', (3,)), (b'ld!', (2,))]
    """

    def __init__(self, *, overlap: Policy = "first", max_held: int = MAX_HELD) -> None:
        if overlap not in ("first", "last"):
            raise ValueError(f"overlap is {overlap!r}; it is 'first' or 'last'")
        self.overlap = overlap
        self.max_held = max_held
        self.ways = (Way(), Way())

    def add(self, segment: Segment) -> list[Event]:
        """Take a segment; return what it tells, in order."""
        way, seq, ack, flags, data, missing, frame, now = segment
        mine, other = self.ways[way], self.ways[1 - way]
        events: list[Event] = []
        if ack >= 0:
            other.ack = ack
        if flags & _SYN and self._opens(mine, seq, ack >= 0 and ack == other.first):
            self._open(segment, events)
            seq = seq + 1 & WORD
        elif not mine.is_begun:
            mine.begin_at(seq)
            events.append(Begin(way, mine.begin, False, frame, now))
        length = len(data)
        if flags & _RESET:
            self._close((way,), Why.reset, frame, now, events)
            other.reset = other.reset or (frame, now)
        elif length and seq == mine.seq and not (missing or mine.held or mine.fin is not None):  # as most are
            events.append(Data(way, mine.advance(length), data, (frame,), (length,), (now,)))
        elif length + missing:
            self._place(segment, seq, events)
        if flags & _FIN and not flags & _RESET:
            self._finish(segment, seq + length + missing, events)
        if other.held or (other.fin is not None and other.over is None):
            self._settle(1 - way, frame, now, events)
        return events

    # ---- the beginning

    def _opens(self, mine: Way, seq: int, answers_same: bool) -> bool:
        """Tell whether a SYN is one of a connection that may begin now; in the middle of one it is a mistake.

        So is another answer to the same SYN once the first was acknowledged.
        """
        if mine.is_begun and answers_same and mine.ack >= 0 and 0 <= mine.ahead(mine.ack) <= WINDOW:
            return seq + 1 & WORD == mine.first
        if not mine.is_begun or (mine.over or mine.reset) is not None or (mine.next == mine.begin and not mine.held):
            return True
        return seq + 1 & WORD == mine.first or abs(mine.ahead(seq)) > WINDOW

    def _open(self, segment: Segment, events: list[Event]) -> None:
        way, seq, frame, now = segment.way, segment.seq + 1 & WORD, segment.frame, segment.time_ns
        mine = self.ways[way]
        if mine.is_begun and mine.over is None and mine.first == seq:
            return
        if mine.is_begun:
            both = (way,) if segment.ack >= 0 else (way, 1 - way)
            self._close(both, Why.restart, frame, now, events)
            for one in both:
                self.ways[one].is_begun = False
        mine.begin_at(seq)
        events.append(Begin(way, mine.begin, True, frame, now))

    # ---- data

    def _place(self, segment: Segment, seq: int, events: list[Event]) -> None:
        """Put the bytes of a segment where they belong, and give out what is in order then."""
        way, frame, now = segment.way, segment.frame, segment.time_ns
        mine = self.ways[way]
        ahead = mine.ahead(seq)
        if abs(ahead) > WINDOW:
            self._stray(segment, events)
            return
        start = mine.next + ahead
        there, stop = start + len(segment.data), start + len(segment.data) + segment.missing
        new = max(start, mine.next)
        mine.repeated += min(stop, new) - start
        if stop <= mine.next:
            return
        if mine.over is Why.fin:  # it goes on behind its FIN
            mine.over = mine.fin = None
        if new < there:
            self._hold(way, Piece(new, there, bytes(segment.data[new - start :]), frame), now, events)
        if segment.missing:
            self._hold(way, Piece(max(there, new), stop, None, frame), now, events)
        self._settle(way, frame, now, events)
        while mine.held_len > self.max_held:
            self._skip(way, Why.memory, frame, now, events)

    def _hold(self, way: int, piece: Piece, now: int, events: list[Event]) -> None:
        """Put a piece among those that wait; of bytes that are there already the policy says which stay."""
        mine = self.ways[way]
        if not mine.held or piece.start >= mine.held[-1].stop:  # as most are
            mine.held.append(piece)
            mine.held_len += piece.cost
            return
        low = bisect_right(mine.held, piece.start, key=_stop)
        high = bisect_left(mine.held, piece.stop, low, key=_start)
        before = mine.held[low:high]
        after = self._merged(before, piece) if before else [piece]
        for one in before:
            self._compare(way, one, piece, now, events)
        mine.held[low:high] = after
        mine.held_len += sum(one.cost for one in after) - sum(one.cost for one in before)

    def _merged(self, before: Sequence[Piece], new: Piece) -> list[Piece]:
        """Return pieces and a new one that overlaps all of them as pieces that do not overlap."""
        found: list[Piece] = []
        at, tail = new.start, None
        for old in before:
            if old.data is not None and (self.overlap == "first" or new.data is None):
                if at < old.start:
                    found.append(new.part(at, old.start))
                found.append(old)
                at = old.stop
                continue
            if old.start < new.start:
                found.append(old.part(old.start, new.start))
            if old.stop > new.stop:
                tail = old.part(new.stop, old.stop)
        if at < new.stop:
            found.append(new.part(at, new.stop))
        return found if tail is None else [*found, tail]

    def _compare(self, way: int, old: Piece, new: Piece, now: int, events: list[Event]) -> None:
        """Tell of bytes that came twice and differ."""
        start, stop = max(old.start, new.start), min(old.stop, new.stop)
        if old.data is None or new.data is None:
            return
        self.ways[way].repeated += stop - start
        if old.data[start - old.start : stop - old.start] != new.data[start - new.start : stop - new.start]:
            events.append(Overlap(way, start, stop - start, new.frame, now))

    def _stray(self, segment: Segment, events: list[Event]) -> None:
        """Take a segment from far off: if it goes on where another one was, that is where the way goes on."""
        way, mine, before = segment.way, self.ways[segment.way], self.ways[segment.way].stray
        if before is None or before.seq + len(before.data) + before.missing & WORD != segment.seq:
            mine.strayed += 0 if before is None else len(before.data)
            mine.stray = segment._replace(data=bytes(segment.data))
            return
        while mine.held:
            self._skip(way, Why.jump, segment.frame, segment.time_ns, events)
        mine.begin_at(before.seq)
        events.append(Gap(way, mine.next, None, Why.jump, before.frame, segment.time_ns))
        for one in (before, segment):
            self._place(one._replace(time_ns=segment.time_ns), one.seq, events)

    # ---- holes

    def _settle(self, way: int, frame: int, now: int, events: list[Event]) -> None:
        """Give out what is in order, and over holes that the receiver does not have."""
        mine = self.ways[way]
        if mine.held and mine.held[0].start <= mine.next:
            self._drain(way, frame, now, events)
        while mine.held and mine.held[0].start <= mine.acknowledged:
            self._skip(way, Why.acknowledged, frame, now, events)
        if mine.fin is not None and mine.over is None and not mine.held:
            if mine.fin < mine.acknowledged:
                self._miss(way, mine.fin - mine.next, Why.acknowledged, frame, now, events)
            if mine.next >= mine.fin:
                self._over(way, Why.fin, frame, now, events)

    def _drain(self, way: int, frame: int, now: int, events: list[Event]) -> None:
        """Give out the pieces whose turn it is."""
        mine = self.ways[way]
        done = 0
        for start, stop, data, origin in mine.held:
            if start > mine.next:
                break
            done += 1
            if data is None:
                self._miss(way, stop - start, Why.cut, origin, now, events)
            else:
                events.append(Data(way, mine.advance(stop - start), data, (origin,), (stop - start,), (now,)))
        if done:
            mine.held_len = mine.held_len - sum(one.cost for one in mine.held[:done])
            del mine.held[:done]

    def _skip(self, way: int, why: Why, frame: int, now: int, events: list[Event]) -> None:
        mine = self.ways[way]
        self._miss(way, mine.held[0].start - mine.next, why, frame, now, events)
        self._drain(way, frame, now, events)

    def _miss_end(self, way: int, frame: int, now: int, events: list[Event]) -> None:
        behind = self.ways[way].acknowledged - self.ways[way].next
        if behind > 1:  # one may be a FIN that was not captured
            self._miss(way, behind, Why.acknowledged, frame, now, events)

    def _miss(self, way: int, length: int, why: Why, frame: int, now: int, events: list[Event]) -> None:
        if length > 0:
            events.append(Gap(way, self.ways[way].advance(length), length, why, frame, now))

    # ---- the end

    def _finish(self, segment: Segment, seq: int, events: list[Event]) -> None:
        """Note where a FIN says that a way ends."""
        mine = self.ways[segment.way]
        ahead = mine.ahead(seq)
        if 0 <= ahead <= WINDOW and mine.fin is None:
            mine.fin = mine.next + ahead
            self._settle(segment.way, segment.frame, segment.time_ns, events)
