"""Packets per second of whole programs over one capture, as a slope between a short and a long file.

The short file is one block of packets, the long one the block repeated; what the time between them comes to is
throughput, what the short one takes is start-up. Files are in memory (warm page cache), output goes to /dev/null, the
best of several runs counts. Slow tools are given a shorter long file: their slope is the same, the wait is not.
"""

from __future__ import annotations

import math
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from benchmarks import captures
from benchmarks.peers import TEN
from benchmarks.running import timed

__all__ = ["compare"]

CHECKS = [
    part for one in ("ip", "tcp", "udp") for part in ("-o", f"{one}.check_checksum:TRUE")
] + ["-o", "tcp.desegment_tcp_streams:FALSE", "-o", "ip.defragment:FALSE"]  # fmt: skip
VERIFY = [sys.executable, "-m", "pktlab_cli", "checksum", "verify"]
QUICK_S = 2.0
"""Runs are repeated until they took so long."""
FAST_RUNS = 5
"""Runs of what is over so soon that its start-up would hide it."""
LEAST_S = 5e-3
"""A shorter difference between the long file and the short one says nothing."""
REMARKS = """\
comparable: `verify` and verify.c judge the same sums, verify.c only those of Ethernet, VLAN, IP without extension
headers, UDP and TCP, and tells no cause; tcpdump -vv and tshark check the same sums, but print each packet.
not comparable: dpkt and Scapy take no sum at all; `columns` prints nothing, tshark -T fields does.
"""


@dataclass(frozen=True)
class Tool:
    """A program that reads a capture: `command` with ``{}`` for the file; `share` of the long file that it is given."""

    name: str
    command: list[str]
    share: float = 1.0


@dataclass(frozen=True)
class Slope:
    """What one tool was measured to do: s for the short file, packets/s of wall time and of processor time."""

    start_s: float
    wall: float
    cpu: float


def tools(folder: Path) -> list[Tool]:
    """Return the programs that are there."""
    mine = [sys.executable, "-m", "benchmarks.peers"]
    fields = [part for name in (*TEN, "ip.checksum.status", "tcp.checksum.status") for part in ("-e", name)]
    found = [
        Tool("pktlab verify, 1 thread", [*VERIFY, "{}", "--threads", "1"]),
        Tool("pktlab verify, 2 threads", [*VERIFY, "{}", "--threads", "2"]),
        Tool("pktlab columns, ten fields", [*mine, "columns", "{}", "1"]),
        Tool("pktlab dissect, text, 1 thread", [sys.executable, "-m", "pktlab_cli", "dissect", "{}", "--threads", "1"]),
        Tool("tshark, text", ["tshark", "-n", *CHECKS, "-r", "{}"], 0.04),
        Tool("tshark -T fields, with checks", ["tshark", "-n", *CHECKS, "-T", "fields", *fields, "-r", "{}"], 0.04),
        Tool("tcpdump -vv", ["tcpdump", "-vv", "-nn", "-r", "{}"], 0.08),
        Tool("dpkt, no sums", [*mine, "dpkt", "{}"], 0.08),
        Tool("Scapy, no sums", [*mine, "scapy", "{}"], 0.005),
    ]
    compiler = shutil.which("cc")
    if compiler:
        program, source = folder / "verify", Path(__file__).with_name("verify.c")
        subprocess.run([compiler, "-O3", "-o", str(program), str(source)], check=True)
        found.append(Tool("verify.c, 1 thread", [str(program), "{}"]))
    return [tool for tool in found if shutil.which(tool.command[0])]


def least(command: list[str], runs: int) -> tuple[float, float]:
    """Return the least wall and processor time of a command, s; what is quick is run more often."""
    found = [timed(command)]
    while len(found) < runs or sum(one.wall for one in found) < QUICK_S:
        found.append(timed(command))
    return min(one.wall for one in found), min(one.cpu for one in found)


def slope(tool: Tool, block: captures.Block, folder: Path, size: int, runs: int) -> Slope:
    """Measure a tool over one block and over as many as `size` bytes hold."""
    times = max(round(size * tool.share / len(block.records)), 2)
    short, long = folder / "short.pcap", folder / f"long-{times}.pcap"
    for path, count in ((short, 1), (long, times)):
        if not path.exists():
            captures.write(path, block, count)
    (short_wall, short_cpu), (long_wall, long_cpu) = (
        least(
            [part.replace("{}", str(path)) for part in tool.command], runs if tool.share < 1 else max(runs, FAST_RUNS)
        )
        for path in (short, long)
    )
    more = (times - 1) * block.packets
    return Slope(short_wall, _rate(more, long_wall - short_wall), _rate(more, long_cpu - short_cpu))


def _rate(packets: int, took: float) -> float:
    """Return packets/s; nan where noise is more than what was to be measured."""
    return packets / took if took > LEAST_S else math.nan


def table(block: captures.Block, folder: Path, size: int, runs: int) -> None:
    """Print the table for one capture."""
    captures.write(folder / "short.pcap", block, 1)
    for command in (VERIFY, [sys.executable, "-m", "benchmarks.peers", "columns"]):  # kernels are compiled once
        least([*command, str(folder / "short.pcap")], 1)
    print(f"\n{block.name}: {block.packets} packets, repeated up to {size / 1e6:.0f} MB")
    print(f"{'':32}{'start-up, s':>12}{'packets/s':>14}{'per CPU s':>14}{'slower by':>12}{'in CPU':>10}")
    base = None
    for tool in tools(folder):
        found = slope(tool, block, folder, size, runs)
        base = base or found
        numbers = f"{found.start_s:>12.2f}{found.wall:>14,.0f}{found.cpu:>14,.0f}"
        print(f"{tool.name:32}{numbers}{base.wall / found.wall:>12.2f}{base.cpu / found.cpu:>10.2f}")
    for path in folder.glob("*.pcap"):
        path.unlink()


def compare(size: int, runs: int, folder: Path | None = None) -> None:
    """Print how pktlab and its peers do over a generated capture of `size` bytes, and a real one."""
    print("throughput: packets/s between a short and a long file; how many times slower than `pktlab verify`")
    print("on one thread a tool is, by the clock and by the processor; nan where the machine was too busy to tell")
    corpus = os.environ.get("PKTLAB_CORPUS")
    with tempfile.TemporaryDirectory(dir=folder) as made:
        table(captures.generated(), Path(made), size, runs)
        if corpus:
            table(captures.real(Path(corpus), Path(made)), Path(made), size // 4, runs)
    print(REMARKS)
