"""pktlab: a packet-level protocol toolkit and analyzer.

Describe a protocol once, then dissect, checksum and craft its packets:

    import pktlab

    cap = pktlab.open("pcaps/first-light.pcapng")     # path, "-", file object; pcap and pcapng, gz and zst
    cap.table("ip.src", "udp.length")                 # columns, for NumPy, Arrow, pandas, Polars
    cap[12].show()                                    # a tree with the bytes of every field
    cap[12]["udp.srcport"], cap[12].udp.srcport       # names are Wireshark's
    cap.flows(sort="bytes")                           # its conversations
    cap.where("udp.port == 53")                       # the packets that pass a display filter
    print(cap[12].explain())                          # how its checksums come about, word by word
    pktlab.checksum(b"...")                           # RFC 1071; .verify .update .explain beside it
    pktlab.craft('IP(dst="127.0.0.1")/UDP(dport=53)/b"hi"')   # Scapy's notation, read and never evaluated
    pktlab.send('IP(dst="127.0.0.1")/ICMP()', wait_s=1)       # with their answers
    pktlab.sniff("lo", bpf="udp port 53")             # packets off the wire, as they come

The house, from the top; imports go down only, and `make lint` holds them to it:

    cli/pktlab_cli/   how does a person ask?
    labs/             what happens if?                  experiments with real sockets
    testing/          how do I test mine?               Hypothesis strategies
    live/             how do packets get on and off a real network?    namespaces, Scapy; the only door to the world
    torrent/          what do BitTorrent peers say and decide?         connections, swarms, torrents
    documents.py      packets out of JSON               spoil.py    packets that are wrong on purpose
    rewriting.py      addresses exchanged, and sums with them
    summary.py        a capture in figures      health.py, diagnosis.py    how sound are its checksums?
    api.py            open, Capture, packet: where files and packets meet
    packets.py        Packet: what one packet says, and whether its sums are right
    schemas.py        where does a user's own schema come from?     sums.py    pktlab.checksum
    columns/          what do a million packets say?    fields by name, display filters
    demuxing/         which socket gets each packet of a capture?
    flows/            which packets belong together?    flow keys, conversations, IP reassembly, sockets
    capture/          how do packets lie in files?      pcap, pcapng, gz, zst
    wire/             what does one packet say?         Construct schemas, checksums, verdicts
    errors, ranges    what can go wrong; half-open ranges
    lazy.py           names that are imported when they are first used

This front page is no rung of that ladder: it gives out the public names when they are first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pktlab.lazy import lazy_names

if TYPE_CHECKING:
    from pktlab.api import Capture, Packet, load_schema, open, packet
    from pktlab.columns.filters import compile_filter
    from pktlab.errors import (
        CaptureError,
        CraftError,
        DamagedCapture,
        ExpressionError,
        FilterError,
        Malformed,
        MissingExtra,
        PktlabError,
        QueryError,
        SchemaError,
        Truncated,
    )
    from pktlab.live.as_layer import as_layer
    from pktlab.live.craft import craft
    from pktlab.live.craft_line import craft_line
    from pktlab.live.replay import replay
    from pktlab.live.send import send
    from pktlab.live.sniff import sniff
    from pktlab.sums import checksum

__all__ = [
    "Capture",
    "CaptureError",
    "CraftError",
    "DamagedCapture",
    "ExpressionError",
    "FilterError",
    "Malformed",
    "MissingExtra",
    "Packet",
    "PktlabError",
    "QueryError",
    "SchemaError",
    "Truncated",
    "as_layer",
    "checksum",
    "compile_filter",
    "craft",
    "craft_line",
    "load_schema",
    "open",
    "packet",
    "replay",
    "send",
    "sniff",
]

_HOME = {
    "api": ("Capture", "Packet", "load_schema", "open", "packet"),
    "columns.filters": ("compile_filter",),
    "errors": (
        "CaptureError", "CraftError", "DamagedCapture", "ExpressionError", "FilterError", "Malformed", "MissingExtra",
        "PktlabError", "QueryError", "SchemaError", "Truncated",
    ),
    "live.as_layer": ("as_layer",),
    "live.craft": ("craft",),
    "live.craft_line": ("craft_line",),
    "live.replay": ("replay",),
    "live.send": ("send",),
    "live.sniff": ("sniff",),
    "sums": ("checksum",),
}  # fmt: skip
__version__ = "0.1.0"

__getattr__, __dir__ = lazy_names(__name__, _HOME)
