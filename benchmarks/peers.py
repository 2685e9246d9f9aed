"""What is timed as a process of its own: ``python -m benchmarks.peers dpkt FILE``."""

from __future__ import annotations

import sys
from pathlib import Path

TEN = [
    "frame.number", "frame.len", "ip.src", "ip.dst", "ip.ttl", "ip.proto", "udp.srcport", "udp.dstport",
    "tcp.srcport", "tcp.dstport",
]  # fmt: skip
"""The fields that are asked for where ten are."""


def read_dpkt(path: Path) -> None:
    """Read the headers of every packet; no sum is taken."""
    import dpkt

    with path.open("rb") as file:
        for _, data in dpkt.pcap.Reader(file):
            dpkt.ethernet.Ethernet(data)


def read_scapy(path: Path) -> None:
    """Dissect every packet; no sum is taken."""
    from scapy.all import Ether, RawPcapReader  # with every layer that Scapy reads by itself

    for data, _ in RawPcapReader(str(path)):
        Ether(data)


def columns(path: Path, threads: int = 1) -> None:
    """Take ten fields of every packet into arrays; they are not printed."""
    from pktlab.capture import open_capture
    from pktlab.columns.batches import Columns

    for _ in Columns(TEN).read(open_capture(path), lambda _: None, threads=threads):
        pass


if __name__ == "__main__":
    what, file, *more = sys.argv[1:]
    job = {"dpkt": read_dpkt, "scapy": read_scapy, "columns": columns}[what]
    job(Path(file), *map(int, more))
