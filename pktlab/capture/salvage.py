"""Behind damage: find the next record that is provable, and never one that is not there.

A record is not believed for its own looks: payloads hold bytes that look like records, and whole captures too.
What counts is the chain that starts with it, each record beginning where the one before it ends:

    whole    it leads exactly to the end of the file, or further than one packet could reach. A capture inside a
             payload does neither: it ends where its packet ends.
    broken   it holds for a few records and then meets another damage. It is believed only if its times lie
             between those before and those behind.

Times should go on where they stopped, and where they leap is told apart from what was there before the leap. A
whole chain that is long is believed in any case, for captures whose times are in no order. The search reads
ahead by a bounded number of bytes, a position in a chain that was followed is not tried again, and so the work
grows with the file only.
"""

from __future__ import annotations

import re
from collections import Counter, deque
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple, Protocol

from pktlab.capture.records import NS_PER_S, Record
from pktlab.capture.window import Window

__all__ = [
    "CUT",
    "ETHERNET_LEN",
    "MAX_HOLES",
    "REPEATED",
    "STEP_LEN",
    "Clock",
    "Form",
    "Hole",
    "Recent",
    "Search",
    "Step",
    "note_hole",
]

STEP_LEN = 1 << 18  # bytes whose positions are tried before the window moves on
MAX_HOLES = 10_000  # holes that are listed; the ones behind them are still passed over
_PATIENCE = 1 << 16  # bytes behind a broken chain in which a better one is looked for: the longest IP packet
_FEW = 4  # records that make a chain that is not whole
_RECENT = 64  # packets that are remembered: as many as 1 KiB can hold
ETHERNET_LEN = 1514
REPEATED = "the packets before it are repeated, times and all"
_REGULAR = 8  # packets in order, after which one that is not is suspicious
_DAY_NS = 86_400 * 10**9


@dataclass(frozen=True, slots=True)
class Hole:
    """A part of a capture from which no packet can be proven.

    >>> str(Hole(100, 1124, "the record claims 0 bytes"))
    'bytes 100 to 1124: the record claims 0 bytes'
    """

    start: int  # first byte in the (unpacked) file
    end: int  # the byte behind the last one
    why: str  # what is wrong at its start

    def __str__(self) -> str:
        return f"bytes {self.start} to {self.end}: {self.why}"


def note_hole(holes: list[Hole], start: int, end: int, why: str) -> None:
    """Add a hole to a list that has a bound, or make the last one longer where the two touch."""
    if holes and holes[-1].end == start:
        holes[-1] = Hole(holes[-1].start, end, holes[-1].why)
    elif len(holes) < MAX_HOLES:
        holes.append(Hole(start, end, why))


class Step(NamedTuple):
    """A record that looks like one."""

    end: int  # where the next one starts
    time_ns: int | None


CUT = Step(-1, None)
"""What looks like a record and is longer than the bytes at hand."""


class Walker(Protocol):
    """Goes from record to record; it may remember what the earlier ones said."""

    def step(self, data: bytes, pos: int) -> Step | None:
        """Return the record at `pos`, `CUT`, or None if none can be there."""


class Form(Protocol):
    """What records of one file look like."""

    pattern: re.Pattern[bytes]  # matches, without taking bytes, where one may start
    reach: int  # bytes that no packet of the file exceeds
    usual: int  # bytes that few packets exceed: the longest so far
    can_merge: bool  # the records of a capture inside a packet may lead straight to the record behind the packet

    def walker(self) -> Walker:
        """Return a walker that knows what the file has said so far."""


class Clock:
    """The times that were seen, and with them which time may follow.

    >>> clock = Clock()
    >>> clock.note(5_000); clock.note(4_000); clock.note(9_000)
    >>> clock.fits(8_000), clock.fits(7_000), clock.fits(10**15)
    (True, False, False)
    """

    def __init__(self) -> None:
        self.last: int | None = None  # ns
        self.back = 0  # longest step backwards that was seen, ns
        self.ahead = _DAY_NS  # longest step forwards that is believed, ns
        self.count = 0

    def note(self, time_ns: int | None) -> None:
        """Take the time of a packet that is believed."""
        if time_ns is None:
            return
        if self.last is not None:
            self.back = max(self.back, self.last - time_ns)
            self.ahead = max(self.ahead, 2 * (time_ns - self.last))
        self.last = time_ns
        self.count += 1

    @property
    def is_regular(self) -> bool:
        """Say whether enough times were seen, all in order but for small steps, to expect that of the next one."""
        return self.count >= _REGULAR and self.back <= NS_PER_S

    @property
    def order_ns(self) -> int | None:
        """The last time, if times keep an order; None if nothing follows from it."""
        return self.last if self.is_regular else None

    def fits(self, time_ns: int | None, after: int | None = None) -> bool:
        """Say whether a packet of this time may follow one of time `after`, by default the last."""
        before = self.last if after is None else after
        return time_ns is None or before is None or -self.back <= time_ns - before <= self.ahead


class Recent:
    """The last packets that were given: what comes again, time and all, stands in the file twice.

    >>> recent = Recent()
    >>> recent.note(Record(1, 7, b"abc", 3, 1))
    >>> recent.after_hole()
    >>> [recent.repeats(Record(2, 7, data, 3, 1), 7) for data in (b"abc", b"abd", b"abc")]
    [True, False, False]
    """

    def __init__(self) -> None:
        self._seen: deque[tuple[int | None, int, int]] = deque(maxlen=_RECENT)
        self._once: set[tuple[int | None, int, int]] = set()  # what may be met again, while nothing else was met

    def note(self, record: Record) -> None:
        """Remember a packet that was given."""
        self._seen.append((record.time_ns, record.length, hash(record.data)))

    def knows(self, record: Record) -> bool:
        """Say whether the packet was given, time and all, and only once."""
        return self._seen.count((record.time_ns, record.length, hash(record.data))) == 1

    def resembles(self, record: Record) -> bool:
        """Say whether such a packet was given, at another time and only once."""
        key = (record.length, hash(record.data))
        return [time_ns != record.time_ns for time_ns, *seen in self._seen if tuple(seen) == key] == [True]

    def after_hole(self) -> None:
        """Expect repeated packets from here on; those that were repeated all the time do not count."""
        self._once = {key for key, count in Counter(self._seen).items() if count == 1}

    def repeats(self, record: Record, last_ns: int | None) -> bool:
        """Say whether the packet was given already, and nothing but such ones came behind the hole.

        Without a hole it is one that goes back behind `last_ns`, the time of the last packet: what was doubled
        may begin and end where packets do.
        """
        key = (record.time_ns, record.length, hash(record.data))
        goes_back = record.time_ns is not None and last_ns is not None and record.time_ns < last_ns
        if not self._once and goes_back and key in self._seen:
            self.after_hole()
        if key not in self._once:
            self._once = set()
            return False
        self._once.discard(key)
        return True


class _Chain(NamedTuple):
    places: list[int]  # where its records start, as far as they were looked at
    times: list[int | None]  # ns
    end: int  # behind the last one
    is_whole: bool


class Search:
    """The way from a damaged place to the next record.

    Parameters
    ----------
    window : the stream
    form : what its records look like
    clock : the times that were seen
    """

    def __init__(self, window: Window, form: Form, clock: Clock) -> None:
        self._window = window
        self._form = form
        self._clock = clock

    def run(self, skip: int) -> bool:
        """Move the window to the next provable record, at least `skip` bytes on; False if there is none."""
        window = self._window
        wanted = STEP_LEN + self._form.reach * 2
        while True:
            have = window.fill(skip + wanted)
            at_end = have < skip + wanted
            low, high = window.pos + skip, len(window.data) if at_end else window.pos + skip + STEP_LEN
            found = self._scan(low, high, at_end)
            if found is not None or at_end:
                window.pos = len(window.data) if found is None else found
                return found is not None
            window.pos, skip = high, 0

    def leads_on(self, place: int) -> bool:
        """Say whether a chain starts `place` bytes on, whole or long, whatever its times."""
        window = self._window
        wanted = place + self._form.reach * 2
        at_end = window.fill(wanted) < wanted
        chain = self._walk(window.pos + place, at_end)
        return chain.is_whole or self._is_long(chain)

    def _scan(self, low: int, high: int, at_end: bool) -> int | None:
        """Return the position of the first provable record that starts in a part of the window."""
        data, tried, broken, anew = self._window.data, set[int](), None, None
        for match in self._form.pattern.finditer(data, low):
            pos = match.start()
            if (
                pos >= high
                or (broken and pos > broken.end + _PATIENCE)
                or (anew is not None and pos > anew + _PATIENCE)
            ):
                break
            if pos in tried:
                continue
            chain = self._walk(pos, at_end)
            tried.update(chain.places)
            if chain.is_whole:
                start, is_on_time = self._settle(chain)
                if start is not None and is_on_time:
                    return broken.places[0] if broken and self._lies_before(broken, chain) else start
                anew = start if anew is None else anew
            elif broken is None:
                broken = self._on_time(chain)
        return broken.places[0] if broken and anew is None else anew

    def _walk(self, pos: int, at_end: bool) -> _Chain:
        """Follow a chain until it breaks, or is long enough."""
        data, step, reach = self._window.data, self._form.walker().step, self._form.reach
        places: list[int] = []
        times: list[int | None] = []
        at = pos
        while (at - pos <= reach or len(places) < _FEW) and not (at_end and at == len(data)):
            found = step(data, at)
            if found is None:
                return _Chain(places, times, at, False)
            if found is CUT:
                return _Chain(places, times, at, len(places) >= _FEW)
            places.append(at)
            times.append(found.time_ns)
            at = found.end
        return _Chain(places, times, at, bool(places))

    def _settle(self, chain: _Chain) -> tuple[int | None, bool]:
        """Return where a whole chain is to be believed from, None if nowhere, and whether it is on time there.

        What leads into it may be another capture that ends where its packet ends, or a header of which only the
        time is damaged. Then the times leap where the two meet, and behind the leap they go on where they stopped.
        """
        clock, places, times = self._clock, chain.places, chain.times
        if not self._is_calm(times):
            return None, False
        is_on_time = clock.fits(times[0])
        for index in range(1, len(places)):
            distance = places[index] - places[0]
            if clock.last is None or (is_on_time and distance > self._form.usual):
                break
            before, time_ns = times[index - 1], times[index]
            if before is None or time_ns is None or not clock.fits(time_ns):
                continue
            is_back = clock.is_regular and time_ns - before < -4 * clock.back
            is_late = not is_on_time and distance <= self._form.usual
            if is_back or is_late or (self._form.can_merge and abs(time_ns - before) > NS_PER_S and not is_on_time):
                return places[index], True
        return (places[0] if is_on_time or self._is_long(chain) else None), is_on_time

    def _is_calm(self, times: list[int | None]) -> bool:
        """Say whether most records of a chain follow the one before them by less than a day, or nearly at once."""
        steps = [b - a for a, b in pairwise(times) if a is not None and b is not None]
        wild = sum(1 for step in steps if not -NS_PER_S - self._clock.back <= step <= self._clock.ahead)
        return wild * 4 <= len(steps) + 1

    def _is_long(self, chain: _Chain) -> bool:
        """Say whether a chain is too long for a packet of usual size."""
        return len(chain.places) >= _FEW and chain.end - chain.places[0] > self._form.usual

    def _on_time(self, chain: _Chain) -> _Chain | None:
        """Return the end of a broken chain in which the times go on where they stopped, if it is not too short."""
        start, after = 0, self._clock.last
        for index, time_ns in enumerate(chain.times):
            if time_ns is None:
                continue
            if not self._clock.fits(time_ns, after):
                fits = self._clock.fits(time_ns)
                start, after = (index, time_ns) if fits else (index + 1, self._clock.last)
            else:
                after = time_ns
        rest = _Chain(chain.places[start:], chain.times[start:], chain.end, False)
        return rest if len(rest.places) >= _FEW else None

    def _lies_before(self, broken: _Chain, whole: _Chain) -> bool:
        last, first = broken.times[-1], whole.times[0]
        return broken.end <= whole.places[0] and self._clock.fits(first, last)
