"""The machine itself as a receiver of packets: which of its sockets gets each, while they come and go.

What sockets there are is read from the kernel again and again: after a while, soon when a packet comes for which nobody
is known, and at once when this machine sends one out of a socket that was not there before. A socket that is gone by
then is missed.
"""

from __future__ import annotations

import ipaddress
import socket
import struct
import time
from dataclasses import replace

from pktlab.flows.demux import SocketTable
from pktlab.flows.keys import FlowKey, flow_key
from pktlab.flows.receiving import Delivery, ReceivingHost
from pktlab.live.links import link_named
from pktlab.live.netlink import GET_ADDRESS, ask
from pktlab.live.sock_diag import programs
from pktlab.live.socket_list import machine_groups, machine_sockets
from pktlab.wire.dissection import Dissection

__all__ = ["OwnHost", "own_addresses"]

IFA_ADDRESS, IFA_LOCAL = 1, 2  # include/uapi/linux/if_addr.h
_ADDRESS = struct.Struct("=4BI")  # family, prefix length, flags, scope, index
MS = 1_000_000
OLD_NS, NEW_NS = 200 * MS, 5 * MS
"""When the sockets are read again: after a while, and soon if nobody is known for a packet."""
NAMES_NS = 1000 * MS
MAX_TOLD = 10_000
"""Senders that are kept in mind though the kernel lists no socket of theirs: raw ones, or gone."""

AnyInterface = ipaddress.IPv4Interface | ipaddress.IPv6Interface


def own_addresses() -> list[AnyInterface]:
    """Return the addresses of this machine (of this network namespace), with their networks.

    >>> "127.0.0.1" in [str(one.ip) for one in own_addresses()]
    True
    """
    found = []
    for fixed, given in ask(GET_ADDRESS, _ADDRESS.pack(socket.AF_UNSPEC, 0, 0, 0, 0), dump=True):
        length = _ADDRESS.unpack(fixed)[1]
        packed = given.get(IFA_LOCAL) or given.get(IFA_ADDRESS, b"")
        found.append(ipaddress.ip_interface((ipaddress.ip_address(packed), length)))
    return found


class _Own(frozenset[str]):
    """Own addresses, all those of loopback among them."""

    def __contains__(self, address: object) -> bool:
        return super().__contains__(address) or str(address).startswith("127.")


class OwnHost(ReceivingHost):
    """The machine itself, to be shown the packets of one of its interfaces.

    Raises
    ------
    PktlabError : there is no such interface, or the system does not tell its sockets
    """

    def __init__(self, interface: str) -> None:
        link_named(interface)
        self._networks = [str(one.network) for one in own_addresses()]
        self._names = programs()
        self._named_ns = time.monotonic_ns()
        super().__init__(self._sockets(), dev=interface, is_complete=True)
        self.addresses = _Own(str(one.ip) for one in own_addresses())
        self._read_ns = time.monotonic_ns()
        self._told: dict[tuple[str, str, int], None] = {}

    def _sockets(self) -> SocketTable:
        """Return the sockets of now; to look for new programs takes longer, and is done every second at most."""
        now = time.monotonic_ns()
        if now - self._named_ns > NAMES_NS:
            self._names, self._named_ns = programs(), now
        # When programs accept is not seen, so whether a queue is full is left to the kernel.
        listed = [replace(one, backlog=None) for one in machine_sockets(self._names)]
        return SocketTable(listed, networks=self._networks, groups=machine_groups())

    def take(self, packet: Dissection, *, explain: bool = False, dropped: str = "") -> Delivery | None:
        """Return what becomes of a packet, as `ReceivingHost` does."""
        age = time.monotonic_ns() - self._read_ns
        key = flow_key(packet)
        if key is not None and (age > OLD_NS or (age > NEW_NS and self._is_new(key)) or self._has_new_sender(key)):
            self.renew(self._sockets())
            self._read_ns = time.monotonic_ns()
        return super().take(packet, explain=explain, dropped=dropped)

    def _is_new(self, key: FlowKey) -> bool:
        """Tell whether a packet is for nobody who is known, or may have led to a connection."""
        theirs = key if key.dst in self.addresses else key.reversed()
        own = self._owner(theirs)
        return own is None or own.is_listening

    def _has_new_sender(self, key: FlowKey) -> bool:
        """Tell whether this machine sent a packet, and the socket that did is not known; each end is told once."""
        end = key.protocol, key.src, key.srcport
        if key.src not in self.addresses or end in self._told or self._owner(key.reversed()) is not None:
            return False
        self._told[end] = None
        if len(self._told) > MAX_TOLD:
            del self._told[next(iter(self._told))]
        return True
