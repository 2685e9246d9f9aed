"""Which packets belong together, and who gets them?

Flow keys, the reassembly of IP fragments, and the lookup of the socket for a packet. Everything here is pure: packets
and `now` come in as arguments, what was put together comes out; memory is bounded, and nothing knows of files, real
sockets or clocks. It imports `wire`, `ranges` and `errors`.
"""

from __future__ import annotations

from pktlab.flows.demux import SocketTable
from pktlab.flows.fragments import Fragments, Piece, Whole, piece_of
from pktlab.flows.keys import FlowKey, flow_key
from pktlab.flows.match import Match, Rule, RunnerUp
from pktlab.flows.sockets import Endpoint, Socket, parse_socket

__all__ = [
    "Endpoint",
    "FlowKey",
    "Fragments",
    "Match",
    "Piece",
    "Rule",
    "RunnerUp",
    "Socket",
    "SocketTable",
    "Whole",
    "flow_key",
    "parse_socket",
    "piece_of",
]
