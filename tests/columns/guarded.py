"""Run every kernel over packets that end right in front of memory that nobody may touch.

``python -m tests.columns.guarded`` of itself would crash where a kernel reads behind the `PAD` of its buffer.
"""

from __future__ import annotations

import ctypes
import io
import mmap
import struct
import sys

import numpy as np

from pktlab.capture import open_capture
from pktlab.columns import kernels
from pktlab.columns import kernels_streams as kernel
from pktlab.columns.batches import Columns
from pktlab.columns.kernels_ring import lay_out
from pktlab.columns.lines import LinePrinter
from pktlab.columns.plan import plan_for
from pktlab.columns.rules import compile_rules
from pktlab.columns.scan import Walked
from pktlab.columns.windows import PAD, Index, _clocks, _window_of

from .captures import Piece, first_light, mutants, pcap, pcapng
from .test_batches import NAMES

PROT_NONE = 0
ROOM = 4 * mmap.PAGESIZE


class Guarded:
    """Memory whose last readable byte is known."""

    def __init__(self) -> None:
        self._map = mmap.mmap(-1, ROOM + mmap.PAGESIZE)
        start = ctypes.addressof(ctypes.c_char.from_buffer(self._map))
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.mprotect(ctypes.c_void_p(start + ROOM), ctypes.c_size_t(mmap.PAGESIZE), PROT_NONE):
            raise OSError(ctypes.get_errno(), "mprotect")
        self.bytes = np.frombuffer(self._map, np.uint8, ROOM)

    def put(self, data: bytes) -> np.ndarray:
        """Return `data` with `PAD` bytes behind, which are the last."""
        self.bytes[ROOM - PAD :] = 0xFF
        self.bytes[ROOM - PAD - len(data) : ROOM - PAD] = np.frombuffer(data, np.uint8)
        return self.bytes[ROOM - PAD - len(data) :]

    def touch_behind(self) -> int:
        """Read the byte behind the last."""
        return ctypes.cast(self.bytes.ctypes.data + ROOM, ctypes.POINTER(ctypes.c_ubyte))[0]


def walk(memory: Guarded, pieces: list[Piece]) -> int:
    """Walk each packet alone, at every length, take every field out of it, print it; return how many there were."""
    printer = LinePrinter()
    lines = Walked(printer.plan, 1)
    plans = [plan_for(compile_rules(), sums=None, every=True), Columns(NAMES).plan]
    walked = [Walked(plan, 1) for plan in plans]
    count = 0
    for one in pieces:
        for length in range(len(one.data) + 1):
            piece = one._replace(data=one.data[:length], more=count % 2 * (len(one.data) - length))
            window = _window_of(list(open_capture(io.BytesIO(pcapng([piece])))))
            window.data = memory.put(piece.data)
            for each in walked:
                each.run(window)
                for places in each.plan.places.values():
                    for place in places:
                        each.octets([place], place.row.width)
                        if place.row.width < 8:
                            each.values([place])
            lines.run(window)
            printer._print(lines)
            count += 1
    return count


def index(memory: Guarded, pieces: list[Piece]) -> int:
    """Index captures that end at every byte; return how many there were."""
    room, count = Index(8), 0
    at = (room.starts, room.captured, room.lengths, room.times)
    more = (room.links, room.fcs, room.flags)
    whole = pcapng([one._replace(options=bytes.fromhex("02000400000200000100030061626300")) for one in pieces])
    with open_capture(io.BytesIO(whole)) as reader:
        list(reader)
        clocks = _clocks(list(reader.interfaces))
    blocks = whole[28 + 20 * len(clocks) :]
    records = pcap(pieces)[24:]
    for length in range(len(blocks)):
        kernels.index_pcapng(memory.put(blocks[:length]), 0, length, True, clocks, *at, *more)
        count += 1
    for length in range(len(records)):
        kernels.index_pcap(memory.put(records[:length]), 0, length, True, 1000, 65535, 4, *at, room.fcs)
        count += 1
    return count


def ring_block() -> bytes:
    """A block of a ring as the kernel fills it: the layout is checked in tests/live/test_sniff.py."""
    made = b""
    for number, (status, kind, size) in enumerate([(0, 0, 60), (0x50, 1, 61), (0x10, 4, 14), (8, 3, 300), (0, 2, 13)]):
        head = struct.pack("=IIIIIHHIIHH8x", number, 7, size, size, status, 82, 96, 0, 0x64, 0x88A8, 0)
        frame = head + struct.pack("=HHiHBB8x", 17, 0, 1, 1, kind, 6) + bytes(82 - 68) + bytes(range(256))[:1] * size
        frame += bytes(-(len(frame) + 4) % 8)
        made += struct.pack("=I", len(frame) + 4) + frame
    return made + bytes(16)


def ring(memory: Guarded) -> int:
    """Lay out blocks that end at every byte, and into buffers of every length; return how many there were."""
    block, tagged, count = ring_block(), np.zeros((8, 5), np.int64), 0
    out, whole = np.zeros(ROOM, np.uint8), np.frombuffer(block, np.uint8)
    for is_pcapng in (False, True):
        for length in range(len(block) + 1):
            memory.bytes[ROOM - length :] = whole[:length]
            cut = memory.bytes[ROOM - length :]
            lay_out(cut, 0, length, 5, 5, sys.byteorder == "little", True, False, is_pcapng, out, tagged)
            room = memory.bytes[ROOM - length :]
            lay_out(whole, 0, len(whole), 5, 5, sys.byteorder == "little", True, False, is_pcapng, room, tagged)
            count += 2
    return count


def streams(memory: Guarded, target: Guarded) -> int:
    """Put streams together out of buffers that end anywhere, into ones of every length; return how many there were."""
    count, carried = 0, np.zeros(kernel.PAD + 40, np.uint8)
    places = [(0, 1), (1, 20), (21, 40), (70, 9), (61, 9), (20, 41), (79, 30), (-1, 5), (100, 1 << 40)]
    lanes = np.zeros((kernel.LANE_LEN, len(places)), np.int64)
    lanes[kernel.START], lanes[kernel.LENGTH] = np.array(places).T
    lanes[kernel.SEQ] = lanes[kernel.START]
    for first in range(len(places)):
        own = np.ascontiguousarray(lanes[:, first:])
        for length in range(200):
            ways, held = np.zeros((2, kernel.WAY_LEN), np.int64), np.zeros((30, kernel.HELD_LEN), np.int64)
            held[1] = 90, 130, -1, 1, 0
            ways[0] = 1, 0, 0, 0, 0, 0, -1, -1, -1, 0, 0, 240, 1, 1
            ways[1] = 0, 0, 0, 0, 0, 0, -1, -1, -1, 0, 0, 0, 0, 0
            rules = np.array([2, 1, 4, 1 << 26, 1 << 20, 200, 1, 2, 0, 0, 1000], np.int64)
            told, ends = np.zeros((300, kernel.TELL_LEN), np.int64), np.zeros((2, 1), np.int64)
            data, out = memory.bytes[ROOM - length :], target.bytes[ROOM - 200 + length :]
            stops = np.array([own.shape[1]])
            kernel.put_together(data, carried, own, stops, ways, held, told, rules, ends, out)
            count += 1
    return count


def main(what: str) -> None:
    """Run `what`: the kernels, or the proof that the guard bites."""
    memory = Guarded()
    if what == "touch":
        memory.touch_behind()
        return
    packets = [one for one in first_light() if len(one.data) < 200]
    ethernet = [one for one in packets if one.link_type == 1]
    print(
        walk(memory, packets[:25] + mutants(5, 15)),
        index(memory, ethernet[:6]),
        ring(memory),
        streams(memory, Guarded()),
    )


if __name__ == "__main__":
    main(sys.argv[1])
