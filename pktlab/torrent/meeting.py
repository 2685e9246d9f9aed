"""What peers say in datagrams about where they listen: UDP trackers, the distributed hash table, their own network.

An announce is what a peer says of itself: its address is that of the datagram, its port the one that it tells. What an
answer names are others, of whom it is only taken that they listen there. Which torrent an answer is about stands in the
request, which it repeats a transaction of.

Spec: BEP 15 (UDP trackers), BEP 5 (DHT; `implied_port`), BEP 14 (LSD), BEP 7 and 32 (IPv6).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable

from pktlab.errors import WireError
from pktlab.flows.keys import FlowKey
from pktlab.flows.segments import Datagram
from pktlab.torrent.swarm import HASH_LEN, Swarm
from pktlab.wire.apps.bittorrent.compact import contacts
from pktlab.wire.apps.bittorrent.lsd import Lsd
from pktlab.wire.apps.bittorrent.tracker import ANNOUNCE, EVENTS, Announce, Announced, Announced6
from pktlab.wire.bencode import read_lax
from pktlab.wire.bencoded import Value

__all__ = ["Meeting"]

MAX_ASKED = 1 << 12
"""Requests of which the torrent is kept in mind until they are answered."""
MAX_VALUES = 4000
"""Values of a message of the DHT that are read."""
_HEAD_LEN = Announce.HEADER_LEN
_ANNOUNCE = ANNOUNCE.to_bytes(4, "big")


class Meeting:
    """Hears datagrams, and writes down in a swarm who listens where.

    >>> swarm = Swarm()
    >>> meeting = Meeting(swarm)
    >>> told = {"info_hash": b"a" * 20, "peer_id": b"p" * 20, "left": 0, "event": 2, "port": 6881}
    >>> said = Announce(connection_id=7, transaction_id=9, **told)
    >>> meeting.hear(Datagram(FlowKey("udp", "192.0.2.1", 6881, "192.0.2.9", 6969), said.build(), 0), 5)
    >>> swarm.contacts["61" * 20].announced
    [(5, ('192.0.2.1', 6881), 'started')]
    """

    def __init__(self, swarm: Swarm) -> None:
        self.swarm = swarm
        self._asked: OrderedDict[tuple[FlowKey, bytes], str] = OrderedDict()

    def hear(self, one: Datagram, time_ns: int) -> None:
        """Take a datagram, of whatever kind it is."""
        data = bytes(one.data)
        if data.startswith(b"d"):
            self._node(one.key, data, time_ns)
        elif data.startswith(b"BT-SEARCH") and Lsd.looks_like(data, 0, len(data)):
            self._neighbour(one.key, data, time_ns)
        elif data[8:12] == _ANNOUNCE and Announce.looks_like(data, 0, _HEAD_LEN if one.missing else len(data)):
            self._announce(one.key, data[:_HEAD_LEN], time_ns)
        elif data.startswith(_ANNOUNCE):
            self._announced(one.key, data)

    def _ask(self, key: FlowKey, transaction: bytes, info_hash: str) -> None:
        """Keep in mind what is asked about, by what its answer repeats."""
        self._asked[key.reversed(), transaction] = info_hash
        if len(self._asked) > MAX_ASKED:
            self._asked.popitem(last=False)

    def _name(self, info_hash: str, found: Iterable[tuple[str, int]]) -> None:
        told = self.swarm.contacts_of(info_hash)
        for ip, port in found:
            told.name(ip, port)

    # ---- UDP trackers

    def _announce(self, key: FlowKey, data: bytes, time_ns: int) -> None:
        said = Announce.parse(data)
        info_hash, port = said.info_hash.hex(), said.port
        self._ask(key, data[12:16], info_hash)
        if port:
            told = self.swarm.contacts_of(info_hash)
            told.announce(time_ns, (key.src, port), EVENTS[said.event] if said.event else "", said.peer_id, said.left)

    def _announced(self, key: FlowKey, data: bytes) -> None:
        info_hash = self._asked.pop((key, data[4:8]), None)
        if info_hash is not None:
            size = Announced6.HEADER_LEN if ":" in key.src else Announced.HEADER_LEN
            self._name(info_hash, (one[:2] for one in contacts(data[size:], ipv6=":" in key.src)))

    # ---- the distributed hash table

    def _node(self, key: FlowKey, data: bytes, time_ns: int) -> None:
        value = read_lax(data, count=MAX_VALUES).value
        if value is None or value.kind != "dictionary":
            return
        transaction, said = value.string(b"t") or b"", value.get(b"a")
        if said is not None and value.string(b"y") == b"q":
            self._query(key, transaction, value.string(b"q") or b"", said, time_ns)
        answer, info_hash = value.get(b"r"), self._asked.pop((key, transaction), None)
        if answer is not None and info_hash is not None:
            self._values(answer, info_hash)

    def _query(self, key: FlowKey, transaction: bytes, what: bytes, said: Value, time_ns: int) -> None:
        found = said.string(b"info_hash") or b""
        if len(found) != HASH_LEN:
            return
        if what == b"get_peers":
            self._ask(key, transaction, found.hex())
        elif what == b"announce_peer":
            port = key.srcport if said.integer(b"implied_port") else said.integer(b"port") or 0
            if 0 < port < 1 << 16:
                self.swarm.contacts_of(found.hex()).announce(time_ns, (key.src, port))

    def _values(self, answer: Value, info_hash: str) -> None:
        listed = answer.get(b"values")
        if listed is None or listed.kind != "list":
            return
        for one in listed.content:
            if one.kind == "string" and len(one.octets) in (6, 18):
                self._name(info_hash, (found[:2] for found in contacts(one.octets, ipv6=len(one.octets) == 18)))

    # ---- local service discovery

    def _neighbour(self, key: FlowKey, data: bytes, time_ns: int) -> None:
        try:
            said = Lsd.parse(data)
        except WireError:
            return
        port = said.get("port") or ""
        if not (port.isascii() and port.isdecimal() and 0 < int(port[:6]) < 1 << 16):
            return
        for info_hash in said.info_hashes:
            self.swarm.contacts_of(info_hash[:HASH_LEN].hex()).announce(time_ns, (key.src, int(port)))
