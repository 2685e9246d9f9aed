"""The kernel that runs programs of the Berkeley Packet Filter, which say of a packet whether it passes.

The machine has an accumulator, an index register and 16 words of memory, all of 32 bits; a load behind the captured
bytes ends the program with "no", as does a division by zero. Instructions come as an array, so that the numbers of
ports and protocols are the user's.

Spec: S. McCanne and V. Jacobson, The BSD Packet Filter, 1993, section 3.3; libpcap's ``bpf_filter``.
"""

from __future__ import annotations

import numpy as np

from pktlab.columns.compiled import kernel

__all__ = ["run_programs"]


@kernel
def run_programs(data, starts, captured, lengths, programs_of, count, codes, jumps, numbers, firsts, memory, passes):
    """Tell which of `count` packets pass.

    Parameters
    ----------
    data : uint8; starts, captured, lengths : one entry a packet, of the index
    programs_of : int32 a packet, which program is run over it
    codes, numbers : int64 an instruction, of all programs; jumps : int64, shape (instructions, 2), if a test holds and
        if it fails
    firsts : int64, the first instruction of each program, and the end of the last
    memory : int64, room for the 16 words
    passes : bool, shape (packets,), out
    """
    for packet in range(count):
        start, size = starts[packet], captured[packet]
        at, stop = firsts[programs_of[packet]], firsts[programs_of[packet] + 1]
        first = at
        a, x, answer = np.int64(0), np.int64(0), np.int64(0)
        memory[:] = 0
        while first <= at < stop:
            code, k = codes[at], numbers[at]
            jump_if, jump_else = jumps[at, 0], jumps[at, 1]
            at += 1
            kind = code & 7
            if kind <= 1:  # loads, into the accumulator or the index register
                mode, width = code & 0xE0, np.int64(4)
                if code & 0x18 == 0x08:
                    width = np.int64(2)
                elif code & 0x18 == 0x10:
                    width = np.int64(1)
                value = k
                if mode == 0x20 or mode == 0x40:
                    place = k if mode == 0x20 else k + x
                    if place + width > size:
                        break
                    value = np.int64(0)
                    for byte in range(width):
                        value = value << 8 | np.int64(data[start + place + byte])
                elif mode == 0x60:
                    value = memory[k & 15]
                elif mode == 0x80:
                    value = lengths[packet] & 0xFFFFFFFF
                elif mode == 0xA0:
                    if k >= size:
                        break
                    value = (np.int64(data[start + k]) & 15) << 2
                if kind == 0:
                    a = value
                else:
                    x = value
            elif kind == 2:
                memory[k & 15] = a
            elif kind == 3:
                memory[k & 15] = x
            elif kind == 4:  # arithmetic
                other = x if code & 8 else k
                operation = code & 0xF0
                if operation == 0x00:
                    a += other
                elif operation == 0x10:
                    a -= other
                elif operation == 0x20:
                    a = np.int64(np.uint64(a) * np.uint64(other) & np.uint64(0xFFFFFFFF))
                elif operation == 0x30 or operation == 0x90:
                    if other == 0:
                        break
                    a = a // other if operation == 0x30 else a % other
                elif operation == 0x40:
                    a |= other
                elif operation == 0x50:
                    a &= other
                elif operation == 0x60:
                    a = a << other if other < 32 else np.int64(0)
                elif operation == 0x70:
                    a = a >> other if other < 32 else np.int64(0)
                elif operation == 0x80:
                    a = -a
                elif operation == 0xA0:
                    a ^= other
                a &= 0xFFFFFFFF
            elif kind == 5:  # jumps
                other = x if code & 8 else k
                operation = code & 0xF0
                if operation == 0x00:
                    at += k if k < 0x80000000 else k - 0x100000000  # ``protochain`` goes back
                    continue
                holds = False
                if operation == 0x10:
                    holds = a == other
                elif operation == 0x20:
                    holds = a > other
                elif operation == 0x30:
                    holds = a >= other
                elif operation == 0x40:
                    holds = a & other != 0
                at += jump_if if holds else jump_else
            elif kind == 6:
                answer = a if code & 0x18 == 0x10 else k
                break
            elif code & 0xF8 == 0:
                x = a
            else:
                a = x
        passes[packet] = answer != 0
