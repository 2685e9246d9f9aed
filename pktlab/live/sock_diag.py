"""The sockets of this machine as the kernel tells them on request, more exactly than ``/proc/net`` has them.

Beside the two ends that is the interface a socket is bound to, whether `::` is for IPv6 alone, what a listener gave to
`listen`, and the inode, by which the program is found whose file it is. Not told are SO_REUSEADDR and SO_REUSEPORT; but
several listeners on one end have the latter, or the kernel would have refused them.

Spec: sock_diag(7); Linux ``include/uapi/linux/inet_diag.h``.
"""

from __future__ import annotations

import ipaddress
import socket
import struct
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from pktlab.flows.sockets import Endpoint, Socket
from pktlab.live.netlink import SOCK_DIAG, ask

__all__ = ["diag_sockets", "named", "programs"]

BY_FAMILY = 20  # SOCK_DIAG_BY_FAMILY
SKV6ONLY = 11  # INET_DIAG_SKV6ONLY
LISTEN, CLOSE = 10, 7
GONE = (1 << 3) | (1 << 6) | (1 << 12)
"""TCP states without a socket of a program: SYN_RECV, TIME_WAIT, NEW_SYN_RECV."""
_REQUEST = struct.Struct("=BBBBI48x")  # family, protocol, extensions, padding, states, any ends
_ANSWER = struct.Struct("=BBBB2s2s16s16sI8xIIIII")
"""Family, state, timer, retransmissions; ports and addresses of both ends, interface; expiry, queues, user, inode."""
PROTOCOLS = {"udp": socket.IPPROTO_UDP, "tcp": socket.IPPROTO_TCP}
Found = tuple[Socket, int]
"""A socket, and the inode of its file; 0 if it has none."""


def diag_sockets() -> list[Found]:
    """Return the UDP and TCP sockets of this network namespace, of each port the first bound first.

    Raises
    ------
    OSError : the kernel does not tell

    >>> with socket.create_server(("127.0.0.1", 0), backlog=3) as one:
    ...     [found.backlog for found, _ in diag_sockets() if found.local == one.getsockname()]
    [3]
    """
    found = [one for protocol in PROTOCOLS for family in (socket.AF_INET, socket.AF_INET6)
             for one in _listed(protocol, family)]  # fmt: skip
    ends = Counter((one.protocol, one.local, one.dev) for one, _ in found if one.is_listening)
    return [
        (
            replace(one, reuseport=True) if one.is_listening and ends[one.protocol, one.local, one.dev] > 1 else one,
            inode,
        )
        for one, inode in found
    ]


def _listed(protocol: str, family: int) -> list[Found]:
    states = 0xFFFFFFFF if protocol == "udp" else 0xFFFFFFFF & ~GONE & ~(1 << CLOSE)
    request = _REQUEST.pack(family, PROTOCOLS[protocol], 0, 0, states)
    answers = ask(BY_FAMILY, request, dump=True, of=SOCK_DIAG, answer_len=_ANSWER.size)
    return [_socket(protocol, fixed, given) for fixed, given in answers][::-1]


def _socket(protocol: str, fixed: bytes, given: dict[int, bytes]) -> Found:
    family, state, _, _, port, peer_port, address, peer, index, _, _, most, _, inode = _ANSWER.unpack(fixed)
    local, remote = _end(family, address, port), _end(family, peer, peer_port)
    is_listener = protocol == "tcp" and state == LISTEN
    dev = ""
    if index:
        with suppress(OSError):  # it has gone since
            dev = socket.if_indextoname(index)
    v6only = family == socket.AF_INET6 and local.address == "::" and given.get(SKV6ONLY, b"\0")[0] == 1
    return Socket(
        protocol, local, remote if remote.port else None, dev, v6only=v6only, backlog=most if is_listener else None
    ), inode


def _end(family: int, address: bytes, port: bytes) -> Endpoint:
    number = int.from_bytes(port, "big")
    if family == socket.AF_INET:
        return Endpoint(str(ipaddress.IPv4Address(address[:4])), number)
    made = ipaddress.IPv6Address(address)
    return Endpoint(f"::ffff:{made.ipv4_mapped}" if made.ipv4_mapped else str(made), number)


def named(found: list[Found], names: dict[int, str]) -> list[Socket]:
    """Return sockets called after their programs, as `ss -p` and its reader do; `names` is by inode.

    >>> [one.name for one in named([(Socket("udp", Endpoint("0.0.0.0", 53)), 7)], {7: "named"})]
    ['named udp:0.0.0.0:53']
    """
    return [
        replace(one, name=f"{names[inode]} {replace(one, backlog=None)}") if inode in names else one
        for one, inode in found
    ]


def programs() -> dict[int, str]:
    """Return the names of programs by the inodes of their sockets, as far as this user may look."""
    found: dict[int, str] = {}
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            name = (process / "comm").read_text(errors="replace").strip()
            found |= dict.fromkeys(_inodes(process / "fd"), name)
    return found


def _inodes(folder: Path) -> Iterator[int]:
    for entry in folder.iterdir():
        with suppress(OSError):
            link = str(entry.readlink())
            if link.startswith("socket:["):
                yield int(link[8:-1])
