"""The sockets of a host in the order in which Linux looks through them: what bind, connect and close do to it.

A UDP or listening socket stands in the chain of its address and port, the last bound in front; only IPv6 sockets with
SO_REUSEPORT go to the end. A connected one stands beside that in the chain of its four-tuple. Connected again, to
another peer, it stays in the chain of the first (udp_lib_hash4 leaves it there), and is found among those of its
address only. Sockets with SO_REUSEPORT that are alike form a group, which a UDP socket leaves when it is connected.

Spec: Linux 6.18, net/ipv4/udp.c (udp_lib_get_port, udp_lib_rehash, udp_lib_hash4), inet_hashtables.c (inet_hash2),
sock_reuseport.c.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from pktlab.errors import PktlabError
from pktlab.flows.sockets import Endpoint, Socket, unmapped

__all__ = ["BoundSockets", "Group", "pair_of"]

Chains = dict[tuple[object, ...], list[str]]


@dataclass
class Group:
    """Sockets among which a hash chooses; `has_conns` once a member was connected: it then no longer cuts short."""

    members: list[str] = field(default_factory=list)
    has_conns: bool = False


class BoundSockets:
    """The sockets of one host, by name, and the chains that they stand in."""

    def __init__(self, sockets: tuple[Socket, ...] = ()) -> None:
        self._by_name: dict[str, Socket] = {}
        self._of_ports: Chains = {}  # by protocol and port
        self._chains: Chains = {}  # by protocol, address ("" is the wildcard), port
        self._pairs: Chains = {}  # by protocol, local and remote end
        self._paired: dict[str, tuple[object, ...]] = {}  # in which of these a socket stands
        self._groups: dict[str, Group] = {}
        self._count = 0
        for one in sockets:
            self.add(one)

    @property
    def sockets(self) -> tuple[Socket, ...]:
        """The sockets, in the order in which they were bound."""
        return tuple(self._by_name.values())

    def __len__(self) -> int:
        return len(self._by_name)

    def __contains__(self, name: object) -> bool:
        return name in self._by_name

    def named(self, name: str) -> Socket:
        """Return the socket of that name as it is now; KeyError if there is none."""
        return self._by_name[name]

    def add(self, socket: Socket) -> Socket:
        """Bind a socket (and connect it, if it has a peer, or let it listen); return it with a name of its own."""
        self._count += 1
        name = socket.name or str(socket)
        if name in self._by_name:
            name = f"{name}#{self._count}"
        bound = replace(socket, name=name, peer=None if socket.protocol == "udp" else socket.peer)
        if bound.peer is None and bound.takes(6) and not bound.is_wildcard:
            bound = replace(bound, v6only=True)  # as bind does
        self._by_name[name] = bound
        _chain_in(self._of_ports.setdefault(_port(bound), []), bound)
        if bound.peer is None:
            _chain_in(self._chains.setdefault(_place(bound), []), bound)
            if bound.reuseport:
                self._join(bound)
        return bound if socket.peer is None else self.connect(bound, socket.peer)

    def connect(self, socket: Socket, peer: Endpoint, local: str = "") -> Socket:
        """Connect a socket of the table; return it as it is now.

        Parameters
        ----------
        peer : whom it is to talk to; local : the address that the host chose, for a socket bound to the wildcard

        Raises
        ------
        PktlabError : nobody said which address a socket bound to the wildcard was given
        """
        old = self._by_name[socket.name]
        new = replace(old, peer=peer)
        if old.is_wildcard:  # it leaves its group for another address, before the group could learn of the connection
            if not local:
                raise PktlabError(f"socket {old.name!r}: connected, it has one local address: give that, no wildcard")
            new = replace(new, local=Endpoint(local, old.local.port))
        elif old.name in self._groups:
            self._groups[old.name].has_conns = True
        if new.protocol == "udp" and new.address != old.address:
            self._drop(self._chains, _place(old), old.name)
            self._chains.setdefault(_place(new), []).insert(0, new.name)
        self._leave(old)
        self._by_name[new.name] = new
        if new.name not in self._paired:  # connected again it stays where it stood
            self._paired[new.name] = pair_of(new)
            self._pairs.setdefault(pair_of(new), []).insert(0, new.name)
        return new

    def remove(self, socket: Socket) -> None:
        """Close a socket of the table."""
        old = self._by_name.pop(socket.name)
        self._drop(self._of_ports, _port(old), old.name)
        self._drop(self._chains, _place(old), old.name)
        self._leave(old)
        if old.name in self._paired:
            self._drop(self._pairs, self._paired.pop(old.name), old.name)

    def conflict(self, socket: Socket) -> Socket | None:
        """Return the socket because of which `bind` (with `listen`, for TCP) fails with EADDRINUSE; None if it works.

        Two sockets get along on one port if no packet could reach both, if both have SO_REUSEADDR (of TCP only where
        the older one does not listen), or if both have SO_REUSEPORT and belong to one user.
        """
        for other in self._on_port(socket):
            if not _overlap(socket, other) or (socket.dev and other.dev and socket.dev != other.dev):
                continue
            if socket.reuseaddr and other.reuseaddr and not other.is_listening:
                continue
            if not (socket.reuseport and other.reuseport):
                return other
            if socket.protocol == "udp":
                return None  # Linux asks no further
        return None

    # ---- chains and groups

    def _on_port(self, socket: Socket) -> Iterator[Socket]:
        """Yield the sockets on the port of one, in the order in which Linux meets them."""
        return (self._by_name[name] for name in self._of_ports.get(_port(socket), ()))

    @staticmethod
    def _drop(chains: Chains, place: tuple[object, ...], name: str) -> None:
        names = chains.get(place, [])
        if name in names:
            names.remove(name)
            if not names:
                del chains[place]

    def _join(self, socket: Socket) -> None:
        """Put a socket into the group of the last bound one that is alike, or into one of its own."""
        for other in self._on_port(socket):
            if other.name != socket.name and other.reuseport and _alike(socket, other):
                group = self._groups.get(other.name) or Group([other.name])
                break
        else:
            group = Group()
        group.members.append(socket.name)
        self._groups |= dict.fromkeys(group.members, group)

    def _leave(self, socket: Socket) -> None:
        group = self._groups.pop(socket.name, None)
        if group is not None:
            group.members.remove(socket.name)


def _chain_in(chain: list[str], socket: Socket) -> None:
    """Put a socket into a chain: in front, but an IPv6 one with SO_REUSEPORT at the end."""
    chain.insert(len(chain) if socket.reuseport and socket.family == 6 else 0, socket.name)


def _port(socket: Socket) -> tuple[object, ...]:
    return socket.protocol, socket.local.port


def _place(socket: Socket) -> tuple[object, ...]:
    return socket.protocol, socket.address, socket.local.port


def pair_of(socket: Socket) -> tuple[object, ...]:
    """Return protocol and four-tuple of a connected socket, as local and remote end; empty for any other."""
    if socket.peer is None:
        return ()
    return socket.protocol, socket.address, socket.local.port, unmapped(socket.peer.address), socket.peer.port


def _alike(one: Socket, other: Socket) -> bool:
    """Tell whether two sockets belong to one group: same end, family and interface, and they take the same packets."""
    return (
        _place(one) == _place(other)
        and (one.family, one.dev) == (other.family, other.dev)
        and all(one.takes(version) == other.takes(version) for version in (4, 6))
        and one.is_listening == other.is_listening
    )


def _overlap(one: Socket, other: Socket) -> bool:
    """Tell whether some packet fits the addresses of both; `one` is the new one.

    There is one more case in Linux: a socket that was bound to `::`, or came of a listener that was, is not for IPv6
    alone, so it keeps 0.0.0.0 taken also when it is connected to an IPv6 peer, though it gets no IPv4 then.
    """
    same_version = any(one.takes(version) and other.takes(version) for version in (4, 6))
    if same_version and ("" in (one.address, other.address) or one.address == other.address):
        return True
    return one.family == 4 and one.is_wildcard and other.family == 6 and not other.v6only and other.peer is not None
