"""A VLAN interface in user space, for kernels that were built without VLAN devices.

It is a TAP interface whose frames go out on the interface below with an 802.1Q tag; tagged frames that come
in there lose the tag and go into the TAP. The kernel above it works as on a VLAN device of its own: ARP,
checksums and sockets are real. It runs as a program, in the namespace, and the interface lives as long as the
program does:

    python vlan.py LOWER_INTERFACE NEW_INTERFACE VLAN_ID

Spec: IEEE 802.1Q 9.6 (the tag); Linux ``packet(7)`` (the kernel takes the tag of a received frame out of the
bytes and hands it over beside them, as auxiliary data) and ``Documentation/networking/tuntap.rst``.
"""

from __future__ import annotations

import os
import select
import socket
import struct
import sys

__all__ = ["relay", "tag_of", "tagged"]

ADDRESSES_LEN = 12  # destination and source MAC address
TPID = 0x8100
MAX_FRAME_LEN = 65_549

ETH_P_ALL = 0x0003
SOL_PACKET = 263
PACKET_AUXDATA = 8
PACKET_OUTGOING = 4
TP_STATUS_VLAN_VALID = 1 << 4
AUXDATA = struct.Struct("=IIIHHHH")  # tpacket_auxdata: status, len, snaplen, mac, net, vlan_tci, vlan_tpid
TUNSETIFF = 0x400454CA
IFF_TAP, IFF_NO_PI = 0x0002, 0x1000


def tagged(frame: bytes, vlan_id: int, tpid: int = TPID) -> bytes:
    r"""Return an Ethernet frame with an 802.1Q tag behind its addresses; `vlan_id` may have the priority above it.

    >>> tagged(bytes(12) + b"\x08\x00rest", 100)[12:].hex(" ")
    '81 00 00 64 08 00 72 65 73 74'
    """
    return frame[:ADDRESSES_LEN] + struct.pack("!HH", tpid, vlan_id) + frame[ADDRESSES_LEN:]


def tag_of(auxdata: bytes) -> int | None:
    """Return the VLAN id that the kernel hands over beside a received frame; None if the frame had no tag.

    >>> tag_of(AUXDATA.pack(TP_STATUS_VLAN_VALID, 60, 60, 0, 14, 0x6064, TPID))
    100
    """
    status, _, _, _, _, tci, _ = AUXDATA.unpack(auxdata)
    return tci & 0x0FFF if status & TP_STATUS_VLAN_VALID else None


def open_tap(name: str) -> int:
    """Make the TAP interface `name` and return its file descriptor; OSError if the kernel has none."""
    import fcntl  # only Unix has it, and this module can be imported everywhere

    tap = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(tap, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TAP | IFF_NO_PI))
    return tap


def relay(lower: str, upper: str, vlan_id: int) -> None:
    """Carry frames between `lower` (tagged) and the new `upper` (untagged) until the program is ended."""
    tap = open_tap(upper)
    wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
    wire.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
    wire.bind((lower, ETH_P_ALL))
    print("ready", flush=True)  # noqa: T201 - who started the program waits for this line
    while True:
        readable, _, _ = select.select([tap, wire.fileno()], [], [])
        if tap in readable:
            wire.send(tagged(os.read(tap, MAX_FRAME_LEN), vlan_id))
        if wire.fileno() in readable:
            frame, ancillary, _, source = wire.recvmsg(MAX_FRAME_LEN, socket.CMSG_SPACE(AUXDATA.size))
            if source[2] != PACKET_OUTGOING and any(tag_of(data) == vlan_id for _, _, data in ancillary):
                os.write(tap, frame)


if __name__ == "__main__":
    try:
        relay(sys.argv[1], sys.argv[2], int(sys.argv[3]))
    except OSError as error:
        sys.exit(f"{sys.argv[2]}: {error}")
