"""Put one UDP datagram on the wire that was right until one bit of its payload was flipped.

    python damaged.py eth0 SOURCE_MAC DESTINATION_MAC SOURCE_IP DESTINATION_IP PORT TEXT

The kernel would never send it, so the whole frame is made here and goes out through a packet socket. The
flipped bit is 0x20 of the last character, the one that tells a lower-case letter from its upper-case form:
"pktlab" becomes "pktlaB", as if the server had begun its work. Only the checksum knows better.

Spec: RFC 791 section 3.1, RFC 768, RFC 1071 section 1; Linux ``packet(7)``.
"""

from __future__ import annotations

import socket
import struct
import sys

SOURCE_PORT = 40_000
ETHERTYPE_IP = 0x0800
UDP = 17
UDP_HEADER_LEN, IP_HEADER_LEN = 8, 20
CASE_BIT = 0x20


def checksum(data: bytes) -> int:
    """Return the Internet checksum of `data` (RFC 1071).

    >>> hex(checksum(bytes.fromhex("0001f203f4f5f6f7")))
    '0x220d'
    """
    padded = data + bytes(len(data) % 2)
    total: int = sum(struct.unpack(f"!{len(padded) // 2}H", padded))
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return total ^ 0xFFFF


def udp(source: bytes, destination: bytes, port: int, payload: bytes) -> bytes:
    """Return a UDP datagram with its right checksum; a computed 0 is sent as 0xFFFF (RFC 768)."""
    length = UDP_HEADER_LEN + len(payload)
    pseudo = source + destination + struct.pack("!HH", UDP, length)
    header = struct.pack("!HHHH", SOURCE_PORT, port, length, 0)
    return header[:6] + struct.pack("!H", checksum(pseudo + header + payload) or 0xFFFF) + payload


def ip(source: bytes, destination: bytes, payload: bytes) -> bytes:
    """Return an IPv4 packet with its right header checksum."""
    length = IP_HEADER_LEN + len(payload)
    header = struct.pack("!BBHHHBBH", 0x45, 0, length, 0x1234, 0, 64, UDP, 0) + source + destination
    return header[:10] + struct.pack("!H", checksum(header)) + header[12:] + payload


def damaged(packet: bytes) -> bytes:
    """Return the packet with one bit of its last byte flipped.

    >>> damaged(b"...pktlab")
    b'...pktlaB'
    """
    return packet[:-1] + bytes([packet[-1] ^ CASE_BIT])


def main(interface: str, near: str, far: str, source: str, destination: str, port: str, text: str) -> None:
    """Make the frame and send it once."""
    here, there = socket.inet_aton(source), socket.inet_aton(destination)
    packet = ip(here, there, udp(here, there, int(port), text.encode()))
    addresses = bytes.fromhex(far.replace(":", "")) + bytes.fromhex(near.replace(":", ""))
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as wire:
        wire.bind((interface, 0))
        wire.send(addresses + struct.pack("!H", ETHERTYPE_IP) + damaged(packet))


if __name__ == "__main__":
    main(*sys.argv[1:])
