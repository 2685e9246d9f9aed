"""Who keeps time? ``python -m benchmarks.replaying``: a capture sent over a veth pair by pktlab and by tcpreplay.

The times at which packets arrive, as the receiver's kernel stamps them, are held against those of the capture, both
counted from the first packet. Then the same capture goes as fast as it can.
"""

from __future__ import annotations

import argparse
import random
import subprocess
import sys
import tempfile
import threading
from functools import partial
from pathlib import Path

from pktlab.capture import Record, open_capture, open_writer
from pktlab.live import Sandbox
from pktlab.live.inside import inside
from pktlab.live.sniff import Sniffer
from pktlab.wire import build
from pktlab.wire.ethernet import Ethernet
from pktlab.wire.ipv4 import Ip
from pktlab.wire.udp import Udp

HERE = Path(__file__).parent
STRANGER = "02:00:00:00:77:77"
PKTLAB = [sys.executable, "-m", "pktlab_cli", "replay", "-i", "eth0"]
TCPREPLAY = ["tcpreplay", "-q", "-i", "eth0"]
CONTESTANTS = {"pktlab replay": (PKTLAB, ["--topspeed"]), "tcpreplay": (TCPREPLAY, ["--topspeed"])}


def make(path: Path, count: int, rate: int) -> None:
    """Write a capture of datagrams at random times, `rate` a second on average."""
    dice, now = random.Random(7), 0
    headers = (
        Ethernet(dst=STRANGER, src="02:00:00:00:00:01", type=0x0800),
        Ip(src="203.0.113.1", dst="203.0.113.2", proto=17),
        Udp(srcport=1, dstport=2),
    )
    with open_writer(path, link_type=1) as writer:
        for number in range(count):
            data = build(*headers, number.to_bytes(4, "big") + bytes(dice.randrange(1000)))
            writer.write(Record(number + 1, now, data, len(data), 1))
            now += round(dice.expovariate(rate) * 1e9)


def arrivals(box: Sandbox, command: list[str], path: Path) -> dict[bytes, int]:
    """Return when each datagram of a capture that a program sends came in, ns, by its number."""
    client, server = box

    def play() -> None:
        client.run(command, timeout_s=120)
        sniffer.stop()

    with tempfile.TemporaryDirectory() as folder, inside(server, partial(Sniffer, "eth0")) as sniffer:
        target = Path(folder, "got.pcap")
        sniffer.wire.on_start = threading.Thread(target=play).start
        sniffer.write(target)
        with open_capture(target) as reader:
            return {r.data[42:46]: r.time_ns or 0 for r in reader if r.data[:6].hex(":") == STRANGER}


def row(name: str, sent: dict[bytes, int], got: dict[bytes, int]) -> str:
    """Return how far arrivals are off the capture's times, in µs, counted from the packet that was least late."""
    late = sorted(got[key] - sent[key] for key in sent if key in got)
    late = [one - late[0] for one in late]
    parts = [late[len(late) * share // 1000] / 1000 for share in (500, 990, 999)]
    return f"{name:20}{len(sent) - len(got):>8}" + "".join(f"{one:>12,.1f}" for one in (*parts, late[-1] / 1000))


def compare(count: int, rate: int) -> None:
    """Print both tables."""
    with tempfile.TemporaryDirectory() as folder, Sandbox(ipv6=None) as box:
        path = Path(folder, "sent.pcap")
        make(path, count, rate)
        with open_capture(path) as reader:
            sent = {record.data[42:46]: record.time_ns or 0 for record in reader}
        print(f"at its times, {rate:,} packets a second; µs late: half of all are less, 99 %, 99.9 %, all")
        print(f"{'':20}{'lost':>8}{'half':>12}{'99 %':>12}{'99.9 %':>12}{'all':>12}")
        for name, (command, _) in CONTESTANTS.items():
            print(row(name, sent, arrivals(box, [*command, str(path)], path)), flush=True)
        print("as fast as it goes")
        for name, (command, options) in CONTESTANTS.items():
            got = arrivals(box, [*command, *options, str(path)], path)
            took = (max(got.values()) - min(got.values())) / 1e9
            print(f"{name:20}{len(got) / took:>12,.0f} packets/s", flush=True)


def main() -> None:
    """Read what is asked for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.replaying", description="who keeps time?")
    parser.add_argument("--count", type=int, default=10_000, help="packets (default 10000)")
    parser.add_argument("--rate", type=int, default=1000, help="packets per second (default 1000)")
    given = parser.parse_args()
    compare(given.count, given.rate)


if __name__ == "__main__":
    try:
        main()
    except subprocess.TimeoutExpired as error:
        sys.exit(str(error))
