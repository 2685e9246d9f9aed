"""Frames by the block: a ring that the kernel fills and this program reads in place, and files written from it.

The ring is mapped memory (TPACKET_V3): for a frame no system call is made and no object. A compiled kernel lays out a
block of frames as the file has them, and the block goes back. What is lost is lost only when the ring is full.

Spec: Linux ``Documentation/networking/packet_mmap.rst``.
"""

from __future__ import annotations

import mmap
import os
import select
import socket
import struct
import sys
import time
from contextlib import suppress

import numpy as np

from pktlab.capture import CaptureWriter, Record
from pktlab.columns.bpf import CaptureFilter
from pktlab.columns.kernels_ring import lay_out
from pktlab.errors import PktlabError
from pktlab.live.links import ETHERNET
from pktlab.live.packet_socket import PacketSocket, Stop
from pktlab.live.vlan import SOL_PACKET

__all__ = ["Ring"]

PACKET_RX_RING, PACKET_VERSION = 5, 10
TPACKET_V3 = 2
BLOCK_LEN = 1 << 20
RING_LEN = 64 << 20
FRAME_LEN = 2048
MOST_FRAMES = BLOCK_LEN // 80
"""In a block: each has a header of 68 bytes, and 14 of its own at the least."""
RETIRE_MS = 50
"""How long the kernel waits for a block to get full before it hands it over."""
STATUS, COUNT, FIRST = 2, 3, 4
"""Words of a block's header: whose it is, frames in it, where the first one starts."""
USER, KERNEL = 1, 0
WRONG = -1


class Ring:
    """A ring on a socket that was not started.

    Parameters
    ----------
    wire : the socket; its frames are read here alone from now on
    size : of the ring in bytes; less is taken where there is not as much memory

    Raises
    ------
    PktlabError : the system has no such rings, or no memory
    """

    def __init__(self, wire: PacketSocket, *, size: int = RING_LEN) -> None:
        self.wire = wire
        try:
            wire.socket.setsockopt(SOL_PACKET, PACKET_VERSION, TPACKET_V3)
            count = self._allocate(max(size // BLOCK_LEN, 2))
            self._memory = mmap.mmap(wire.socket.fileno(), count * BLOCK_LEN)
        except OSError as error:
            raise PktlabError(f"{wire.link.name}: no ring for frames can be had ({error.strerror})") from None
        self._bytes = np.frombuffer(self._memory, np.uint8)
        self._words = self._bytes.view(np.uint32)
        self._count = count
        self._next = 0
        self._out = np.empty(BLOCK_LEN + 64, np.uint8)
        self._tagged = np.empty((MOST_FRAMES, 5), np.int64)
        self._lay_out(0, BLOCK_LEN, 0, 0, is_pcapng=True)  # compiled or loaded before the first frame comes

    def _allocate(self, count: int) -> int:
        """Have the kernel make `count` blocks, or half as many, and so on; return how many they are."""
        while True:
            frames = count * (BLOCK_LEN // FRAME_LEN)
            try:
                request = struct.pack("=7I", BLOCK_LEN, count, FRAME_LEN, frames, RETIRE_MS, 0, 0)
                self.wire.socket.setsockopt(SOL_PACKET, PACKET_RX_RING, request)
            except MemoryError:
                pass
            except OSError:
                if count <= 2:
                    raise
            else:
                return count
            count //= 2

    def write(self, writer: CaptureWriter, stop: Stop, *, seconds: float | None = None, most: int | None = None) -> int:
        """Write frames to a capture until `stop`, for `seconds`, or until they are `most`; return how many they were.

        Raises
        ------
        CaptureError : the target cannot be written to
        PktlabError : the interface was switched off, or is gone
        """
        until = self.wire.start(seconds)
        written, goes_on = 0, True
        while goes_on and (most is None or written < most):
            if self._is_ready():
                written += self._give(writer, None if most is None else most - written)
                goes_on = not stop.is_set and (until is None or time.monotonic() < until)
            else:
                goes_on = self.wire.wait(stop, until)
                self._check()
        self.wire.stop()
        return written + self._drain(writer, None if most is None else most - written)

    def _is_ready(self) -> bool:
        return bool(self._words[self._next * (BLOCK_LEN // 4) + STATUS] & USER)

    def _give(self, writer: CaptureWriter, most: int | None) -> int:
        """Lay out the next block and give it back; return how many frames were written."""
        start = self._next * BLOCK_LEN
        head = self._words[start // 4 : start // 4 + 5]
        written = self._write_block(writer, start + int(head[FIRST]), start + BLOCK_LEN, int(head[COUNT]), most)
        head[STATUS] = KERNEL
        self._next = (self._next + 1) % self._count
        return written

    def _drain(self, writer: CaptureWriter, most: int | None) -> int:
        """Lay out what was taken in before the end; the block that is not full comes after its time."""
        poll, written = select.poll(), 0
        poll.register(self.wire.socket, select.POLLIN)
        while most is None or written < most:
            if not self._is_ready() and not poll.poll(2 * RETIRE_MS):
                break
            if self._is_ready():
                written += self._give(writer, None if most is None else most - written)
        return written

    def _check(self) -> None:
        error = self.wire.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if error:
            raise PktlabError(f"{self.wire.link.name}: {os.strerror(error).lower()}")

    def _write_block(self, writer: CaptureWriter, pos: int, end: int, packets: int, most: int | None) -> int:
        """Write the frames of a block, of which there are `packets`, the first at `pos`; return how many they were."""
        written = 0
        while packets > 0 and (most is None or written < most):
            left = packets if most is None else most - written
            seen, done, pos, size, tags = self._lay_out(pos, end, packets, left, is_pcapng=writer.format == "pcapng")
            if size == WRONG:
                raise PktlabError(f"{self.wire.link.name}: the kernel's ring of frames is laid out in an unknown way")
            if tags and self.wire.bpf is not None:
                done, size = self._without_others(self._tagged[:tags].tolist(), self.wire.bpf, done, size)
            if done:
                writer.write_laid_out(self._out[:size].data, done)
            written += done
            packets -= seen
        return written

    def _lay_out(self, pos: int, end: int, packets: int, most: int, *, is_pcapng: bool) -> tuple[int, ...]:
        found: tuple[int, ...] = lay_out(
            self._bytes, pos, end, packets, most, sys.byteorder == "little", self.wire.link_type == ETHERNET,
            self.wire.link.is_loopback, is_pcapng, self._out, self._tagged,
        )  # fmt: skip
        return found

    def _without_others(self, tagged: list[list[int]], bpf: CaptureFilter, done: int, size: int) -> tuple[int, int]:
        """Take out the frames with a tag that do not pass; return how many are left, and their bytes."""
        place = copied = 0
        for start, stop, at, captured, length in tagged:
            frame = self._out[at : at + captured].tobytes()
            if not bpf.matches(Record(0, None, frame, length, self.wire.link_type)):
                self._out[place : place + start - copied] = self._out[copied:start]
                place, copied, done = place + start - copied, stop, done - 1
        self._out[place : place + size - copied] = self._out[copied:size]
        return done, place + size - copied

    def close(self) -> None:
        """Give the memory back; the socket is closed by whoever made it."""
        del self._bytes, self._words
        with suppress(BufferError):  # an error on its way up still holds a view: the memory goes with it
            self._memory.close()
