"""Kernels that take packets along ways that were walked before: see `trails`.

They know no protocol, as those of the walk: what stands where is in the arrays. Whatever is not as it was on the way is
left to the walk.
"""

from __future__ import annotations

import numpy as np

from pktlab.columns.compiled import inlined, kernel
from pktlab.columns.kernels_bits import address_of, first_header, load64, prefetch, reversed_bytes
from pktlab.columns.kernels_sums import judged_sum

__all__ = [
    "COMPARE",
    "HITS",
    "PAYLOAD",
    "SAMPLED",
    "STEP",
    "TAIL",
    "TOGETHER",
    "TRAIL",
    "TRAILS",
    "VARIABLE",
    "WANTED",
    "retrace",
]

TRAILS, SAMPLED, WANTED, HITS = range(4)
"""Places in `known`: trails, samples taken and wanted of the window, packets that went along a trail."""
TAIL, PAYLOAD = 1, 2  # what a variable is
TOGETHER = 256
"""Packets that are told apart before any is taken along its trail: their heads stay in the processor's second cache."""
TRAIL = np.dtype(
    [
        ("kind", "i4"),  # of the first header
        ("compare_first", "i4"),
        ("compare_last", "i4"),
        ("step_first", "i4"),
        ("step_last", "i4"),
        ("extent", "i8"),  # bytes from the start of the packet that it reads
        ("offset", "i8"),  # the first word that is compared, as COMPARE
        ("mask", "u8"),
        ("value", "u8"),
    ]
)
"""A way through headers: where it starts, what bytes have to be, what is then to be done."""
COMPARE = np.dtype([("offset", "i8"), ("mask", "u8"), ("value", "u8")])
"""Bits of the 8 bytes at an offset, in little-endian order."""
STEP = np.dtype(
    [
        (name, "i8")
        for name in (
            "pos",  # of the header
            "header_len",  # without what a variable adds
            "constant",  # what is added to the number of the payload's length
            "header",  # and how many times the length of the header
            "bounded",  # a variable bounds what is behind it
            "pending",  # bits of what is wanted and not yet found
            "variable_first",
            "variable_last",
            "slot",
            "judged",
            "absent",  # verdict on a sum of zero that is none; -1 if the walk has to tell, 0 if it is one
            "proto",
            "address_at",  # where the IP header is
            "source",  # as in HEAD, of that header
            "destination",
            "address_len",
            "sum_at",  # of this one
            "sum_header",
            "sum_pseudo",
            "zero_as",
        )
    ]
)
"""A header on a trail; offsets count from the start of the packet."""
VARIABLE = np.dtype(
    [
        ("offset", "i8"),
        ("little", "i8"),
        ("shift", "i8"),
        ("mask", "i8"),
        ("factor", "i8"),
        ("least", "i8"),
        ("most", "i8"),
        ("table", "i8"),
        ("size", "i8"),  # of a table in which nothing that is wanted may be found; 0 without one
        ("role", "i8"),
    ]
)
"""A number that may differ from packet to packet, within bounds."""


@inlined
def _found(base, room, kind, trails, compares, ranks, known):
    """Return the first trail whose bytes a packet has, or -1; `room` is how many it has, `base` its address."""
    for rank in range(known[TRAILS]):
        trail = trails[ranks[rank]]
        if trail.kind != kind or trail.extent > room:
            continue
        differs = load64(base + trail.offset) & trail.mask ^ trail.value
        if differs:
            continue
        for place in range(trail.compare_first, trail.compare_last):
            differs |= load64(base + compares[place].offset) & compares[place].mask ^ compares[place].value
        if differs == 0:
            found = np.int64(ranks[rank])
            if rank:
                ranks[rank], ranks[rank - 1] = ranks[rank - 1], ranks[rank]
            return found
    return np.int64(-1)


@inlined
def _measure(step, variables, tables, reach, bases, ends, behind, loads, wrong, size):
    """Find where the headers of a step and what belongs to them end; what does not fit is marked in `wrong`.

    ends : where what belongs to the header before ends, and out: to this one; behind : out: where this one does
    """
    for row in range(size):
        behind[row], loads[row] = step.pos + step.header_len, step.constant
    for place in range(step.variable_first, step.variable_last):
        one = variables[place]
        offset, shift, mask, factor = one.offset, np.uint64(one.shift), one.mask, one.factor
        least, most, little, role, pending = one.least, one.most, one.little, one.role, step.pending
        table, table_len = one.table, one.size
        sums = behind if role == TAIL else loads
        for row in range(size):
            word = load64(bases[row] + offset)
            value = (np.int64((word if little else reversed_bytes(word)) >> shift) & mask) * factor
            wrong[row] |= np.int64(value < least) | np.int64(value > most)
            if role:
                sums[row] += value
            elif 0 <= value < table_len:
                wrong[row] |= reach[tables[table + value]] & pending
    for row in range(size):
        end, start = ends[row], behind[row]
        wrong[row] |= np.int64(start > end)
        if step.bounded:
            payload = loads[row] + step.header * (start - step.pos)
            wrong[row] |= np.int64(payload < 0) | np.int64(payload > end - start)
            ends[row] = start + payload
        if step.absent < 0:
            wrong[row] |= np.int64(load64(bases[row] + step.pos + step.sum_at) & np.uint64(0xFFFF) == 0)


@inlined
def _note(step, bases, packets, flags, ends, behind, wrong, size, places, payloads, verdicts, found, expected, codes):
    """Note where the headers of a step are, and judge their checksums."""
    if step.slot >= 0:
        where, sizes, pos = places[step.slot], payloads[step.slot], step.pos
        for row in range(size):
            if wrong[row] == 0:
                where[packets[row]], sizes[packets[row]] = pos, ends[row] - behind[row]
    if step.judged < 0:
        return
    told, stored, right_sums, given = verdicts[step.judged], found[step.judged], expected[step.judged], np.int64(0)
    for row in range(size):
        if wrong[row]:
            continue
        base, packet = bases[row], packets[row]
        field = np.int64(reversed_bytes(load64(base + step.pos + step.sum_at)) >> np.uint64(48))
        verdict, right = step.absent, np.int64(0)
        if field or not verdict:
            stop = behind[row] if step.sum_header else ends[row]
            flag = np.int64(flags[packet])
            verdict, right = judged_sum(base, step, step, step.pos, stop, step.address_at, step.proto, flag)
        told[packet], stored[packet], right_sums[packet] = verdict, field, right
        given |= 1 << verdict
    codes[step.judged] |= given


@kernel
def retrace(
    data, starts, captured, lengths, links, fcs, flags, count, firsts, tables, reach, rest,
    trails, compares, steps, variables, ranks, known, waiting, members, ends,
    places, payloads, status, verdicts, found, expected, codes,
):  # fmt: skip
    """Take packets along the ways that are known; return how many there are besides, in `rest`, uint64.

    Those on the same trail take each step together: what the arrays say of it is read once.

    trails ... ends : `Trails.arrays`; all others as for `kernels_walk.walk`
    """
    left, address = 0, address_of(data)
    chain, bases, packets, loads, wrong = members[0], members[1], members[2], members[3], members[4]
    rooms, order = members[5], members[6]
    for first in range(0, count, chain.size):
        for row in range(min(chain.size, count - first)):
            prefetch(address + starts[first + row])
            prefetch(address + starts[first + row] + 63)
        for row in range(min(chain.size, count - first)):
            packet = first + row
            pos, end, kind = first_header(packet, data, starts, captured, links, fcs, firsts, tables)
            trail = np.int64(-1)
            if captured[packet] >= lengths[packet]:
                trail = _found(address + pos, end - pos, kind, trails, compares, ranks, known)
            if trail < 0:
                rest[left] = packet
                left += 1
            else:
                chain[row], rooms[row], waiting[trail] = waiting[trail], end - pos, row
        for trail in range(known[TRAILS]):
            row, size = np.int64(waiting[trail]), 0
            waiting[trail] = -1
            while row >= 0:
                packets[size], bases[size], wrong[size] = first + row, address + starts[first + row], 0
                order[size] = rooms[row]
                size += 1
                row = chain[row]
            if size == 0:
                continue
            step_first, step_last = trails[trail].step_first, trails[trail].step_last
            for place in range(step_first, step_last):
                at = 2 * (place - step_first)
                before, behind, behind_all = order if at == 0 else ends[at - 1], ends[at], ends[at + 1]
                for row in range(size):
                    behind_all[row] = before[row]
                _measure(steps[place], variables, tables, reach, bases, behind_all, behind, loads, wrong, size)
            for row in range(size):
                if wrong[row]:
                    rest[left] = packets[row]
                    left += 1
                else:
                    status[packets[row]] = 0
            for place in range(step_first, step_last):
                at = 2 * (place - step_first)
                _note(
                    steps[place], bases, packets, flags, ends[at + 1], ends[at], wrong, size,
                    places, payloads, verdicts, found, expected, codes,
                )  # fmt: skip
    known[HITS] += count - left
    return left
