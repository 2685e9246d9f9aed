"""Who loses packets? ``python -m benchmarks.sniffing``: a flood over a veth pair, written to a file by each in turn.

A sender puts small datagrams on the cable of a sandbox at a steady rate, 64 with a system call, cut up by its kernel
(UDP_SEGMENT); at the other end pktlab, tcpdump (as it comes, and with as large a buffer as pktlab's) and Scapy write
them to a file. Each datagram has a number; counted are the numbers that are not in the file afterwards. With `--lines`
programs that print a line a packet are held against each other, and lines are counted.
"""

from __future__ import annotations

import argparse
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np

from pktlab.capture import open_capture
from pktlab.live import Host, Sandbox

HERE = Path(__file__).parent
PATIENCE_S = 120.0
BUFFER_MIB = 64
STRANGER, STRANGER_MAC = "192.0.2.77", "02:00:00:00:77:77"
"""To whom the frames go, so that the receiver's kernel has little to do with them beside the capture."""
UDP_SEGMENT, BATCH, SIZE = 103, 64, 18
"""Linux ``include/uapi/linux/udp.h``; datagrams a call; bytes of each: a frame of 60."""
PKTLAB = [sys.executable, "-m", "pktlab_cli", "sniff", "-i", "eth0"]
TCPDUMP = ["tcpdump", "-i", "eth0", "-Z", "root"]
CONTESTANTS: dict[str, Callable[[Path], list[str]]] = {
    "pktlab sniff -w": lambda path: [*PKTLAB, "-w", str(path)],
    "tcpdump -w": lambda path: [*TCPDUMP, "-w", str(path)],
    f"tcpdump -B {BUFFER_MIB << 10} -w": lambda path: [*TCPDUMP, "-B", str(BUFFER_MIB << 10), "-w", str(path)],
    "pktlab, packet by packet": lambda path: [*PKTLAB, "-Y", "frame", "-w", str(path)],
    "Scapy": lambda path: [sys.executable, "-m", "benchmarks.sniffing", "--scapy", str(path)],
}


PRINTERS: dict[str, list[str]] = {
    "pktlab sniff": PKTLAB,
    "pktlab sniff -Y": [*PKTLAB, "-Y", "udp.dstport == 9"],
    "tcpdump -n -vv": [*TCPDUMP, "-n", "-vv", "-B", str(BUFFER_MIB << 10)],
    "tshark": ["tshark", "-i", "eth0", "-n", "-B", str(BUFFER_MIB)],
}
"""Who prints a line a packet."""


def send(count: int, rate: int) -> None:
    """Send `count` datagrams, `rate` a second, and print how many seconds it took."""
    numbers = np.zeros((BATCH, SIZE), np.uint8)
    places = numbers[:, -4:].view(">u4")[:, 0]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as wire:
        wire.setsockopt(socket.IPPROTO_UDP, UDP_SEGMENT, SIZE)
        wire.connect((STRANGER, 9))
        start = time.perf_counter()
        for first in range(0, count, BATCH):
            places[:] = np.arange(first, first + BATCH)
            while time.perf_counter() < start + first / rate:
                pass
            wire.send(numbers)
        print(time.perf_counter() - start)


def scapy(path: Path) -> None:
    """Write what comes to a file with Scapy's sniffer, until it is ended."""
    from scapy.all import AsyncSniffer, RawPcapWriter, conf

    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    conf.bufsize = BUFFER_MIB << 20
    with RawPcapWriter(str(path), linktype=1) as writer:
        sniffer = AsyncSniffer(
            iface="eth0", store=False, prn=lambda packet: writer.write(bytes(packet)),
            started_callback=lambda: print("listening", file=sys.stderr, flush=True),
        )  # fmt: skip
        sniffer.start()
        signal.sigwait({signal.SIGINT})
        sniffer.stop()


def started(host: Host, command: list[str], output: int) -> subprocess.Popen[str]:
    """Start a program, and return when it says on standard error that it listens."""
    process = host.popen(command, stdout=output, stderr=subprocess.PIPE, cwd=HERE.parent)
    assert process.stderr is not None
    said = ""
    while "listening" not in said and "Capturing on" not in said:
        if not select.select([process.stderr], [], [], PATIENCE_S)[0] or process.poll() is not None:
            raise SystemExit(f"{command[0]} did not start: {process.stderr.read()}")
        said = process.stderr.readline()
    return process


def cpu_s(process: subprocess.Popen[str]) -> float:
    """Return the CPU time of a program so far, in user mode and in the kernel."""
    fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def numbers_in(path: Path) -> int:
    """Return how many different datagrams of the flood are in a file."""
    with open_capture(path) as reader:
        return len({record.data[56:60] for record in reader if record.data[:6].hex(":") == STRANGER_MAC})


def run(box: Sandbox, name: str, count: int, rate: int, path: Path) -> str:
    """Return the row of one contestant."""
    client, server = box
    with path.with_suffix(".txt").open("wb") as text:
        process = started(server, PRINTERS[name] if name in PRINTERS else CONTESTANTS[name](path), text.fileno())
    before = cpu_s(process)
    command = [sys.executable, "-m", "benchmarks.sniffing", "--send", "--count", count, "--rate", rate]
    took = float(client.run(command, timeout_s=PATIENCE_S).stdout)
    time.sleep(1)  # what lies in a buffer may still be written
    cpu = cpu_s(process) - before
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=PATIENCE_S)
    server.stop(process)
    if name in PRINTERS:
        with path.with_suffix(".txt").open("rb") as text:
            lost = count - sum(STRANGER.encode() in line for line in text)
    else:
        lost = count - numbers_in(path)
        path.unlink()
    return f"{name:28}{count / took:>14,.0f}{count:>12,}{lost:>12,}{100 * lost / count:>9.2f} %{cpu:>8.2f}"


def compare(names: Iterable[str], count: int, rate: int, runs: int, folder: Path | None) -> None:
    """Print the table."""
    print(f"{'':28}{'packets/s':>14}{'sent':>12}{'lost':>12}{'lost':>11}{'CPU s':>8}")
    with tempfile.TemporaryDirectory(dir=folder) as name, Sandbox(ipv6=None) as box:
        client, _ = box
        neighbour = ["ip", "neighbour", "replace", STRANGER, "lladdr", STRANGER_MAC, "dev", "eth0", "nud", "permanent"]
        client.run(neighbour)
        client.run(["ethtool", "-K", "eth0", "tx", "on", "tx-udp-segmentation", "off"])
        for _ in range(runs):
            for contestant in names:
                print(run(box, contestant, count, rate, Path(name, "out.pcap")), flush=True)


def main() -> None:
    """Read what is asked for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sniffing", description="who loses packets?")
    parser.add_argument("--rate", type=int, default=300_000, help="packets per second (default 300000)")
    parser.add_argument("--count", type=int, default=1_500_032, help="packets (default 1500032), a multiple of 64")
    parser.add_argument("--lines", action="store_true", help="those that print lines, in place of those that write")
    parser.add_argument("--runs", type=int, default=1, help="how often, all contestants in turn")
    parser.add_argument("--folder", type=Path, help="where the files are written and removed again")
    parser.add_argument("--scapy", type=Path, metavar="FILE", help=argparse.SUPPRESS)
    parser.add_argument("--send", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.scapy:
        scapy(given.scapy)
    elif given.send:
        send(given.count, given.rate)
    else:
        names = PRINTERS if given.lines else CONTESTANTS
        compare(list(names), given.count, given.rate, given.runs, given.folder)


if __name__ == "__main__":
    main()
