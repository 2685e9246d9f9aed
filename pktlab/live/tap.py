"""Packets as they pass the interfaces of a host, for a program that looks on.

One raw socket, and nothing beside it: the kernel keeps the packets in the socket's buffer until they are asked for, so
nothing has to run next to what is watched. On ``lo`` every packet is seen on its way out and on its way in; the second
is taken. Interfaces without a link header (TUN) give raw IP.

Spec: packet(7); include/uapi/linux/if_packet.h.
"""

from __future__ import annotations

import socket
import struct
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from types import TracebackType
from typing import Self

from pktlab.capture import Interface, Record
from pktlab.errors import PktlabError
from pktlab.live.access import raw_socket_remedy

__all__ = ["Tap"]

ETH_P_ALL = 0x0003
SO_RCVBUFFORCE, SO_TIMESTAMPNS = 33, 35  # include/uapi/asm-generic/socket.h
SOL_PACKET, PACKET_STATISTICS, PACKET_OUTGOING = 263, 6, 4
BUFFER_LEN = 64 << 20
MAX_LEN = 1 << 17
TIMESPEC = struct.Struct("@ll")
LOOPBACK = 772
LINK_TYPES = {1: 1, LOOPBACK: 1, 65534: 101}
"""ARPHRD_ETHER, _LOOPBACK and _NONE (include/uapi/linux/if_arp.h), and the link types of their packets."""


class Tap:
    """A context manager; `read` gives the packets since the last time.

    Parameters
    ----------
    interface : the one to look at; empty for all of them
    opened : makes the raw socket, for one in another namespace
    without : interfaces whose packets are left out

    Raises
    ------
    PktlabError : on entering, when there is no such interface, or the system does not allow it
    """

    def __init__(
        self,
        interface: str = "",
        *,
        opened: Callable[[Callable[[], socket.socket]], socket.socket] = lambda make: make(),
        without: frozenset[str] = frozenset(),
    ) -> None:
        self.interface = interface
        self.interfaces: list[Interface] = []
        self.count = 0
        self.dropped = 0
        """Packets that came while the buffer was full; known when it is closed."""
        self._opened = opened
        self._without = without
        self._socket: socket.socket | None = None

    def __enter__(self) -> Self:
        if not hasattr(socket, "AF_PACKET"):
            raise PktlabError(f"looking at an interface needs Linux, and this is {sys.platform}: read a capture file")
        try:
            wire = self._opened(self._made)
        except PermissionError as error:
            remedy = raw_socket_remedy()
            raise PktlabError(
                f"packets cannot be seen here ({error.strerror}): run this as root, or allow it once: {remedy}"
            ) from None
        self._socket = wire
        try:
            self._set_up(wire)
        except OSError as error:
            self._socket = None
            wire.close()
            raise PktlabError(f"{self.interface}: {error.strerror}; `ip link` lists the interfaces") from None
        return self

    def _made(self) -> socket.socket:
        """Return the raw socket; one for a single interface sees nothing until it is bound to it."""
        return socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0 if self.interface else socket.htons(ETH_P_ALL))

    def _set_up(self, wire: socket.socket) -> None:
        wire.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER_LEN)  # as much of it as the system gives anybody
        with suppress(PermissionError):  # in a user namespace
            wire.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, BUFFER_LEN)
        wire.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        wire.setblocking(False)
        if self.interface:
            wire.bind((self.interface, ETH_P_ALL))
            if wire.getsockname()[3] not in LINK_TYPES:
                raise OSError(0, f"packets of its kind of link ({wire.getsockname()[3]}) cannot be read")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._socket is not None:
            counted = self._socket.getsockopt(SOL_PACKET, PACKET_STATISTICS, 8)
            self.dropped = int.from_bytes(counted[4:8], sys.byteorder)
            self._socket.close()
            self._socket = None

    def fileno(self) -> int:
        """Return the file descriptor that becomes readable when a packet has come; -1 once it is closed."""
        return -1 if self._socket is None else self._socket.fileno()

    def read(self) -> Iterator[Record]:
        """Yield what has come since the last time; it never waits."""
        while self._socket is not None:
            try:
                data, ancillary, _, source = self._socket.recvmsg(MAX_LEN, socket.CMSG_SPACE(TIMESPEC.size))
            except BlockingIOError:
                return
            name, _, direction, hardware = source[:4]
            is_echo = hardware == LOOPBACK and direction == PACKET_OUTGOING
            if not is_echo and hardware in LINK_TYPES and name not in self._without:
                yield self._record(data, _time_ns(ancillary), name, LINK_TYPES[hardware])

    def _record(self, data: bytes, time_ns: int | None, name: str, link_type: int) -> Record:
        number = next((at for at, one in enumerate(self.interfaces) if one.name == name), len(self.interfaces))
        if number == len(self.interfaces):
            self.interfaces.append(Interface(link_type, name=name, ticks_per_second=1_000_000_000))
        self.count += 1
        return Record(self.count, time_ns, data, len(data), link_type, number)


def _time_ns(ancillary: list[tuple[int, int, bytes]]) -> int | None:
    for level, kind, value in ancillary:
        if (level, kind) == (socket.SOL_SOCKET, SO_TIMESTAMPNS):
            seconds, rest = TIMESPEC.unpack(value)
            return int(seconds * 1_000_000_000 + rest)
    return None
