"""Real swarms, the first packets of each, and what tshark says of a capture with BitTorrent in it."""

from __future__ import annotations

import os
import shutil
import subprocess
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path

import pytest

from pktlab.capture import open_capture

from ....columns.captures import Piece, pcap
from ..conftest import PREFERENCES, Place, places_of

Swarm = Callable[[str, int], Path]
Fields = dict[int, list[Place]]
Ask = Callable[[Path, str], Fields]
OPTIONS = ("bt-utp.enable_version0:TRUE", *PREFERENCES)


@pytest.fixture(scope="session")
def swarm(tmp_path_factory: pytest.TempPathFactory) -> Swarm:
    """Return a function that gives a capture of the first packets of a real swarm."""
    folder = os.environ.get("PKTLAB_SWARMS")
    if not folder or not Path(folder).is_dir():
        pytest.skip("PKTLAB_SWARMS names no folder of captures")
    cut = tmp_path_factory.mktemp("swarms")

    def first(name: str, count: int) -> Path:
        path = cut / f"{name}-{count}.pcap"
        if not path.exists():
            with open_capture(Path(folder) / f"{name}.pcap.zst") as reader:
                records = [record for record, _ in zip(reader, range(count), strict=False)]
            path.write_bytes(pcap([Piece(record.data) for record in records]))
        return path

    return first


@pytest.fixture(scope="session")
def ask() -> Ask:
    """Return a function that gives, by frame, the fields that tshark shows whose names start with a prefix."""
    if shutil.which("tshark") is None:
        pytest.skip("tshark is not installed")

    def fields(path: Path, prefix: str) -> Fields:
        options = [part for one in OPTIONS for part in ("-o", one)]
        command = ["tshark", "-n", "-r", str(path), "-T", "pdml", "--enable-heuristic", "bt_utp_udp", *options]
        done = subprocess.run([*command, "-Y", prefix.rstrip(".")], capture_output=True, check=False, timeout=120)
        found: Fields = {}
        for packet in ET.fromstring(done.stdout):
            number, places = places_of(packet)
            found[number] = [
                (name, at, size, value.replace(":", "")) for name, at, size, value in places if name.startswith(prefix)
            ]
        return found

    return fields
