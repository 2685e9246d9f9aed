"""A kernel over the blocks of a ring that the Linux kernel fills (TPACKET_V3): frames out of it, as a file has them.

Where things lie in a block is a layout of the kernel's (Linux ``include/uapi/linux/if_packet.h``: ``tpacket3_hdr``,
``sockaddr_ll``), in the byte order of the machine. All lengths in it are checked against the block.
"""

from __future__ import annotations

import numpy as np

from pktlab.columns.compiled import inlined, kernel
from pktlab.columns.kernels_bits import address_of, load64, number_at, put, store64

__all__ = ["lay_out"]


@inlined
def _copied(source, target, size):
    """Copy `size` bytes, 8 at a time: behind them, here and there, are 7 more; return the address behind them."""
    for place in range(0, size, 8):
        store64(target + place, load64(source + place))
    return target + size


@inlined
def _put32(target, value):
    """Store 4 bytes, little-endian; return the address behind them."""
    for shift in range(0, 32, 8):
        target = put(target, value >> shift)
    return target


@kernel
def lay_out(ring, pos, end, packets, most, little, is_ethernet, skips_outgoing, is_pcapng, out, tagged):
    """Lay out the frames of a block as records of a pcap, or as enhanced packet blocks of a pcapng's first interface.

    A tag that was taken out of a frame goes back; what the kernel says of a frame becomes the flags of a pcapng packet.

    Parameters
    ----------
    ring : uint8; pos : where the first frame to be laid out starts; end : of the block
    packets : so many frames are in the block from `pos` on; most : frames to be laid out at most
    little : the machine's byte order
    skips_outgoing : leave out frames that go out
    out : uint8, where they go; times of a pcap count ns
    tagged : int64, shape (frames, 5), out: of each frame that got its tag back where its record starts and ends in
        `out`, where the frame starts, its bytes there and on the wire

    Returns
    -------
    (frames gone through, frames laid out, where the next one starts, bytes laid out, entries of `tagged`): the first is
    less than `packets` if there was no room, or `most` were laid out; -1 bytes if the block is not as it should be
    """
    base, target, seen, done, tags = address_of(ring), address_of(out), np.int64(0), np.int64(0), np.int64(0)
    start, room = target, target + out.size
    while seen < packets and done < most:
        if pos < 0 or pos + 68 > end or end > ring.size:
            return seen, done, pos, np.int64(-1), tags
        head = base + pos
        step, size = number_at(head, 4, little), number_at(head + 12, 4, little)
        mac, status = number_at(head + 24, 2, little), number_at(head + 20, 4, little)
        kind = np.int64(number_at(head + 58, 1, little))
        if mac < 68 or pos + mac + size + 8 > end:
            return seen, done, pos, np.int64(-1), tags
        if target + size + 64 > room or tags == len(tagged):
            break
        if not (skips_outgoing and kind == 4):
            seconds, rest = number_at(head + 4, 4, little), number_at(head + 8, 4, little)
            length, frame = number_at(head + 16, 4, little), head + mac
            has_tag = is_ethernet and status & 0x10 and size >= 12
            extra = 4 if has_tag else 0
            whole = size + extra
            record = target
            if is_pcapng:
                time = seconds * 1_000_000_000 + rest
                total = 28 + (whole + 3 & ~3) + 16
                for value in (6, total, 0, time >> 32, time, whole, length + extra):
                    target = _put32(target, value)
            else:
                for value in (seconds, rest, whole, length + extra):
                    target = _put32(target, value)
            if has_tag:
                tpid = number_at(head + 36, 2, little) if status & 0x40 else np.int64(0x8100)
                tci = number_at(head + 32, 4, little)
                target = _copied(frame, target, 12)
                for value in (tpid >> 8, tpid, tci >> 8, tci):
                    target = put(target, value)
                target = _copied(frame + 12, target, size - 12)
            else:
                target = _copied(frame, target, size)
            if is_pcapng:
                for _ in range(-whole & 3):
                    target = put(target, 0)
                flags = np.int64(2)
                if kind < 4:
                    flags = np.int64(1) | (4 if kind == 3 else 2 if kind == 2 else 2 * kind + 1) << 2
                elif kind > 4:
                    flags = np.int64(1)
                flags |= (status & 0x08) << 6 | (status & 0x80) << 3 | (status & 0x100) << 3
                for value in (2 | 4 << 16, flags, 0, total):
                    target = _put32(target, value)
            if has_tag:
                tagged[tags, 0], tagged[tags, 1] = record - start, target - start
                tagged[tags, 2] = record - start + (28 if is_pcapng else 16)
                tagged[tags, 3], tagged[tags, 4] = whole, length + extra
                tags += 1
            done += 1
        seen += 1
        pos += step
    return seen, done, pos, target - start, tags
