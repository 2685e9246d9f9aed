"""A socket that sees every frame of an interface, as libpcap opens it: filter, buffer, times, and what the kernel says.

A frame's own bytes do not tell all. The kernel takes an 802.1Q tag out of them, and leaves a checksum to a network card
that is to come; both stand beside the frame (PACKET_AUXDATA). Here the tag goes back to its place, and the rest becomes
the packet flags of pcapng, by which a checksum that is not ready is known for one.

Spec: packet(7); Linux ``include/uapi/linux/{if_packet,filter}.h`` and ``Documentation/networking/packet_mmap.rst``;
draft-ietf-opsawg-pcapng section 4.3.1 (flags).
"""

from __future__ import annotations

import errno
import select
import socket
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import NamedTuple

import numpy as np

from pktlab.capture import Record
from pktlab.columns.bpf import INSTRUCTION, SNAPLEN, CaptureFilter
from pktlab.errors import PktlabError
from pktlab.live.access import packet_socket
from pktlab.live.links import ETHERNET, Link
from pktlab.live.stop import Stop
from pktlab.live.vlan import (
    AUXDATA,
    ETH_P_ALL,
    PACKET_AUXDATA,
    PACKET_OUTGOING,
    SOL_PACKET,
    TP_STATUS_VLAN_VALID,
    TPID,
    tagged,
)

__all__ = ["Counters", "PacketSocket", "Stop", "TooLong", "packet_flags", "with_tag"]

SO_ATTACH_FILTER, SO_RCVBUFFORCE, SO_TIMESTAMPNS = 26, 33, 35  # include/uapi/asm-generic/socket.h
PACKET_ADD_MEMBERSHIP, PACKET_STATISTICS, PACKET_IGNORE_OUTGOING = 1, 6, 23
PACKET_MR_PROMISC = 1
BUFFER_LEN = 64 << 20
TIMESPEC = struct.Struct("@ll")
ANCILLARY_LEN = 256
"""Bytes that there are for what comes beside a frame: a time and auxiliary data, with their headers."""
CSUM_NOT_READY, TPID_VALID, CSUM_VALID, GSO_TCP = 1 << 3, 1 << 6, 1 << 7, 1 << 8  # TP_STATUS_…
INBOUND, OUTBOUND = 1, 2
RECEPTION = {0: 1, 1: 3, 2: 2, 3: 4}
"""How a frame came in, by the kernel's word for whom it is: to us, broadcast, multicast, to somebody else."""
MACS_LEN = 12
DRAIN_S = 0.5
"""How long after the end frames are read that came before it: whoever presses ctrl-C waits for them."""
ETH_P_IP, ETH_P_IPV6 = 0x0800, 0x86DD
TRIES, FULL_S = 200, 0.005
"""How often a frame is offered to a queue that is full, and how long between."""

TAKE_NONE = np.array([(0x06, 0, 0, 0)], INSTRUCTION)
"""BPF: return 0."""


def packet_flags(status: int, kind: int) -> int:
    """Return what the kernel says of a frame as the flags of a pcapng packet.

    Parameters
    ----------
    status : TP_STATUS_ bits
    kind : PACKET_HOST, PACKET_BROADCAST … : for whom it is, or that it goes out

    >>> hex(packet_flags(CSUM_NOT_READY, PACKET_OUTGOING)), hex(packet_flags(CSUM_VALID, 0))
    ('0x202', '0x405')
    """
    flags = OUTBOUND if kind == PACKET_OUTGOING else INBOUND | RECEPTION.get(kind, 0) << 2
    for bit, flag in ((CSUM_NOT_READY, 0x200), (CSUM_VALID, 0x400), (GSO_TCP, 0x800)):
        flags |= flag if status & bit else 0
    return flags


def with_tag(frame: bytes, status: int, tci: int, tpid: int) -> bytes:
    r"""Return an Ethernet frame with the tag that the kernel took out of it; unchanged, if it took none.

    >>> with_tag(bytes(12) + b"\x08\x00", TP_STATUS_VLAN_VALID | TPID_VALID, 0x6064, 0x88A8)[12:].hex(" ")
    '88 a8 60 64 08 00'
    """
    if not status & TP_STATUS_VLAN_VALID or len(frame) < MACS_LEN:
        return frame
    return tagged(frame, tci, tpid if status & TPID_VALID else TPID)


class TooLong(PktlabError):
    """A frame that is longer than its interface takes."""


class Counters(NamedTuple):
    """Frames that passed the filter, and those of them for which there was no room."""

    received: int
    dropped: int


class PacketSocket:
    """The frames of an interface, coming in and going out; on loopback, where both are one, only coming in.

    Nothing is taken in before `start`, so privileges can be dropped between.

    Parameters
    ----------
    link : the interface
    bpf : what frames have to pass; as in a file, a tag is part of the frame
    snaplen : most bytes that are kept of a frame; 0 = 262144
    promiscuous : frames to others are taken in too

    Raises
    ------
    PktlabError : the system does not allow it, or the interface carries neither Ethernet nor IP
    FilterError, MissingLibrary : of `bpf`
    """

    def __init__(
        self, link: Link, *, bpf: CaptureFilter | None = None, snaplen: int = 0, promiscuous: bool = True
    ) -> None:
        self.link = link
        self.link_type = link.link_type
        self.snaplen = snaplen or SNAPLEN
        self.bpf = bpf
        self._received = self._dropped = 0
        self.is_started = False
        self.on_start: Callable[[], object] = lambda: None
        """Called when frames are taken in."""
        program = _program(None if bpf is None else bpf.program(self.link_type), self.snaplen)
        self.socket = packet_socket()
        try:
            self._prepare(program, promiscuous)
        except OSError as error:
            self.socket.close()
            raise PktlabError(f"{link.name}: {error.strerror}") from None

    def _prepare(self, program: np.ndarray, promiscuous: bool) -> None:
        self._attach(program)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER_LEN)  # as much as the system gives anybody
        with suppress(PermissionError):  # in a user namespace, or with CAP_NET_RAW alone
            self.socket.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, BUFFER_LEN)
        self.socket.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        self.socket.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
        if self.link.is_loopback:
            with suppress(OSError):  # Linux before 4.20, where they are passed over below
                self.socket.setsockopt(SOL_PACKET, PACKET_IGNORE_OUTGOING, 1)
        elif promiscuous:
            membership = struct.pack("=iHH8x", self.link.index, PACKET_MR_PROMISC, 0)
            self.socket.setsockopt(SOL_PACKET, PACKET_ADD_MEMBERSHIP, membership)
        self.socket.setblocking(False)

    def _attach(self, program: np.ndarray) -> None:
        """Have the kernel run a program of BPF over each frame."""
        kept = np.ascontiguousarray(program)
        self.socket.setsockopt(
            socket.SOL_SOCKET, SO_ATTACH_FILTER, struct.pack("@HP", len(kept), kept.ctypes.data)
        )  # struct sock_fprog

    def start(self, seconds: float | None = None) -> float | None:
        """Begin to take in frames; return when `seconds` are over, as `time.monotonic` has it.

        Raises
        ------
        PktlabError : the interface is gone
        """
        try:
            self.socket.bind((self.link.name, ETH_P_ALL))
        except OSError as error:
            raise PktlabError(f"{self.link.name}: {error.strerror}") from None
        self.is_started = True
        self.on_start()
        return None if seconds is None else time.monotonic() + seconds

    def stop(self) -> None:
        """Take in no more; what was taken in can still be read."""
        with suppress(OSError):
            self._attach(TAKE_NONE)

    def counters(self) -> Counters:
        """Return how many frames there were so far."""
        with suppress(OSError):
            received, dropped = struct.unpack_from("=II", self.socket.getsockopt(SOL_PACKET, PACKET_STATISTICS, 12))
            self._received += received
            self._dropped += dropped
        return Counters(self._received, self._dropped)

    def wait(self, stop: Stop, until: float | None) -> bool:
        """Wait for frames; tell whether to go on: neither was `stop` set nor is it `until`, a `time.monotonic`, yet."""
        left = None if until is None else max(until - time.monotonic(), 0) * 1000
        poll = select.poll()
        poll.register(self.socket, select.POLLIN)
        poll.register(stop, select.POLLIN)
        poll.poll(left)
        return not stop.is_set and (until is None or time.monotonic() < until)

    def read(self) -> Record | None:
        """Return the next frame, numbered 0; None if there is none yet.

        Raises
        ------
        PktlabError : the interface was switched off, or is gone
        """
        while True:
            try:
                data, ancillary, _, source = self.socket.recvmsg(self.snaplen, ANCILLARY_LEN)
            except BlockingIOError:
                return None
            except OSError as error:
                raise PktlabError(f"{self.link.name}: {(error.strerror or str(error)).lower()}") from None
            record = self._record(data, ancillary, source[2])
            if record is not None:
                return record

    def _record(self, data: bytes, ancillary: list[tuple[int, int, bytes]], kind: int) -> Record | None:
        """Return a frame with its tag; None for one that is not wanted."""
        if self.link.is_loopback and kind == PACKET_OUTGOING:
            return None
        time_ns, status, length, tci, tpid = None, 0, len(data), 0, 0
        for level, what, value in ancillary:
            if (level, what) == (SOL_PACKET, PACKET_AUXDATA):
                status, length, _, _, _, tci, tpid = AUXDATA.unpack(value)
            elif (level, what) == (socket.SOL_SOCKET, SO_TIMESTAMPNS):
                seconds, rest = TIMESPEC.unpack(value)
                time_ns = seconds * 1_000_000_000 + rest
        whole = with_tag(data, status, tci, tpid) if self.link_type == ETHERNET else data
        length += len(whole) - len(data)
        record = Record(0, time_ns, whole, length, self.link_type, 0, flags=packet_flags(status, kind))
        if len(whole) != len(data) and self.bpf is not None and not self.bpf.matches(record):
            return None
        return record

    def frames(self, stop: Stop, until: float | None) -> Iterator[Record]:
        """Yield frames until `stop` or `until` ends it, and for half a second more those that were taken in before."""
        goes_on = True
        while goes_on:
            record = self.read()
            if record is not None:
                yield record
                goes_on = not stop.is_set and (until is None or time.monotonic() < until)
            else:
                goes_on = self.wait(stop, until)
        self.stop()
        end = time.monotonic() + DRAIN_S
        for record in iter(self.read, None):
            yield record
            if time.monotonic() > end:
                return

    def until(self, moment: float) -> Iterator[Record]:
        """Yield the frames that come before a `time.monotonic`; more can be asked for afterwards."""
        while True:
            record = self.read()
            if record is not None:
                yield record
            elif not select.select([self.socket], [], [], max(moment - time.monotonic(), 0))[0]:
                return
            if time.monotonic() >= moment:
                return

    def put(self, frame: bytes) -> None:
        """Send a frame; this socket does not see it go.

        Raises
        ------
        TooLong : it is longer than the interface takes
        PktlabError : it is not sent for another reason
        """
        for _ in range(TRIES):
            try:
                self.socket.sendto(frame, (self.link.name, self._ether_type(frame)))
            except (BlockingIOError, InterruptedError):
                select.select([], [self.socket], [], FULL_S)
            except OSError as error:
                if error.errno != errno.ENOBUFS:
                    raise self._refusal(frame, error) from None
                time.sleep(FULL_S)
            else:
                return
        raise PktlabError(f"{self.link.name}: no room to send for {TRIES * FULL_S:g} s")

    def _ether_type(self, frame: bytes) -> int:
        """Return what the kernel is told that a frame is, which of an IP packet it cannot see for itself."""
        if self.link_type == ETHERNET:
            return 0
        return ETH_P_IPV6 if frame[:1] and frame[0] >> 4 == 6 else ETH_P_IP

    def _refusal(self, frame: bytes, error: OSError) -> PktlabError:
        if error.errno == errno.EMSGSIZE:
            most = self.link.mtu + (14 if self.link_type == ETHERNET else 0)
            return TooLong(f"a packet has {len(frame)} bytes, and {self.link.name} takes {most}")
        return PktlabError(f"{self.link.name}: a packet of {len(frame)} bytes is not sent: {error.strerror}")

    def close(self) -> None:
        """Close it."""
        self.socket.close()


def _program(wanted: np.ndarray | None, snaplen: int) -> np.ndarray:
    """Return the program that the kernel runs for a filter, which was compiled for packets as they lie in files.

    The kernel has taken a tag out of the bytes before. So what had a tag is taken in whatever it is, and asked when the
    tag is back; the filter decides on the rest.
    """
    take = np.array([(0x06, 0, 0, snaplen)], INSTRUCTION)  # return snaplen
    if wanted is None:
        return take
    tag_present = np.array([(0x30, 0, 0, 0xFFFFF000 + 48), (0x15, 1, 0, 0)], INSTRUCTION)  # A = SKF_AD_VLAN_TAG_PRESENT
    kept = wanted.copy()
    kept["k"][(kept["code"] == 0x06) & (kept["k"] != 0)] = snaplen
    return np.concatenate([tag_present, take, kept])
