"""What other tools say of the checksums of the edge packets, in words that can be compared."""

from __future__ import annotations

import re
import struct
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

from scapy.config import conf
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import ICMPv6EchoRequest, IPv6
from scapy.layers.l2 import GRE
from scapy.layers.sctp import SCTP

from .capfiles import Packet, write_pcapng
from .edge_packets import Edge
from .tshark import fields

__all__ = ["TOOLS", "is_right", "packets_of"]

STATUS = {"0": "bad", "1": "good", "2": "", "3": "absent", "4": "illegal-zero", "": ""}
RIGHT = {
    "good": {"good"}, "bad": {"bad"}, "absent": {"absent", ""}, "illegal-zero": {"illegal-zero", "bad"},
    "partial": {"partial", ""}, "unverified": {""}, "malformed": {"bad", ""}, "": {""},
}  # fmt: skip
"""What does for each verdict: a tool need not have a word for it, but may not say something else."""


def is_right(edge: Edge, answer: str) -> bool:
    """Tell whether a tool's answer does."""
    return answer in RIGHT[edge.verdict]


def packets_of(edge: Edge) -> list[Packet]:
    """Return the frames of `edge`; the last has the length that it had on the wire."""
    last = len(edge.frames) - 1
    return [Packet(edge.link_type, data, edge.length if at == last else 0) for at, data in enumerate(edge.frames)]


def _nth(answers: list[str], edge: Edge) -> str:
    return "".join(answers[edge.occurrence : edge.occurrence + 1])


def tshark(edges: list[Edge], folder: Path) -> list[str]:
    """Return what ``*.checksum.status`` says with every check on; a datagram in fragments has a run of its own."""
    names = ["ip", "udp", "tcp", "icmp", "icmpv6", "igmp", "sctp", "gre", "dccp"]
    columns = [f"{name}.checksum.status" for name in names]
    alone = [edge for edge in edges if len(edge.frames) == 1]
    runs = [alone, *([edge] for edge in edges if len(edge.frames) > 1)]
    said: dict[str, str] = {}
    for run in runs:
        frames = [packet for edge in run for packet in packets_of(edge)]
        rows = fields(frames, columns, folder, reassemble=len(run) == 1)
        for edge, row in zip(run, rows[-len(run) :], strict=True):
            name = "udp" if edge.protocol == "udplite" else edge.protocol
            cell = row[names.index(name)]
            answers = [STATUS[one] for one in cell.split(",")]
            said[edge.name] = answers[-1] if len(edge.frames) > 1 else _nth(answers, edge)
    return [said[edge.name] for edge in edges]


WORDS = {
    "udp sum ok": "good", "bad udp cksum": "bad", "no cksum": "absent", "correct": "good", "incorrect": "bad",
    "icmp6 sum ok": "good", "bad icmp6 cksum": "bad",
}  # fmt: skip
MARKS = {
    "udp": r"udp sum ok|bad udp cksum|no cksum",
    "tcp": r"(?<=\()(?:in)?correct",
    "dccp": r"(?<=\()(?:in)?correct",
    "icmpv6": r"icmp6 sum ok|bad icmp6 cksum",
}
SILENT = {
    "ip": (r"\bIP \(tos.*", "bad cksum"),
    "icmp": (r"ICMP (?!\().*", "wrong icmp"),
    "igmp": (r"igmp .*", "bad igmp"),
}
"""Protocols of which tcpdump mentions a sum only if it is wrong: how they are shown, and how that is."""


def tcpdump(edges: list[Edge], folder: Path) -> list[str]:
    """Return what ``tcpdump -vv`` says; it puts no fragments together."""
    return [_tcpdump(edge, folder / "edge.pcapng") for edge in edges]


def _tcpdump(edge: Edge, path: Path) -> str:
    write_pcapng(path, packets_of(edge)[-1:])
    text = subprocess.run(["tcpdump", "-nvvr", str(path)], capture_output=True, text=True, check=False).stdout
    if edge.protocol in SILENT:
        shown, wrong = SILENT[edge.protocol]
        return _nth(["bad" if wrong in line else "good" for line in re.findall(shown, text)], edge)
    marks = re.findall(MARKS[edge.protocol], text) if edge.protocol in MARKS else []
    return _nth([WORDS[mark] for mark in marks], edge)


LAYERS: dict[str, Any] = {
    "ip": IP, "udp": UDP, "tcp": TCP, "icmp": ICMP, "icmpv6": ICMPv6EchoRequest, "gre": GRE, "sctp": SCTP,
}  # fmt: skip


def scapy(edges: list[Edge], _: Path) -> list[str]:
    """Return whether Scapy builds the checksum that is there, as its users ask it."""
    return [_scapy(edge) for edge in edges]


def _scapy(edge: Edge) -> str:
    data = edge.frames[-1]
    first = {228: IP, 229: IPv6, 101: IPv6}.get(edge.link_type) or conf.l2types.num2layer.get(edge.link_type)
    kind = LAYERS.get(edge.protocol)
    if first is None or kind is None:
        return ""
    try:
        return _rebuilt(first, data, kind, edge)
    except (struct.error, ValueError, TypeError):
        return ""


def _rebuilt(first: Any, data: bytes, kind: Any, edge: Edge) -> str:
    packet = first(data)
    layer = packet.getlayer(kind, edge.occurrence + 1)
    name = "cksum" if edge.protocol == "icmpv6" else "chksum"
    stored = None if layer is None else getattr(layer, name)
    if stored is None:
        return ""
    if edge.protocol == "udp" and stored == 0 and IPv6 not in packet:
        return "absent"
    delattr(layer, name)
    again = first(bytes(packet)).getlayer(kind, edge.occurrence + 1)
    return "good" if again is not None and getattr(again, name) == stored else "bad"


TOOLS: dict[str, Callable[[list[Edge], Path], list[str]]] = {"tshark": tshark, "tcpdump": tcpdump, "Scapy": scapy}
