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

from pktlab.columns.compiled import array_at, inlined, intrinsic, ir, kernel, types

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
def _numbers(context: Any) -> Any:
    """Return room for numbers, one for each place up to `ZERO`, all 0: on the stack, as kernels own no memory."""
    kind = types.Array(types.int64, 1, "C")

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        words = ir.ArrayType(ir.IntType(64), ZERO + 1)
        with builder.goto_entry_block():
            room = builder.alloca(words)
        builder.store(ir.Constant(words, None), room)
        size, step = (ir.Constant(ir.IntType(64), number) for number in (ZERO + 1, 8))
        return array_at(context, builder, kind, builder.ptrtoint(room, step.type), [size], [step])

    return kind(), generate


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


@kernel
def walk(
    data, starts, captured, lengths, links, fcs, flags, count, firsts,
    heads, fields, sums, tests, branches, lookups, own, tables,
    here, deep, reach, slots, judged, need, every, pieces,
    places, payloads, status, verdicts, found, expected,
):  # fmt: skip
    """Walk `count` packets from header to header, as far as something is needed; judge checksums on the way.

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
    places : int32, shape (slots, packets): where the first header of a kind starts in its packet; given as -1
    payloads : int32, of the same shape: bytes behind that header that belong to it; -1 where some are not there
    status : uint8 a packet, EXACT or 0
    verdicts : uint8, given as 0, and found, expected : uint16, shape (judged, packets)
    """
    base = _address(data)
    numbers = _numbers()
    for packet in range(count):
        status[packet] = 0
        start = starts[packet]
        pos, end = start, start + captured[packet]
        cut = captured[packet] < lengths[packet]
        if fcs[packet] > 0:
            end = max(pos, end - fcs[packet])
        kind = np.int64(firsts[links[packet]])
        if kind < 0:
            kind = np.int64(tables[-kind + (data[pos] >> 4)]) if pos < end else np.int64(0)
        pending, at_buffer, proto = need, True, np.int64(0)
        address_at, address_kind, ip_overrun, ip_at_buffer, ip_overrun_at_buffer = np.int64(-1), 0, False, False, False
        while kind > 0 and pending & reach[kind]:
            size = np.int64(heads[kind].size)
            if pos >= end and size > 0:
                break
            if heads[kind].walked == 0 or pos + size > end:
                status[packet] = EXACT
                break
            # ---- all numbers and conditions of the header
            for place in range(heads[kind].field_first, heads[kind].field_last):
                word = _load64(base + pos + fields[place].offset)
                if not fields[place].little:
                    word = _reversed(word)
                value = np.int64(word >> np.uint64(fields[place].shift)) & fields[place].mask
                numbers[place - heads[kind].field_first] = value * fields[place].factor
            for place in range(heads[kind].sum_first, heads[kind].sum_last):
                value = sums[place].constant + numbers[sums[place].left] + numbers[sums[place].right]
                numbers[FIRST_SUM + place - heads[kind].sum_first] = value
            failed = np.int64(0)
            for place in range(heads[kind].test_first, heads[kind].test_last):
                value = numbers[tests[place].number]
                inside = np.int64(tests[place].least <= value) & np.int64(value <= tests[place].most)
                failed |= (inside ^ tests[place].inside) << tests[place].group
            if heads[kind].need >= 0 and failed >> heads[kind].need & 1:
                status[packet] = EXACT
                break
            other = np.int64(0)
            for place in range(heads[kind].branch_first, heads[kind].branch_last):
                if other == 0 and not failed >> branches[place].group & 1:
                    other = np.int64(branches[place].kind)
            if other > 0:
                kind = other
                continue
            # ---- its length
            header_len = size
            if heads[kind].tail >= 0:
                header_len += numbers[heads[kind].tail]
                if header_len < size or pos + header_len > end:
                    status[packet] = EXACT
                    break
            is_plain = heads[kind].walked == 2 and header_len == size
            if pending & deep[kind] and not is_plain:
                status[packet] = EXACT
                break
            if not every:
                pending &= ~here[kind]
            if pieces:
                is_piece = False
                for place in range(heads[kind].piece_first, heads[kind].piece_last):
                    is_piece |= not failed >> branches[place].group & 1
                if is_piece:
                    status[packet] = EXACT
                    break
            # ---- what its length gives to what is behind
            behind, overrun, bounds_itself, was_at_buffer = end, False, False, at_buffer
            if heads[kind].payload >= 0 and (heads[kind].open < 0 or failed >> heads[kind].open & 1):
                payload = numbers[heads[kind].payload]
                if heads[kind].payload >= FIRST_SUM:
                    payload += sums[heads[kind].sum_first + heads[kind].payload - FIRST_SUM].header * header_len
                if payload < 0:
                    status[packet] = EXACT
                    break
                if payload > end - pos - header_len:
                    overrun = True
                else:
                    behind, at_buffer, bounds_itself = pos + header_len + payload, False, True
            if slots[kind] >= 0 and places[slots[kind], packet] < 0:
                places[slots[kind], packet] = pos - start
                lacks = overrun or ip_overrun or (cut and at_buffer)
                payloads[slots[kind], packet] = -1 if lacks else behind - pos - header_len
            elif slots[kind] >= 0 and every:
                status[packet] = EXACT
                break
            if heads[kind].number >= 0:
                proto = numbers[heads[kind].number]
            if heads[kind].address_len > 0:
                address_at, address_kind = pos, kind
                ip_overrun, ip_overrun_at_buffer, ip_at_buffer = overrun, overrun and was_at_buffer, at_buffer
            # ---- its checksum
            slot = judged[kind]
            if slot >= 0:
                if heads[kind].sum_at < 0 or verdicts[slot, packet] or (heads[kind].sum_header and not is_plain):
                    status[packet] = EXACT
                    break
                at = pos + heads[kind].sum_at
                field = np.int64(data[at]) << 8 | np.int64(data[at + 1])
                verdict, right = 0, np.int64(0)
                if heads[kind].sum_pseudo and address_at < 0:
                    verdict = HAND_OVER
                elif not heads[kind].sum_header:
                    if overrun:
                        verdict = UNVERIFIED if was_at_buffer else HAND_OVER
                    elif not bounds_itself and address_at >= 0:
                        if ip_overrun:
                            verdict = UNVERIFIED if ip_overrun_at_buffer else HAND_OVER
                        elif cut and ip_at_buffer:
                            verdict = UNVERIFIED
                if heads[kind].zero_special and field == 0 and verdict != HAND_OVER:
                    verdict = HAND_OVER
                    if address_at >= 0 and heads[address_kind].may_leave_out:
                        verdict = ABSENT
                if verdict == HAND_OVER:
                    status[packet] = EXACT
                    break
                if verdict == 0:
                    stop = pos + header_len if heads[kind].sum_header else behind
                    whole, front = np.uint64(0), np.uint64(0)
                    for part in range(3 if heads[kind].sum_pseudo else 1):
                        if part == 0:
                            at, part_end = pos, stop
                        elif part == 1:
                            at = address_at + heads[address_kind].source
                            part_end = at + heads[address_kind].address_len
                        else:
                            at = address_at + heads[address_kind].destination
                            part_end = at + heads[address_kind].address_len
                        total = _sum(base + at, part_end - at)
                        whole += total
                        if part:
                            front += total
                    if heads[kind].sum_pseudo:
                        added = _swapped(proto) + _swapped(stop - pos)
                        whole += added
                        front += added
                    at = pos + heads[kind].sum_at
                    stored = np.uint64(data[at]) | np.uint64(data[at + 1]) << np.uint64(8)
                    right = ~_folded(whole - stored) & 0xFFFF
                    if right == 0:
                        right = np.int64(heads[kind].zero_as)
                    if _folded(whole) == 0xFFFF:
                        verdict = GOOD
                    elif heads[kind].sum_pseudo and (
                        field == _folded(front) or (flags[packet] >= 0 and flags[packet] & 0x200)
                    ):
                        verdict = PARTIAL
                    else:
                        verdict = BAD
                verdicts[slot, packet], found[slot, packet], expected[slot, packet] = verdict, field, right
            # ---- what follows
            if heads[kind].unless >= 0 and not failed >> heads[kind].unless & 1:
                break
            follower, after = np.int64(0), pos + header_len
            for place in range(heads[kind].own_first, heads[kind].own_last):
                if own[place].number < 0:
                    if pending & reach[kind]:
                        status[packet] = EXACT
                elif follower == 0 and numbers[own[place].number] == own[place].value:
                    follower = np.int64(own[place].kind)
            if status[packet]:
                break
            if follower == 0:
                for place in range(heads[kind].next_first, heads[kind].next_last):
                    value = numbers[lookups[place].number]
                    if follower == 0 and value < lookups[place].size:
                        suggested = np.int64(tables[lookups[place].table + value])
                        if heads[kind].first_byte < 0:
                            follower = suggested
                        elif pending & reach[suggested]:
                            status[packet] = EXACT
                if heads[kind].first_byte >= 0:
                    if after < behind and pending & reach[tables[heads[kind].first_byte + data[after]]]:
                        status[packet] = EXACT
                    break
                if follower > 0 and heads[kind].quotes and pending & reach[follower]:
                    status[packet] = EXACT
                    break
                if follower == 0 and heads[kind].version >= 0:
                    if not is_plain:
                        status[packet] = EXACT
                        break
                    if after < behind:
                        follower = np.int64(tables[heads[kind].version + (data[after] >> 4)])
                if follower == 0:
                    follower = np.int64(heads[kind].otherwise)
            if follower > 0 and pending & reach[follower] and (not is_plain or header_len == 0):
                status[packet] = EXACT
                break
            kind, pos, end = follower, after, behind


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
def census(verdicts, skipped, count, counts):
    """Count verdicts, uint8 of shape (protocols, packets), of packets that are not skipped; counts : int64, (…, 8)."""
    for protocol in range(len(verdicts)):
        for packet in range(count):
            code = verdicts[protocol, packet]
            if code and not skipped[packet]:
                counts[protocol, code] += 1


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
