"""Which packet answers which, as Scapy tells it: by ports, echo identifiers, ARP, and what an ICMP error quotes."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Any

from pktlab.errors import PktlabError
from pktlab.flows import FlowKey, flow_key
from pktlab.live.scapy_layers import Translated, quiet, scapy_module
from pktlab.packets import Packet

__all__ = ["MOST", "Pairing"]


MOST = 65_536
"""Packets that are kept in mind; beyond, those that were sent first are forgotten."""


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
        self._alike: dict[Any, list[_Question]] = {}
        self._order: deque[tuple[Any, _Question]] = deque()

    def add(self, sent: Packet) -> None:
        """Take note of a packet that was sent."""
        made = _scapy_packet(sent)
        flow = flow_key(sent.dissection)
        question = _Question(sent, made, flow)
        keys = [] if made is None else [made.hashret()]
        if flow is not None and flow.protocol == "udp":
            keys.append(flow)
        for key in keys:
            self._alike.setdefault(key, []).append(question)
            self._order.append((key, question))
        while len(self._order) > 2 * MOST:
            key, question = self._order.popleft()
            self._alike[key].remove(question)
            if not self._alike[key]:
                del self._alike[key]

    def find(self, received: Packet) -> Packet | None:
        """Return the packet that `received` answers, of several one that has no answer yet; None if it answers none."""
        made = _scapy_packet(received)
        flow = flow_key(received.dissection)
        told = [] if made is None else self._alike.get(made.hashret(), [])
        with quiet():
            found = [one for one in told if received.data != one.sent.data and made.answers(one.made)]
        if not found and flow is not None:  # Scapy looks into the data as well
            found = [one for one in self._alike.get(flow.reversed(), []) if received.data != one.sent.data]
        if not found:
            return None
        chosen = next((one for one in found if not one.is_answered), found[0])
        chosen.is_answered = True
        return chosen.sent


@dataclass(eq=False)
class _Question:
    """A packet that was sent: as Scapy reads it, and its four-tuple."""

    sent: Packet
    made: Any
    flow: FlowKey | None
    is_answered: bool = False


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
