"""The blocks that tshark finds in real swarms are all heard, and more: it stops where many bytes come late."""

from __future__ import annotations

import os
import subprocess
from collections import Counter
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import pytest

import pktlab
from pktlab.flows.stream_table import Stream
from pktlab.torrent.connection import PeerConnection
from pktlab.torrent.events import Message

from .tshark import needs_tshark

pytestmark = needs_tshark

SWARMS = os.environ.get("PKTLAB_SWARMS")
OF_PIECE, OF_BLOCK, PIECE = frozenset((4, 13, 17)), frozenset((6, 7, 8, 16)), 7
FIELDS = ("tcp.stream", "ip.src", "bittorrent.msg.type", "bittorrent.piece.index", "bittorrent.piece.begin")

Block = tuple[int, str, int, int]
"""tcp.stream, who sent it, which piece, the offset in it."""


def theirs(path: Path) -> Iterator[Block]:
    """Yield the blocks that tshark finds with segments put in order; it gives the fields of all messages of a frame."""
    wanted = chain.from_iterable(("-e", name) for name in FIELDS)
    command = ["tshark", "-r", str(path), "-o", "tcp.reassemble_out_of_order:TRUE", "-Y", "bittorrent.msg.type == 7"]
    text = subprocess.run(
        [*command, "-T", "fields", *wanted], capture_output=True, text=True, timeout=300, check=True
    ).stdout
    for line in text.splitlines():
        stream, sender, *lists = line.split("\t")
        types, pieces, begins = (iter([int(one, 0) for one in cell.split(",") if one]) for cell in lists)
        for kind in types:
            piece = next(pieces) if kind in OF_PIECE | OF_BLOCK else 0
            begin = next(begins) if kind in OF_BLOCK else 0
            if kind == PIECE:
                yield int(stream), sender, piece, begin


def ours(path: Path) -> Iterator[Block]:
    """Yield the blocks that are heard."""
    connections: dict[Stream, PeerConnection] = {}
    told: Any = chain.from_iterable(pktlab.open(path).streams())
    for stream, event in told:
        for one in connections.setdefault(stream, PeerConnection()).hear(event):
            if isinstance(one, Message) and one.type == PIECE:
                yield stream.number, stream.sender(one.way).src, *one.fields


@pytest.mark.skipif(SWARMS is None, reason="PKTLAB_SWARMS is not set")
@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("name", "more"),
    [("mseplain", 0), *(pytest.param(*one, marks=pytest.mark.thorough) for one in (("plain", 202), ("udptrk", 0)))],
    ids=["mseplain", "plain", "udptrk"],
)
def test_a_swarm(name: str, more: int) -> None:
    path = Path(SWARMS or "") / f"{name}.pcap.zst"
    heard, found = Counter(ours(path)), Counter(theirs(path))
    assert found - heard == Counter()
    assert (heard - found).total() >= more
