"""Which torrent a connection is about that nobody named: one that began before the capture, or that is encrypted.

What is known are its ends, and who takes part in which torrent, or announced itself there.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable, Iterator, Sequence
from typing import Protocol, TypeVar

from pktlab.flows.stream_table import Stream
from pktlab.torrent.swarm import Swarm

__all__ = ["fitting", "owned"]


class Unnamed(Protocol):
    """A connection that is about some torrent."""

    stream: Stream


One = TypeVar("One", bound=Unnamed)


class _ByAddress:
    """Torrents by the addresses that take part in them, or are said to."""

    def __init__(self) -> None:
        self._torrents: defaultdict[Hashable, set[str]] = defaultdict(set)

    def add(self, info_hash: str, addresses: Iterable[Hashable]) -> None:
        """Note that they take part in it."""
        for address in addresses:
            self._torrents[address].add(info_hash)

    def of(self, address: Hashable) -> set[str]:
        """Return the torrents of an address."""
        return self._torrents.get(address, set())


def fitting(swarm: Swarm, nameless: Sequence[One]) -> Iterator[tuple[One, str]]:
    """Yield each connection with the one torrent in which an end of it takes part, or which both are said to share.

    Whom that names may tell where others belong. Those that fit nowhere, or in several, come last, with no name.

    >>> list(fitting(Swarm(), []))
    []
    """
    known, announced = _ByAddress(), _ByAddress()
    for info_hash, ledger in swarm.ledgers.items():
        known.add(info_hash, {ip for link in ledger.links for ip, _ in link.ends})
    for info_hash, told in swarm.contacts.items():
        if info_hash in swarm.ledgers:
            known.add(info_hash, told.listening)
        elif told.own:
            announced.add(info_hash, told.listening)
    left = list(nameless)
    while found := [(one, name) for one in left if (name := _fitting(_ends(one), known, announced))]:
        named = {id(one) for one, _ in found}
        left = [one for one in left if id(one) not in named]
        for one, info_hash in found:
            known.add(info_hash, _ends(one))
        yield from found
    yield from ((one, "") for one in left)


def _ends(one: Unnamed) -> tuple[str, str]:
    return one.stream.key.src, one.stream.key.dst


def _fitting(ends: tuple[str, str], known: _ByAddress, announced: _ByAddress) -> str | None:
    names = known.of(ends[0]) | known.of(ends[1]) or announced.of(ends[0]) & announced.of(ends[1])
    return next(iter(names)) if len(names) == 1 else None


def owned(swarm: Swarm, hidden: Sequence[One]) -> Iterator[tuple[One, str]]:
    """Yield each encrypted connection of a peer of just one torrent to where another one of it listens.

    >>> list(owned(Swarm(), []))
    []
    """
    callers, called = _ByAddress(), _ByAddress()
    for info_hash in {**swarm.ledgers, **swarm.contacts} if hidden else ():
        ledger, told = swarm.ledgers.get(info_hash), swarm.contacts.get(info_hash)
        for link in ledger.links if ledger is not None else ():
            callers.add(info_hash, [ip for ip, _ in link.ends])
            called.add(info_hash, [link.ends[1]] if link.was_opened else ())
        if told is not None:
            callers.add(info_hash, told.listening)
            called.add(info_hash, [(ip, port) for ip, ports in told.own.items() for port in ports])
    for one in hidden:
        key = one.stream.key
        names = (callers.of(key.src) & called.of((key.dst, key.dstport))) - {""}
        if len(names) == 1:
            yield one, names.pop()
