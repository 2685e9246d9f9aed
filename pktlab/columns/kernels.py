"""Kernels over the packets of a window, compiled by Numba: where packets lie, what a field of theirs holds, counts.

They know no protocol: a field is a place and some bits. They own no memory, and what they read of packets is bounded by
the index, which is bounded by the bytes that were read, and `PAD` bytes behind them.
"""

from __future__ import annotations

import numpy as np

from pktlab.columns.compiled import inlined, kernel
from pktlab.columns.kernels_bits import address_of, load64, number_at, prefetch, reversed_bytes

__all__ = [
    "FULL",
    "MORE",
    "ODD",
    "census",
    "copy",
    "extract",
    "halve",
    "index_pcap",
    "index_pcapng",
    "tally",
    "tell_apart",
]

FULL, MORE, ODD = 0, 1, 2  # why indexing ended: no room, the bytes end, something that is no plain packet
AHEAD = 4096  # bytes that are fetched before they are read


@inlined
def _fetch(address, size):
    """Have as many bytes fetched, some packets ahead: where a packet starts is known only when the last one is read."""
    for place in range(AHEAD, AHEAD + size, 64):
        prefetch(address + place)


@kernel
def index_pcap(data, pos, end, little, fraction_ns, longest, fcs_len, starts, captured, lengths, times, fcs):
    """Find the packets of a pcap in `data` from `pos` up to `end`; return (how many, where the next starts, why)."""
    base, count = address_of(data), 0
    while count < starts.size:
        if pos + 16 > end:
            return count, pos, MORE
        size = number_at(base + pos + 8, 4, little)
        if size > longest:
            return count, pos, ODD
        if pos + 16 + size > end:
            return count, pos, MORE
        starts[count] = pos + 16
        captured[count] = size
        length = number_at(base + pos + 12, 4, little)
        lengths[count] = length
        times[count] = (
            number_at(base + pos, 4, little) * 1_000_000_000 + number_at(base + pos + 4, 4, little) * fraction_ns
        )
        if fcs_len:
            fcs[count] = fcs_len if size >= length else 0
        count += 1
        _fetch(base + pos, 16 + size)
        pos += 16 + size
    return count, pos, FULL


@kernel
def index_pcapng(data, pos, end, little, interfaces, starts, captured, lengths, times, links, fcs, flags):
    """Find the enhanced packet blocks in `data` from `pos` up to `end`; as `index_pcap`.

    interfaces : int64, shape (interfaces, 4): ns a tick (0: cannot be told here), offset in ns, most bytes of a packet,
        bytes of frame check sequence
    """
    base, count = address_of(data), 0
    while count < starts.size:
        if pos + 12 > end:
            return count, pos, MORE
        if number_at(base + pos, 4, little) != 6:
            return count, pos, ODD
        total = number_at(base + pos + 4, 4, little)
        if total < 32 or total & 3:
            return count, pos, ODD
        if pos + total > end:
            return count, pos, MORE if total < 1 << 24 else ODD
        number = number_at(base + pos + 8, 4, little)
        size = number_at(base + pos + 20, 4, little)
        stop = pos + total - 4
        if number_at(base + stop, 4, little) != total or number >= len(interfaces):
            return count, pos, ODD
        high = number_at(base + pos + 12, 4, little)
        unit = interfaces[number, 0]
        if size > interfaces[number, 2] or pos + 28 + size > stop or unit == 0 or high >= 1 << 31:
            return count, pos, ODD
        ticks = high << 32 | number_at(base + pos + 16, 4, little)
        if ticks > 0x7FFF_FFFF_0000_0000 // unit - abs(interfaces[number, 1]) // unit:
            return count, pos, ODD
        length = number_at(base + pos + 24, 4, little)
        mark, check_len = np.int64(-1), interfaces[number, 3]
        at = pos + 28 + size + (-size & 3)
        while at + 4 <= stop:
            code, width = number_at(base + at, 2, little), number_at(base + at + 2, 2, little)
            if at + 4 + width > stop:
                return count, pos, ODD
            if code == 0:
                break
            if code == 2 and width == 4:
                mark = number_at(base + at + 4, 4, little)
            at += 4 + width + (-width & 3)
        if at != stop and at + 4 > stop:
            return count, pos, ODD
        if mark >= 0 and mark >> 5 & 15:
            check_len = mark >> 5 & 15
        starts[count], captured[count], lengths[count], links[count] = pos + 28, size, length, number
        times[count] = ticks * unit + interfaces[number, 1]
        flags[count] = mark & 0x7FFFFFFF if mark >= 0 else mark
        fcs[count] = check_len if size >= length else 0
        count += 1
        _fetch(base + pos, total)
        pos += total
    return count, pos, FULL


@kernel
def extract(data, starts, places, count, offset, little, shift, mask, factor, values, origins):
    """Take a field of the headers at `places` into `values`, int64, where an earlier header has not given it.

    origins : int32, where the header starts that gave the value; -1 where there is none yet
    """
    base = address_of(data)
    for packet in range(count):
        place = places[packet]
        if place < 0 or 0 <= origins[packet] <= place:
            continue
        word = load64(base + starts[packet] + place + offset)
        if not little:
            word = reversed_bytes(word)
        values[packet] = (np.int64(word >> np.uint64(shift)) & mask) * factor
        origins[packet] = place


@kernel
def copy(data, starts, places, count, offset, values, origins):
    """Copy a field of as many bytes as `values`, uint8 of shape (packets, bytes), has; as `extract`."""
    for packet in range(count):
        place = places[packet]
        if place < 0 or 0 <= origins[packet] <= place:
            continue
        at = starts[packet] + place + offset
        for byte in range(values.shape[1]):
            values[packet, byte] = data[at + byte]
        origins[packet] = place


@kernel
def halve(data, starts, places, count, offset, width, mark, halves, origins):
    """Take addresses as two numbers, int64 of shape (2, packets), where an earlier header has not given one.

    An address of 16 bytes is its two halves; one of 4 bytes is `mark` and itself.
    """
    base = address_of(data)
    for packet in range(count):
        place = places[packet]
        if place < 0 or 0 <= origins[packet] <= place:
            continue
        at = base + starts[packet] + place + offset
        if width == 16:
            halves[0, packet] = np.int64(reversed_bytes(load64(at)))
            halves[1, packet] = np.int64(reversed_bytes(load64(at + 8)))
        else:
            halves[0, packet] = mark
            halves[1, packet] = np.int64(reversed_bytes(load64(at)) >> np.uint64(32))
        origins[packet] = place


@kernel
def census(verdicts, codes, skipped, count, counts):
    """Count verdicts, uint8 of shape (protocols, packets), of packets that are not skipped; counts : int64, (…, 8).

    codes : int64, shape (protocols,), 0 for those of which there is no verdict
    """
    for protocol in range(len(verdicts)):
        if codes[protocol]:
            given, numbers = verdicts[protocol], counts[protocol]
            for packet in range(np.uint64(count)):
                numbers[given[packet] & np.uint8(7)] += not skipped[packet]
            numbers[0] = 0


@kernel
def tally(halves, verdicts, present, skipped, count, keys, used, counts, owners):
    """Count verdicts by sender, in a table that is not let grow.

    Parameters
    ----------
    halves : int64, shape (2, packets): the address of each packet's sender
    verdicts : uint8, shape (protocols, packets); present : bool, protocols that have any
    skipped : bool, packets that are not counted
    keys : int64, shape (size, 2), size a power of 2; used : int64, shape (1,), entries in use
    counts : int64, shape (size + 1, 8): by sender and verdict; the last entry is for all that found no room
    owners : int32, out: the entry of each packet's sender
    """
    size = len(keys)
    for packet in range(count):
        high, low = halves[0, packet], halves[1, packet]
        mixed = np.uint64(high) * np.uint64(0x9E3779B97F4A7C15) ^ np.uint64(low)
        mixed = (mixed ^ mixed >> np.uint64(29)) * np.uint64(0xBF58476D1CE4E5B9)
        place = np.int64((mixed ^ mixed >> np.uint64(32)) & np.uint64(size - 1))
        while counts[place, 0] and not (keys[place, 0] == high and keys[place, 1] == low):
            place = (place + 1) & (size - 1)
        if not counts[place, 0] and not skipped[packet]:
            if used[0] * 2 < size:
                used[0] += 1
                keys[place, 0], keys[place, 1], counts[place, 0] = high, low, 1
            else:
                place = size
        owners[packet] = place
    for protocol in range(len(verdicts)):
        if present[protocol]:
            for packet in range(count):
                code = verdicts[protocol, packet]
                if code and not skipped[packet]:
                    counts[owners[packet], code] += 1


@kernel
def tell_apart(highs, lows, slots, codes, firsts):
    """Give different values numbers in the order in which they come; return how many there are.

    Parameters
    ----------
    highs, lows : int64, the halves of each value
    slots : int32, given as -1, a power of 2 and at least twice as many as values
    codes : int32, out, the number of each; firsts : int64, out, as many: where each different one comes first
    """
    mask, count = np.uint64(len(slots) - 1), 0
    for place in range(np.uint64(len(lows))):
        high, low = highs[place], lows[place]
        mixed = np.uint64(high) * np.uint64(0x9E3779B97F4A7C15) ^ np.uint64(low)
        mixed = (mixed ^ mixed >> np.uint64(32)) * np.uint64(0xBF58476D1CE4E5B9)
        slot = (mixed ^ mixed >> np.uint64(29)) & mask
        while slots[slot] >= 0 and not (highs[firsts[slots[slot]]] == high and lows[firsts[slots[slot]]] == low):
            slot = (slot + np.uint64(1)) & mask
        if slots[slot] < 0:
            slots[slot], firsts[count] = count, place
            count += 1
        codes[place] = slots[slot]
    return count
