"""Which captures of the corpus hold a protocol, and what tshark says of each of its fields: bytes and value."""

from __future__ import annotations

import shutil
import subprocess
import xml.etree.ElementTree as ET
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import pktlab

PREFERENCES = (
    "ip.defragment:FALSE", "ipv6.defragment:FALSE", "tcp.desegment_tcp_streams:FALSE",
    "tcp.analyze_sequence_numbers:FALSE", "tls.desegment_ssl_records:FALSE",
    "tls.desegment_ssl_application_data:FALSE", "http.decompress_body:FALSE",
)  # fmt: skip
"""Each frame by itself, as pktlab reads it."""

Captures = Callable[[str, int], list[Path]]
Tshark = Callable[[Path, str], Iterator[tuple[int, list["Place"]]]]
Place = tuple[str, int, int, str]
"""Field, first byte, bytes, value."""


@pytest.fixture(scope="session")
def captures_with(corpus: Path) -> Captures:
    """Return a function that gives the smallest whole captures with a protocol in them."""
    parquet = pytest.importorskip("pyarrow.parquet")
    table = parquet.read_table(corpus / "tshark-4.0.17.parquet", columns=["path", "frame.protocols"])
    alike: dict[str, list[Any]] = table.group_by(table.column_names).aggregate([([], "count_all")]).to_pydict()
    frames: dict[str, Counter[str]] = defaultdict(Counter)
    sizes: Counter[str] = Counter()
    for path, protocols, count in zip(alike["path"], alike["frame.protocols"], alike["count_all"], strict=True):
        sizes[path] += count
        for protocol in set((protocols or "").split(":")):
            frames[protocol][path] += count

    def captures(protocol: str, count: int) -> list[Path]:
        found = sorted(frames[protocol], key=lambda path: (sizes[path], path))
        return [corpus / path for path in found if "pcapng-test-generator" not in path][:: max(1, len(found) // count)]

    return captures


@pytest.fixture(scope="session")
def tshark() -> Tshark:
    """Return a function that gives (frame, fields) of the frames of a capture that hold a protocol."""
    if shutil.which("tshark") is None:
        pytest.skip("tshark is not installed")

    def ask(path: Path, protocol: str) -> Iterator[tuple[int, list[Place]]]:
        options = [part for one in PREFERENCES for part in ("-o", one)]
        command = ["tshark", "-n", "-r", str(path), "-Y", protocol, "-T", "pdml", "-J", protocol, *options]
        done = subprocess.run(command, capture_output=True, check=False, timeout=120)
        for element in ET.fromstring(done.stdout):
            yield places_of(element)

    return ask


def places_of(packet: ET.Element) -> tuple[int, list[Place]]:
    number, places = 0, []
    for one in packet.iter("field"):
        name = one.get("name", "")
        if name == "num":
            number = int(one.get("show", "0"))
        places.append((name, int(one.get("pos", "0")), int(one.get("size", "0")), one.get("show", "")))
    return number, places


def ours(packet: pktlab.Packet, prefix: str) -> list[Place]:
    """Return the fields of pktlab's layers whose names start with `prefix`."""
    return [
        (found.name, found.start, found.stop - found.start, found.text)
        for layer in packet.layers
        for found in layer.spans()
        if found.name.startswith(prefix) and not layer.quoted
    ]
