"""The kernel of TCP streams: what `pktlab.flows.Reassembly` does, for the segments of a window that are as most are.

Each stream's segments are taken in file order until one comes that is left to the exact reassembly, before anything was
changed for it: an opening in the middle, one that was cut when captured, one from far off, a reset while bytes wait,
bytes that come twice and differ, or more than there is room for.

What waits of a way is a list of rows, linked in order; row 0 is none, so rows start at 1. A place in bytes is that in
the window, or ``-1 - place`` in what was carried over from before it.
"""

from __future__ import annotations

import numpy as np

from pktlab.columns.compiled import called, inlined, kernel
from pktlab.columns.kernels_bits import address_of, load64, store64

__all__ = ["HELD_LEN", "LANE_LEN", "PAD", "RULE_LEN", "TELL_LEN", "WAY_LEN", "put_together"]

# Of a segment (rows of `lanes`): its way, twice the stream's rank and 1 more for the answers; numbers and flags; where
# its data lie, how many there are and were cut off; its frame and time.
PAIR, SEQ, ACK, FLAGS, START, LENGTH, MISSING, FRAME, TIME = range(9)
LANE_LEN = 9
# Of a way (columns of `ways`), as `pktlab.flows.tcp_way.Way` has it; FIN is -1 without one, and OVER one of the next.
BEGUN, OVER, FIRST, NEXT_SEQ, BEGIN, NEXT, LAST_ACK, FIN, RESET_FRAME, RESET_TIME, REPEATED, COST = range(12)
HEAD, TAIL = 12, 13
WAY_LEN = 14
LIVE, FINISHED, RESET = range(3)
# Of what waits (columns of `held`): the offsets of it, where the first byte lies, its frame, the row behind it.
FROM, UNTIL, PLACE, ORIGIN, LINK = range(5)
HELD_LEN = 5
# Of what is told (columns of `told`): which kind of thing, of which way; its offset; where data lie; how many; its
# frame and time.
KIND, WHOSE, OFFSET, WHERE, SIZE, BY, WHEN = range(7)
TELL_LEN = 7
DATA, GAP, MIDDLE, OPENED, ENDED, CLOSED = range(6)
"""Kinds of what is told; `ENDED` by its FIN, `CLOSED` by a reset."""
# What the caller decides (`rules`): the masks of flags; how far numbers may be off; what may wait of a way, and what a
# piece costs besides its bytes; whether what came first stays. Then what the kernel counts: rows of `held` and of
# `told` that are used, and steps along lists, of which there are so many at most.
SYN, FINAL, ABORTS, WINDOW, MOST, PIECE, KEEPS, ROW, TOLD, STEPS, MOST_STEPS = range(11)
RULE_LEN = 11
PAD = 8
"""Bytes that have to be behind what is copied, and behind where it goes."""
WORD, HALF = 0xFFFFFFFF, 1 << 31


@inlined
def _ahead(ways, pair, number):
    """Return how far ahead of the next byte a sequence number is; below 0 if it is behind."""
    return ((number - ways[pair, NEXT_SEQ] + HALF) & WORD) - HALF


@inlined
def _acknowledged(ways, pair, window):
    """Return the offset up to which the receiver has the bytes, or the next one if that is behind it."""
    if ways[pair, LAST_ACK] < 0:
        return ways[pair, NEXT]
    ahead = _ahead(ways, pair, ways[pair, LAST_ACK])
    return ways[pair, NEXT] + ahead if 0 < ahead <= window else ways[pair, NEXT]


@called
def _tell(told, rules, kind, pair, offset, where, size, frame, time):
    """Write down that something is told."""
    row = rules[TOLD]
    told[row, KIND], told[row, WHOSE], told[row, OFFSET], told[row, WHERE] = kind, pair, offset, where
    told[row, SIZE], told[row, BY], told[row, WHEN] = size, frame, time
    rules[TOLD] = row + 1


@called
def _move_on(ways, told, rules, kind, pair, where, size, frame, time):
    """Tell of bytes that are next, be they there or not."""
    _tell(told, rules, kind, pair, ways[pair, NEXT], where, size, frame, time)
    ways[pair, NEXT] += size
    ways[pair, NEXT_SEQ] = (ways[pair, NEXT_SEQ] + size) & WORD


@called
def _settle(ways, held, told, rules, pair, frame, time):
    """Tell of what is in order, and over holes that the receiver does not have."""
    row = ways[pair, HEAD]
    while row and held[row, FROM] <= _acknowledged(ways, pair, rules[WINDOW]):
        hole, size = held[row, FROM] - ways[pair, NEXT], held[row, UNTIL] - held[row, FROM]
        if hole > 0:
            _move_on(ways, told, rules, GAP, pair, 0, hole, frame, time)
        _move_on(ways, told, rules, DATA, pair, held[row, PLACE], size, held[row, ORIGIN], time)
        ways[pair, COST] -= size + rules[PIECE]
        row = held[row, LINK]
    ways[pair, HEAD] = row
    if row:
        return
    ways[pair, TAIL] = 0
    fin = ways[pair, FIN]
    if fin >= 0 and ways[pair, OVER] == LIVE:
        hole = fin - ways[pair, NEXT]
        if hole > 0 and fin < _acknowledged(ways, pair, rules[WINDOW]):
            _move_on(ways, told, rules, GAP, pair, 0, hole, frame, time)
        if ways[pair, NEXT] >= fin:
            ways[pair, OVER] = FINISHED
            _tell(told, rules, ENDED, pair, ways[pair, NEXT], 0, 0, frame, time)


@called
def _differ(data, carried, left, right, size):
    """Tell whether `size` bytes at two places differ."""
    for at in range(size):
        one = data[left + at] if left >= 0 else carried[-1 - left + at]
        other = data[right + at] if right >= 0 else carried[-1 - right + at]
        if one != other:
            return True
    return False


@inlined
def _further(place, size):
    """Return the place `size` bytes behind a place."""
    return place + size if place >= 0 else place - size


@called
def _put(ways, held, rules, pair, before, behind, start, stop, place, frame):
    """Put bytes that wait between two rows; return their row."""
    row = rules[ROW]
    rules[ROW] = row + 1
    held[row, FROM], held[row, UNTIL], held[row, PLACE] = start, stop, place
    held[row, ORIGIN], held[row, LINK] = frame, behind
    if before:
        held[before, LINK] = row
    else:
        ways[pair, HEAD] = row
    if not behind:
        ways[pair, TAIL] = row
    ways[pair, COST] += stop - start + rules[PIECE]
    return row


@called
def _hold(data, carried, ways, held, rules, pair, start, stop, place, frame):
    """Put bytes among those that wait, but for what waits already; tell whether that could be done."""
    tail = ways[pair, TAIL]
    if not tail or held[tail, UNTIL] <= start:
        if ways[pair, COST] + stop - start + rules[PIECE] > rules[MOST] and (tail or start > ways[pair, NEXT]):
            return False
        _put(ways, held, rules, pair, tail, 0, start, stop, place, frame)
        return True
    before, row = np.int64(0), ways[pair, HEAD]
    while held[row, UNTIL] <= start:
        before, row = row, held[row, LINK]
        rules[STEPS] += 1
    one, parts = row, 1
    while one and held[one, FROM] < stop:
        low, high = max(start, held[one, FROM]), min(stop, held[one, UNTIL])
        old = _further(held[one, PLACE], low - held[one, FROM])
        if not rules[KEEPS] or _differ(data, carried, old, place + low - start, high - low):
            return False
        one, parts = held[one, LINK], parts + 1
    rules[STEPS] += parts
    is_much = ways[pair, COST] + stop - start + parts * rules[PIECE] > rules[MOST]
    if is_much or rules[ROW] + parts > len(held) or rules[STEPS] > rules[MOST_STEPS]:
        return False
    at = start
    while row and held[row, FROM] < stop:
        if at < held[row, FROM]:
            before = _put(ways, held, rules, pair, before, row, at, held[row, FROM], place + at - start, frame)
        ways[pair, REPEATED] += min(stop, held[row, UNTIL]) - max(start, held[row, FROM])
        at, before, row = held[row, UNTIL], row, held[row, LINK]
    if at < stop:
        _put(ways, held, rules, pair, before, row, at, stop, place + at - start, frame)
    return True


@inlined
def _is_odd(data, lanes, lane, ways, held, told, rules, waiting):
    """Tell whether a segment is left to the exact reassembly by its looks."""
    pair, flags, start, size = lanes[PAIR, lane], lanes[FLAGS, lane], lanes[START, lane], lanes[LENGTH, lane]
    if lanes[MISSING, lane] or start < 0 or size < 0 or start + size + PAD > len(data):
        return True
    if rules[ROW] + 2 > len(held) or rules[TOLD] + 2 * waiting + 8 > len(told):
        return True
    if not ways[pair, BEGUN]:
        return False
    if flags & rules[SYN] or (flags & rules[ABORTS] and ways[pair, HEAD]):
        return True
    ahead = _ahead(ways, pair, lanes[SEQ, lane])
    goes_on = ways[pair, OVER] == FINISHED and ways[pair, NEXT] + ahead + size > ways[pair, FIN]
    return size > 0 and (abs(ahead) > rules[WINDOW] or goes_on)


@called
def _abort(lanes, lane, ways, told, rules):
    """End a way at a reset of its sender, while nothing waits."""
    pair, frame, time = lanes[PAIR, lane], lanes[FRAME, lane], lanes[TIME, lane]
    if ways[pair, OVER] == LIVE:
        at, when = frame, time
        if ways[pair, RESET_FRAME] >= 0:
            at, when = ways[pair, RESET_FRAME], ways[pair, RESET_TIME]
        behind = _acknowledged(ways, pair, rules[WINDOW]) - ways[pair, NEXT]
        if behind > 1:  # one may be a FIN that was not captured
            _move_on(ways, told, rules, GAP, pair, 0, behind, at, when)
        ways[pair, OVER] = RESET
        _tell(told, rules, CLOSED, pair, ways[pair, NEXT], 0, 0, at, when)
    if ways[pair ^ 1, RESET_FRAME] < 0:
        ways[pair ^ 1, RESET_FRAME], ways[pair ^ 1, RESET_TIME] = frame, time


@called
def _begin(lanes, lane, ways, told, rules):
    """Begin a way; return the number of its first byte in the segment."""
    pair, seq = lanes[PAIR, lane], lanes[SEQ, lane]
    is_first = lanes[FLAGS, lane] & rules[SYN] != 0
    if is_first:
        seq = (seq + 1) & WORD
    ways[pair, BEGUN], ways[pair, OVER], ways[pair, RESET_FRAME], ways[pair, FIN] = 1, LIVE, -1, -1
    ways[pair, FIRST], ways[pair, NEXT_SEQ], ways[pair, BEGIN] = seq, seq, ways[pair, NEXT]
    kind = OPENED if is_first else MIDDLE
    _tell(told, rules, kind, pair, ways[pair, NEXT], 0, 0, lanes[FRAME, lane], lanes[TIME, lane])
    return seq


@called
def _take(data, carried, lanes, lane, ways, held, told, rules):
    """Take a segment that is not odd by its looks; tell whether it was, and nothing was done."""
    pair, flags, size = lanes[PAIR, lane], lanes[FLAGS, lane], lanes[LENGTH, lane]
    frame, time, seq = lanes[FRAME, lane], lanes[TIME, lane], lanes[SEQ, lane]
    if not ways[pair, BEGUN]:
        seq = _begin(lanes, lane, ways, told, rules)
    if flags & rules[ABORTS]:
        _abort(lanes, lane, ways, told, rules)
        return True
    waits = ways[pair, HEAD] != 0 or ways[pair, FIN] >= 0
    if size and seq == ways[pair, NEXT_SEQ] and not waits:  # as most are
        _move_on(ways, told, rules, DATA, pair, lanes[START, lane], size, frame, time)
    elif size:
        start = ways[pair, NEXT] + _ahead(ways, pair, seq)
        stop, new = start + size, max(start, ways[pair, NEXT])
        if stop > ways[pair, NEXT]:
            place = lanes[START, lane] + new - start
            if not _hold(data, carried, ways, held, rules, pair, new, stop, place, frame):
                return False
        ways[pair, REPEATED] += min(stop, new) - start
        if stop > ways[pair, NEXT]:
            _settle(ways, held, told, rules, pair, frame, time)
    if flags & rules[FINAL] and ways[pair, FIN] < 0:
        ahead = _ahead(ways, pair, seq + size)
        if 0 <= ahead <= rules[WINDOW]:
            ways[pair, FIN] = ways[pair, NEXT] + ahead
            _settle(ways, held, told, rules, pair, frame, time)
    return True


@called
def _copy(data, carried, told, count, out):
    """Lay the data that are told side by side, 8 bytes at a time: behind each are as many that may be read."""
    target, end = address_of(out), address_of(out) + out.size - PAD
    for row in range(count):
        if told[row, KIND] == DATA:
            place, size = told[row, WHERE], told[row, SIZE]
            source = address_of(data) + place if place >= 0 else address_of(carried) - 1 - place
            if target + size > end:
                return
            for at in range(0, size, PAD):
                store64(target + at, load64(source + at))
            target += size


@kernel
def put_together(data, carried, lanes, stops, ways, held, told, rules, ends, out):
    """Take the segments of streams; tell what that tells, in order.

    Parameters
    ----------
    data : uint8, the window; carried : uint8, what waits from before it; with `PAD` more bytes, both
    lanes : int64, shape (LANE_LEN, segments), those of a stream side by side and in file order
    stops : int64, shape (streams,): where the segments of each end; -1 - that where none of them are to be taken
    ways : int64, shape (2 * streams, WAY_LEN); held : int64, shape (rows, HELD_LEN); both change
    told : int64, shape (rows, TELL_LEN), out; rules : int64, shape (RULE_LEN,), see above
    ends : int64, shape (2, streams), out: the first segment that was not taken, and the end of what is told
    out : uint8, as long as all data and what was carried over, and `PAD` more: what is told, side by side
    """
    lane = np.int64(0)
    for stream in range(len(stops)):
        stop, waiting = stops[stream], np.int64(0)
        if stop < 0:
            lane, stop = -1 - stop, np.int64(0)
            ends[0, stream] = -1
        for pair in (2 * stream, 2 * stream + 1):
            row = ways[pair, HEAD]
            while row:
                row, waiting = held[row, LINK], waiting + 1
        before = rules[ROW]
        while lane < stop:
            if _is_odd(data, lanes, lane, ways, held, told, rules, waiting + rules[ROW] - before):
                break
            other = lanes[PAIR, lane] ^ 1
            last = ways[other, LAST_ACK]
            if lanes[ACK, lane] >= 0:
                ways[other, LAST_ACK] = lanes[ACK, lane]
            if not _take(data, carried, lanes, lane, ways, held, told, rules):
                ways[other, LAST_ACK] = last
                break
            _settle(ways, held, told, rules, other, lanes[FRAME, lane], lanes[TIME, lane])
            lane += 1
        ends[0, stream], ends[1, stream] = lane if stop else np.int64(-1), rules[TOLD]
        lane = max(lane, stops[stream])
    _copy(data, carried, told, rules[TOLD], out)
