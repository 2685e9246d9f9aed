"""The answer of a lookup: who gets the packet, by which rule, and why each other socket does not."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from pktlab.flows.keys import FlowKey
from pktlab.flows.sockets import Endpoint, Membership, Socket, unmapped

__all__ = ["Match", "Rule", "RunnerUp", "why_not"]


class Rule(StrEnum):
    """What decided."""

    four_tuple = "four-tuple"  # a socket connected to the sender
    address = "address"  # bound to the address
    wildcard = "wildcard"  # bound to every address
    handshake = "handshake"  # the segment that makes the connection's socket
    reuseport = "reuseport"  # a hash chooses one of a group
    multicast = "multicast"  # every socket that fits gets a copy
    broadcast = "broadcast"
    nobody = "no socket"
    queue_full = "accept queue full"  # the listener keeps no further connection
    not_a_member = "not a member"  # the host did not join the group


@dataclass(frozen=True)
class RunnerUp:
    """A socket that did not get the packet, and why not."""

    socket: Socket
    reason: str


@dataclass(frozen=True)
class Match:
    """Who gets a packet.

    socket : the one that gets it, of several the first; None if there is none
    rule : what decided; runners_up : the other sockets, each with the reason why it lost
    sockets : all that get a copy (multicast, broadcast), or those among which the hash chooses (reuseport)
    answer : what the host itself sends back: ``"RST"``, ``"ICMP port unreachable"``, or nothing
    """

    socket: Socket | None
    rule: Rule
    runners_up: tuple[RunnerUp, ...] = ()
    sockets: tuple[Socket, ...] = ()
    answer: str = ""

    def __str__(self) -> str:
        names = ", ".join(one.name for one in self.sockets)
        if self.rule is Rule.reuseport:
            return f"one of {names} (by a hash of the four-tuple)"
        answer = f": {self.answer}" if self.answer else ""
        return f"{names} ({self.rule}){answer}" if names else f"{self.rule}{answer}"


def why_not(socket: Socket, key: FlowKey, dev: str, rule: Rule | None = None, winners: Sequence[Socket] = ()) -> str:
    """Return why a socket does not get a packet; empty if nothing it is set to keeps it from it.

    Parameters
    ----------
    key, dev : of the packet
    rule, winners : what the lookup came to, for the reason why one that fits lost to others

    >>> from pktlab.flows.sockets import parse_socket
    >>> key = FlowKey("udp", "10.0.0.9", 4711, "10.0.0.1", 53)
    >>> why_not(parse_socket("udp:10.0.0.2:53"), key, "")
    'it is bound to 10.0.0.2, the packet is for 10.0.0.1'
    """
    return _unfit(socket, key, dev) or (_lost(socket, key, rule, winners) if rule is not None else "")


def _unfit(socket: Socket, key: FlowKey, dev: str) -> str:
    """Return what it is set to that the packet is not."""
    version = 6 if ":" in key.dst else 4
    if socket.protocol != key.protocol:
        return f"it is a {socket.protocol.upper()} socket"
    if socket.local.port != key.dstport:
        return f"its port is {socket.local.port}, the packet is for {key.dstport}"
    if not socket.takes(version):
        return f"it takes no IPv{version}{' (v6only)' if socket.v6only else ''}"
    if not socket.is_wildcard and socket.address != key.dst:
        return f"it is bound to {socket.address}, the packet is for {key.dst}"
    sender = Endpoint(key.src, key.srcport)
    if socket.peer is not None and (unmapped(socket.peer.address), socket.peer.port) != sender:
        return f"it is connected to {socket.peer}, the packet is from {sender}"
    if socket.dev and socket.dev != dev:
        return f"it is bound to {socket.dev}, the packet came in on {dev or 'an unknown interface'}"
    return _no_member(socket, key.dst, dev)


def _no_member(socket: Socket, group: str, dev: str) -> str:
    """Return why it takes no packets for a group: IPv4 looks at the interface that was joined too, IPv6 does not.

    An IPv6 socket has no IP_MULTICAST_ALL for IPv4 groups: Linux sets that for IPv4 sockets (inet_create) and
    IPV6_MULTICAST_ALL for IPv6 ones (inet6_create), as `getsockopt` shows.
    """
    if not ipaddress.ip_address(group).is_multicast:
        return ""
    of_other_family = socket.family == 6 and ":" not in group
    if socket.multicast_all and not of_other_family:
        return ""
    joined = {one.group for one in socket.groups if ":" in group or one in (Membership(group), Membership(group, dev))}
    if group in joined:
        return ""
    why = "takes IPv4 groups only if it joined them" if of_other_family else "multicast_all is 0"
    return f"it is not a member of {group}, and {why}"


def _lost(socket: Socket, key: FlowKey, rule: Rule, winners: Sequence[Socket]) -> str:
    """Return why one that fits lost."""
    if not winners and rule is Rule.queue_full and socket.backlog is not None:
        return f"its accept queue is full: it keeps {socket.backlog + 1}, and drops the request"
    if not winners:
        return "the host is not in the group" if rule is Rule.not_a_member else "it takes no such packet"
    winner = winners[0]
    if rule is Rule.four_tuple:
        if socket.is_listening:
            return "it listens, and the packet belongs to a connection"
        if socket.peer is None:
            return f"{winner.name} is connected to the sender, and goes first"
        return f"{winner.name} is connected to the same peer, and stands in front of it"
    if not winner.is_wildcard and socket.is_wildcard:
        return f"it is bound to every address, {winner.name} to just this one"
    if bool(socket.dev) < bool(winner.dev):
        return f"it is on every interface, {winner.name} on just this one"
    if socket.family > winner.family:
        return f"it is an IPv6 socket, {winner.name} an IPv4 one"
    if rule is Rule.reuseport:
        return "a group with SO_REUSEPORT stands in front of it, and ends the search"
    return f"{winner.name} was bound after it, and the last one wins a tie"
