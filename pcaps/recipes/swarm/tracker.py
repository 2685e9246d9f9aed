"""A small tracker, over HTTP and UDP, that tells everybody about everybody, and forgets who leaves.

    python tracker.py http|udp ADDRESS PORT

Spec: BEP 3 (announce), 7 and 23 (compact peers), 48 (scrape), 15 (UDP).
"""

from __future__ import annotations

import ipaddress
import secrets
import socket
import struct
import sys
from collections import defaultdict
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from content import bencode

INTERVAL_S = 10
CONNECT, ANNOUNCE, SCRAPE, ERROR = range(4)
UDP_MAGIC = 0x41727101980
EVENTS = ("", "completed", "started", "stopped")


@dataclass
class Torrent:
    """Who takes part: address, port -> bytes left; and how many have said that they are done."""

    peers: dict[tuple[str, int], int] = field(default_factory=dict)
    downloaded: int = 0

    def announce(self, ip: str, port: int, left: int, event: str) -> None:
        """Take in what a peer says about itself."""
        self.downloaded += event == "completed"
        if event == "stopped":
            self.peers.pop((ip, port), None)
        else:
            self.peers[ip, port] = left

    def others(self, ip: str, port: int) -> list[tuple[str, int]]:
        """Return everybody but the one who asks."""
        return [peer for peer in self.peers if peer != (ip, port)]

    def counts(self) -> tuple[int, int, int]:
        """Return seeds, completed downloads and leechers."""
        seeds = sum(left == 0 for left in self.peers.values())
        return seeds, self.downloaded, len(self.peers) - seeds


torrents: defaultdict[bytes, Torrent] = defaultdict(Torrent)


def packed(peers: list[tuple[str, int]], version: int) -> bytes:
    """Return peers of one version of IP in the compact form: address and port.

    >>> packed([("192.0.2.1", 6881), ("2001:db8::1", 6881)], 4).hex()
    'c00002011ae1'
    """
    addresses = [(ipaddress.ip_address(ip), port) for ip, port in peers]
    return b"".join(ip.packed + struct.pack("!H", port) for ip, port in addresses if ip.version == version)


def plain(address: str) -> str:
    """Return an address as text, without the prefix that an IPv6 socket puts before IPv4 ones.

    >>> plain("::ffff:192.0.2.1")
    '192.0.2.1'
    """
    return address.removeprefix("::ffff:")


class Http(BaseHTTPRequestHandler):
    """Answers /announce and /scrape; HTTP/1.0, so that every answer ends its connection."""

    def do_GET(self) -> None:
        """Answer one request."""
        url = urlsplit(self.path)
        asked = {name: values[-1] for name, values in parse_qs(url.query, encoding="latin-1").items()}
        answer: dict[str, Any]
        if url.path == "/scrape":
            answer = self.scrape(asked)
        else:
            answer = self.announce(asked)
        body = bencode(answer)
        self.send_response(200)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def announce(self, asked: dict[str, str]) -> dict[str, Any]:
        """Return the answer to an announce."""
        torrent = torrents[asked["info_hash"].encode("latin-1")]
        ip, port = plain(self.client_address[0]), int(asked["port"])
        torrent.announce(ip, port, int(asked.get("left", 0)), asked.get("event", ""))
        seeds, _, leechers = torrent.counts()
        others = torrent.others(ip, port)
        told: dict[str, Any] = {"interval": INTERVAL_S, "complete": seeds, "incomplete": leechers}
        if asked.get("compact") == "1":
            return told | {"peers": packed(others, 4), "peers6": packed(others, 6)}
        return told | {"peers": [{"ip": other, "port": number} for other, number in others]}

    def scrape(self, asked: dict[str, str]) -> dict[str, Any]:
        """Return the answer to a scrape."""
        info_hash = asked["info_hash"].encode("latin-1")
        names = ("complete", "downloaded", "incomplete")
        counts = dict(zip(names, torrents[info_hash].counts(), strict=True))
        return {"files": {info_hash: counts}}

    def log_message(self, format: str, *arguments: object) -> None:
        """Say nothing."""


class HttpServer(ThreadingHTTPServer):
    """A server in the version of IP that its address has."""

    def __init__(self, address: str, port: int) -> None:
        self.address_family = socket.AF_INET6 if ":" in address else socket.AF_INET
        super().__init__((address, port), Http)


def udp_answer(message: bytes, ip: str, connections: set[int]) -> bytes | None:
    """Return the answer to a datagram; None to what no tracker is asked.

    >>> udp_answer(struct.pack("!QII", UDP_MAGIC, 0, 7), "192.0.2.1", set())[:8].hex()
    '0000000000000007'
    """
    if len(message) < 16:
        return None
    connection, action, transaction = struct.unpack_from("!QII", message)
    if action == CONNECT and connection == UDP_MAGIC:
        connections.add(made := secrets.randbits(63))
        return struct.pack("!IIQ", CONNECT, transaction, made)
    if connection not in connections:
        return struct.pack("!II", ERROR, transaction) + b"unknown connection"
    if action == ANNOUNCE and len(message) >= 98:
        return struct.pack("!II", ANNOUNCE, transaction) + udp_announced(message, ip)
    if action == SCRAPE:
        hashes = [message[at : at + 20] for at in range(16, len(message) - 19, 20)]
        counts = b"".join(struct.pack("!III", *torrents[one].counts()) for one in hashes)
        return struct.pack("!II", SCRAPE, transaction) + counts
    return None


def udp_announced(message: bytes, ip: str) -> bytes:
    """Return what follows action and transaction in the answer to an announce."""
    torrent = torrents[message[16:36]]
    left, event = struct.unpack_from("!Q8xI", message, 64)
    (port,) = struct.unpack_from("!H", message, 96)
    torrent.announce(ip, port, left, EVENTS[event % len(EVENTS)])
    seeds, _, leechers = torrent.counts()
    peers = packed(torrent.others(ip, port), ipaddress.ip_address(ip).version)
    return struct.pack("!III", INTERVAL_S, leechers, seeds) + peers


def serve_udp(address: str, port: int) -> None:
    """Answer datagrams until the program is ended."""
    connections: set[int] = set()
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as server:
        server.bind((address, port))
        while True:
            message, source = server.recvfrom(2048)
            answer = udp_answer(message, plain(source[0]), connections)
            if answer is not None:
                server.sendto(answer, source)


def main(kind: str, address: str, port: str) -> None:
    """Serve until the program is ended."""
    if kind == "udp":
        serve_udp(address, int(port))
    else:
        HttpServer(address, int(port)).serve_forever()


if __name__ == "__main__":
    main(*sys.argv[1:])
