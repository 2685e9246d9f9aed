"""What peers compute alike, from addresses: the allowed fast set, the priority of a peer, the ID of a DHT node.

Spec: BEP 6 (allowed fast), BEP 40 (priority), BEP 42 (node IDs); CRC-32C is that of RFC 9260 appendix A. Addresses are
octets, 4 or 16 of them.
"""

from __future__ import annotations

import hashlib

from pktlab.wire.checksum import crc32c

__all__ = ["allowed_fast", "crc32c", "node_id_fits", "node_id_prefix", "peer_priority"]


def allowed_fast(ip: bytes, info_hash: bytes, pieces: int, count: int = 10) -> list[int]:
    r"""Return the pieces that a peer is served while choked, in the order of BEP 6; as many as there are, if fewer.

    Parameters
    ----------
    ip : 4 octets, of the peer that is served; its last one does not matter
    info_hash : 20 octets
    pieces : number of pieces of the torrent

    >>> allowed_fast(bytes([80, 4, 4, 200]), b"\xaa" * 20, 1313, 7)
    [1059, 431, 808, 1217, 287, 376, 1188]
    """
    found: dict[int, None] = {}
    hashed = ip[:3] + b"\0" + info_hash
    while len(found) < min(count, pieces):
        hashed = hashlib.sha1(hashed, usedforsecurity=False).digest()
        for at in range(0, 20, 4):
            found.setdefault(int.from_bytes(hashed[at : at + 4], "big") % pieces)
    return [*found][:count]


def peer_priority(one: tuple[bytes, int], other: tuple[bytes, int]) -> int:
    """Return the priority of a connection, the same for both ends; the higher is the better.

    Parameters
    ----------
    one, other : address and port of either end, both of IPv4 or of IPv6

    >>> hex(peer_priority((bytes([123, 213, 32, 10]), 1), (bytes([98, 76, 54, 32]), 2)))
    '0xec2d7224'
    """
    (first, first_port), (second, second_port) = one, other
    if len(first) != len(second):
        raise ValueError("both ends have addresses of one family")
    if first == second:
        return crc32c(b"".join(port.to_bytes(2, "big") for port in sorted((first_port, second_port))))
    mask = _mask(first, second)
    masked = sorted(bytes(a & b for a, b in zip(address, mask, strict=True)) for address in (first, second))
    return crc32c(b"".join(masked))


def _mask(first: bytes, second: bytes) -> bytes:
    """Return the bits of addresses that count: the network, one octet more of it for each that is the same."""
    whole = 2 if len(first) == 4 else 6
    while whole < len(first) and first[:whole] == second[:whole]:
        whole += 1
    return b"\xff" * whole + b"\x55" * (len(first) - whole)


def node_id_prefix(ip: bytes, random: int) -> bytes:
    """Return the first three octets that the ID of a DHT node at `ip` has; of the third only the upper five bits count.

    Parameters
    ----------
    random : the last octet of the ID, of which three bits count

    >>> node_id_prefix(bytes([124, 31, 75, 21]), 1).hex()
    '5fbfb8'
    """
    mask = bytes.fromhex("030f3fff") if len(ip) == 4 else bytes.fromhex("0103070f1f3f7fff")
    masked = bytearray(a & b for a, b in zip(ip, mask, strict=False))
    masked[0] |= (random & 7) << 5
    return (crc32c(bytes(masked)) >> 8 & 0xFFFFF8).to_bytes(3, "big")


def node_id_fits(node_id: bytes, ip: bytes) -> bool:
    """Tell whether the ID of a DHT node is one that its address may have.

    >>> node_id_fits(bytes.fromhex("5fbfbff10c5d6a4ec8a88e4c6ab4c28b95eee401"), bytes([124, 31, 75, 21]))
    True
    """
    prefix = node_id_prefix(ip, node_id[19])
    return node_id[:2] == prefix[:2] and node_id[2] & 0xF8 == prefix[2]
