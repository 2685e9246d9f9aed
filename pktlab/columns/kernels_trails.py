"""Kernels that take packets along ways that were walked before: see `trails`.

They know no protocol, as those of the walk: what stands where is in the arrays. Whatever is not as it was on the way is
left to the walk.
"""

from __future__ import annotations

import numpy as np

from pktlab.columns.compiled import inlined
from pktlab.columns.kernels_bits import address_of, load64, reversed_bytes
from pktlab.columns.kernels_sums import judged_sum

__all__ = ["COMPARE", "HITS", "PAYLOAD", "SAMPLED", "STEP", "TAIL", "TRAIL", "TRAILS", "VARIABLE", "WANTED", "retraced"]

TRAILS, SAMPLED, WANTED, HITS = range(4)
"""Places in `known`: trails, samples taken and wanted of the window, packets that went along a trail."""
TAIL, PAYLOAD = 1, 2  # what a variable is
TRAIL = np.dtype(
    [
        ("kind", "i4"),  # of the first header
        ("compare_first", "i4"),
        ("compare_last", "i4"),
        ("step_first", "i4"),
        ("step_last", "i4"),
        ("extent", "i8"),  # bytes from the start of the packet that it reads
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
def _fits(base, end, tables, reach, step_first, step_last, steps, variables, ends):
    """Tell whether the lengths and the numbers that differ are such that the way stays the same; fill `ends`.

    base : address of the packet; end : where it ends, from there
    ends : int64, shape (2, steps), out: where each header ends, and what belongs to it
    """
    for place in range(step_first, step_last):
        step = steps[place]
        behind, payload = step.pos + step.header_len, step.constant
        for one in range(step.variable_first, step.variable_last):
            variable = variables[one]
            word = load64(base + variable.offset)
            if not variable.little:
                word = reversed_bytes(word)
            value = (np.int64(word >> np.uint64(variable.shift)) & variable.mask) * variable.factor
            if value < variable.least or value > variable.most:
                return False
            if 0 <= value < variable.size and reach[tables[variable.table + value]] & step.pending:
                return False
            if variable.role == TAIL:
                behind += value
            elif variable.role == PAYLOAD:
                payload += value
        if behind > end:
            return False
        if step.absent < 0 and load64(base + step.pos + step.sum_at) & np.uint64(0xFFFF) == 0:
            return False
        if step.bounded:
            payload += step.header * (behind - step.pos)
            if payload < 0 or payload > end - behind:
                return False
            end = behind + payload
        ends[0, place - step_first], ends[1, place - step_first] = behind, end
    return True


@inlined
def retraced(
    data, packet, start, end, flags, kind, tables, reach,
    trails, compares, steps, variables, ranks, known, ends,
    places, payloads, verdicts, found, expected, codes,
):  # fmt: skip
    """Take a packet along the first trail that it fits, and tell whether there was one; as `kernels_walk.walk`.

    start, end : of the packet in `data`; kind : of its first header
    """
    base = address_of(data) + start
    taken = np.int64(-1)
    for rank in range(known[TRAILS]):
        trail = trails[ranks[rank]]
        if trail.kind != kind or start + trail.extent > end:
            continue
        differs = np.uint64(0)
        for place in range(trail.compare_first, trail.compare_last):
            differs |= load64(base + compares[place].offset) & compares[place].mask ^ compares[place].value
        if differs == 0 and _fits(
            base, end - start, tables, reach, trail.step_first, trail.step_last, steps, variables, ends
        ):
            taken = np.int64(ranks[rank])
            if rank:
                ranks[rank], ranks[rank - 1] = ranks[rank - 1], ranks[rank]
            break
    if taken < 0:
        return False
    first = trails[taken].step_first
    for place in range(first, trails[taken].step_last):
        step = steps[place]
        header_end, behind = ends[0, place - first], ends[1, place - first]
        if step.slot >= 0:
            places[step.slot, packet], payloads[step.slot, packet] = step.pos, behind - header_end
        if step.judged >= 0:
            field = np.int64(reversed_bytes(load64(base + step.pos + step.sum_at)) >> np.uint64(48))
            verdict, right = step.absent, np.int64(0)
            if field or not verdict:
                stop = header_end if step.sum_header else behind
                verdict, right = judged_sum(base, step, step, step.pos, stop, step.address_at, step.proto, flags)
            verdicts[step.judged, packet], found[step.judged, packet] = verdict, field
            expected[step.judged, packet] = right
            codes[step.judged] |= 1 << verdict
    return True
