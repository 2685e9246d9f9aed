"""Read a damaged pcap: what its records look like, and which of them are believed.

A pcap record has no mark of its own, so it is believed only if a record, or the end of the file, follows it
where it says. That costs the last record before a hole: whether its end is its own nobody can tell, since
bytes may be missing from the middle of it.

A header that looks odd (more captured than sent, a fraction of more than a second, a time out of all order)
is still believed where the record before it ends and several good ones follow.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from struct import Struct
from typing import NamedTuple

from pktlab.capture.linktypes import MIN_LONGEST
from pktlab.capture.records import NS_PER_S, Interface, Record
from pktlab.capture.salvage import CUT, ETHERNET_LEN, REPEATED, Clock, Hole, Recent, Search, Step, note_hole
from pktlab.capture.window import Window

__all__ = ["PcapForm", "PcapSalvage", "RecordHeader"]

_MAX_LENGTH = 1 << 20  # bytes on the wire: well over what segmentation offload hands to a capture
_MIN_SNAPLEN = 256  # a file header with less is not taken at its word: packets in such files are longer
_PROOF = 3  # good records that prove the odd one before them
_LENIENCE = 64  # records that are looked at for it


class RecordHeader(NamedTuple):
    """How the record headers of one file are written."""

    endian: str  # "<" or ">"
    header_len: int  # bytes
    fraction_ns: int  # ns that one fraction counts
    swaps: int  # 0: captured length first; 1: unless that makes no sense; 2: the other way round


class PcapForm:
    """What plausible records of one pcap look like.

    >>> form = PcapForm(RecordHeader("<", 16, 1000, 0), 65535)
    >>> record = bytes.fromhex("01000000 40420f00 03000000 03000000 616263")
    >>> form.step(record, 0), form.step(record.replace(b"B", b"A"), 0)
    (None, Step(end=19, time_ns=1999744000))
    """

    can_merge = True

    def __init__(self, header: RecordHeader, snaplen: int) -> None:
        self.usual = ETHERNET_LEN
        self.header = header
        self.unpack = Struct(header.endian + "IIII").unpack_from
        self.fractions = NS_PER_S // header.fraction_ns
        self.reach = min(snaplen, MIN_LONGEST) if snaplen >= _MIN_SNAPLEN else MIN_LONGEST
        self.pattern = _pattern(header)

    def learn(self, captured: int) -> None:
        """Note the length of a packet that is believed."""
        self.usual = max(self.usual, min(captured, MIN_LONGEST))
        self.reach = max(self.reach, self.usual)

    def walker(self) -> PcapForm:
        """Return what goes from record to record; it need not remember anything."""
        return self

    def lengths(self, data: bytes, pos: int) -> tuple[int, int, int, int]:
        """Return seconds, fraction, captured length and length of the header at `pos`."""
        seconds, fraction, captured, length = self.unpack(data, pos)
        if self.header.swaps and (self.header.swaps > 1 or captured > length):
            captured, length = length, captured
        return seconds, fraction, captured, length

    def step(self, data: bytes, pos: int) -> Step | None:
        """Return the record at `pos`, `CUT`, or None if none can be there."""
        if len(data) - pos < self.header.header_len:
            return CUT
        seconds, fraction, captured, length = self.lengths(data, pos)
        if not self.is_plausible(fraction, captured, length):
            return None
        end = pos + self.header.header_len + captured
        if end > len(data):
            return CUT
        return Step(end, seconds * NS_PER_S + fraction * self.header.fraction_ns)

    def is_plausible(self, fraction: int, captured: int, length: int) -> bool:
        """Say whether a header holds what a capture program would write."""
        return fraction < self.fractions and captured <= self.reach and captured <= length <= _MAX_LENGTH and length > 0


def _pattern(header: RecordHeader) -> re.Pattern[bytes]:
    """Return what finds headers whose fraction and lengths have the zero bits that all plausible ones have."""
    fraction = [rb"\0", rb"[\0-\x0f]", b".", b"."] if header.fraction_ns > 1 else [rb"[\0-\x3b]", b".", b".", b"."]
    length = [rb"\0", rb"[\0-\x10]", b".", b"."]
    order = -1 if header.endian == "<" else 1
    return re.compile(
        b"(?=....%s)(?!.{8}\0{8})" % b"".join([*fraction[::order], *length[::order], *length[::order]]), re.DOTALL
    )


class _Next(NamedTuple):
    """What follows a record."""

    total: int  # bytes of the next record; 0 = none is believed there
    why: str  # what is wrong there; "" at the end of the file
    proves: bool  # the record before it ends where it says


class PcapSalvage:
    """The records of a pcap, damaged or not.

    Parameters
    ----------
    window : the stream, behind the file header
    header : how its record headers are written
    interface : what the file header says
    longest : most bytes that a packet may be captured with
    holes : is filled on the way
    """

    def __init__(
        self, window: Window, header: RecordHeader, interface: Interface, longest: int, holes: list[Hole]
    ) -> None:
        self._window = window
        self._form = PcapForm(header, interface.snaplen)
        self._interface = interface
        self._longest = longest
        self._holes = holes
        self._clock = Clock()
        self._search = Search(window, self._form, self._clock)
        self._recent = Recent()
        self._number = 0
        self._odd = 0  # packets that claim an absurd length on the wire

    def records(self) -> Iterator[Record]:
        """Yield the records that are believed."""
        window, size = self._window, 0  # the window starts with a record of `size` bytes that is not proven yet
        while True:
            following = self._look(size)
            if size and following.proves:
                record, size = self._record(size), 0
                if self._is_new(record):
                    yield record
            if following.total:
                size = following.total
                continue
            if not following.why:
                return
            suspect = self._record(size) if size else None
            start, behind = window.offset, window.offset + size
            before = self._clock.last if suspect is None else suspect.time_ns
            is_found = self._search.run(1 if size else 0)
            if is_found and suspect and window.offset == behind:
                window.pos -= suspect.captured + self._form.header.header_len
                if self._is_new(suspect):
                    yield suspect
            elif window.offset > start or not is_found:
                note_hole(self._holes, start, window.offset, following.why)
                self._recent.after_hole()
            step = self._form.step(window.data, window.pos) if is_found else None
            if step is None:
                return
            size = step.end - window.pos
            if self._holes and self._holes[-1].end == window.offset and self._is_torn(size, before):
                note_hole(self._holes, window.offset, window.offset + size, "")  # which makes the last one longer
                window.pos += size
                size = 0

    def _record(self, size: int) -> Record:
        """Return the record of `size` bytes at the start of the window."""
        window, interface, header_len = self._window, self._interface, self._form.header.header_len
        *_, length = self._form.lengths(window.data, window.pos)
        data = window.data[window.pos + header_len : window.pos + size]
        place = (None, window.offset, None, (), interface.fcs_len)
        return Record(0, self._time_at(0), data, length, interface.link_type, *place)

    def _is_torn(self, size: int, before: int | None) -> bool:
        """Say whether the hole ends in the time of the record at the start of the window: it belongs nowhere.

        `before`: the last time before the hole. The time of the next record has to lie behind it, or nothing follows.
        """
        window, header_len = self._window, self._form.header.header_len
        if before is None or self._clock.back > NS_PER_S or window.fill(size + header_len) < size + header_len:
            return False
        time_ns, after = self._time_at(0), self._time_at(size)
        return before <= after and not before - self._clock.back <= time_ns <= after

    def _is_new(self, record: Record) -> bool:
        """Give a record its number and move the window behind it; False if it stands there twice."""
        self._window.pos += self._form.header.header_len + record.captured
        if self._recent.repeats(record, self._clock.order_ns) or self._is_mixed(record):
            note_hole(self._holes, record.offset, self._window.offset, REPEATED)
            return False
        self._number += 1
        record.number = self._number
        self._recent.note(record)
        self._clock.note(record.time_ns)
        self._form.learn(record.captured)
        self._odd += record.length > _MAX_LENGTH
        return True

    def _is_mixed(self, record: Record) -> bool:
        """Say whether doubled bytes begin in the time of a record: the rest of it is repeated, as is the next one."""
        if not self._recent.resembles(record):
            return False
        step = self._form.step(self._window.data, self._window.pos)
        if step is None or step is CUT:
            return False
        return self._recent.knows(self._record(step.end - self._window.pos))

    def _time_at(self, place: int) -> int:
        """Return the time in ns that the header `place` bytes behind the start of the window holds."""
        seconds, fraction, *_ = self._form.lengths(self._window.data, self._window.pos + place)
        return seconds * NS_PER_S + fraction * self._form.header.fraction_ns

    def _look(self, size: int) -> _Next:
        """Say what follows the `size` bytes at the start of the window."""
        window, header_len = self._window, self._form.header.header_len
        have = window.fill(size + header_len) - size
        if have < header_len:
            why = f"the record header needs {header_len} bytes, the file ends after {have}" if have else ""
            return _Next(0, window.trouble or why, True)
        _, fraction, captured, length = self._form.lengths(window.data, window.pos + size)
        if captured > self._longest:
            most = self._longest
            return _Next(0, f"the record claims {captured} captured bytes, {most} are the most there can be", False)
        total = header_len + captured
        is_plausible = self._form.is_plausible(fraction, captured, length)
        if (there := window.fill(size + total) - size) < total:
            why = f"the record needs {total} bytes, the file ends after {there}"
            return _Next(0, window.trouble or why, is_plausible)
        if is_plausible and self._is_astray(size, size + total):
            return _Next(0, "the time of the record lies far from those before and behind it", True)
        if is_plausible and self._clock.fits(self._time_at(size), self._time_at(0) if size else None):
            return _Next(total, "", True)
        if is_plausible and self._search.leads_on(size):
            return _Next(total, "", True)
        is_like_others = length <= _MAX_LENGTH or self._odd or self._number < _PROOF
        if is_like_others and captured + length and self._leads_on(size + total, can_be_odd=not is_plausible):
            return _Next(total, "", True)
        return _Next(0, "no plausible record header", False)

    def _is_astray(self, place: int, behind: int) -> bool:
        """Say whether a time leaps out of an order that all others keep: the damage ends in this header."""
        clock, header_len = self._clock, self._form.header.header_len
        if not clock.is_regular or self._window.fill(behind + header_len) < behind + header_len:
            return False
        before = self._time_at(0) if place else clock.last
        time_ns, after = self._time_at(place), self._time_at(behind)
        if before is None or not clock.fits(after, before):
            return False
        return not before - NS_PER_S <= time_ns <= after + NS_PER_S

    def _leads_on(self, place: int, *, can_be_odd: bool) -> bool:
        """Say whether good records, or the end of the file, are led to from `place` bytes behind the window's start.

        Headers as odd as the one in doubt may lie between, since some files have only such. Where it is only the
        time that is in doubt, nothing but the end of the file will do.
        """
        window, header_len, good = self._window, self._form.header.header_len, 0
        for _ in range(_LENIENCE):
            have = window.fill(place + header_len + MIN_LONGEST)
            if have == place or (can_be_odd and good == _PROOF):
                return True
            if have < place + header_len:
                return False
            _, fraction, captured, length = self._form.lengths(window.data, window.pos + place)
            if captured > MIN_LONGEST or not captured + length:
                return False
            good = good + 1 if self._form.is_plausible(fraction, captured, length) else 0
            place += header_len + captured
            if have < place:
                return False
        return False
