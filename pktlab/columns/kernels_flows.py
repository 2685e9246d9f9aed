"""The kernel of the flow table: what `pktlab.flows.FlowTable` does, for the packets of a window.

A hash table whose buckets are chains, and a list of the conversations by their last use; both lie in one array of
numbers, a row a conversation, so that a packet touches a few lines of memory. Row 0 is nobody: places start at 1.
"""

from __future__ import annotations

import numpy as np

from pktlab.columns.compiled import kernel

__all__ = ["ENTRY_LEN", "track"]

# Of a packet (rows of `packets`): the protocol, 0 for none; who to whom, an address as two halves; TCP's numbers; what
# may be taken from it; its length on the wire and its time.
PROTOCOL, SRC_HIGH, SRC_LOW, SRCPORT, DST_HIGH, DST_LOW, DSTPORT, SEQ, ACK, FLAGS, MARKS, LENGTH, TIME = range(13)
PACKET_LEN = 13
ANALYSED, COUNTED = 1, 2  # marks
TCP, UDP = 1, 2
# Of a conversation (columns of `entries`): the smaller end and the other one; the number; where sides began, below 0
# if that is not known; figures of both ways; whose packet was first; the lists it is in.
LEFT_HIGH, LEFT_LOW, RIGHT_HIGH, RIGHT_LOW, PORTS, STREAM, BASE, PACKETS, BYTES = 0, 1, 2, 3, 4, 5, 6, 8, 10
SEEN_FLAGS, FIRST, LAST, SIDE, TURNED, CHAIN, NEWER, OLDER = 12, 14, 15, 16, 17, 18, 19, 20
ENTRY_LEN = 21
# Of the table (`state`): the ends of the list by use, how many are kept, how many may be; free and finished rows; the
# next number of TCP and of UDP; how many were crowded out.
NEWEST, OLDEST, KEPT, MOST, FREE, DONE, STREAMS, EVICTED = 0, 1, 2, 3, 4, 5, 6, 8
STATE_LEN = 9
OUT_STREAM, OUT_SEQ, OUT_ACK = range(3)
NO_TIME = -(1 << 63)  # as in `windows`
SYN, ACKNOWLEDGES, WORD = 2, 16, 0xFFFFFFFF


@kernel
def track(packets, start, stop, entries, buckets, free, done, state, out):
    """Find the conversation of each packet from `start` up to `stop`.

    Parameters
    ----------
    packets : int64, shape (PACKET_LEN, packets)
    entries : int64, shape (rows, ENTRY_LEN); buckets : int64, as many as a power of 2, rows or 0
    free, done : int64, rows that are not in use, and rows that are finished and wait to be read and freed; there have
        to be as many free ones as there are packets
    state : int64, shape (STATE_LEN,)
    out : int64, shape (3, packets): number of the conversation, sequence and acknowledgment number
    """
    mask = np.uint64(len(buckets) - 1)
    for packet in range(start, stop):
        protocol = packets[PROTOCOL, packet]
        if protocol == 0:
            continue
        # ---- the key: both ends, the smaller one first
        src_high, src_low, srcport = packets[SRC_HIGH, packet], packets[SRC_LOW, packet], packets[SRCPORT, packet]
        dst_high, dst_low, dstport = packets[DST_HIGH, packet], packets[DST_LOW, packet], packets[DSTPORT, packet]
        side = np.int64(0)
        if src_high != dst_high:
            side = np.int64(src_high > dst_high)
        elif src_low != dst_low:
            side = np.int64(src_low > dst_low)
        else:
            side = np.int64(srcport > dstport)
        if side:
            src_high, src_low, srcport, dst_high, dst_low, dstport = (
                dst_high, dst_low, dstport, src_high, src_low, srcport,
            )  # fmt: skip
        ports = srcport << 24 | dstport << 8 | protocol
        mixed = np.uint64(src_high) * np.uint64(0x9E3779B97F4A7C15) ^ np.uint64(src_low)
        mixed = (mixed ^ mixed >> np.uint64(29)) * np.uint64(0xBF58476D1CE4E5B9) ^ np.uint64(dst_high)
        mixed = (mixed ^ mixed >> np.uint64(31)) * np.uint64(0x94D049BB133111EB) ^ np.uint64(dst_low)
        mixed = (mixed ^ mixed >> np.uint64(29)) * np.uint64(0xBF58476D1CE4E5B9) ^ np.uint64(ports)
        mixed = (mixed ^ mixed >> np.uint64(32)) * np.uint64(0x9E3779B97F4A7C15)
        bucket = np.int64((mixed ^ mixed >> np.uint64(32)) & mask)
        row = buckets[bucket]
        while row and not (
            entries[row, PORTS] == ports
            and entries[row, LEFT_LOW] == src_low
            and entries[row, RIGHT_LOW] == dst_low
            and entries[row, LEFT_HIGH] == src_high
            and entries[row, RIGHT_HIGH] == dst_high
        ):
            row = entries[row, CHAIN]
        # ---- which conversation between these ends
        flags, seq = packets[FLAGS, packet], packets[SEQ, packet]
        opening = flags & (SYN | ACKNOWLEDGES)
        way = np.int64(0)
        gone = np.int64(0)
        if row:
            way = side ^ entries[row, SIDE]
            base = entries[row, BASE + way]
            if protocol == TCP and opening == SYN and base >= 0 and base != seq:
                gone, row = row, np.int64(0)
        if row == 0:
            if gone == 0 and state[KEPT] == state[MOST]:
                gone = state[OLDEST]
                state[EVICTED] += 1
            if gone:  # out of its bucket and of the list by use
                left = np.uint64(entries[gone, LEFT_HIGH]) * np.uint64(0x9E3779B97F4A7C15)
                left ^= np.uint64(entries[gone, LEFT_LOW])
                left = (left ^ left >> np.uint64(29)) * np.uint64(0xBF58476D1CE4E5B9)
                left ^= np.uint64(entries[gone, RIGHT_HIGH])
                left = (left ^ left >> np.uint64(31)) * np.uint64(0x94D049BB133111EB)
                left ^= np.uint64(entries[gone, RIGHT_LOW])
                left = (left ^ left >> np.uint64(29)) * np.uint64(0xBF58476D1CE4E5B9)
                left ^= np.uint64(entries[gone, PORTS])
                left = (left ^ left >> np.uint64(32)) * np.uint64(0x9E3779B97F4A7C15)
                place = np.int64((left ^ left >> np.uint64(32)) & mask)
                if buckets[place] == gone:
                    buckets[place] = entries[gone, CHAIN]
                else:
                    before = buckets[place]
                    while entries[before, CHAIN] != gone:
                        before = entries[before, CHAIN]
                    entries[before, CHAIN] = entries[gone, CHAIN]
                newer, older = entries[gone, NEWER], entries[gone, OLDER]
                if newer:
                    entries[newer, OLDER] = older
                else:
                    state[NEWEST] = older
                if older:
                    entries[older, NEWER] = newer
                else:
                    state[OLDEST] = newer
                done[state[DONE]] = gone
                state[DONE] += 1
                state[KEPT] -= 1
            state[FREE] -= 1
            row = free[state[FREE]]
            entries[row, LEFT_HIGH], entries[row, LEFT_LOW] = src_high, src_low
            entries[row, RIGHT_HIGH], entries[row, RIGHT_LOW], entries[row, PORTS] = dst_high, dst_low, ports
            entries[row, STREAM] = state[STREAMS + protocol - 1]
            state[STREAMS + protocol - 1] += 1
            entries[row, BASE], entries[row, BASE + 1] = -1, -1
            for column in range(PACKETS, FIRST):
                entries[row, column] = 0
            entries[row, FIRST], entries[row, LAST], entries[row, TURNED] = NO_TIME, NO_TIME, 0
            entries[row, SIDE], way = side, np.int64(0)
            entries[row, CHAIN] = buckets[bucket]
            buckets[bucket] = row
            state[KEPT] += 1
        elif state[NEWEST] != row:  # out of its place in the list by use
            newer, older = entries[row, NEWER], entries[row, OLDER]
            entries[newer, OLDER] = older
            if older:
                entries[older, NEWER] = newer
            else:
                state[OLDEST] = newer
        if state[NEWEST] != row:
            newest = state[NEWEST]
            entries[row, NEWER], entries[row, OLDER] = 0, newest
            if newest:
                entries[newest, NEWER] = row
            else:
                state[OLDEST] = row
            state[NEWEST] = row
        # ---- what is said of the packet
        marks, ack = packets[MARKS, packet], packets[ACK, packet]
        if protocol == TCP:
            if opening == SYN | ACKNOWLEDGES and entries[row, BASE + way] >= 0:
                entries[row, BASE + way] = seq
            if marks & ANALYSED:
                if entries[row, BASE + way] < 0:
                    entries[row, BASE + way] = seq if flags & SYN else (seq - 1) & WORD
                seq = (seq - entries[row, BASE + way]) & WORD
                if flags & ACKNOWLEDGES:
                    if entries[row, BASE + 1 - way] < 0:
                        entries[row, BASE + 1 - way] = (ack - 1) & WORD
                    ack = (ack - entries[row, BASE + 1 - way]) & WORD
        out[OUT_STREAM, packet], out[OUT_SEQ, packet], out[OUT_ACK, packet] = entries[row, STREAM], seq, ack
        if marks & COUNTED:
            if entries[row, PACKETS] + entries[row, PACKETS + 1] == 0:
                entries[row, TURNED] = way
            entries[row, PACKETS + way] += 1
            entries[row, BYTES + way] += packets[LENGTH, packet]
            entries[row, SEEN_FLAGS + way] |= flags
            time = packets[TIME, packet]
            if time != NO_TIME:
                if entries[row, FIRST] == NO_TIME or time < entries[row, FIRST]:
                    entries[row, FIRST] = time
                if time > entries[row, LAST]:
                    entries[row, LAST] = time
