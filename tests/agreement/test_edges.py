"""The packets of `edge_packets`: every one has the verdict that is due, read whole from a capture."""

from __future__ import annotations

from pathlib import Path

import pytest

import pktlab

from .capfiles import Packet, write_pcapng
from .edge_packets import EDGES, Edge


def verdicts(edge: Edge, folder: Path) -> list[str]:
    """Return the verdicts on the checksums of the protocol in the last frame and the datagram that it completes."""
    path = folder / "edge.pcapng"
    last = len(edge.frames) - 1
    write_pcapng(
        path, [Packet(edge.link_type, data, edge.length if at == last else 0) for at, data in enumerate(edge.frames)]
    )
    packet = list(pktlab.open(path))[-1]
    return [str(one) for one in packet.values(f"{edge.protocol}.checksum.verdict")]


@pytest.mark.parametrize("edge", EDGES, ids=[edge.name for edge in EDGES])
def test_edge(edge: Edge, tmp_path: Path) -> None:
    found = verdicts(edge, tmp_path)
    assert "".join(found[edge.occurrence : edge.occurrence + 1]) == edge.verdict, edge.truth


def test_every_name_is_there_once() -> None:
    assert len({edge.name for edge in EDGES}) == len(EDGES) >= 110
