"""Which socket gets the packet? Linux's lookup over a table of sockets, with the reason why each other one lost.

The textbook says that UDP goes by the destination alone and TCP by the four-tuple. Both are only the beginning. UDP:
a socket connected to just this sender goes first; then sockets on this address, then those on the wildcard. Within one
of these a socket scores by its family, peer and interface; a strictly greater score wins, and the search starts with
the socket that was bound last. The first socket with a better score that belongs to a group of SO_REUSEPORT ends the
search: a hash of the four-tuple, with a secret of the kernel's, chooses among the group. TCP: connections first, then
listeners on this address, then on the wildcard, with scores of their own. A multicast or broadcast datagram is copied
to every socket that fits.

A listener that keeps as many connections as it may drops a SYN without an answer.

A `SocketTable` has to be told in the order of the calls: `add` at bind, `connect`, `remove` at close.

Spec: RFC 768; RFC 1122 section 4.1.3; RFC 9293 section 3.10.7. The rest is Linux's (net/ipv4/udp.c, inet_hashtables.c
and their IPv6 twins, version 6.18) and was held against the running kernel. Kernels before 6.14 have no four-tuple
table for UDP, which makes a difference only among several sockets connected to one peer.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace

from pktlab.flows.accepting import AcceptQueues
from pktlab.flows.bound import BoundSockets, pair_of
from pktlab.flows.keys import FlowKey
from pktlab.flows.match import Match, Rule, RunnerUp, why_not
from pktlab.flows.sockets import Endpoint, Membership, Socket, parse_socket
from pktlab.wire.tcp import TcpFlags

__all__ = ["SocketTable"]

ALL_HOSTS = ("224.0.0.1", "ff01::1", "ff02::1")
"""Groups that every host is in (RFC 1112 section 4, RFC 4291 section 2.7.1)."""
EVERYBODY = "255.255.255.255"  # RFC 919 section 7


class SocketTable(BoundSockets):
    """The sockets of one host, and the lookup over them.

    Parameters
    ----------
    sockets : in the order in which they were bound
    networks : of the host, such as ``"192.0.2.0/24"``: their broadcast addresses are known as such
    groups : that the host is known to be in, beside those that the sockets joined

    >>> table = SocketTable.of("udp:0.0.0.0:53", "udp:10.0.0.1:53", "udp:10.0.0.1:53,peer=10.0.0.9:4711")
    >>> for port in (4711, 4712):
    ...     print(table.lookup(FlowKey("udp", "10.0.0.9", port, "10.0.0.1", 53)))
    udp:10.0.0.1:53,peer=10.0.0.9:4711 (four-tuple)
    udp:10.0.0.1:53 (address)
    """

    def __init__(
        self, sockets: Sequence[Socket] = (), *, networks: Sequence[str] = (), groups: Collection[Membership] = ()
    ) -> None:
        self.groups = frozenset(groups)
        self._queues = AcceptQueues()
        super().__init__(tuple(sockets))
        self.broadcasts = {EVERYBODY} | {
            str(network[-1]) for network in (ipaddress.ip_network(one, strict=False) for one in networks)
            if network.version == 4
        }  # fmt: skip

    @classmethod
    def of(cls, *texts: str) -> SocketTable:
        """Return the table of sockets that are written down; PktlabError for one that does not read."""
        return cls([parse_socket(text) for text in texts])

    def lookup(self, key: FlowKey, *, dev: str = "", flags: TcpFlags | None = None, explain: bool = True) -> Match:
        """Return who gets a packet.

        Parameters
        ----------
        key : its protocol, addresses and ports; dev : the interface that it comes in on, empty if unknown
        flags : of a TCP segment; a SYN, if not given
        explain : whether to say why the other sockets lost, which takes a look at each of them

        >>> table = SocketTable.of("tcp:0.0.0.0:80", "tcp:10.0.0.1:80,peer=10.0.0.9:4711")
        >>> match = table.lookup(FlowKey("tcp", "10.0.0.9", 4711, "10.0.0.1", 80), flags=TcpFlags(0x010))
        >>> print(match.rule, [one.reason for one in match.runners_up])
        four-tuple ['it listens, and the packet belongs to a connection']
        """
        flags = TcpFlags(0x002) if flags is None else flags
        to_group = self.is_to_several(key)
        rule, sockets = self._copies(key, dev) if to_group else self._one(key, dev)
        if flags.syn and not flags.ack and len(sockets) == 1 and self.is_full(sockets[0]):
            rule, sockets = Rule.queue_full, ()
        runners_up: tuple[RunnerUp, ...] = ()
        if explain:
            others = [one for one in self.sockets if one not in sockets]
            runners_up = tuple(RunnerUp(one, why_not(one, key, dev, rule, sockets)) for one in others)
        answer = "" if to_group else _answer(key, flags, rule, sockets)
        return Match(sockets[0] if sockets else None, rule, runners_up, sockets, answer)

    def accept(self, listener: Socket, key: FlowKey, name: str = "") -> Socket:
        """Add the socket of a connection, which a handshake with `listener` made, and return it.

        It has the local port of the listener, and what was set on that; `key` is that of the client's packets.

        >>> table = SocketTable.of("tcp:0.0.0.0:80,reuseaddr")
        >>> print(table.accept(table.sockets[0], FlowKey("tcp", "10.0.0.9", 4711, "10.0.0.1", 80)))
        tcp:10.0.0.1:80,peer=10.0.0.9:4711,reuseaddr
        """
        mapped = "::ffff:" if listener.family == 6 and ":" not in key.dst else ""
        local = Endpoint(mapped + key.dst, key.dstport)
        peer = Endpoint(mapped + key.src, key.srcport)
        child = replace(listener, local=local, peer=peer, backlog=None, name=name)
        own_name = str(replace(listener, backlog=None))
        if not name and listener.name.endswith(f" {own_name}"):  # it is called after its program
            child = replace(child, name=f"{listener.name.removesuffix(own_name)}{child}")
        child = self.add(child)
        self._queues.put(listener, child.name)
        return child

    def is_full(self, socket: Socket) -> bool:
        """Tell whether a socket is a listener that keeps no further connection until a program takes one."""
        return self._queues.is_full(socket)

    def take(self, listener: Socket) -> str:
        """Return the name of the connection that `accept` gives a program; empty if none waits.

        >>> table = SocketTable.of("tcp:0.0.0.0:80,backlog=0,name=web")
        >>> keys = [FlowKey("tcp", "10.0.0.9", port, "10.0.0.1", 80) for port in (4711, 4712)]
        >>> child = table.accept(table.named("web"), keys[0])
        >>> print(table.lookup(keys[1], explain=False), table.take(table.named("web")) == child.name)
        accept queue full True
        """
        return self._queues.take(listener)

    def took(self, child: Socket) -> None:
        """Note that a program has a connection, as what it sent shows."""
        self._queues.took(child.name)

    def remove(self, socket: Socket) -> None:
        """Close a socket of the table, and with a listener the connections that nobody took of it."""
        super().remove(socket)
        for name in self._queues.close(socket.name):
            if name in self:
                super().remove(self.named(name))

    # ---- one socket gets it

    def _one(self, key: FlowKey, dev: str) -> tuple[Rule, tuple[Socket, ...]]:
        if (connected := self._connected(key, dev)) is not None:
            return Rule.four_tuple, (connected,)
        for rule, address in ((Rule.address, key.dst), (Rule.wildcard, "")):
            found = self._best(key, dev, address)
            if found and found[0].peer is not None:
                return Rule.four_tuple, found
            if found:
                return (Rule.reuseport if len(found) > 1 else rule), found
        return Rule.nobody, ()

    def _connected(self, key: FlowKey, dev: str) -> Socket | None:
        """Return the socket of the four-tuple: the one connected last, but first the one at the head of its address.

        UDP looks at that one ahead of the lookup proper, to save a look at the route (early demultiplexing).
        """
        pair = (key.protocol, key.dst, key.dstport, key.src, key.srcport)
        head = self._chains.get((key.protocol, key.dst, key.dstport), [])[:1]
        for name in [*head, *self._pairs.get(pair, ())]:
            found = self._by_name[name]
            if pair_of(found) == pair and found.dev in ("", dev):
                return found
        return None

    def _best(self, key: FlowKey, dev: str, address: str) -> tuple[Socket, ...]:
        """Return the socket with the best score on an address, or the group that a hash chooses from."""
        best, found = -1, ()  # type: int, tuple[Socket, ...]
        for name in self._chains.get((key.protocol, address, key.dstport), ()):
            one = self._by_name[name]
            points = score(one, key, dev)
            if points <= best:
                continue
            group = self._groups.get(name) if one.peer is None else None
            members = tuple(self._by_name[member] for member in group.members) if group else ()
            members = tuple(member for member in members if member.peer is None)
            best, found = points, members or (one,)
            if group and members and not group.has_conns:
                break
        return found

    # ---- several get it

    def is_to_several(self, key: FlowKey) -> bool:
        """Tell whether a packet is for a multicast group or for everybody."""
        return key.dst in self.broadcasts or ipaddress.ip_address(key.dst).is_multicast

    def _copies(self, key: FlowKey, dev: str) -> tuple[Rule, tuple[Socket, ...]]:
        if key.protocol == "tcp":
            return Rule.nobody, ()
        if key.dst in self.broadcasts:
            rule = Rule.broadcast
        elif not self._has_joined(key.dst, dev):
            return Rule.not_a_member, ()
        else:
            rule = Rule.multicast
        fitting = tuple(self._fitting(key, dev))
        return (rule, fitting) if fitting else (Rule.nobody, ())

    def _has_joined(self, group: str, dev: str) -> bool:
        """Tell whether the host takes packets for a group off the interface: some socket joined it there."""
        wanted = {Membership(group), Membership(group, dev)} if dev else None
        everybody = (self.groups, *(one.groups for one in self.sockets))
        return group in ALL_HOSTS or any(
            joined & wanted if wanted else any(one.group == group for one in joined) for joined in everybody
        )

    def _fitting(self, key: FlowKey, dev: str) -> Iterator[Socket]:
        for one in self.sockets:
            if one.protocol == key.protocol and one.local.port == key.dstport and why_not(one, key, dev) == "":
                yield one


def score(socket: Socket, key: FlowKey, dev: str) -> int:
    """Return the points of a socket for a packet to its address and port; -1 if something that it is set to differs.

    Spec: compute_score of udp.c and inet_hashtables.c, version 6.18, and of their IPv6 twins.

    >>> key = FlowKey("udp", "10.0.0.9", 4711, "10.0.0.1", 53)
    >>> score(parse_socket("udp:10.0.0.1:53"), key, ""), score(parse_socket("udp:[::]:53,dev=eth0"), key, "eth0")
    (2, 5)
    """
    if why_not(socket, key, dev):
        return -1
    is_v6 = ":" in key.dst
    of_family = 0 if is_v6 else 1 + (socket.family == 4)
    if socket.protocol == "tcp":
        return of_family + bool(socket.dev)
    weight = 1 if is_v6 else 4
    return of_family + weight * (2 * (socket.peer is not None) + bool(socket.dev))


def _answer(key: FlowKey, flags: TcpFlags, rule: Rule, sockets: Sequence[Socket]) -> str:
    """Return what the host sends back by itself (RFC 1122 section 4.1.3.1, RFC 9293 section 3.10.7)."""
    if rule is Rule.queue_full:
        return ""
    if key.protocol == "udp":
        return "ICMP port unreachable" if rule is Rule.nobody else ""
    if flags.reset:
        return ""
    if rule is Rule.nobody or (flags.ack and sockets and sockets[0].is_listening):
        return "RST"
    return ""
