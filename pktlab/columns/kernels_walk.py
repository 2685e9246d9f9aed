"""The kernel that walks packets from header to header, and judges checksums.

It knows no protocol: it is driven by the arrays of `rules.Rules`. What bounds it:

- every offset is held against the end of the captured bytes, and the buffer against `PAD` bytes behind the last packet;
- whatever is not plain (a header that is cut or malformed, a fragment, a tail that has to be interpreted) is marked
  `EXACT` and left alone: the exact reader answers for it, so that no value and no verdict can differ.
"""

from __future__ import annotations

import numpy as np

from pktlab.columns.compiled import inlined, kernel
from pktlab.columns.kernels_bits import address_of, first_header, load64, reversed_bytes
from pktlab.columns.kernels_sums import ABSENT, UNVERIFIED, judged_sum
from pktlab.columns.kernels_trails import SAMPLED, WANTED

__all__ = ["DEPTH", "EXACT", "LANE", "LANES", "ZERO", "is_compiled", "walk"]

EXACT = 1  # status of a packet: the exact reader has to answer
HAND_OVER = 100  # no verdict: why it cannot be told is for the exact reader to say
FIRST_SUM, ZERO = 16, 31  # as in `terms`
LANE = np.dtype(
    [
        ("packet", "u8"),
        ("start", "i8"),  # of the packet
        ("pos", "i8"),  # of the header
        ("end", "i8"),  # of what belongs to the header before
        ("header_len", "i8"),
        ("behind", "i8"),  # end of what belongs to this one
        ("pending", "i8"),  # bits of what is wanted and not yet found
        ("proto", "i8"),
        ("address_at", "i8"),  # where the IP header is, -1 without one
        ("flags", "i8"),
        ("kind", "i4"),
        ("next_lane", "i4"),
        ("address_kind", "i4"),
        ("cut", "?"),  # bytes of the packet are missing
        ("at_buffer", "?"),  # only the captured bytes bound what is behind, no length
        ("was_at_buffer", "?"),  # so it was in front of this header
        ("overrun", "?"),  # its length reaches over the end
        ("bounded", "?"),  # its length bounds what is behind
        ("ip_overrun", "?"),
        ("ip_at_buffer", "?"),
        ("ip_overrun_at_buffer", "?"),
        ("room", "i8", (3,)),
        ("depth", "i4"),  # headers that it came to; more than `DEPTH` if its path cannot be told; the 128th byte
    ]
)
"""How far a packet has been walked. Packets stand side by side, so that each step is taken by many of one kind."""
LANES = 128
"""Packets that are walked together: what is known of them stays in the first cache."""
DEPTH = 12
"""Most headers of a path that is told."""


@kernel
def walk(
    data, starts, captured, lengths, links, fcs, flags, rest, left, firsts,
    heads, fields, sums, tests, branches, lookups, own, tables,
    here, deep, reach, slots, judged, need, every, pieces,
    lanes, numbers, order, told, waiting, turns, paths, known, samples,
    places, payloads, status, verdicts, found, expected, codes,
):  # fmt: skip
    """Walk packets from header to header, as far as something is needed; judge checksums on the way.

    Those that are at the same kind of header take each step together: what the arrays say of the kind is read once.

    Parameters
    ----------
    data : uint8; starts, captured, lengths, links, fcs, flags : one entry a packet, of `index_*`
    rest, left : uint64, which packets, and how many
    firsts : int32, by link: the kind that packets start with, or the negative place of a table by version, or 0
    heads ... tables : `Rules.arrays`
    here, deep, reach : int64 bit masks by kind: what the query finds in its fixed places, may find in its tail, and
        may find in it or anywhere behind it
    slots, judged : int32 by kind: row of `places` and of `verdicts`, or -1
    need : bits of all that the query wants; every : every occurrence, not only the first
    pieces : fragments go to the exact reader
    lanes, numbers, order, told, waiting, turns, paths : room to work in, see `scan.Walked`
    known, samples : see `Trails`
    places : int32, shape (slots, packets): where the first header of a kind starts in its packet; given as -1
    payloads : int32, of the same shape: bytes behind that header that belong to it; where some are not there, ``~`` of
        those that are
    status : uint8 a packet, EXACT or 0
    verdicts : uint8, given as 0, and found, expected : uint16, shape (judged, packets)
    codes : int64, shape (judged,), given as 0: a bit for each verdict that was given
    """
    group, rows, movers = order[0], order[1], order[2]
    failed, follower, doubt = told[0], told[1], told[2]
    turn = last = 0
    for first in range(0, left, lanes.size):
        size = min(lanes.size, left - first)
        _begin(
            data, starts, captured, lengths, links, fcs, flags, rest[first:], size, firsts, tables, need, lanes, status
        )
        for lane in range(size):
            movers[lane] = lane
        last = _send(movers, size, lanes, reach, waiting, turns, last)
        while turn != last:
            kind = np.int64(turns[turn])
            turn = 0 if turn + 1 == turns.size else turn + 1
            size = _enter(kind, heads, lanes, waiting, group, status, paths)
            _measure(data, kind, heads, fields, sums, tests, lanes, group, size, numbers, failed)
            size, moved = _part(kind, heads, branches, lanes, group, size, failed, rows, movers, status)
            if moved:
                last = _send(movers, moved, lanes, reach, waiting, turns, last)
            size = _bound(
                kind, heads, sums, branches, here[kind], deep[kind], every, pieces, lanes, group, rows, size, numbers,
                failed, paths, status,
            )  # fmt: skip
            size = _note(kind, heads, slots[kind], every, lanes, group, rows, size, numbers, places, payloads, status)
            if judged[kind] >= 0:
                size = _judge(
                    data, kind, heads, judged[kind], lanes, group, rows, size, verdicts, found, expected, codes, status
                )
            _suggest(kind, heads, lookups, own, tables, reach, rows, size, numbers, follower, doubt)
            size = _follow(
                data, kind, heads, tables, reach, lanes, group, rows, size, failed, follower, doubt, movers, status
            )
            last = _send(movers, size, lanes, reach, waiting, turns, last)
        if known[SAMPLED] < known[WANTED]:
            _sample(lanes, min(lanes.size, left - first), status, paths, known, samples)


@inlined
def _sample(lanes, size, status, paths, known, samples):
    """Keep the path of a packet that was walked to its end."""
    for lane in range(size):
        depth = lanes[lane].depth
        if 0 < depth <= DEPTH and not lanes[lane].cut and status[lanes[lane].packet] == 0:
            sample = samples[known[SAMPLED]]
            sample[0], sample[1] = lanes[lane].packet, depth
            for place in range(3 * depth):
                sample[2 + place] = paths[lane, place]
            known[SAMPLED] += 1
            break


@inlined
def _begin(data, starts, captured, lengths, links, fcs, flags, rest, size, firsts, tables, need, lanes, status):
    """Put packets into lanes, in front of their first header."""
    for place in range(np.uint64(size)):
        packet, lane = rest[place], lanes[place]
        status[packet] = 0
        pos, end, kind = first_header(packet, data, starts, captured, links, fcs, firsts, tables)
        lane.packet, lane.start, lane.pos, lane.end, lane.kind = packet, pos, pos, end, kind
        lane.pending, lane.proto, lane.address_at, lane.address_kind, lane.depth = need, 0, -1, 0, 0
        lane.flags, lane.cut, lane.at_buffer = flags[packet], captured[packet] < lengths[packet], True
        lane.ip_overrun = lane.ip_at_buffer = lane.ip_overrun_at_buffer = False


@inlined
def _send(movers, size, lanes, reach, waiting, turns, last):
    """Let lanes wait for the turn of their kind, if something that is wanted can still come; return the ring's end."""
    for place in range(np.uint64(size)):
        lane = movers[place]
        kind = lanes[lane].kind
        if kind > 0 and lanes[lane].pending & reach[kind]:
            if waiting[kind] < 0:
                turns[last] = kind
                last = 0 if last + 1 == turns.size else last + 1
            lanes[lane].next_lane = waiting[kind]
            waiting[kind] = lane
    return last


@inlined
def _enter(kind, heads, lanes, waiting, group, status, paths):
    """Take the lanes that wait at a kind of header and have all of its fixed part; return how many."""
    size, is_walked, count = np.int64(heads[kind].size), heads[kind].walked != 0, 0
    lane = np.int64(waiting[kind])
    waiting[kind] = -1
    while lane >= 0:
        left = lanes[lane].end - lanes[lane].pos
        if is_walked and left >= size:
            group[count] = lane
            count += 1
            depth = lanes[lane].depth
            if depth < DEPTH:
                paths[lane, 3 * depth] = kind
                paths[lane, 3 * depth + 1] = lanes[lane].pos - lanes[lane].start
                paths[lane, 3 * depth + 2] = -1
            lanes[lane].depth = depth + 1
        else:
            lanes[lane].depth = DEPTH + 1
            if left > 0 or size == 0:
                status[lanes[lane].packet] = EXACT
        lane = np.int64(lanes[lane].next_lane)
    return count


@inlined
def _measure(data, kind, heads, fields, sums, tests, lanes, group, size, numbers, failed):
    """Take all numbers of the headers, and test them: a bit in `failed` for each group of tests that does not hold."""
    base = address_of(data)
    for row in range(np.uint64(size)):
        failed[row] = base + lanes[group[row]].pos
    for place in range(heads[kind].field_first, heads[kind].field_last):
        values = numbers[place - heads[kind].field_first]
        offset, little = fields[place].offset, fields[place].little
        shift, mask, factor = np.uint64(fields[place].shift), fields[place].mask, fields[place].factor
        for row in range(np.uint64(size)):
            word = load64(failed[row] + offset)
            if not little:
                word = reversed_bytes(word)
            values[row] = (np.int64(word >> shift) & mask) * factor
    for place in range(heads[kind].sum_first, heads[kind].sum_last):
        values, constant = numbers[FIRST_SUM + place - heads[kind].sum_first], sums[place].constant
        left, right = numbers[sums[place].left], numbers[sums[place].right]
        for row in range(np.uint64(size)):
            values[row] = constant + left[row] + right[row]
    for row in range(np.uint64(size)):
        failed[row] = 0
    for place in range(heads[kind].test_first, heads[kind].test_last):
        values, inside, group_bit = numbers[tests[place].number], tests[place].inside, np.int64(tests[place].group)
        least, most = tests[place].least, tests[place].most
        for row in range(np.uint64(size)):
            value = values[row]
            failed[row] |= ((np.int64(least <= value) & np.int64(value <= most)) ^ inside) << group_bit


@inlined
def _part(kind, heads, branches, lanes, group, size, failed, rows, movers, status):
    """Part what is malformed, and what is another kind of header, from the rest; return how many stay, and move."""
    need, branch_first, branch_last = heads[kind].need, heads[kind].branch_first, heads[kind].branch_last
    kept = moved = 0
    for row in range(np.uint64(size)):
        if need >= 0 and failed[row] >> need & 1:
            status[lanes[group[row]].packet] = EXACT
            continue
        other = 0
        for place in range(branch_first, branch_last):
            if other == 0 and not failed[row] >> branches[place].group & 1:
                other = branches[place].kind
        if other > 0:
            lanes[group[row]].kind = other
            movers[moved] = group[row]
            moved += 1
        else:
            rows[kept] = row
            kept += 1
    return kept, moved


@inlined
def _bound(
    kind, heads, sums, branches, found_here, deep_here, every, pieces, lanes, group, rows, size, numbers, failed,
    paths, status,
):  # fmt: skip
    """Find how long the headers are, and what belongs to them; return how many stay in `rows`."""
    head = heads[kind]
    fixed, tail, payload_line = np.int64(head.size), head.tail, head.payload
    is_all_known = head.walked == 2 and not head.hides
    times_header = sums[head.sum_first + payload_line - FIRST_SUM].header if payload_line >= FIRST_SUM else np.int64(0)
    open_group, piece_first, piece_last = head.open, head.piece_first, head.piece_last if pieces else head.piece_first
    tails, loads = numbers[max(tail, 0)], numbers[max(payload_line, 0)]
    kept = 0
    for place in range(np.uint64(size)):
        row = rows[place]
        lane = lanes[group[row]]
        header_len = fixed + (tails[row] if tail >= 0 else np.int64(0))
        left = lane.end - lane.pos - header_len
        is_exact = header_len < fixed or left < 0
        is_exact |= lane.pending & deep_here != 0 and not (is_all_known and header_len == fixed)
        if not every:
            lane.pending &= ~found_here
        for piece in range(piece_first, piece_last):
            is_exact |= not failed[row] >> branches[piece].group & 1
        lane.was_at_buffer, lane.overrun, lane.bounded = lane.at_buffer, False, False
        lane.header_len, lane.behind = header_len, lane.end
        if lane.depth <= DEPTH:
            paths[group[row], 3 * lane.depth - 1] = header_len
        if payload_line >= 0 and (open_group < 0 or failed[row] >> open_group & 1):
            payload = loads[row] + times_header * header_len
            is_exact |= payload < 0
            if payload > left:
                lane.overrun = True
            else:
                lane.behind, lane.at_buffer, lane.bounded = lane.pos + header_len + payload, False, True
        if is_exact:
            status[lane.packet] = EXACT
        else:
            rows[kept] = row
            kept += 1
    return kept


@inlined
def _note(kind, heads, slot, every, lanes, group, rows, size, numbers, places, payloads, status):
    """Note where the headers are, and what checksums behind them need of them; return how many stay in `rows`."""
    head = heads[kind]
    number, is_address = head.number, head.address_len > 0
    if slot < 0 and number < 0 and not is_address:
        return size
    where, sizes, protos = places[max(slot, 0)], payloads[max(slot, 0)], numbers[max(number, 0)]
    kept = 0
    for place in range(np.uint64(size)):
        row = rows[place]
        lane = lanes[group[row]]
        if slot >= 0 and where[lane.packet] < 0:
            where[lane.packet] = lane.pos - lane.start
            lacks = lane.overrun or lane.ip_overrun or (lane.cut and lane.at_buffer)
            there = lane.behind - lane.pos - lane.header_len
            sizes[lane.packet] = ~there if lacks else there
        elif slot >= 0 and every:
            status[lane.packet] = EXACT
            continue
        if number >= 0:
            lane.proto = protos[row]
        if is_address:
            lane.address_at, lane.address_kind, lane.ip_overrun = lane.pos, kind, lane.overrun
            lane.ip_overrun_at_buffer, lane.ip_at_buffer = lane.overrun and lane.was_at_buffer, lane.at_buffer
        rows[kept] = row
        kept += 1
    return kept


@inlined
def _judge(data, kind, heads, slot, lanes, group, rows, size, verdicts, found, expected, codes, status):
    """Judge the checksums of the headers; return how many stay in `rows`."""
    head = heads[kind]
    covers_header, has_pseudo, given = head.sum_header != 0, head.sum_pseudo != 0, np.int64(0)
    is_told, fixed = head.sum_at >= 0, head.size if head.walked == 2 else -1
    told, stored_sums, right_sums, base = verdicts[slot], found[slot], expected[slot], address_of(data)
    kept = 0
    for place in range(np.uint64(size)):
        row = rows[place]
        lane = lanes[group[row]]
        packet = lane.packet
        if not is_told or told[packet] or (covers_header and lane.header_len != fixed):
            status[packet] = EXACT
            continue
        at = lane.pos + head.sum_at
        field = np.int64(data[at]) << 8 | np.int64(data[at + 1])
        verdict, right = np.int64(0), np.int64(0)
        if has_pseudo and lane.address_at < 0:
            verdict = HAND_OVER
        elif covers_header:
            pass
        elif lane.overrun:
            verdict = UNVERIFIED if lane.was_at_buffer else HAND_OVER
        elif not lane.bounded and lane.address_at >= 0:
            if lane.ip_overrun:
                verdict = UNVERIFIED if lane.ip_overrun_at_buffer else HAND_OVER
            elif lane.cut and lane.ip_at_buffer:
                verdict = UNVERIFIED
        if field == 0 and head.zero_special and verdict != HAND_OVER:
            is_absent = lane.address_at >= 0 and heads[lane.address_kind].may_leave_out
            verdict = ABSENT if is_absent else HAND_OVER
        if verdict == HAND_OVER:
            status[packet] = EXACT
            continue
        if verdict == 0:
            stop = lane.pos + lane.header_len if covers_header else lane.behind
            verdict, right = judged_sum(
                base, head, heads[lane.address_kind], lane.pos, stop, lane.address_at, lane.proto, lane.flags
            )
        told[packet], stored_sums[packet], right_sums[packet] = verdict, field, right
        given |= 1 << verdict
        rows[kept] = row
        kept += 1
    codes[slot] |= given
    return kept


@inlined
def _suggest(kind, heads, lookups, own, tables, reach, rows, size, numbers, follower, doubt):
    """Look up what the numbers say of what follows: a kind in `follower`, what may follow instead in `doubt`.

    Where ports suggest a protocol, the packet decides: `doubt` has the bits of what is wanted of all that they suggest.
    """
    head = heads[kind]
    for row in range(np.uint64(follower.size)):
        follower[row] = doubt[row] = 0
    for one in range(head.own_first, head.own_last):
        if own[one].number < 0:
            doubt[:] = reach[kind]
            continue
        values, value, other = numbers[own[one].number], own[one].value, own[one].kind
        for place in range(np.uint64(size)):
            row = rows[place]
            if follower[row] == 0 and values[row] == value:
                follower[row] = other
    for one in range(head.next_first, head.next_last):
        values, first, most = numbers[lookups[one].number], np.int64(lookups[one].table), np.int64(lookups[one].size)
        table = tables[first : first + most]
        for place in range(np.uint64(size)):
            row = rows[place]
            if 0 <= values[row] < most and follower[row] == 0:
                if head.first_byte >= 0:
                    doubt[row] |= reach[table[np.uint64(values[row])]]
                else:
                    follower[row] = table[np.uint64(values[row])]


@inlined
def _follow(
    data, kind, heads, tables, reach, lanes, group, rows, size, failed, follower, doubt, movers, status
):  # fmt: skip
    """Find what follows the headers; return how many lanes go on, in `movers`."""
    head = heads[kind]
    unless, first_byte, version, otherwise = head.unless, head.first_byte, head.version, np.int64(head.otherwise)
    quotes, fixed = head.quotes != 0, head.size if head.walked == 2 else -1
    moved = 0
    for place in range(np.uint64(size)):
        row = rows[place]
        lane = lanes[group[row]]
        if unless >= 0 and not failed[row] >> unless & 1:
            continue
        pending, after, is_plain = lane.pending, lane.pos + lane.header_len, lane.header_len == fixed
        other, is_last = follower[row], False
        is_exact = pending & doubt[row] != 0
        if other == 0:
            if first_byte >= 0:
                is_exact |= after < lane.behind and pending & reach[tables[first_byte + data[after]]] != 0
                is_last = True
            elif version >= 0:
                is_exact |= not is_plain
                if after < lane.behind:
                    other = np.int64(tables[version + (data[after] >> 4)])
            if other == 0:
                other = otherwise
        elif quotes and pending & reach[other]:
            is_exact = True
        is_exact |= not is_last and pending & reach[other] != 0 and (not is_plain or after == lane.pos)
        if is_exact:
            status[lane.packet] = EXACT
        elif not is_last:
            lane.kind, lane.pos, lane.end = other, after, lane.behind
            movers[moved] = group[row]
            moved += 1
    return moved


def is_compiled() -> bool:
    """Tell whether the walk lies compiled on the disk: whether asking kernels takes no longer than loading them."""
    return walk.is_stored
