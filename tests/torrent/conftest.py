"""Swarms that were heard, each once, and the truth about them."""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import pktlab
from pktlab.torrent.listening import swarm_of
from pktlab.torrent.swarm import Peer, Torrent

SWARMS = Path(__file__).resolve().parents[2] / "pcaps" / "swarms"
NAMES = ("ipv6", "magnet", "tcp", "trading", "udp-tracker", "utp")


class Heard:
    """A captured swarm: its one torrent, and what its makers know."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.truth: dict[str, Any] = json.loads(path.with_name(f"{path.name.partition('.')[0]}.json").read_text())
        (self.torrent,) = swarm_of(pktlab.open(path)).torrents()

    def peer(self, ip: str) -> Peer:
        (found,) = [peer for peer in self.torrent.peers if peer.address[0] == ip]
        return found

    def given(self, giver: str, taker: str) -> int:
        """Return the bytes that one address gave the other."""
        return sum(
            one.bytes
            for (source, target), one in self.torrent.transfers.items()
            if (source[0], target[0]) == (giver, taker)
        )


@functools.cache
def heard(path: Path) -> Heard:
    return Heard(path)


@pytest.fixture(params=NAMES)
def swarm(request: pytest.FixtureRequest) -> Heard:
    """Return one of the project's own swarms."""
    return heard(SWARMS / f"{request.param}.pcap.zst")


@pytest.fixture
def swarms() -> Callable[[str], Heard]:
    """Return what gives one of the project's own swarms by its name."""
    return lambda name: heard(SWARMS / f"{name}.pcap.zst")


@pytest.fixture
def trading() -> Heard:
    """Return the trade-bound swarm."""
    return heard(SWARMS / "trading.pcap.zst")


@pytest.fixture(params=("magnet", "mseplain", "plain", "udptrk", "utploss", "v2"))
def foreign(request: pytest.FixtureRequest) -> Heard:
    """Return one of the swarms that PKTLAB_SWARMS names."""
    folder = os.environ.get("PKTLAB_SWARMS")
    if not folder or not Path(folder).is_dir():
        pytest.skip("PKTLAB_SWARMS names no folder of captured swarms")
    return heard(Path(folder) / f"{request.param}.pcap.zst")


__all__ = ["Heard", "Torrent"]
