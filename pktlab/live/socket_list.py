r"""The sockets of a running machine: as the kernel tells them, out of ``/proc/net``, or out of what `ss -tuan` printed.

All tell where sockets are bound and to whom they are connected. What they do not tell is left at its default:
SO_REUSEADDR, SO_REUSEPORT and groups; from ``/proc/net`` it is not known whether `::` is for IPv6 alone.

Spec: Linux Documentation/networking/proc_net_tcp.rst; `ss`(8). A socket is listed after those that were made later, so
the lists are turned round.
"""

from __future__ import annotations

import ipaddress
import re
import struct
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from pktlab.errors import PktlabError
from pktlab.flows.sockets import Endpoint, Membership, Socket, parse_socket
from pktlab.live.sock_diag import diag_sockets, named

__all__ = ["machine_groups", "machine_sockets", "parse_igmp", "parse_proc", "parse_ss"]

TABLES = "/proc/thread-self/net"
"""Where /proc/net leads, but for a thread that entered another namespace."""
ROW = re.compile(r"\s*\d+: ([0-9A-F]+):([0-9A-F]{4}) ([0-9A-F]+):([0-9A-F]{4}) ([0-9A-F]{2}) ")
GONE = {"06", "07", "03"}
"""TCP states without a socket of a program: TIME_WAIT, CLOSE, SYN_RECV; UDP shows an unconnected one as 07."""
STATES = ("ESTAB", "UNCONN", "LISTEN", "FIN-WAIT-1", "FIN-WAIT-2", "CLOSE-WAIT", "LAST-ACK", "CLOSING", "SYN-SENT")


def machine_sockets(names: dict[int, str] | None = None) -> list[Socket]:
    """Return the sockets of this machine (of this network namespace), of each port the first bound first.

    Parameters
    ----------
    names : what they are called, by inode (`pktlab.live.sock_diag.programs`); of use where the kernel tells inodes

    Raises
    ------
    PktlabError : the system has no ``/proc/net``
    """
    with suppress(OSError, PktlabError):
        return named(diag_sockets(), names or {})
    found: list[Socket] = []
    for protocol in ("udp", "tcp"):
        for suffix in ("", "6"):
            path = Path(f"{TABLES}/{protocol}{suffix}")
            if path.exists():
                found += parse_proc(path.read_text(encoding="ascii"), protocol)
    if not Path(TABLES).exists():
        raise PktlabError(f"there is no /proc/net on {sys.platform}: describe the sockets, or give the output of ss")
    return found


def machine_groups() -> list[Membership]:
    """Return the multicast groups that this machine is in, whichever socket joined them; none where nobody tells."""
    texts = [path.read_text(encoding="ascii") for name in ("igmp", "igmp6") if (path := Path(TABLES, name)).exists()]
    return [one for text in texts for one in parse_igmp(text)]


def parse_igmp(text: str) -> list[Membership]:
    r"""Return the groups of ``/proc/net/igmp`` or ``igmp6``.

    >>> print(*parse_igmp("2\teth0      :     1      V3\n\t\t\t\tFB0000E0     1 0:00000000\t\t0\n"))
    224.0.0.251%eth0
    >>> print(*parse_igmp("1    lo              ff020000000000000000000000000001     1 0000000C 0\n"))
    ff02::1%lo
    """
    found, dev = [], ""
    for line in text.splitlines():
        if interface := re.match(r"\d+\s+(\S+)\s+:", line):
            dev = interface[1]
        elif v6 := re.match(r"\d+\s+(\S+)\s+([0-9a-f]{32})\s", line):
            found.append(Membership(str(ipaddress.IPv6Address(bytes.fromhex(v6[2]))), v6[1]))
        elif v4 := re.match(r"\s+([0-9A-F]{8})\s", line):
            found.append(Membership(_address(v4[1]), dev))
    return found


def parse_proc(text: str, protocol: str) -> list[Socket]:
    r"""Return the sockets of ``/proc/net/udp`` (``tcp``, ``udp6``, ``tcp6``); other lines are passed over.

    >>> row = "  12: 0100007F:0035 00000000:0000 07 00000000:00000000 00:00000000 00000000\n"
    >>> print(*parse_proc(row, "udp"))
    udp:127.0.0.1:53
    """
    rows = filter(None, map(ROW.match, text.splitlines()))
    found = []
    for address, port, peer, peer_port, state in (row.groups() for row in rows):
        if protocol == "tcp" and state in GONE:
            continue
        local = Endpoint(_address(address), int(port, 16))
        remote = Endpoint(_address(peer), int(peer_port, 16))
        found.append(Socket(protocol, local, remote if remote.port else None))
    return found[::-1]


def _address(digits: str) -> str:
    """Return an address out of words in the machine's own byte order."""
    words = struct.pack(f"={len(digits) // 8}I", *(int(digits[at : at + 8], 16) for at in range(0, len(digits), 8)))
    if len(words) == 4:
        return str(ipaddress.IPv4Address(words))
    address = ipaddress.IPv6Address(words)
    return f"::ffff:{address.ipv4_mapped}" if address.ipv4_mapped else str(address)


def parse_ss(text: str, name: str = "ss") -> list[Socket]:
    r"""Return the sockets that `ss -tuan` listed; with ``-p`` each has the name of its program.

    Raises
    ------
    PktlabError : a line of a TCP or UDP socket does not read; the message says which

    >>> print(*parse_ss("udp UNCONN 0 0 127.0.0.53%lo:53 0.0.0.0:*\ntcp LISTEN 0 5 [::]:22 [::]:*\n"))
    tcp:[::]:22,v6only udp:127.0.0.53:53,dev=lo
    """
    found = list(_listed(text, name))
    if not found:
        raise PktlabError(f"{name}: no UDP or TCP socket is in it: give the output of `ss -tuan`")
    return found[::-1]


def _listed(text: str, name: str) -> Iterator[Socket]:
    for number, line in enumerate(text.splitlines(), 1):
        words = line.split()
        if len(words) < 6 or words[0] not in ("udp", "tcp") or words[1] not in STATES:
            continue
        try:
            local, dev = _place(words[4])
            peer, _ = _place(words[5])
            program = re.search(r'\(\("([^"]*)"', line)
            yield _socket(words[0], local, peer, dev, program[1] if program else "")
        except PktlabError as error:
            raise PktlabError(f"{name}, line {number}: {error}") from None


def _socket(protocol: str, local: str, peer: str, dev: str, program: str) -> Socket:
    """Return a socket of `ss`, which writes ``*`` for `::` that takes IPv4 as well, and ``[::]`` for IPv6 alone."""
    options = [f"dev={dev}"] if dev else []
    if local.startswith("*:"):
        local = f"[::]{local[1:]}"
    elif local.startswith("[::]:"):
        options.append("v6only")
    if not peer.endswith(":*"):
        options.append(f"peer={peer}")
    made = parse_socket(",".join([f"{protocol}:{local}", *options]))
    return made if not program else Socket(**{**vars(made), "name": f"{program} {made}"})


def _place(word: str) -> tuple[str, str]:
    """Return address and port without the interface, and the interface."""
    found = re.fullmatch(r"(\[?[^%]*?)(?:%([^:\]]+))?(\]?:[^:]+)", word)
    return (found[1] + found[3], found[2] or "") if found else (word, "")
