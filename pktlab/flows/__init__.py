"""Which packets belong together, and who gets them?

Flow keys, the table of conversations, the reassembly of IP fragments, and the lookup of the socket for a packet.
Everything here is pure: packets and `now` come in as arguments, what was put together comes out; memory is bounded, and
nothing knows of files, real sockets or clocks. It imports `wire`, `ranges`, `lazy` and `errors`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pktlab.flows.fragments import Fragments, Piece, Whole, piece_of
from pktlab.flows.keys import FlowKey, flow_key
from pktlab.flows.table import FLOW_FIELDS, MAX_FLOWS, Flow, FlowTable, Seen, tell_of_eviction
from pktlab.flows.transports import Transport, transports
from pktlab.lazy import lazy_names

if TYPE_CHECKING:
    from pktlab.flows.demux import SocketTable
    from pktlab.flows.match import Match, Rule, RunnerUp
    from pktlab.flows.sockets import Endpoint, Socket, parse_socket

_HOME = {
    "demux": ("SocketTable",),
    "match": ("Match", "Rule", "RunnerUp"),
    "sockets": ("Endpoint", "Socket", "parse_socket"),
}
"""Where the lookup of sockets lives: it is imported when it is first used, so that reading packets is quick."""

__all__ = [
    "FLOW_FIELDS",
    "MAX_FLOWS",
    "Endpoint",
    "Flow",
    "FlowKey",
    "FlowTable",
    "Fragments",
    "Match",
    "Piece",
    "Rule",
    "RunnerUp",
    "Seen",
    "Socket",
    "SocketTable",
    "Transport",
    "Whole",
    "flow_key",
    "parse_socket",
    "piece_of",
    "tell_of_eviction",
    "transports",
]

__getattr__, __dir__ = lazy_names(__name__, _HOME)
