"""A program that runs at both ends of an experiment: one end sends frames, the other says what its kernel did.

    python probe.py send eth0          reads frames in hex, a line each; sends each and a marker behind it
    python probe.py receive eth0 JSON  prints, at each marker, what reached a socket and which counters moved

The marker is a frame of a type of its own. It goes the same way through the same queue, so when it arrives the frame
before it has been dealt with: nothing waits for a time to pass. This file imports the standard library alone; it is
started with ``-I`` inside a namespace.

Established TCP connections are made with TCP_REPAIR, without a handshake, so that both sequence numbers are known.
"""

from __future__ import annotations

import json
import os
import socket
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

MARKER_TYPE = 0x88B5
"""IEEE 802: local experimental EtherType 1."""
TCP_REPAIR, TCP_REPAIR_QUEUE, TCP_QUEUE_SEQ = 19, 20, 21  # include/uapi/linux/tcp.h
RECEIVE_QUEUE, SEND_QUEUE, REPAIR_OFF_WITHOUT_PROBE = 1, 2, -1
BACKLOG = 1024
FAMILIES = {4: socket.AF_INET, 6: socket.AF_INET6}


def send(interface: str) -> None:
    """Send each frame that stdin names, and a marker behind it, always from the same processor."""
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    link = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    link.bind((interface, 0))
    own = link.getsockname()[4]
    marker = b"\xff" * 6 + own + MARKER_TYPE.to_bytes(2, "big") + bytes(46)
    print("ready", flush=True)  # noqa: T201 - it is how the programs talk
    for line in sys.stdin:
        link.send(bytes.fromhex(line))
        link.send(marker)


def counters(interface: str) -> dict[str, int]:
    """Return what the kernel has counted, by `nstat`'s names, and what the interface dropped."""
    counted: dict[str, int] = {}
    for name in ("snmp", "netstat"):
        lines = Path(f"/proc/net/{name}").read_text(encoding="ascii").splitlines()
        for names, values in zip(lines[::2], lines[1::2], strict=True):
            group, *words = names.split()
            counted |= zip((group[:-1] + word for word in words), map(int, values.split()[1:]), strict=True)
    with suppress(FileNotFoundError):  # a kernel without IPv6
        lines = Path("/proc/net/snmp6").read_text(encoding="ascii").splitlines()
        counted |= {name: int(value) for name, value in map(str.split, lines)}
    dropped = Path(f"/sys/class/net/{interface}/statistics/rx_dropped")
    return {**counted, "rx_dropped": int(dropped.read_text(encoding="ascii"))}


class Sockets:
    """The sockets of the receiver: bound, listening, and connected as `plan` says."""

    def __init__(self, plan: dict[str, Any]) -> None:
        self.datagrams = [self._bound(kind, socket.SOCK_DGRAM, plan["port"]) for kind in plan["versions"]]
        self.listening = [self._bound(kind, socket.SOCK_STREAM, plan["port"]) for kind in plan["versions"]]
        self.streams = [self._connected(plan["port"], **one) for one in plan["connections"]]

    @staticmethod
    def _bound(version: int, kind: int, port: int) -> socket.socket:
        made = socket.socket(FAMILIES[version], kind)
        if version == 6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind(("", port))
        if kind == socket.SOCK_STREAM:
            made.listen(BACKLOG)
        made.setblocking(False)
        return made

    @staticmethod
    def _connected(port: int, local: str, peer: str, peer_port: int, receive_seq: int, send_seq: int) -> socket.socket:
        """Return a connection that exists at this end alone."""
        made = socket.socket(FAMILIES[6 if ":" in local else 4], socket.SOCK_STREAM)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.setsockopt(socket.IPPROTO_TCP, TCP_REPAIR, 1)
        made.bind((local, port))
        for queue, number in ((SEND_QUEUE, send_seq), (RECEIVE_QUEUE, receive_seq)):
            made.setsockopt(socket.IPPROTO_TCP, TCP_REPAIR_QUEUE, queue)
            made.setsockopt(socket.IPPROTO_TCP, TCP_QUEUE_SEQ, number)
        made.connect((peer, peer_port))
        made.setsockopt(socket.IPPROTO_TCP, TCP_REPAIR, REPAIR_OFF_WITHOUT_PROBE)
        made.setblocking(False)
        return made

    def take(self) -> list[str]:
        """Return in hex what has reached them since the last time; a long datagram is only summed when it is read."""
        taken = []
        for one in (*self.datagrams, *self.streams):
            with suppress(BlockingIOError):
                while (data := one.recv(1 << 16)) or one in self.datagrams:  # a datagram may be empty
                    taken.append(data.hex())
        return taken


def receive(interface: str, plan: dict[str, Any]) -> None:
    """Say at each marker what has happened since the last."""
    sockets = Sockets(plan)
    link = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(MARKER_TYPE))
    link.bind((interface, MARKER_TYPE))
    before = counters(interface)
    print("ready", flush=True)  # noqa: T201
    while link.recv(64):
        taken = sockets.take()
        after = counters(interface)
        moved = {name: value - before.get(name, 0) for name, value in after.items() if value != before.get(name, 0)}
        print(json.dumps({"taken": taken, "moved": moved}), flush=True)  # noqa: T201
        before = after


if __name__ == "__main__":
    if sys.argv[1] == "send":
        send(sys.argv[2])
    else:
        receive(sys.argv[2], json.loads(sys.argv[3]))
