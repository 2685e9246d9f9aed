"""A peer of a swarm, and what one gave another."""

from __future__ import annotations

from dataclasses import dataclass, field

from pktlab.torrent.clients import client_of
from pktlab.torrent.ledger import Address, Link

__all__ = ["Peer", "Transfer"]


@dataclass
class Transfer:
    """What one peer gave another: bytes of content, blocks, and those blocks that the other had already."""

    giver: Peer
    taker: Peer
    bytes: int = 0
    blocks: int = 0
    duplicates: int = 0
    first_ns: int = 0
    last_ns: int = 0


@dataclass(eq=False)
class Peer:
    """One peer.

    links : its connections, with its way of each; announced_ids : peer ids that it announced itself with
    had : the pieces that it had when it was first heard; held : since when it has each piece, ns, and whether its data
    were seen arriving; completed_ns : when the last missing piece arrived, None for who had everything or never has
    has_told : it said itself what it has
    was_complete : it had everything when it was first heard
    requests : blocks asked for; endgame : those of them that were asked for elsewhere at that time, the first at
    endgame_ns; duplicates, wasted : blocks and bytes that it had already
    failures : since when it had a piece whole, ns, and which, that had a wrong hash: it asked for all of it once more
    down_ns, up_ns : first and last block; joined_ns, left_ns : when it came and, if that was seen, went
    dropped_ns : when another one said by PEX that it is gone
    """

    address: Address
    links: list[tuple[Link, int]] = field(default_factory=list)
    announced_ids: list[bytes] = field(default_factory=list)
    had: set[int] | None = None
    has_told: bool = False
    held: dict[int, int] = field(default_factory=dict)
    completed_ns: int | None = None
    was_complete: bool = False
    bytes_down: int = 0
    bytes_up: int = 0
    requests: int = 0
    cancels: int = 0
    endgame: int = 0
    endgame_ns: int | None = None
    duplicates: int = 0
    wasted: int = 0
    failures: list[tuple[int, int]] = field(default_factory=list)
    down_ns: tuple[int, int] | None = None
    up_ns: tuple[int, int] | None = None
    joined_ns: int = 0
    left_ns: int | None = None
    dropped_ns: list[int] = field(default_factory=list)

    @property
    def name(self) -> str:
        """The address as text."""
        ip, port = self.address
        return f"[{ip}]:{port}" if ":" in ip else f"{ip}:{port}"

    def is_leecher(self, now: int) -> bool:
        """Tell whether it lacked pieces at a moment, ns."""
        return not self.was_complete and (self.completed_ns is None or now < self.completed_ns)

    @property
    def peer_ids(self) -> list[bytes]:
        """The peer ids that it used, in the order in which they were seen."""
        used = [link.peer_ids[way] for link, way in self.links if link.peer_ids[way]]
        return list(dict.fromkeys([*used, *self.announced_ids]))

    @property
    def client(self) -> str:
        """The program and its version: by the peer id, or else by the extended handshake; or an empty text."""
        names = [name for one in self.peer_ids if (name := client_of(one))]
        names += [link.versions[way] for link, way in self.links if link.versions[way]]
        return names[0] if names else ""
