"""Compact contacts: address and port in 6 or 18 octets, behind a node ID in 26 or 38 (BEP 5, 7, 23, 32)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from pktlab.wire.values import IPV4, IPV6, ipv4_text, ipv6_text

__all__ = ["Contact", "contacts", "packed"]


class Contact(NamedTuple):
    """Where somebody is reached.

    ip : text, of IPv4 or IPv6; port : number; node_id : of a DHT node its 20 octets, else none
    """

    ip: str
    port: int
    node_id: bytes = b""

    def __str__(self) -> str:
        return f"[{self.ip}]:{self.port}" if ":" in self.ip else f"{self.ip}:{self.port}"


def contacts(octets: bytes, *, ipv6: bool = False, nodes: bool = False) -> list[Contact]:
    r"""Return the contacts that stand in `octets` one after another; what is left over is no contact.

    Parameters
    ----------
    octets : 6 a contact, 18 with `ipv6`, and 20 more with `nodes`

    >>> contacts(bytes.fromhex("c0000201 1ae1 c0000202"))
    [Contact(ip='192.0.2.1', port=6881, node_id=b'')]
    """
    front, width = 20 * nodes, 16 if ipv6 else 4
    text, size = ipv6_text if ipv6 else ipv4_text, front + width + 2
    return [
        Contact(
            text(octets[at + front : at + front + width]),
            int.from_bytes(octets[at + size - 2 : at + size], "big"),
            bytes(octets[at : at + front]),
        )
        for at in range(0, len(octets) - size + 1, size)
    ]


def packed(given: Iterable[Contact]) -> bytes:
    r"""Return contacts as octets; ValueError if an address or a port is none.

    >>> packed([Contact("192.0.2.1", 6881), Contact("2001:db8::1", 1)]).hex()
    'c00002011ae120010db80000000000000000000000010001'
    """
    parts = []
    for one in given:
        if not 0 <= one.port <= 0xFFFF:
            raise ValueError(f"{one.port} is no port")
        parts += [one.node_id, (IPV6 if ":" in one.ip else IPV4).encode(one.ip), one.port.to_bytes(2, "big")]
    return b"".join(parts)
