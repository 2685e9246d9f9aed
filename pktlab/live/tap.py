"""All packets that pass a host, for a program that looks on.

One raw socket, and nothing beside it: the kernel keeps the packets in the socket's buffer until they are asked for, so
nothing has to run next to what is watched. On ``lo`` every packet is seen on its way out and on its way in; the second
is taken. For one interface, with filters, see `pktlab.live.sniff`.

Spec: packet(7); include/uapi/linux/if_packet.h.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable, Iterator
from contextlib import suppress
from types import TracebackType
from typing import Self

from pktlab.capture import Interface, Record
from pktlab.live.access import packet_socket
from pktlab.live.links import LINK_TYPES
from pktlab.live.vlan import ETH_P_ALL, PACKET_OUTGOING

__all__ = ["Tap"]

SO_RCVBUFFORCE, SO_TIMESTAMPNS = 33, 35  # include/uapi/asm-generic/socket.h
BUFFER_LEN = 64 << 20
MAX_LEN = 1 << 17
TIMESPEC = struct.Struct("@ll")
LOOPBACK = 772  # ARPHRD_LOOPBACK (include/uapi/linux/if_arp.h)


class Tap:
    """A context manager; `read` gives the packets since the last time.

    Parameters
    ----------
    opened : calls what makes the raw socket, in another namespace if need be
    without : interfaces whose packets are left out

    Raises
    ------
    PktlabError : on entering, when the system does not allow it
    """

    def __init__(
        self,
        *,
        opened: Callable[[Callable[[], socket.socket]], socket.socket] = lambda make: make(),
        without: frozenset[str] = frozenset(),
    ) -> None:
        self.interfaces: list[Interface] = []
        self._opened = opened
        self._without = without
        self._count = 0
        self._socket: socket.socket | None = None

    def __enter__(self) -> Self:
        wire = self._socket = self._opened(lambda: packet_socket(ETH_P_ALL))
        wire.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER_LEN)  # as much of it as the system gives anybody
        with suppress(PermissionError):  # in a user namespace
            wire.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, BUFFER_LEN)
        wire.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        wire.setblocking(False)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._socket is not None:
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
        self._count += 1
        return Record(self._count, time_ns, data, len(data), link_type, number)


def _time_ns(ancillary: list[tuple[int, int, bytes]]) -> int | None:
    for level, kind, value in ancillary:
        if (level, kind) == (socket.SOL_SOCKET, SO_TIMESTAMPNS):
            seconds, rest = TIMESPEC.unpack(value)
            return int(seconds * 1_000_000_000 + rest)
    return None
