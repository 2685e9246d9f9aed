"""Which packets belong together?

Flow keys, the table of conversations, and the reassembly of IP fragments. Everything here is pure: packets and `now`
come in as arguments, what was put together comes out; memory is bounded, and nothing knows of files, sockets or clocks.
It imports `wire`, `ranges` and `errors`.
"""

from __future__ import annotations

from pktlab.flows.fragments import Fragments, Piece, Whole, piece_of
from pktlab.flows.keys import FlowKey, flow_key
from pktlab.flows.table import FLOW_FIELDS, MAX_FLOWS, Flow, FlowTable, Seen, tell_of_eviction
from pktlab.flows.transports import Transport, transports

__all__ = [
    "FLOW_FIELDS",
    "MAX_FLOWS",
    "Flow",
    "FlowKey",
    "FlowTable",
    "Fragments",
    "Piece",
    "Seen",
    "Transport",
    "Whole",
    "flow_key",
    "piece_of",
    "tell_of_eviction",
    "transports",
]
