"""Everything that a host of a sandbox sends and receives, as records of a capture.

The kernel keeps the packets in the socket's buffer until they are asked for, so nothing has to run beside an
experiment. Every interface but ``lo`` is recorded, TUN interfaces as raw IP.
"""

from __future__ import annotations

import socket
import struct
from contextlib import suppress
from types import TracebackType
from typing import Self

from pktlab.capture import Interface, Record
from pktlab.errors import PktlabError
from pktlab.live.host import Host
from pktlab.live.inside import inside

__all__ = ["Recorder"]

ETH_P_ALL = 0x0003
SO_RCVBUFFORCE, SO_TIMESTAMPNS = 33, 35  # include/uapi/asm-generic/socket.h
BUFFER_LEN = 64 << 20
MAX_LEN = 1 << 17
TIMESPEC = struct.Struct("@ll")
LINK_TYPES = {1: 1, 65534: 101}
"""ARPHRD_ETHER and ARPHRD_NONE (include/uapi/linux/if_arp.h), and the link types of their packets."""


class Recorder:
    """A context manager; `records` are the packets since it was entered.

    Raises
    ------
    PktlabError : on entering, when the system does not allow it
    """

    def __init__(self, host: Host) -> None:
        self.host = host
        self.interfaces: list[Interface] = []
        self._records: list[Record] = []
        self._socket: socket.socket | None = None

    def __enter__(self) -> Self:
        try:
            wire = inside(self.host, socket.socket, socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
        except PermissionError as error:
            raise PktlabError(
                f"{self.host.name}: nothing can be recorded ({error.strerror}): run this as root"
            ) from None
        wire.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER_LEN)  # as much of it as the system gives anybody
        with suppress(PermissionError):  # in a user namespace
            wire.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, BUFFER_LEN)
        wire.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        wire.setblocking(False)
        self._socket = wire
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._socket is not None:
            self.records()
            self._socket.close()
            self._socket = None

    def records(self) -> list[Record]:
        """Return all packets so far, in the order in which the host saw them."""
        while self._socket is not None:
            try:
                data, ancillary, _, source = self._socket.recvmsg(MAX_LEN, socket.CMSG_SPACE(TIMESPEC.size))
            except BlockingIOError:
                break
            name, hardware = source[0], source[3]
            if name != "lo" and hardware in LINK_TYPES:
                self._add(data, ancillary, name, LINK_TYPES[hardware])
        return list(self._records)

    def _add(self, data: bytes, ancillary: list[tuple[int, int, bytes]], name: str, link_type: int) -> None:
        time_ns = None
        for level, kind, value in ancillary:
            if (level, kind) == (socket.SOL_SOCKET, SO_TIMESTAMPNS):
                seconds, rest = TIMESPEC.unpack(value)
                time_ns = seconds * 1_000_000_000 + rest
        number = next((at for at, one in enumerate(self.interfaces) if one.name == name), len(self.interfaces))
        if number == len(self.interfaces):
            self.interfaces.append(Interface(link_type, name=name, ticks_per_second=1_000_000_000))
        self._records.append(Record(len(self._records) + 1, time_ns, data, len(data), link_type, number))

    def interface_of(self, record: Record) -> Interface:
        """Return the interface that a packet was seen on."""
        return self.interfaces[record.interface_id or 0]
