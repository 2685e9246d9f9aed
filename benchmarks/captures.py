"""The captures that tools are timed over: one that is generated, and one that is merged out of real files.

Both are a block of packets that is repeated, so that of any length the mix is the same.
"""

from __future__ import annotations

import random
import struct
from dataclasses import dataclass
from pathlib import Path

from pktlab.capture import open_capture, open_writer
from pktlab.capture.tools import open_merged
from pktlab.errors import CaptureError
from pktlab.wire import Header, build
from pktlab.wire.ethernet import Ethernet, Vlan
from pktlab.wire.ipv4 import Ip
from pktlab.wire.ipv6 import Ipv6
from pktlab.wire.tcp import Tcp, TcpFlags
from pktlab.wire.udp import Udp

__all__ = ["Block", "generated", "real", "write"]

HEADER = struct.pack("<IHHIIII", 0xA1B2C3D4, 2, 4, 0, 0, 262_144, 1)
SIZES = (0, 20, 64, 300, 900, 1200, 1400, 1448)
PACKETS = 4000
REAL_FILE, REAL_BLOCK, REAL_FILES = 1 << 18, 4 << 20, 200
"""Most bytes of a real file, and of all of them, and most files: small ones, so that many kinds are in it."""


@dataclass(frozen=True)
class Block:
    """Records of a pcap, to be repeated."""

    name: str
    records: bytes
    packets: int

    def first(self, count: int) -> Block:
        """Return the first `count` packets."""
        at = 0
        for _ in range(count):
            at += 16 + int.from_bytes(self.records[at + 8 : at + 12], "little")
        return Block(self.name, self.records[:at], count)


def generated(seed: int = 1) -> Block:
    """Return TCP and UDP over IPv4 and IPv6, some in a VLAN, on ports that no dissector claims."""
    dice = random.Random(seed)
    packets = [_packet(dice) for _ in range(PACKETS)]
    records = b"".join(
        struct.pack("<IIII", 1_700_000_000, 13 * place, len(packet), len(packet)) + packet
        for place, packet in enumerate(packets)
    )
    return Block("generated", records, len(packets))


def _packet(dice: random.Random) -> bytes:
    is_ipv6, is_tagged, is_tcp = dice.random() < 0.2, dice.random() < 0.2, dice.random() < 0.6
    network = 0x86DD if is_ipv6 else 0x0800
    ends = {"src": "02:00:00:00:00:01", "dst": "02:00:00:00:00:02"}
    layers: list[Header] = [Ethernet(**ends, type=0x8100 if is_tagged else network)]
    if is_tagged:
        layers.append(Vlan(id=7, etype=network))
    transport = 6 if is_tcp else 17
    if is_ipv6:
        layers.append(Ipv6(src=f"2001:db8::{dice.randrange(1, 200):x}", dst="2001:db8::1:2", nxt=transport))
    else:
        source = f"10.0.{dice.randrange(4)}.{dice.randrange(1, 250)}"
        layers.append(Ip(src=source, dst="10.1.2.3", proto=transport, id=dice.randrange(1 << 16)))
    source_port, port = dice.randrange(20_000, 40_000), dice.randrange(40_000, 60_000)
    if is_tcp:
        sequence, acknowledged = dice.randrange(1 << 32), dice.randrange(1 << 32)
        layers.append(
            Tcp(srcport=source_port, dstport=port, seq_raw=sequence, ack_raw=acknowledged, flags=TcpFlags(0x10))
        )
    else:
        layers.append(Udp(srcport=source_port, dstport=port))
    return build(*layers, b"@" + dice.randbytes(dice.choice(SIZES)))


def real(corpus: Path, folder: Path) -> Block:
    """Return small Ethernet captures of `corpus`, merged by time."""
    paths, size = [], 0
    for path in sorted(corpus.rglob("*.pcap")):
        if len(paths) == REAL_FILES:
            break
        if path.stat().st_size <= REAL_FILE and size < REAL_BLOCK and _is_ethernet(path):
            paths.append(path)
            size += path.stat().st_size
    merged, target = open_merged(paths), folder / "merged.pcap"
    packets = 0
    with open_writer(target, format="pcap", nanoseconds=False, link_type=1) as writer:
        for packets, record in enumerate(merged, 1):  # noqa: B007
            writer.write(record)
    merged.close()
    return Block(f"{len(paths)} real files, merged", target.read_bytes()[len(HEADER) :], packets)


def _is_ethernet(path: Path) -> bool:
    try:
        with open_capture(path) as reader:
            return any(True for _ in reader) and reader.link_types == [1] and reader.interfaces[0].fcs_len is None
    except CaptureError:
        return False


def write(path: Path, block: Block, times: int) -> None:
    """Write a pcap of `block` so many times."""
    with path.open("wb") as file:
        file.write(HEADER)
        for _ in range(times):
            file.write(block.records)
