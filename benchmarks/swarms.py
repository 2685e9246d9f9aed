"""``pktlab bt swarm`` beside ``tshark -Y bittorrent``: a real swarm, copies of it, and many short connections.

Run as ``python -m benchmarks.swarms``; PKTLAB_SWARMS names the folder of the captures. The two alternate, the least
time of several runs counts; the slope is what the long file takes more than the short one.
"""

from __future__ import annotations

import argparse
import os
import shutil
import struct
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from benchmarks.captures import HEADER
from benchmarks.running import Took, timed
from pktlab.capture import open_capture, open_writer
from pktlab.wire import build
from pktlab.wire.apps.bittorrent.peer import Bitfield, Handshake
from pktlab.wire.ethernet import Ethernet
from pktlab.wire.ipv4 import Ip
from pktlab.wire.tcp import Tcp

TIMES, RUNS, CONNECTIONS = 8, 3, 28_000
GAP_S = 60
"""Time between a swarm and its copy."""
ETHERNET_LEN, THIRD_OCTETS = 14, (14, 18)
"""Where in an IPv4 header the third octets of its addresses lie; ARP and IPv6 stay as they are."""


def repeated(source: Path, target: Path, times: int) -> None:
    """Write a capture of Ethernet several times over, each later and between other IPv4 addresses than the last."""
    with open_capture(source) as reader, open_writer(target, format="pcap", nanoseconds=False, link_type=1) as writer:
        for record in reader:
            writer.write(record)
    data = np.fromfile(target, np.uint8)
    starts = np.array(list(_starts(data)), np.int64)
    is_ip = (data[starts + 28] == 8) & (data[starts + 29] == 0)
    octets = np.concatenate([starts[is_ip] + 16 + ETHERNET_LEN + at for at in THIRD_OCTETS])
    seconds = np.concatenate([data[starts + at] for at in range(4)]).reshape(4, -1)
    stamps = (seconds.astype(np.int64) << np.arange(0, 32, 8)[:, None]).sum(axis=0)
    span = int(np.ptp(stamps)) + GAP_S
    with target.open("wb") as file:
        file.write(HEADER)
        for number in range(times):
            later = stamps + number * span
            for at in range(4):
                data[starts + at] = later >> 8 * at & 0xFF
            file.write(data[len(HEADER) :].data)
            data[octets] += 1


def _starts(data: np.ndarray) -> Iterator[int]:  # type: ignore[type-arg]
    at, octets = len(HEADER), data.tobytes()
    while at < len(octets):
        yield at
        at += 16 + int.from_bytes(octets[at + 8 : at + 12], "little")


def short_connections(target: Path, count: int) -> None:
    """Write connections in which two peers shake hands, tell what they have, and go: ten packets each."""
    hello = [
        Handshake(info_hash=b"h" * 20, peer_id=b"-PL0001-%012d" % side).build() + Bitfield(bitfield=b"\xff" * 8).build()
        for side in (0, 1)
    ]  # fmt: skip
    with target.open("wb") as file:
        file.write(HEADER)
        for number in range(count):
            moment = 1_700_000_000_000_000 + 2_000 * number
            for place, packet in enumerate(_connection(number, hello)):
                file.write(struct.pack("<IIII", *divmod(moment + 100 * place, 1_000_000), len(packet), len(packet)))
                file.write(packet)


def _connection(number: int, hello: list[bytes]) -> Iterator[bytes]:
    ends = [f"10.{number >> 14}.{number >> 7 & 127}.{number & 127}", "10.200.0.1"]
    at = [number * 7919 % 2**32, number * 104_729 % 2**32]
    turns = ((0, 2, b""), (1, 18, b""), (0, 16, b""), (0, 24, hello[0]), (1, 16, b""), (1, 24, hello[1]),
             (0, 16, b""), (0, 17, b""), (1, 17, b""), (0, 16, b""))  # fmt: skip
    for side, flags, data in turns:
        yield build(
            Ethernet(src=f"02:00:00:00:00:0{side}", dst=f"02:00:00:00:00:0{1 - side}", type=0x800),
            Ip(src=ends[side], dst=ends[1 - side], proto=6),
            Tcp(
                srcport=(40_000, 6881)[side], dstport=(6881, 40_000)[side], seq_raw=at[side],
                ack_raw=at[1 - side] if flags != 2 else 0, flags=flags,
            ),
            data,
        )  # fmt: skip
        at[side] = (at[side] + len(data) + (flags & 3 != 0)) % 2**32


def table(paths: dict[str, Path], runs: int) -> None:
    """Print what both take of each capture, and the slope between the first two."""
    commands = {
        "pktlab": [sys.executable, "-m", "pktlab_cli", "bt", "swarm"],
        "tshark": ["tshark", "-Y", "bittorrent", "-r"],
    }
    least: dict[tuple[str, str], Took] = {}
    for name, path in paths.items():
        for _ in range(runs):
            for program, command in commands.items():
                took, before = timed([*command, str(path)]), least.get((program, name))
                least[program, name] = took if before is None else Took(*map(min, took, before))
    heading = "".join(f"{name:>30}" for name in paths)
    print(f"{'s by the clock (processors), MB':34}{heading}{'slope':>18}")
    slopes = {}
    for program in commands:
        found = [least[program, name] for name in paths]
        slopes[program] = [found[1][at] - found[0][at] for at in (0, 1)]
        cells = "".join(f"{f'{one.wall:.2f} ({one.cpu:.2f}) {one.peak:,.0f}':>30}" for one in found)
        print(f"{program:34}{cells}{'{:.2f} ({:.2f})'.format(*slopes[program]):>18}")
    ratios = [least["tshark", name].wall / least["pktlab", name].wall for name in paths]
    slope = [slopes["tshark"][at] / slopes["pktlab"][at] for at in (0, 1)]
    cells = "".join(f"{one:>30.2f}" for one in ratios)
    print(f"{'tshark takes so many times as long':34}{cells}{'{:.2f} ({:.2f})'.format(*slope):>18}\n")


def compare(times: int = TIMES, runs: int = RUNS, folder: Path | None = None) -> None:
    """Print the table, if tshark and the captures are there."""
    source = Path(os.environ.get("PKTLAB_SWARMS", "")) / "plain.pcap.zst"
    if not source.is_file() or shutil.which("tshark") is None:
        print("swarms: needs tshark, and PKTLAB_SWARMS with plain.pcap.zst in it\n")
        return
    with tempfile.TemporaryDirectory(dir=folder) as made:
        plain, long, short = (Path(made) / f"{name}.pcap" for name in ("plain", "long", "short"))
        repeated(source, plain, 1)
        repeated(source, long, times)
        short_connections(short, CONNECTIONS)
        timed([sys.executable, "-m", "pktlab_cli", "bt", "swarm", str(plain)])  # compiles what it needs
        table({"plain": plain, f"plain, {times} times": long, f"{CONNECTIONS:,} connections": short}, runs)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.swarms", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--times", type=int, default=TIMES, help=f"how often the long file has `plain` ({TIMES})")
    parser.add_argument("--runs", type=int, default=RUNS, help=f"the least of so many runs counts ({RUNS})")
    parser.add_argument("--folder", type=Path, help="where captures are written and removed again")
    given = parser.parse_args()
    compare(given.times, given.runs, given.folder)


if __name__ == "__main__":
    main()
