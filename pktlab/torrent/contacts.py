"""What is told of addresses beside the connections: by peers of themselves, by trackers, the DHT and others of them."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

from pktlab.torrent.ledger import Address

__all__ = ["HASH_LEN", "Contacts"]

HASH_LEN = 20
"""Bytes of an info-hash on the wire; that of version 2 is cut to it."""
MAX_ADDRESSES, MAX_PORTS, MAX_TOLD = 1 << 16, 1 << 8, 1 << 16
"""IP addresses that are kept, ports of each, and announces."""


@dataclass
class Contacts:
    """What is told of addresses.

    own : ports by IP address, as peers announced themselves
    listening : the same, and those that others name, who can be wrong: rtorrent 0.9.8 swaps the bytes in the DHT
    ids : ports by IP address and peer id, as peers announced themselves
    announced : when an address announced which event to a tracker: time in ns, address, event; without one once only
    complete : when an address announced first that nothing is left to get, ns
    dropped : when a peer said by PEX that another one is gone: time in ns, address of that

    >>> told = Contacts()
    >>> told.announce(5, ("192.0.2.1", 6881), "started", b"p" * 20)
    >>> told.listening["192.0.2.1"], told.ids["192.0.2.1", b"p" * 20]
    ({6881}, 6881)
    """

    own: defaultdict[str, set[int]] = field(default_factory=lambda: defaultdict(set))
    listening: defaultdict[str, set[int]] = field(default_factory=lambda: defaultdict(set))
    ids: dict[tuple[str, bytes], int] = field(default_factory=dict)
    announced: list[tuple[int, Address, str]] = field(default_factory=list)
    complete: dict[Address, int] = field(default_factory=dict)
    dropped: list[tuple[int, Address]] = field(default_factory=list)
    _quiet: set[Address] = field(default_factory=set)

    def name(self, ip: str, port: int) -> None:
        """Note that somebody says that a peer listens there; port 0 says nothing."""
        _add(self.listening, ip, port)

    def announce(
        self, time_ns: int, address: Address, event: str = "", peer_id: bytes = b"", left: int | None = None
    ) -> None:
        """Note that a peer announced itself; `left` is what it has yet to get, bytes, None if it does not say."""
        self.name(*address)
        _add(self.own, *address)
        if peer_id and len(self.ids) < MAX_ADDRESSES:
            self.ids[address[0], peer_id] = address[1]
        if left == 0 and len(self.complete) < MAX_ADDRESSES:
            self.complete.setdefault(address, time_ns)
        if not event and address in self._quiet:
            return
        if len(self.announced) < MAX_TOLD:
            self._quiet.add(address)
            self.announced.append((time_ns, address, event))

    def drop(self, time_ns: int, address: Address) -> None:
        """Note that somebody says that a peer is gone.

        The port may be one that it called from: libtorrent 2.1 names it as it saw it.
        """
        if len(self.dropped) < MAX_TOLD:
            self.dropped.append((time_ns, address))

    def absorb(self, other: Contacts) -> None:
        """Take over all that is told of another torrent, which is the same one."""
        for mine, theirs in ((self.own, other.own), (self.listening, other.listening)):
            for ip, ports in theirs.items():
                mine[ip] |= ports
        self.ids = other.ids | self.ids
        self.complete = other.complete | self.complete
        self.announced = sorted(self.announced + other.announced)
        self.dropped = sorted(self.dropped + other.dropped)


def _add(ports: defaultdict[str, set[int]], ip: str, port: int) -> None:
    """Add a port of an address, unless there are too many."""
    if port and (ip in ports or len(ports) < MAX_ADDRESSES) and len(ports[ip]) < MAX_PORTS:
        ports[ip].add(port)
