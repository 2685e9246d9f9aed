"""KRPC, in which the nodes of the distributed hash table ask each other: one bencoded dictionary a datagram.

Spec: BEP 5; BEP 32 (IPv6), 33 (scrapes), 42 (node IDs and addresses), 43 (read-only nodes), 44 (stored items), 51
(infohash indexing). Known by the dictionary: a transaction in ``t`` and a kind in ``y``, whole, in one datagram.
"""

from __future__ import annotations

from typing import Any

from pktlab.wire.apps.bittorrent.compact import Contact, contacts
from pktlab.wire.apps.bittorrent.tree import BENCODED, Bencoded, Key
from pktlab.wire.bencode import read_lax
from pktlab.wire.fields import field
from pktlab.wire.glance import Glance, stands
from pktlab.wire.header import Header

__all__ = ["ERRORS", "Krpc"]

ERRORS = {
    201: "generic error", 202: "server error", 203: "protocol error", 204: "method unknown", 205: "value too big",
    206: "invalid signature", 207: "salt too big", 301: "value changed meanwhile", 302: "sequence number too low",
}  # fmt: skip
"""BEP 5 and, from 205 on, BEP 44."""
KINDS = {b"q": "query", b"r": "response", b"e": "error"}
NAMES = {
    b"t": Key("transaction_id", "Transaction ID", "octets"), b"y": Key("type", "Message type"),
    b"q": Key("query", "Request type"), b"v": Key("version", "Version", "octets"),
    b"ip": Key("ip", "IP", "address"), b"ro": Key("read_only", "Read only", "number"), b"id": Key("id", "ID", "octets"),
    b"target": Key("target", "Target", "octets"), b"info_hash": Key("info_hash", "Info hash", "octets"),
    b"port": Key("port", "Port", "number"), b"implied_port": Key("implied_port", "Implied port", "number"),
    b"token": Key("token", "Token", "octets"), b"nodes": Key("nodes", "Nodes", "nodes"),
    b"nodes6": Key("nodes6", "Nodes", "nodes6"), b"values": Key("peer", "Peer", "address"),
    b"want": Key("want", "Address families wanted"), b"scrape": Key("scrape", "Scrape", "number"),
    b"seed": Key("seed", "Seed", "number"), b"noseed": Key("noseed", "No seeds", "number"),
    b"name": Key("name", "Torrent name"),
    b"BFsd": Key("seeds_filter", "Bloom filter of seeds", "octets"),
    b"BFpe": Key("peers_filter", "Bloom filter of peers", "octets"), b"e": Key("error", "Error"),
    b"seq": Key("seq", "Sequence number", "number"), b"cas": Key("cas", "Compare and swap", "number"),
    b"k": Key("key", "Public key", "octets"),
    b"salt": Key("salt", "Salt", "octets"), b"sig": Key("signature", "Signature", "octets"),
    b"samples": Key("samples", "Samples", "hashes"), b"num": Key("num", "Infohashes stored", "number"),
    b"interval": Key("interval", "Seconds between samples", "number"), b"p": Key("port_seen", "Port seen", "number"),
}  # fmt: skip


class Krpc(Header, layer="bt-dht", label="BitTorrent DHT Protocol"):
    """BEP 5: a query, a response or an error.

    >>> ping = Krpc(message={"t": "aa", "y": "q", "q": "ping", "a": {"id": b"abcdefghij0123456789"}})
    >>> ping.build()
    b'd1:ad2:id20:abcdefghij0123456789e1:q4:ping1:t2:aa1:y1:qe'
    >>> ping.summary()
    'DHT ping from 6162636465666768696a30313233343536373839'
    """

    message: Any = field(Bencoded("bt-dht", NAMES), name="", as_=BENCODED)

    glances = (Glance(0, 1, ((0x64, 0x64),)), Glance(1, 1, ((0x31, 0x39),)), Glance(2, 1, ((0x3A, 0x3A),)))

    @classmethod
    def looks_like(cls, data: bytes, start: int, end: int) -> bool:
        """Tell whether it is one dictionary with a transaction and a kind."""
        if not stands(cls.glances, data, start, end) or data.find(b"1:y1:", start, end) < 0:
            return False
        found = read_lax(data, start, end, count=4000)
        value = found.value
        if found.stop is not None or value is None or value.stop != end:
            return False
        return value.string(b"y") in KINDS and value.string(b"t") is not None

    @property
    def nodes(self) -> list[Contact]:
        """The nodes that a response names, of IPv4 and then of IPv6."""
        given = self._part(b"r")
        found = [(given.get(key), key == b"nodes6") for key in (b"nodes", b"nodes6")]
        return [
            contact
            for octets, ipv6 in found
            if isinstance(octets, bytes)
            for contact in contacts(octets, ipv6=ipv6, nodes=True)
        ]

    @property
    def peers(self) -> list[Contact]:
        """The peers that a response names."""
        values = self._part(b"r").get(b"values")
        given = values if isinstance(values, list) else []
        return [
            contact
            for one in given
            if isinstance(one, bytes) and len(one) in (6, 18)
            for contact in contacts(one, ipv6=len(one) == 18)
        ]

    def _part(self, key: bytes) -> dict[bytes, Any]:
        """Return the dictionary under `key`; an empty one if there is none."""
        message = self.message
        found = message.get(key) if isinstance(message, dict) else None
        return found if isinstance(found, dict) else {}

    def summary(self) -> str:
        """Return ``DHT get_peers 180f…`` or ``DHT response from 1df6…: 8 nodes, 2 peers``."""
        message = self.message
        kind = message.get(b"y") if isinstance(message, dict) else None
        if kind == b"q":
            return f"DHT {_word(message.get(b'q'))}{_about(self._part(b'a'))}"
        if kind == b"r":
            said = [f"{len(self.nodes)} nodes"] * bool(self.nodes) + [f"{len(self.peers)} peers"] * bool(self.peers)
            said += [_word(key) for key in (b"token", b"samples", b"v") if key in self._part(b"r")]
            return f"DHT response from {_hex(self._part(b'r').get(b'id'))}{': ' * bool(said)}{', '.join(said)}"
        given = message.get(b"e") if isinstance(message, dict) else None
        code, text = (given[0], given[1]) if isinstance(given, list) and len(given) > 1 else (0, b"")
        return f"DHT error {code} {_word(text)}"


def _about(arguments: dict[bytes, Any]) -> str:
    """Return what a query is about."""
    for key in (b"info_hash", b"target"):
        if key in arguments:
            return f" {_hex(arguments[key])}"
    return f" from {_hex(arguments.get(b'id'))}"


def _hex(octets: Any) -> str:
    return octets.hex() if isinstance(octets, bytes) else "?"


def _word(octets: Any) -> str:
    return octets.decode("utf-8", "backslashreplace") if isinstance(octets, bytes) else "?"
