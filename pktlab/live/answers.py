"""Which packet answers which, as Scapy tells it: by ports, echo identifiers, ARP, and what an ICMP error quotes."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from pktlab.errors import PktlabError
from pktlab.flows import flow_key
from pktlab.live.scapy_layers import Translated, quiet, scapy_module
from pktlab.packets import Packet

__all__ = ["Pairing"]


class Pairing:
    """Packets that were sent, by what their answers have in common with them.

    >>> import pktlab
    >>> pairing, question = Pairing(), pktlab.craft('IP(src="10.0.0.1", dst="10.0.0.2")/ICMP(id=7)')
    >>> pairing.add(question)
    >>> pairing.find(pktlab.craft('IP(src="10.0.0.2", dst="10.0.0.1")/ICMP(type=0, id=7)')) is question
    True
    >>> pairing.find(pktlab.craft('IP(src="10.0.0.2", dst="10.0.0.1")/ICMP(type=0, id=8)'))
    """

    def __init__(self) -> None:
        self._waiting: defaultdict[bytes, list[tuple[Any, Packet]]] = defaultdict(list)
        self._by_flow: dict[Any, Packet] = {}

    def add(self, sent: Packet) -> None:
        """Take note of a packet that was sent."""
        made = _scapy_packet(sent)
        if made is not None:
            self._waiting[made.hashret()].append((made, sent))
        key = flow_key(sent.dissection)
        if key is not None and key.protocol == "udp":
            self._by_flow.setdefault(key, sent)

    def find(self, received: Packet) -> Packet | None:
        """Return the packet that `received` answers; None if it answers none."""
        made = _scapy_packet(received)
        if made is None:
            return None
        with quiet():
            for question, sent in self._waiting.get(made.hashret(), ()):
                if made.answers(question) and received.data != sent.data:
                    return sent
        key = flow_key(received.dissection)
        found = None if key is None else self._by_flow.get(key.reversed())  # Scapy looks into the data as well
        return found if found is not None and found.data != received.data else None


def _scapy_packet(packet: Packet) -> Any:
    """Return a packet as Scapy reads it; None if it does not."""
    if packet.link_type == 1:
        kind = scapy_module("layers.l2").Ether
    elif packet.data[:1] and packet.data[0] >> 4 == 6:
        kind = scapy_module("layers.inet6").IPv6
    else:
        kind = scapy_module("layers.inet").IP
    try:
        with quiet(), Translated(lambda error: PktlabError(str(error))):
            made = kind(packet.data)
            made.hashret()
            return made
    except PktlabError:
        return None
