"""The kernels: loops over the packets of a window, compiled by Numba.

They know no protocol. `walk` is driven by the arrays of `rules.Rules`, `extract` by a field's place. What bounds them:

- every offset is held against the end of the captured bytes, and the buffer against `PAD` bytes behind the last packet;
- whatever is not plain (a header that is cut or malformed, a fragment, a tail that has to be interpreted) is marked
  `EXACT` and left alone: the exact reader answers for it, so that no value and no verdict can differ;
- they own no memory, and take tables as arguments: no global of another file, whose change nothing would notice.

Multi-byte loads take the byte order of the machine; `SUPPORTED` says whether that is the little-endian one they are
written for. Sums are taken over little-endian words and swapped at the end (RFC 1071 section 2(B)).
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from pktlab.columns.compiled import inlined, intrinsic, ir, kernel, types

__all__ = [
    "SUPPORTED", "census", "copy", "extract", "halve", "index_pcap", "index_pcapng", "is_compiled", "tally",
    "walk",
]  # fmt: skip

SUPPORTED = sys.byteorder == "little"
EXACT = 1  # status of a packet: the exact reader has to answer

GOOD, BAD, PARTIAL, ABSENT, UNVERIFIED = 1, 2, 3, 4, 6  # places in `scan.VERDICTS`
FIRST_SUM, ZERO = 16, 31  # as in `terms`
HAND_OVER = 100  # no verdict: why it cannot be told is for the exact reader to say
FULL, MORE, ODD = 0, 1, 2  # why indexing ended: no room, the bytes end, something that is no plain packet


def is_compiled() -> bool:
    """Tell whether the kernels lie compiled on the disk: whether asking them takes no longer than loading them."""
    return walk.is_stored


@intrinsic
def _address(context: Any, data: Any) -> Any:
    """Return where an array lies in memory: plain numbers are not counted references."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array = context.make_array(signature.args[0])(context, builder, arguments[0])
        return builder.ptrtoint(array.data, ir.IntType(64))

    return types.int64(data), generate


@intrinsic
def _load64(context: Any, address: Any) -> Any:
    """Return the 8 bytes at an address as a number; the caller has checked that they are there."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        load = builder.load(builder.inttoptr(arguments[0], ir.IntType(64).as_pointer()))
        load.align = 1
        return load

    return types.uint64(types.int64), generate


@intrinsic
def _load32(context: Any, address: Any) -> Any:
    """Return the 4 bytes at an address as a number; the caller has checked that they are there."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        load = builder.load(builder.inttoptr(arguments[0], ir.IntType(32).as_pointer()))
        load.align = 1
        return builder.zext(load, ir.IntType(64))

    return types.uint64(types.int64), generate


@intrinsic
def _reversed(context: Any, number: Any) -> Any:
    """Return a number of 8 bytes with its bytes in the other order."""
    return types.uint64(types.uint64), lambda context, builder, signature, arguments: builder.bswap(arguments[0])


@inlined
def _word(address, width, little):
    """Return the number in `width` bytes, 1 to 8; the `PAD` behind a packet lets 8 be read anywhere in it."""
    word = _load64(address)
    if not little:
        word = _reversed(word)
        return np.int64(word >> np.uint64(64 - 8 * width))
    return np.int64(word << np.uint64(64 - 8 * width) >> np.uint64(64 - 8 * width))


@inlined
def _sum(address, size):
    """Return the sum of `size` bytes as little-endian 16-bit words, not folded; an odd last byte starts a word."""
    total = np.uint64(0)
    for place in range(size >> 2):
        total += _load32(address + 4 * place)
    address, left = address + (size & ~3), size & 3
    if left:
        total += _load64(address) << np.uint64(64 - 8 * left) >> np.uint64(64 - 8 * left)
    return total


@inlined
def _folded(total):
    """Return a sum of little-endian words as 16 bits in network byte order; 0 only for 0."""
    while total >> np.uint64(16):
        total = (total & np.uint64(0xFFFF)) + (total >> np.uint64(16))
    return np.int64((total & np.uint64(0xFF)) << np.uint64(8) | total >> np.uint64(8))


@inlined
def _swapped(value):
    """Return a number that is added to sums of little-endian words, folded and with its two bytes exchanged."""
    while value >> 16:
        value = (value & 0xFFFF) + (value >> 16)
    return np.uint64((value & 0xFF) << 8 | value >> 8)


@kernel
def index_pcap(data, pos, end, little, fraction_ns, longest, fcs_len, starts, captured, lengths, times, links, fcs):
    """Find the packets of a pcap in `data` from `pos` up to `end`; return (how many, where the next starts, why)."""
    base, count = _address(data), 0
    while count < starts.size:
        if pos + 16 > end:
            return count, pos, MORE
        size = _word(base + pos + 8, 4, little)
        if size > longest:
            return count, pos, ODD
        if pos + 16 + size > end:
            return count, pos, MORE
        starts[count] = pos + 16
        captured[count] = size
        length = _word(base + pos + 12, 4, little)
        lengths[count] = length
        times[count] = _word(base + pos, 4, little) * 1_000_000_000 + _word(base + pos + 4, 4, little) * fraction_ns
        links[count] = 0
        fcs[count] = fcs_len if size >= length else 0
        count += 1
        pos += 16 + size
    return count, pos, FULL


@kernel
def index_pcapng(data, pos, end, little, interfaces, starts, captured, lengths, times, links, fcs, flags):
    """Find the enhanced packet blocks in `data` from `pos` up to `end`; as `index_pcap`.

    interfaces : int64, shape (interfaces, 4): ns a tick (0: cannot be told here), offset in ns, most bytes of a packet,
        bytes of frame check sequence
    """
    base, count = _address(data), 0
    while count < starts.size:
        if pos + 12 > end:
            return count, pos, MORE
        if _word(base + pos, 4, little) != 6:
            return count, pos, ODD
        total = _word(base + pos + 4, 4, little)
        if total < 32 or total & 3:
            return count, pos, ODD
        if pos + total > end:
            return count, pos, MORE if total < 1 << 24 else ODD
        number = _word(base + pos + 8, 4, little)
        size = _word(base + pos + 20, 4, little)
        stop = pos + total - 4
        if _word(base + stop, 4, little) != total or number >= len(interfaces):
            return count, pos, ODD
        high = _word(base + pos + 12, 4, little)
        unit = interfaces[number, 0]
        if size > interfaces[number, 2] or pos + 28 + size > stop or unit == 0 or high >= 1 << 31:
            return count, pos, ODD
        ticks = high << 32 | _word(base + pos + 16, 4, little)
        if ticks > 0x7FFF_FFFF_0000_0000 // unit - abs(interfaces[number, 1]) // unit:
            return count, pos, ODD
        length = _word(base + pos + 24, 4, little)
        mark, check_len = np.int64(-1), interfaces[number, 3]
        at = pos + 28 + size + (-size & 3)
        while at + 4 <= stop:
            code, width = _word(base + at, 2, little), _word(base + at + 2, 2, little)
            if at + 4 + width > stop:
                return count, pos, ODD
            if code == 0:
                break
            if code == 2 and width == 4:
                mark = _word(base + at + 4, 4, little)
            at += 4 + width + (-width & 3)
        if at != stop and at + 4 > stop:
            return count, pos, ODD
        if mark >= 0 and mark >> 5 & 15:
            check_len = mark >> 5 & 15
        starts[count], captured[count], lengths[count], links[count] = pos + 28, size, length, number
        times[count] = ticks * unit + interfaces[number, 1]
        flags[count] = mark
        fcs[count] = check_len if size >= length else 0
        count += 1
        pos += total
    return count, pos, FULL


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
        ("more", "i4"),  # up to 128 bytes
    ]
)
"""How far a packet has been walked. Packets stand side by side, so that each step is taken by many of one kind."""
LANES = 128
"""Packets that are walked together: what is known of them stays in the first cache."""


@kernel
def walk(
    data, starts, captured, lengths, links, fcs, flags, count, firsts,
    heads, fields, sums, tests, branches, lookups, own, tables,
    here, deep, reach, slots, judged, need, every, pieces,
    lanes, numbers, order, told, waiting, turns,
    places, payloads, status, verdicts, found, expected, codes,
):  # fmt: skip
    """Walk `count` packets from header to header, as far as something is needed; judge checksums on the way.

    Packets that are at the same kind of header take each step together: what the arrays say of the kind is read once.

    Parameters
    ----------
    data : uint8; starts, captured, lengths, links, fcs, flags : one entry a packet, of `index_*`
    firsts : int32, by link: the kind that packets start with, or the negative place of a table by version, or 0
    heads ... tables : `Rules.arrays`
    here, deep, reach : int64 bit masks by kind: what the query finds in its fixed places, may find in its tail, and
        may find in it or anywhere behind it
    slots, judged : int32 by kind: row of `places` and of `verdicts`, or -1
    need : bits of all that the query wants; every : every occurrence, not only the first
    pieces : fragments go to the exact reader
    lanes, numbers, order, told, waiting, turns : room to work in, see `scan.Walked`
    places : int32, shape (slots, packets): where the first header of a kind starts in its packet; given as -1
    payloads : int32, of the same shape: bytes behind that header that belong to it; -1 where some are not there
    status : uint8 a packet, EXACT or 0
    verdicts : uint8, given as 0, and found, expected : uint16, shape (judged, packets)
    codes : int64, shape (judged,), given as 0: a bit for each verdict that was given
    """
    group, rows, movers = order[0], order[1], order[2]
    failed, follower, doubt = told[0], told[1], told[2]
    turn = last = 0
    for first in range(0, count, lanes.size):
        size = min(lanes.size, count - first)
        _begin(data, starts, captured, lengths, links, fcs, flags, first, size, firsts, tables, need, lanes, status)
        for lane in range(size):
            movers[lane] = lane
        last = _send(movers, size, lanes, reach, waiting, turns, last)
        while turn != last:
            kind = np.int64(turns[turn])
            turn = 0 if turn + 1 == turns.size else turn + 1
            size = _enter(kind, heads, lanes, waiting, group, status)
            _measure(data, kind, heads, fields, sums, tests, lanes, group, size, numbers, failed)
            size, moved = _part(kind, heads, branches, lanes, group, size, failed, rows, movers, status)
            if moved:
                last = _send(movers, moved, lanes, reach, waiting, turns, last)
            size = _bound(
                kind, heads, sums, branches, here[kind], deep[kind], every, pieces, lanes, group, rows, size, numbers,
                failed, status,
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


@inlined
def _begin(data, starts, captured, lengths, links, fcs, flags, first, size, firsts, tables, need, lanes, status):
    """Put packets into lanes, in front of their first header."""
    for place in range(np.uint64(size)):
        packet, lane = np.uint64(first) + place, lanes[place]
        status[packet] = 0
        pos = starts[packet]
        end = pos + captured[packet]
        if fcs[packet] > 0:
            end = max(pos, end - fcs[packet])
        kind = np.int64(firsts[links[packet]])
        if kind < 0:
            kind = np.int64(tables[-kind + (data[pos] >> 4)]) if pos < end else np.int64(0)
        lane.packet, lane.start, lane.pos, lane.end, lane.kind = packet, pos, pos, end, kind
        lane.pending, lane.proto, lane.address_at, lane.address_kind = need, 0, -1, 0
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
def _enter(kind, heads, lanes, waiting, group, status):
    """Take the lanes that wait at a kind of header and have all of its fixed part; return how many."""
    size, is_walked, count = np.int64(heads[kind].size), heads[kind].walked != 0, 0
    lane = np.int64(waiting[kind])
    waiting[kind] = -1
    while lane >= 0:
        left = lanes[lane].end - lanes[lane].pos
        if is_walked and left >= size:
            group[count] = lane
            count += 1
        elif left > 0 or size == 0:
            status[lanes[lane].packet] = EXACT
        lane = np.int64(lanes[lane].next_lane)
    return count


@inlined
def _measure(data, kind, heads, fields, sums, tests, lanes, group, size, numbers, failed):
    """Take all numbers of the headers, and test them: a bit in `failed` for each group of tests that does not hold."""
    base = _address(data)
    for row in range(np.uint64(size)):
        failed[row] = base + lanes[group[row]].pos
    for place in range(heads[kind].field_first, heads[kind].field_last):
        values = numbers[place - heads[kind].field_first]
        offset, little = fields[place].offset, fields[place].little
        shift, mask, factor = np.uint64(fields[place].shift), fields[place].mask, fields[place].factor
        for row in range(np.uint64(size)):
            word = _load64(failed[row] + offset)
            if not little:
                word = _reversed(word)
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
    kind, heads, sums, branches, found_here, deep_here, every, pieces, lanes, group, rows, size, numbers, failed, status
):
    """Find how long the headers are, and what belongs to them; return how many stay in `rows`."""
    head = heads[kind]
    fixed, tail, payload_line, is_all_known = np.int64(head.size), head.tail, head.payload, head.walked == 2
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
            sizes[lane.packet] = -1 if lacks else lane.behind - lane.pos - lane.header_len
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
    told, stored_sums, right_sums, base = verdicts[slot], found[slot], expected[slot], _address(data)
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
            whole, front = np.uint64(0), np.uint64(0)
            address = heads[lane.address_kind]
            for part in range(3 if has_pseudo else 1):
                at = lane.pos if part == 0 else lane.address_at + (address.source if part == 1 else address.destination)
                front = whole if part == 1 else front
                whole += _sum(base + at, stop - lane.pos if part == 0 else np.int64(address.address_len))
            if has_pseudo:
                whole += _swapped(lane.proto) + _swapped(stop - lane.pos)
                front = whole - front
            at = lane.pos + head.sum_at
            stored = np.uint64(data[at]) | np.uint64(data[at + 1]) << np.uint64(8)
            right = ~_folded(whole - stored) & 0xFFFF
            if right == 0:
                right = np.int64(head.zero_as)
            if _folded(whole) == 0xFFFF:
                verdict = GOOD
            elif has_pseudo and (field == _folded(front) or (lane.flags >= 0 and lane.flags & 0x200)):
                verdict = PARTIAL
            else:
                verdict = BAD
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


@kernel
def extract(data, starts, places, count, offset, little, shift, mask, factor, values, origins):
    """Take a field of the headers at `places` into `values`, int64, where an earlier header has not given it.

    origins : int32, where the header starts that gave the value; -1 where there is none yet
    """
    base = _address(data)
    for packet in range(count):
        place = places[packet]
        if place < 0 or 0 <= origins[packet] <= place:
            continue
        word = _load64(base + starts[packet] + place + offset)
        if not little:
            word = _reversed(word)
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
    base = _address(data)
    for packet in range(count):
        place = places[packet]
        if place < 0 or 0 <= origins[packet] <= place:
            continue
        at = base + starts[packet] + place + offset
        if width == 16:
            halves[0, packet] = np.int64(_reversed(_load64(at)))
            halves[1, packet] = np.int64(_reversed(_load64(at + 8)))
        else:
            halves[0, packet] = mark
            halves[1, packet] = np.int64(_reversed(_load64(at)) >> np.uint64(32))
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
