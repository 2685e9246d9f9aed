"""Flow keys: what the packets of one conversation have in common."""

from __future__ import annotations

from typing import NamedTuple, Self

from pktlab.wire.dissection import Dissection
from pktlab.wire.ipv4 import Ip
from pktlab.wire.ipv6 import Ipv6
from pktlab.wire.tcp import Tcp
from pktlab.wire.udp import Udp

__all__ = ["FlowKey", "flow_key"]


class FlowKey(NamedTuple):
    """One direction of a conversation: a transport and its four-tuple.

    >>> key = FlowKey("udp", "10.0.0.1", 4711, "10.0.0.2", 53)
    >>> str(key.reversed())
    'udp 10.0.0.2:53 → 10.0.0.1:4711'
    >>> key.conversation == key.reversed().conversation
    True
    """

    protocol: str  # "tcp" or "udp"
    src: str
    srcport: int
    dst: str
    dstport: int

    def reversed(self) -> Self:
        """Return the key of the other direction."""
        return type(self)(self.protocol, self.dst, self.dstport, self.src, self.srcport)

    @property
    def conversation(self) -> FlowKey:
        """The same key for both directions: the smaller of the two."""
        return self if (self.src, self.srcport) <= (self.dst, self.dstport) else self.reversed()

    def __str__(self) -> str:
        return f"{self.protocol} {_end(self.src, self.srcport)} → {_end(self.dst, self.dstport)}"


def _end(address: str, port: int) -> str:
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def flow_key(packet: Dissection) -> FlowKey | None:
    """Return the key of the innermost TCP or UDP header that is not quoted; None if there is none.

    Its addresses are those of the IP header right below it.
    """
    addresses: tuple[str, str] | None = None
    key = None
    for layer in packet.layers:
        header = layer.header
        if layer.quoted:
            break
        if isinstance(header, Ip | Ipv6) and layer.error is None:
            addresses = header.src, header.dst
        elif isinstance(header, Tcp | Udp) and addresses and len(header._raw) >= 2:
            key = FlowKey(header.layer, addresses[0], header.srcport, addresses[1], header.dstport)
    return key
