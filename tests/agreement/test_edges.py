"""The packets of `edge_packets`: every one has the verdict that is due, read whole from a capture."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import pktlab

from .capfiles import write_pcapng
from .edge_packets import EDGES, Edge
from .other_tools import TOOLS, is_right, packets_of
from .tshark import needs_tshark


def verdicts(edge: Edge, folder: Path) -> list[str]:
    """Return the verdicts on the checksums of the protocol in the last frame and the datagram that it completes."""
    path = folder / "edge.pcapng"
    write_pcapng(path, packets_of(edge))
    packet = list(pktlab.open(path))[-1]
    return [str(one) for one in packet.values(f"{edge.protocol}.checksum.verdict")]


@pytest.mark.parametrize("edge", EDGES, ids=[edge.name for edge in EDGES])
def test_edge(edge: Edge, tmp_path: Path) -> None:
    found = verdicts(edge, tmp_path)
    assert "".join(found[edge.occurrence : edge.occurrence + 1]) == edge.verdict, edge.truth


def test_every_name_is_there_once() -> None:
    assert len({edge.name for edge in EDGES}) == len(EDGES) >= 110


@needs_tshark
@pytest.mark.skipif(shutil.which("tcpdump") is None, reason="tcpdump is not installed")
def test_other_tools_get_fewer_right(tmp_path: Path) -> None:
    asked = [edge for edge in EDGES if edge.protocol != "esp"]
    right = {
        name: sum(is_right(edge, answer) for edge, answer in zip(asked, answers(asked, tmp_path), strict=True))
        for name, answers in TOOLS.items()
    }
    print(f"of {len(asked)}: pktlab {len(asked)}, " + ", ".join(f"{name} {count}" for name, count in right.items()))
    assert max(right.values()) < len(asked)
    assert min(right.values()) > len(asked) / 3
