"""Time pktlab against its peers, and print ratios taken within this run.

Throughput over a big capture is in `throughput`, start-up in `startup`, swarms of BitTorrent in `swarms`. Here stands
exact dissection of the same packets, already in memory, in one process and one thread. Scapy builds its packet tree
without byte ranges; dpkt reads headers without options, ranges or any check. The packets are those of
pcaps/first-light.pcapng and, with PKTLAB_CORPUS, of some real captures. Rounds of the contestants alternate, so that a
machine that slows down slows all of them; the best round of each counts.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks import startup, swarms
from benchmarks.throughput import compare
from pktlab.capture import open_capture
from pktlab.wire import dissect

ROOT = Path(__file__).resolve().parent.parent
FIRST_LIGHT = ROOT / "pcaps" / "first-light.pcapng"
REAL = (
    "PcapPlusPlus/Tests/ExamplesTest/pcap_examples/many-protocols.pcap",
    "nDPI/tests/cfgs/default/pcap/instagram.pcap",
    "nDPI/tests/cfgs/default/pcap/wa_voice.pcap",
)
ROUNDS = 7
PACKETS = 1000


def packets_of(path: Path) -> list[bytes]:
    """Return the first Ethernet packets of a capture."""
    with open_capture(path) as reader:
        found = [record.data for record in reader if record.link_type == 1]
    return found[:PACKETS] or [b""]


def rates(packets: Sequence[bytes], contestants: dict[str, Callable[[bytes], object]]) -> dict[str, float]:
    """Return packets per second of CPU time for each contestant: the best of several alternating rounds."""
    best: dict[str, float] = {}
    for _ in range(ROUNDS):
        for name, read in contestants.items():
            started = time.process_time()
            for packet in packets:
                read(packet)
            took = time.process_time() - started
            best[name] = max(best.get(name, 0.0), len(packets) / took if took else 0.0)
    return best


def dissection() -> None:
    """Print the rates of exact dissection."""
    import dpkt
    from scapy.all import Ether  # with every layer that Scapy reads by itself, as its users have it

    contestants: dict[str, Callable[[bytes], object]] = {
        "pktlab, every range": lambda data: dissect(data, ranges=True),
        "pktlab": dissect,
        "Scapy, no ranges": Ether,
        "dpkt, no options": dpkt.ethernet.Ethernet,
    }
    corpus = os.environ.get("PKTLAB_CORPUS")
    captures = [FIRST_LIGHT, *(Path(corpus) / name for name in REAL if corpus)]
    print(f"{'exact dissection, packets/s':40}" + "".join(f"{name:>22}" for name in contestants) + f"{'ratio':>8}")
    for path in captures:
        measured = rates(packets_of(path), contestants)
        ratio = measured["pktlab, every range"] / measured["Scapy, no ranges"]
        print(f"{path.name:40}" + "".join(f"{rate:>22,.0f}" for rate in measured.values()) + f"{ratio:>8.1f}")
    print("ratio: pktlab with every range over Scapy\n")


def main() -> None:
    """Print all tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="pktlab and its peers, timed in one run")
    parser.add_argument("--quick", action="store_true", help="a quarter of the size, one run: about a minute")
    parser.add_argument("--size", type=float, default=1e9, help="bytes of the generated capture (default 1e9)")
    parser.add_argument("--runs", type=int, default=3, help="the best of so many counts (default 3)")
    parser.add_argument("--folder", type=Path, help="where captures are written and removed again")
    given = parser.parse_args()
    size, runs = (given.size / 4, 1) if given.quick else (given.size, given.runs)
    compare(int(size), runs, given.folder)
    if not given.quick:
        dissection()
        startup.compare()
        swarms.compare(folder=given.folder)


if __name__ == "__main__":
    main()
