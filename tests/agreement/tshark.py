"""What tshark says of every field of every packet: its PDML, read as (position, size, text) by name.

It runs once for a capture, in a configuration of its own in which only the protocols compared here are on: what other
dissectors make of random bytes is no question of these tests, and the user's preferences play no part.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import IO, NamedTuple
from xml.etree import ElementTree

import pytest

from pktlab import wire

from .capfiles import Packet, write_pcapng

__all__ = [
    "COMPARED",
    "PROTOCOLS",
    "YET",
    "Answers",
    "FieldEntry",
    "Said",
    "field_table",
    "fields",
    "needs_tshark",
    "pdml",
    "streams",
]

PROTOCOLS = {
    "frame", "eth", "ethertype", "vlan", "ieee8021ad", "sll", "null", "raw", "arp", "ip", "icmp", "ipv6",
    "ipv6.hopopts", "ipv6.routing", "ipv6.fraghdr", "ipv6.dstopts", "ipv6.shim6", "ah", "esp", "icmpv6", "udp", "tcp",
    "mptcp", "data", "ieee8021ah", "llc", "stp", "pppoed", "pppoes", "ppp", "ppp_hdlc", "lcp", "ipcp", "ipv6cp", "ccp",
    "pap", "chap", "chdlc", "mpls", "gre", "erspan", "vxlan", "geneve", "gtp", "etherip", "igmp", "udplite", "sctp",
    "dccp", "teredo", "mipv6", "ospf", "vrrp", "pim",
}  # fmt: skip
"""What is switched on in tshark, and compared over real packets; applications have tests of their own."""
YET = {
    "llc", "stp", "ieee8021ah", "pppoed", "ppp", "chdlc", "gre", "erspan", "vxlan", "geneve",
    "gtp", "sctp", "dccp", "mipv6", "igmp", "ospf", "vrrp", "pim",
}  # fmt: skip
"""Layers that are compared over real packets only, not over made ones and not against mutants."""
COMPARED = tuple(
    header for header in wire.PROTOCOLS if header.layer in PROTOCOLS - YET and header.__name__ != "UdpLite"
)
OPTIONS = (
    "ip.defragment:FALSE", "ipv6.defragment:FALSE", "tcp.desegment_tcp_streams:FALSE", "tcp.try_heuristic_first:FALSE",
    "ip.check_checksum:TRUE", "tcp.check_checksum:TRUE", "udp.check_checksum:TRUE", "ip.tso_support:TRUE",
    "tcp.relative_sequence_numbers:FALSE", "tcp.analyze_sequence_numbers:FALSE", "eth.fcs:Never",
    "sctp.checksum:CRC 32c", "udplite.check_checksum:TRUE", "udplite.ignore_checksum_coverage:FALSE",
)  # fmt: skip

needs_tshark = pytest.mark.skipif(shutil.which("tshark") is None, reason="tshark is not installed")


class Said(NamedTuple):
    """One occurrence of a field in tshark's tree."""

    pos: int  # bytes from the start of the packet
    size: int  # bytes
    show: str  # as ``tshark -T fields`` prints it
    value: str  # the bytes in hex


Answers = dict[str, list[Said]]
"""Of one packet: all that was said of each field, by name."""


def pdml(packets: list[Packet], folder: Path) -> list[Answers]:
    """Return what tshark says of each of `packets`, in one run."""
    command, environment = _prepared(packets, folder)
    command += ["-T", "pdml"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        answers = list(_read(process.stdout))
        complaint = process.stderr.read().decode()
    assert process.returncode == 0, complaint
    assert len(answers) == len(packets)
    return answers


def fields(packets: list[Packet], names: list[str], folder: Path, *, reassemble: bool = False) -> list[list[str]]:
    """Return, of each of `packets`, every occurrence of each of `names` as text, joined by commas."""
    command, environment = _prepared(packets, folder)
    if reassemble:
        command += ["-o", "ip.defragment:TRUE", "-o", "ipv6.defragment:TRUE"]
    command += ["-T", "fields", "-E", "separator=/t", "-E", "occurrence=a"]
    for name in names:
        command += ["-e", name]
    result = subprocess.run(command, capture_output=True, text=True, env=environment, check=True)
    return [line.split("\t") for line in result.stdout.split("\n")[:-1]]


def streams(capture: Path, names: list[str], folder: Path) -> tuple[list[list[str]], list[list[str]]]:
    """Return every occurrence of each of `names` in each packet of a file, and the lines of its conversations.

    Sequence numbers are relative, as Wireshark has them if nothing else is said. A line of TCP and UDP conversations
    is what stands between blanks: the ends, and packets and bytes there, back, and in all.
    """
    _configure(folder)
    command = ["tshark", "-n", "-r", str(capture)]
    for option in OPTIONS:
        if not option.startswith(("tcp.relative", "tcp.analyze")):
            command += ["-o", option]
    environment = {**os.environ, "WIRESHARK_CONFIG_DIR": str(folder)}
    command += ["-T", "fields", "-E", "separator=/t", "-E", "occurrence=a", "-z", "conv,tcp", "-z", "conv,udp"]
    for name in names:
        command += ["-e", name]
    lines = subprocess.run(command, capture_output=True, text=True, env=environment, check=False).stdout.split("\n")
    end = next((place for place, line in enumerate(lines) if line.startswith("=====")), len(lines) - 1)
    return [row.split("\t") for row in lines[:end]], [line.split() for line in lines[end:] if "<->" in line]


def _prepared(packets: list[Packet], folder: Path) -> tuple[list[str], dict[str, str]]:
    """Write `packets` down for tshark; return the start of its command and its environment."""
    capture = folder / "packets.pcapng"
    write_pcapng(capture, packets)
    _configure(folder)
    command = ["tshark", "-n", "-r", str(capture)]
    for option in OPTIONS:
        command += ["-o", option]
    return command, {**os.environ, "WIRESHARK_CONFIG_DIR": str(folder)}


@cache
def _protocols() -> frozenset[str]:
    lines = subprocess.run(["tshark", "-G", "protocols"], capture_output=True, text=True, check=True).stdout
    return frozenset(line.split("\t")[2] for line in lines.splitlines())


def _configure(folder: Path) -> None:
    names = _protocols()
    (folder / "disabled_protos").write_text("\n".join(sorted(names - PROTOCOLS)) + "\n")


def _read(stream: IO[bytes]) -> Iterator[Answers]:
    answers: Answers = defaultdict(list)
    for _, element in ElementTree.iterparse(stream, ["end"]):
        if element.tag == "field" and element.get("name"):
            place = int(element.get("pos", -1)), int(element.get("size", -1))
            answers[element.get("name", "")].append(Said(*place, element.get("show", ""), element.get("value", "")))
        elif element.tag == "packet":
            yield dict(answers)
            answers = defaultdict(list)
            element.clear()


class FieldEntry(NamedTuple):
    """A line of Wireshark's own field table."""

    kind: str  # FT_UINT16
    base: str  # BASE_HEX, or the width of the word for a bool
    mask: int


@cache
def field_table() -> dict[str, list[FieldEntry]]:
    """Return Wireshark's field table by name; some names stand in it more than once."""
    lines = subprocess.run(["tshark", "-G", "fields"], capture_output=True, text=True, check=True).stdout
    table: dict[str, list[FieldEntry]] = defaultdict(list)
    for line in lines.splitlines():
        cells = line.split("\t")
        if cells[0] == "F":
            table[cells[2]].append(FieldEntry(cells[3], cells[5], int(cells[6], 16)))
    return dict(table)
