"""Write ``pcaps/manifest.json``: what is in each capture of this folder, as tshark sees it.

    python pcaps/recipes/manifest.py            # write it
    python pcaps/recipes/manifest.py --check    # compare it with the captures; status 1 if they differ

The manifest is an oracle for pktlab's tests, so nothing in it comes from pktlab. The layers and verdicts are
tshark's. Only `partial` is told from `bad` here, which tshark 4.0 can't do, by adding up the pseudo-header.

A datagram in fragments is judged on the fragment that completes it, as tshark does; the first, which has the
transport header, is `unverified`. Packets that an ICMP error quotes are listed under `quoted` and have no verdict.
"""

from __future__ import annotations

import hashlib
import ipaddress
import json
import struct
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import story
import tools

__all__ = ["CAPTURES", "Capture", "described", "frames", "is_partial"]

PCAPS = Path(__file__).resolve().parent.parent
MANIFEST = PCAPS / "manifest.json"

VERDICTS = {"0": "bad", "1": "good", "2": "unverified", "3": "absent", "4": "illegal-zero"}
TRANSPORTS = {"1": "icmp", "6": "tcp", "17": "udp", "58": "icmpv6"}
WITH_PSEUDO_HEADER = ("tcp", "udp")
LAYERS = {"eth", "vlan", "arp", "ip", "ipv6", "ipv6.hopopts", "ipv6.fraghdr", *TRANSPORTS.values()}

FIELDS = (
    "frame.protocols",
    "frame.interface_name",
    "ip.src",
    "ip.dst",
    "ip.proto",
    "ip.len",
    "ip.hdr_len",
    "ip.flags.mf",
    "ip.frag_offset",
    "ip.checksum.status",
    "ipv6.src",
    "ipv6.dst",
    "ipv6.plen",
    *(f"{transport}.checksum{part}" for transport in TRANSPORTS.values() for part in ("", ".status")),
)


@dataclass(frozen=True)
class Capture:
    """One capture: the recipe that makes it, what it is, and what its frames have to be."""

    recipe: str
    description: str
    frames: tuple[story.Frame, ...]


CAPTURES = {
    "first-light.pcapng": Capture(
        "recipes/first_light.py",
        "A client and a server on one wire: ping, DNS, uppercase over UDP and TCP, an ICMP error, fragments, "
        "a damaged datagram, IPv6, a VLAN, and loopback with partial checksums.",
        story.FIRST_LIGHT,
    ),
}


def pseudo_header_sum(source: str, destination: str, protocol: int, length: int) -> int:
    """Return the folded one's complement sum of the pseudo-header, not complemented (RFC 768, 8200).

    >>> hex(pseudo_header_sum("127.0.0.1", "127.0.0.1", 17, 12))
    '0xfe1f'
    """
    addresses = ipaddress.ip_address(source).packed + ipaddress.ip_address(destination).packed
    words = struct.unpack(f"!{len(addresses) // 2}H", addresses)
    total: int = sum(words) + protocol + (length >> 16) + (length & 0xFFFF)
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return total


def is_partial(row: dict[str, str], transport: str) -> bool:
    """Say whether the checksum field holds only the sum of the pseudo-header (no IPv6 extensions).

    >>> row = {"ip.src": "127.0.0.1", "ip.dst": "127.0.0.1", "ip.len": "32", "ip.hdr_len": "20"}
    >>> [is_partial(row | {"udp.checksum": found}, "udp") for found in ("0xfe1f", "0x01e0")]
    [True, False]
    """
    protocol = next(number for number, name in TRANSPORTS.items() if name == transport)
    if row["ip.src"]:
        ends, length = (row["ip.src"], row["ip.dst"]), int(row["ip.len"]) - int(row["ip.hdr_len"])
    else:
        ends, length = (row["ipv6.src"], row["ipv6.dst"]), int(row["ipv6.plen"])
    return int(row[f"{transport}.checksum"], 16) == pseudo_header_sum(*ends, int(protocol), length)


def layers(protocols: str) -> tuple[list[str], list[str]]:
    """Split tshark's list of protocols: the layers down to the transport, and those of a quoted packet.

    >>> layers("eth:ethertype:ip:icmp:ip:udp")
    (['eth', 'ip', 'icmp'], ['ip', 'udp'])
    """
    known = [name for name in protocols.split(":") if name in LAYERS]
    ends = (number for number, name in enumerate(known, 1) if name in TRANSPORTS.values())
    end = next(ends, len(known))
    return known[:end], known[end:]


def verdicts(row: dict[str, str], protocols: list[str]) -> dict[str, str]:
    """Judge the IP header and the transport of one frame.

    Parameters
    ----------
    row : tshark's fields, with datagrams reassembled
    protocols : the layers in the frame's own bytes
    """
    judged = {"ip": VERDICTS[row["ip.checksum.status"]]} if "ip" in protocols else {}
    is_fragment = row["ip.flags.mf"] == "1" or row["ip.frag_offset"] not in ("", "0")
    transport = TRANSPORTS.get(row["ip.proto"], "") if is_fragment else protocols[-1]
    if transport not in TRANSPORTS.values():
        return judged
    # Only in the fragment that completes the datagram does tshark see a transport once it reassembles.
    if transport not in protocols and not row[f"{transport}.checksum.status"]:
        return judged
    verdict = VERDICTS[row[f"{transport}.checksum.status"] or "2"]
    can_be_partial = verdict == "bad" and transport in WITH_PSEUDO_HEADER and not is_fragment
    if can_be_partial and is_partial(row, transport):
        verdict = "partial"
    return judged | {transport: verdict}


def frames(capture: Path, story_of: tuple[story.Frame, ...]) -> list[dict[str, Any]]:
    """Return the manifest's entry for every frame of a capture."""
    whole = tools.rows(capture, FIELDS)
    alone = tools.rows(capture, ["frame.protocols"], "-oip.defragment:FALSE")
    listed = []
    for number, (told, row, own) in enumerate(zip(story_of, whole, alone, strict=True), 1):
        protocols, quoted = layers(own["frame.protocols"])
        judged = verdicts(row, protocols)
        entry = {"frame": number, "what": told.what, "protocols": protocols, "verdicts": judged}
        listed.append(entry | ({"quoted": quoted} if quoted else {}))
    return listed


def described(path: Path, capture: Capture) -> dict[str, Any]:
    """Return the manifest's entry for one capture."""
    content = path.read_bytes()
    names = [row["frame.interface_name"] for row in tools.rows(path, ["frame.interface_name"])]
    return {
        "sha256": hashlib.sha256(content).hexdigest(),
        "bytes": len(content),
        "packets": len(names),
        "interfaces": list(dict.fromkeys(names)),
        "recipe": capture.recipe,
        "description": capture.description,
        "frames": frames(path, capture.frames),
    }


def as_text(manifest: dict[str, Any]) -> str:
    """Return the manifest as JSON with one line a frame, so that a change shows as the frame that changed."""
    lines = json.dumps(manifest, indent=2, ensure_ascii=False)
    for capture in manifest.values():
        for entry in capture["frames"]:
            spread = json.dumps(entry, indent=2, ensure_ascii=False).replace("\n", "\n      ")
            lines = lines.replace(spread, json.dumps(entry, ensure_ascii=False))
    return lines + "\n"


def main(*arguments: str) -> None:
    """Write the manifest or check it."""
    made = as_text({name: described(PCAPS / name, capture) for name, capture in CAPTURES.items()})
    if arguments != ("--check",):
        MANIFEST.write_text(made, encoding="utf-8")
    elif MANIFEST.read_text(encoding="utf-8") != made:
        sys.exit(f"{MANIFEST.name} does not describe the captures: run python pcaps/recipes/manifest.py")


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except tools.ToolError as error:
        sys.exit(f"manifest: {error}")
